/*
 * domainfile_read - the note about a domain, read; see domainfile.h.
 */
#include "proxy/domains/domainfile.h"
#include "proxy/keys/keynote.h"

#include <dkim/address.h>

struct reading {
    struct domain_file *file;
    enum {
        IN_NONE,
        IN_DOMAIN,
        IN_TRACK,
        IN_OTHER
    } in;                       /* which section */
    struct domain_track *track; /* IN_TRACK */
    struct conf_errors *errors;
    unsigned seen; /* settings of this section */
    bool has_way;
    bool bad;
};

/* What a setter says is allowed when it is not so; NULL: taken. */
typedef const char *setter(struct reading *r, const char *value);

static const char *
set_way(struct reading *r, const char *value)
{
    r->has_way = true;
    return domainfile_way_parse(value, &r->file->way)
               ? NULL
               : "delegated, own or no-mail";
}

static const char *
set_colour(struct reading *r, const char *value)
{
    return domainfile_colour_parse(value, &r->file->colour)
               ? NULL
               : "waiting, green, yellow or red";
}

static const char *
set_time(const char *value, uint64_t *time_out)
{
    return keynote_time_parse(value, time_out)
               ? NULL
               : "a UTC time as 2026-11-21T22:00:00Z";
}

static const char *
set_added(struct reading *r, const char *value)
{
    return set_time(value, &r->file->added_s);
}

static const char *
set_colour_since(struct reading *r, const char *value)
{
    return set_time(value, &r->file->colour_s);
}

static const char *
set_checked(struct reading *r, const char *value)
{
    return set_time(value, &r->file->checked_s);
}

static const char *
set_text(struct reading *r, const char *value, const char **text)
{
    const char *copy = strings_copy(&r->file->strings, bytes_str(value));

    *text = copy == NULL ? "" : copy;
    return copy == NULL ? "there is no memory" : NULL;
}

static const char *
set_why(struct reading *r, const char *value)
{
    return set_text(r, value, &r->file->why);
}

static const char *
set_note(struct reading *r, const char *value)
{
    return set_text(r, value, &r->file->note);
}

static const char *
set_earlier(struct reading *r, const char *value)
{
    char selector[DKIM_DOMAIN_MAX + 1];

    if (value[0] == '\0') {
        return NULL;
    }
    if (!keystore_selector_parse(bytes_str(value), selector) ||
        strcmp(selector, value) != 0 || !domainfile_earlier(r->file, value)) {
        return "a selector in lower case, at most 64 of them";
    }
    return NULL;
}

static const char *
set_type(struct reading *r, const char *value)
{
    return keynote_type_parse(value, &r->track->alg) ? NULL : "rsa or ed25519";
}

static const char *
set_user(struct reading *r, const char *value)
{
    const char *name = strings_lower(&r->file->strings, bytes_str(value));

    if (!keynote_owner_ok(value)) {
        return "a user's name";
    }
    r->track->user = name == NULL ? "" : name;
    return name == NULL ? "there is no memory" : NULL;
}

static const char *
set_slot(struct reading *r, const char *value)
{
    struct bytes rest = bytes_str(value);
    struct bytes word = bytes_take(rest, bytes_find(rest, ' '));
    struct bytes date = bytes_trim(bytes_skip(rest, word.len));
    struct domain_slot slot = { NULL, 0 };
    char token[DKIM_DOMAIN_MAX + 1];
    char time[KEYNOTE_TIME];

    if (r->track->slot_count == PLAN_SLOTS ||
        !keystore_selector_parse(word, token) || !bytes_is(word, token) ||
        strchr(token, '.') != NULL || !bytes_copy(date, time, sizeof(time)) ||
        !keynote_time_parse(time, &slot.used_s)) {
        return "a token and, behind it, a UTC time; three slots";
    }
    slot.token = strings_copy(&r->file->strings, word);
    if (slot.token == NULL) {
        return "there is no memory";
    }
    r->track->slots[r->track->slot_count++] = slot;
    return NULL;
}

