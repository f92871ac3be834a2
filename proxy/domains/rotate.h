/*
 * rotate - one run of the life cycle: survey, plan, publish, write down.
 *
 * A run takes the lock of STATE_DIR/domains, reads everything, asks DNS about
 * the keys that are meant, and then does what the planner (plan.h) says until
 * it says "wait". Each step is written with one replaced file, the zone is
 * changed before the note that says so, and a new key signs before the old one
 * ends: who dies in between leaves facts that the next run heals. Two runs at
 * once: the second waits for the lock and finds nothing left to do.
 *
 * DNS, the zone, the time and the end of the world are arguments, so that a
 * year can be simulated.
 */
#ifndef PROXY_DOMAINS_ROTATE_H
#define PROXY_DOMAINS_ROTATE_H

#include <base/buf.h>

#include <proxy/domains/domainfile.h>
#include <proxy/domains/plan.h>
#include <proxy/domains/seen.h>
#include <proxy/publish/publish.h>
#include <proxy/users/view.h>

enum rotate_kind {
    ROTATE_STEP,        /* a step was taken (or would be: dry run) */
    ROTATE_FAILED,      /* a step could not be taken */
    ROTATE_WAITS,       /* a track waits: for what, and until when */
    ROTATE_UNPUBLISHED, /* the zone could not be changed */
    ROTATE_COLOUR,      /* a domain's colour has changed */
    ROTATE_STUCK,       /* something waits for too long */
    ROTATE_FAULT        /* the record of a key that signs is at fault */
};

/* Lent for the call. Texts are "" where they do not apply. */
struct rotate_event {
    enum rotate_kind kind;
    const char *domain;
    const char *selector;
    const char *user; /* of the track */
    enum dkim_alg alg;
    enum plan_step step;
    enum plan_colour colour; /* COLOUR: the new one */
    enum plan_colour was;    /* COLOUR: the old one */
    uint64_t when_s;         /* WAITS: 0: when DNS changes */
    const char *why;
};
typedef void rotate_told(void *arg, const struct rotate_event *event);

/* False: die here, without this write and any later one. */
typedef bool rotate_alive(void *arg, const char *before);

/* May another key take over from this one? False: why_out says why not. */
typedef bool rotate_may(void *arg, const char *domain, const char *selector,
                        uint64_t activated_s, struct buf *why_out);

struct rotate_world {
    const struct keystore_conf *store;
    const struct rotate_conf *rotate;
    unsigned expire_s; /* [sign] expire */
    uint64_t now_s;
    const struct view *users; /* whose fixed selectors stay; NULL: nobody's */
    seen_survey *survey;
    void *survey_arg;
    publish_function *publish;
    void *publish_arg;
    void (*record)(const struct keystore_key *key, struct buf *out); /* TXT */
    rotate_told *told; /* may be NULL, like the two below */
    void *told_arg;
    rotate_alive *alive;
    void *alive_arg;
    rotate_may *may;
    void *may_arg;
};

struct rotate_wish {
    const char *const *domains; /* in lower case */
    size_t count;               /* 0: all */
    bool now;                   /* their next keys have their turn now */
    bool emergency;             /* their keys in use are condemned */
    bool force;                 /* and stop signing, whatever follows */
    const char *selector;       /* emergency: this key only; NULL */
    bool dry_run;               /* nothing is written or published */
};

enum rotate_result {
    ROTATE_OK,
    ROTATE_INCOMPLETE, /* something failed and was told; come again */
    ROTATE_DIED,       /* alive said so */
    ROTATE_UNREADABLE  /* keys, notes or the lock: errors has lines */
};

/* changed_out: a key's note was written; who signs must reload. */
enum rotate_result rotate_run(const struct rotate_world *world,
                              const struct rotate_wish *wish,
                              struct conf_errors *errors, bool *changed_out);

/*
 * Takes a domain away: its slots' records out of the zone, its keys, its
 * note. `wish` is not asked. keys false: only records and the note.
 */
enum rotate_result rotate_forget(const struct rotate_world *world,
                                 const char *domain, bool keys,
                                 struct conf_errors *errors);

/* One key for ever, and its record when it stands in a slot. */
enum rotate_result rotate_delete(const struct rotate_world *world,
                                 const char *domain, const char *selector,
                                 struct conf_errors *errors);

/* --- for tables: the same facts, without DNS and without the lock ------- */

struct rotate_facts;

/* NULL: errors has lines, or no memory. */
struct rotate_facts *rotate_facts_load(const struct rotate_world *world,
                                       struct conf_errors *errors);
void rotate_facts_free(struct rotate_facts **facts);
/* All tracks, by domain; NULL behind the last. */
const struct plan_track *rotate_facts_track(const struct rotate_facts *facts,
                                            size_t n);
/* NULL: the domain has no note. */
const struct domain_file *rotate_facts_file(const struct rotate_facts *facts,
                                            const char *domain);

#endif
