/*
 * domainfile - the note about a domain, read and put; see domainfile.h.
 */
#include "proxy/domains/domainfile.h"

#include "proxy/keys/keynote.h"

#include <dkim/address.h>

#include <stdlib.h>
#include <sys/random.h>

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

static const char *const way_names[] = { "delegated", "own", "no-mail" };
static const char *const colour_names[] = { "waiting", "green", "yellow",
                                            "red" };

const char *
domainfile_way_name(enum domain_way way)
{
    return way_names[way];
}

const char *
domainfile_colour_name(enum plan_colour colour)
{
    return colour_names[colour];
}

/* --- making ------------------------------------------------------------- */

struct domain_file *
domainfile_new(const char *domain, enum domain_way way)
{
    struct domain_file *file = calloc(1, sizeof(*file));

    if (file == NULL) {
        return NULL;
    }
    file->way = way;
    file->why = "";
    file->note = "";
    file->domain = strings_copy(&file->strings, bytes_str(domain));
    if (file->domain == NULL) {
        domainfile_free(&file);
    }
    return file;
}

void
domainfile_free(struct domain_file **file)
{
    if (*file != NULL) {
        strings_free(&(*file)->strings);
        free((*file)->tracks);
        free(*file);
        *file = NULL;
    }
}

static struct domain_track *
add_track(struct domain_file *file)
{
    if (file->track_count == file->track_cap) {
        size_t cap = file->track_cap == 0 ? 4 : file->track_cap * 2;
        struct domain_track *tracks =
            cap > 2 * DOMAIN_TRACKS_MAX
                ? NULL
                : realloc(file->tracks, cap * sizeof(*tracks));

        if (tracks == NULL) {
            return NULL;
        }
        file->tracks = tracks;
        file->track_cap = cap;
    }
    if (file->track_count == DOMAIN_TRACKS_MAX) {
        return NULL;
    }
    file->tracks[file->track_count] =
        (struct domain_track){ .alg = DKIM_ALG_RSA_SHA256, .user = "" };
    return file->tracks + file->track_count++;
}

bool
domainfile_token(char *out)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t random[DOMAIN_TOKEN];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return false;
    }
    for (size_t i = 0; i < DOMAIN_TOKEN; i++) {
        out[i] = letters[random[i] % 32];
    }
    out[DOMAIN_TOKEN] = '\0';
    return true;
}

static bool
fill_slots(struct domain_file *file, struct domain_track *track)
{
    char token[DOMAIN_TOKEN + 1];

    for (size_t i = 0; i < PLAN_SLOTS; i++) {
        track->slots[i].used_s = 0;
        track->slots[i].token =
            domainfile_token(token)
                ? strings_copy(&file->strings, bytes_str(token))
                : NULL;
        if (track->slots[i].token == NULL) {
            return false;
        }
    }
    track->slot_count = PLAN_SLOTS;
    return true;
}

struct domain_track *
domainfile_track(struct domain_file *file, enum dkim_alg alg, const char *user,
                 bool add)
{
    struct domain_track *track = NULL;

    for (size_t i = 0; i < file->track_count; i++) {
        if (file->tracks[i].alg == alg &&
            bytes_is_ci(bytes_str(user), file->tracks[i].user)) {
            track = file->tracks + i;
        }
    }
    if (!add) {
        return track;
    }
    if (track == NULL) {
        const char *name = strings_lower(&file->strings, bytes_str(user));

        track = name == NULL ? NULL : add_track(file);
        if (track == NULL) {
            return NULL;
        }
        track->alg = alg;
        track->user = name;
    }
    if (file->way == DOMAIN_DELEGATED && track->slot_count == 0 &&
        !fill_slots(file, track)) {
        return NULL;
    }
    return track;
}

bool
domainfile_is_earlier(const struct domain_file *file, const char *selector)
{
    for (size_t i = 0; i < file->earlier_count; i++) {
        if (strcmp(file->earlier[i], selector) == 0) {
            return true;
        }
    }
    return false;
}

bool
domainfile_is_slot(const struct domain_file *file, const char *selector)
{
    for (size_t i = 0; i < file->track_count; i++) {
        const struct domain_track *t = file->tracks + i;

        for (size_t s = 0; s < t->slot_count; s++) {
            if (strcmp(t->slots[s].token, selector) == 0) {
                return true;
            }
        }
    }
    return false;
}

bool
domainfile_earlier(struct domain_file *file, const char *selector)
{
    const char *copy;

    if (domainfile_is_earlier(file, selector)) {
        return true;
    }
    copy = strings_copy(&file->strings, bytes_str(selector));
    if (copy == NULL || file->earlier_count == DOMAIN_EARLIER_MAX) {
        return false;
    }
    file->earlier[file->earlier_count++] = copy;
    return true;
}

/* --- reading ------------------------------------------------------------ */

static const char *
set_word(const char *const *names, unsigned count, unsigned *out,
         const char *value, const char *allowed)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(value, names[i]) == 0) {
            *out = i;
            return NULL;
        }
    }
    return allowed;
}

static const char *
set_way(struct reading *r, const char *value)
{
    unsigned way = 0;
    const char *allowed =
        set_word(way_names, 3, &way, value, "delegated, own or no-mail");

    r->file->way = (enum domain_way)way;
    r->has_way = true;
    return allowed;
}

static const char *
set_colour(struct reading *r, const char *value)
{
    unsigned colour = 0;
    const char *allowed = set_word(colour_names, 4, &colour, value,
                                   "waiting, green, yellow or red");

    r->file->colour = (enum plan_colour)colour;
    return allowed;
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
    } else if ((r->track = add_track(r->file)) == NULL) {
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

/* --- writing ------------------------------------------------------------ */

static void
put_time(struct buf *out, const char *name, uint64_t time_s)
{
    char time[KEYNOTE_TIME];

    if (time_s != 0) {
        keynote_time(time_s, time);
        buf_printf(out, "%s = %s\n", name, time);
    }
}

static void
put_text(struct buf *out, const char *name, const char *text)
{
    char line[KEYNOTE_TEXT_MAX + 1];

    keynote_line(text, line, sizeof(line));
    if (line[0] != '\0') {
        buf_printf(out, "%s = %s\n", name, line);
    }
}

static void
put_track(const struct domain_track *t, struct buf *out)
{
    char time[KEYNOTE_TIME];

    buf_printf(out, "[track]\ntype = %s\nuser = %s\n",
               keynote_type_name(t->alg), t->user);
    for (size_t i = 0; i < t->slot_count; i++) {
        keynote_time(t->slots[i].used_s, time);
        buf_printf(out, "slot %s %s%s%s\n",
                   i == 0 ? "=" : "+=", t->slots[i].token,
                   time[0] == '\0' ? "" : " ", time);
    }
}

void
domainfile_put(const struct domain_file *file, struct buf *out)
{
    buf_printf(out, "[domain]\nway = %s\n", way_names[file->way]);
    put_time(out, "added", file->added_s);
    for (size_t i = 0; i < file->earlier_count; i++) {
        buf_printf(out, "earlier %s %s\n",
                   i == 0 ? "=" : "+=", file->earlier[i]);
    }
    buf_printf(out, "colour = %s\n", colour_names[file->colour]);
    put_time(out, "colour_since", file->colour_s);
    put_time(out, "checked", file->checked_s);
    put_text(out, "why", file->why);
    put_text(out, "note", file->note);
    for (size_t i = 0; i < file->track_count; i++) {
        put_track(file->tracks + i, out);
    }
}