struct setting {
    const char *name;
    setter *set;
    bool append;
};
static const struct setting of_domain[] = {
    { "way", set_way, false },
    { "added", set_added, false },
    { "earlier", set_earlier, true },
    { "colour", set_colour, false },
    { "colour_since", set_colour_since, false },
    { "checked", set_checked, false },
    { "why", set_why, false },
    { "note", set_note, false },
    { NULL, NULL, false },
};
static const struct setting of_track[] = {
    { "type", set_type, false },
    { "user", set_user, false },
    { "slot", set_slot, true },
    { NULL, NULL, false },
};

static void
fail(struct reading *r, const struct conf_entry *e, const char *text)
{
    r->bad = true;
    conf_error(r->errors, e->file, e->line, "%s", text);
}

static void
begin_section(struct reading *r, const struct conf_entry *e)
{
    r->seen = 0;
    r->track = NULL;
    r->in = IN_OTHER;
    if (strcmp(e->section, "domain") == 0) {
        r->in = IN_DOMAIN;
    } else if (e->faulty) {
        r->bad = true;
    } else if (strcmp(e->section, "track") != 0) {
        fail(r, e, "unknown section; [domain] and [track]");
    } else if ((r->track = domainfile_add_track(r->file)) == NULL) {
        fail(r, e, "no room for another track; at most 4000");
    } else {
        r->in = IN_TRACK;
    }
}

static void
take_entry(const struct conf_entry *e, void *arg)
{
    struct reading *r = arg;
    const struct setting *s = r->track == NULL ? of_domain : of_track;
    const char *allowed;
    unsigned bit = 1;

    if (e->key == NULL) {
        begin_section(r, e);
        return;
    }
    if (r->in == IN_NONE) {
        fail(r, e, "stands in no section; [domain] or [track]");
        return;
    }
    if (r->in == IN_OTHER) {
        return; /* the section was complained about */
    }
    for (; s->name != NULL && strcmp(s->name, e->key) != 0; s++) {
        bit <<= 1;
    }
    if (s->name == NULL) {
        fail(r, e, "unknown setting; what sealpost domain writes");
        return;
    }
    if (((r->seen & bit) != 0) != (e->append && s->append)) {
        fail(r, e, "the setting stands here twice, or `+=` comes first; once");
        return;
    }
    r->seen |= bit;
    allowed = s->set(r, e->value);
    if (allowed != NULL) {
        r->bad = true;
        conf_error(r->errors, e->file, e->line, "bad value of %s; %s", s->name,
                   allowed);
    }
}

/* Two tracks of one kind, or half a ring, would make two states of one. */
static bool
is_whole(const struct domain_file *file, const char *name,
         struct conf_errors *errors)
{
    size_t slots = file->way == DOMAIN_DELEGATED ? PLAN_SLOTS : 0;

    for (size_t i = 0; i < file->track_count; i++) {
        const struct domain_track *t = file->tracks + i;

        if (t->slot_count != slots) {
            conf_error(errors, name, 0,
                       "track %zu has %zu slots; three when way = delegated, "
                       "else none",
                       i + 1, t->slot_count);
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (file->tracks[j].alg == t->alg &&
                strcmp(file->tracks[j].user, t->user) == 0) {
                conf_error(errors, name, 0,
                           "tracks %zu and %zu have the same type and user; "
                           "one of each",
                           j + 1, i + 1);
                return false;
            }
        }
    }
    return true;
}

struct domain_file *
domainfile_read(struct bytes text, const char *domain, const char *name,
                struct conf_errors *errors)
{
    struct reading r = { .file = domainfile_new(domain, DOMAIN_OWN),
                         .errors = errors };

    if (r.file == NULL) {
        return NULL;
    }
    if (!conf_read_text(text, name, take_entry, &r, errors) || r.bad) {
        domainfile_free(&r.file);
    } else if (!r.has_way) {
        conf_error(errors, name, 0,
                   "way is missing in [domain]; delegated, "
                   "own or no-mail");
        domainfile_free(&r.file);
    } else if (!is_whole(r.file, name, errors)) {
        domainfile_free(&r.file);
    }
    return r.file;
}
