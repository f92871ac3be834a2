/*
 * domainfile - the note about a domain, made and put; see domainfile.h.
 */
#include "proxy/domains/domainfile.h"

#include "proxy/keys/keynote.h"

#include <stdlib.h>
#include <sys/random.h>

static const char *const way_names[] = { "delegated", "own", "no-mail" };
static const char *const colour_names[] = { "waiting", "green", "yellow",
                                            "red" };
enum {
    WAYS = sizeof(way_names) / sizeof(way_names[0]),
    COLOURS = sizeof(colour_names) / sizeof(colour_names[0])
};

const char *
domainfile_way_name(enum domain_way way)
{
    return way_names[way];
}

bool
domainfile_way_parse(const char *word, enum domain_way *way_out)
{
    for (unsigned i = 0; i < WAYS; i++) {
        if (strcmp(word, way_names[i]) == 0) {
            *way_out = (enum domain_way)i;
            return true;
        }
    }
    return false;
}

const char *
domainfile_colour_name(enum plan_colour colour)
{
    return colour_names[colour];
}

bool
domainfile_colour_parse(const char *word, enum plan_colour *colour_out)
{
    for (unsigned i = 0; i < COLOURS; i++) {
        if (strcmp(word, colour_names[i]) == 0) {
            *colour_out = (enum plan_colour)i;
            return true;
        }
    }
    return false;
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

struct domain_track *
domainfile_add_track(struct domain_file *file)
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

        track = name == NULL ? NULL : domainfile_add_track(file);
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
    if (text[0] != '\0') {
        buf_printf(out, "%s = %s\n", name, text);
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
    char line[KEYNOTE_TEXT_MAX + 1];

    buf_printf(out, "[domain]\nway = %s\n", way_names[file->way]);
    put_time(out, "added", file->added_s);
    for (size_t i = 0; i < file->earlier_count; i++) {
        buf_printf(out, "earlier %s %s\n",
                   i == 0 ? "=" : "+=", file->earlier[i]);
    }
    buf_printf(out, "colour = %s\n", colour_names[file->colour]);
    put_time(out, "colour_since", file->colour_s);
    put_time(out, "checked", file->checked_s);
    keynote_line(file->why, line, sizeof(line));
    put_text(out, "why", line);
    keynote_note(file->note, line);
    put_text(out, "note", line);
    for (size_t i = 0; i < file->track_count; i++) {
        put_track(file->tracks + i, out);
    }
}
