/*
 * plan - the next step in the life of keys, and the condition it waits for.
 *
 *   new -> published -> active -> retiring -> revoked -> deleted
 *
 * Pure: keys with their dates, what DNS showed, the settings and the time
 * come in; one step comes out. The executor (rotate.h) takes it, writes it
 * down and asks again, until the answer is "wait". It may die at any moment:
 * the next run finds the facts and continues.
 *
 * A track is what takes turns: the keys of one domain, algorithm and owner.
 * In a delegated domain its three slots hold the key that signs, the next
 * one, already published and proved, and the one that retires.
 *
 * CONDITIONS
 *   published   the publisher put it into the zone; an owner's own record:
 *               it was seen somewhere
 *   proved      seen everywhere (sight.h) for max(4 h, TTLs of what was there
 *               before, negative TTLs) without a contrary sight; 24 h in a
 *               slot that had a key before
 *   active      proved, seen everywhere in this very run, and its turn: no
 *               key signs yet, `every` is over, asked for by name, or the key
 *               that signs is condemned
 *   retiring    a proved key signs in its place
 *   revoked     max(retire, expire + 7 d) later, with the key in its place
 *               seen everywhere; at once when condemned
 *   deleted     `revoked` later, and DNS does not show it any more
 */
#ifndef PROXY_DOMAINS_PLAN_H
#define PROXY_DOMAINS_PLAN_H

#include <proxy/config/conf.h>
#include <proxy/domains/seen.h>
#include <proxy/keys/keystore.h>

enum {
    PLAN_SLOTS = 3,
    PLAN_WAIT_S = 4 * 3600,         /* the least time until proved */
    PLAN_WAIT_USED_S = 24 * 3600,   /* the same in a used slot */
    PLAN_EXPIRE_MORE_S = 7 * 86400, /* retiring goes on so long behind x= */
    PLAN_CLOCK_SLACK_S = 3600,      /* dates so far ahead are believed */
    PLAN_STUCK_S = 3 * 86400,       /* then a wait is worth a notice */
    PLAN_TEXT = 200
};

enum plan_step {
    PLAN_WAIT,     /* nothing now; when_s and why say for what */
    PLAN_NOTE,     /* write `after`: what was seen */
    PLAN_CREATE,   /* make a key, in `slot` or under a new selector */
    PLAN_PUBLISH,  /* put the record into the zone, then write `after` */
    PLAN_PROVE,    /* write `after`: it may sign from now on */
    PLAN_ACTIVATE, /* write `after`: it signs */
    PLAN_RETIRE,   /* write `after`: it signs no more */
    PLAN_REVOKE,   /* put p= empty (a slot's), then write `after` */
    PLAN_DELETE    /* take the record away (a slot's), then the key */
};

struct plan_key {
    const struct keystore_key *key;
    const struct seen *seen; /* in this run; NULL: nobody was asked */
    bool ours;               /* stands in a slot: we publish */
};

struct plan_slot {
    const char *token;
    uint64_t used_s;         /* when a key was put into it; 0: never */
    const struct seen *seen; /* of a free slot; else NULL */
};

/* All of it is lent by the caller. */
struct plan_track {
    const char *domain;
    enum dkim_alg alg;
    const char *owner; /* a user; "" for the domain's own */
    bool delegated;    /* new keys go into slots */
    bool managed;      /* new keys are made and old ones deleted */
    bool fixed;        /* a user's fixed selector: never rotated */
    bool now;          /* asked for by name: it is the next key's turn */
    const char *pause; /* why it may not rotate now; NULL: it may */
    struct plan_slot slots[PLAN_SLOTS];
    size_t slot_count;           /* 0 when not delegated */
    const struct plan_key *keys; /* in the order of their selectors */
    size_t count;
};

struct plan_rules {
    const struct rotate_conf *rotate;
    unsigned expire_s; /* [sign] expire */
    uint64_t now_s;
};

/* Not to be copied: after.life points into it, and into the track. */
struct plan {
    enum plan_step step;
    size_t key;  /* in the track; CREATE and a general WAIT: its count */
    size_t slot; /* CREATE: in the track; slot_count: a new selector */
    struct keystore_key after;
    unsigned bits;   /* CREATE, RSA */
    uint64_t when_s; /* WAIT: the earliest time; 0: when DNS changes */
    char why[PLAN_TEXT];
    struct key_silence silent[KEY_SILENCES_MAX];
};

void plan_next(const struct plan_track *track, const struct plan_rules *rules,
               struct plan *plan_out);

/* What `key list` shows: this key's next step, its time (0: unknown) and
 * condition, as far as the notes tell; DNS is not needed for it. */
void plan_outlook(const struct plan_track *track,
                  const struct plan_rules *rules, size_t key,
                  struct plan *plan_out);

const char *plan_step_name(enum plan_step step); /* "activate" */

/* --- health ------------------------------------------------------------- */

enum plan_colour {
    PLAN_WAITING, /* its first key is not proved yet */
    PLAN_GREEN,
    PLAN_YELLOW, /* signs well, but something waits too long */
    PLAN_RED     /* the record of the key that signs is gone or differs */
};

/* why_out: room for PLAN_TEXT; "" when green. stuck_out: a wait longer than
 * PLAN_STUCK_S. */
enum plan_colour plan_colour(const struct plan_track *track,
                             const struct plan_rules *rules, char *why_out,
                             bool *stuck_out);

/* The key that signs: the newest active one. count: none. */
size_t plan_active(const struct plan_track *track);

/* How long a key retires. */
unsigned plan_retire_s(const struct plan_rules *rules);

#endif
