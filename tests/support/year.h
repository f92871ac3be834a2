/*
 * year - a world for the life cycle of keys: owners, nameservers, resolvers
 * with caches, a zone, a clock, and everything that goes wrong with them.
 *
 * Seeded: the same seed is the same year. The world keeps its own book of
 * what was shown to the runs and what signed, and judges by that book alone:
 * it shares no code with the planner.
 */
#ifndef TESTS_SUPPORT_YEAR_H
#define TESTS_SUPPORT_YEAR_H

#include "proxy/domains/rotate.h"

enum {
    YEAR_NAMES = 64, /* selectors of all domains over a year */
    YEAR_TEXT = 200,
    YEAR_OWNERS = 2,
    YEAR_TARGETS = 2,
    YEAR_RESOLVERS = 2,
    YEAR_SERVERS = YEAR_OWNERS + YEAR_TARGETS + YEAR_RESOLVERS
};

/* What goes wrong, in percent of runs (or of answers, for servers). */
struct year_faults {
    unsigned silent;    /* an answer that does not come */
    unsigned lying;     /* an answer that is wrong */
    unsigned unknown;   /* a survey that finds no server at all */
    unsigned publisher; /* a publisher that fails, before or after its work */
    unsigned death;     /* a run that dies at some write */
    unsigned jump;      /* a clock that jumps */
    unsigned outage;    /* the beginning of days without something */
    unsigned emergency;
};

struct year_cache {
    char text[YEAR_TEXT];
    uint64_t until_s;
};

/* One selector of one domain, as the world has it and as it was shown. */
struct year_name {
    char domain[64];
    char selector[64];
    bool ours;                   /* behind a CNAME into our zone */
    bool owner_has[YEAR_OWNERS]; /* the CNAME, or the TXT */
    char owner_text[YEAR_TEXT];  /* not ours: the TXT */
    char primary[YEAR_TEXT];     /* ours: as last published */
    char target[YEAR_TARGETS][YEAR_TEXT];
    struct year_cache cache[YEAR_RESOLVERS];
    /* the book */
    uint64_t complete_s; /* shown everywhere since; 0: not */
    bool proved;         /* for as long as was to be waited */
    bool lost;           /* all that answered, of one kind, had another */
    uint64_t asked_s;    /* the last survey that asked for it */
    bool complete;       /* in that survey */
    uint64_t wait_s;     /* longest time of a contrary answer, of this key */
    uint64_t silent_s[YEAR_SERVERS]; /* since; 0: answered */
    uint64_t signed_s;               /* it was seen to sign last */
    bool was_active;
    bool condemned;
    bool used;                  /* its slot had a key before this one */
    uint64_t p_empty_s;         /* p= empty was published */
    char last_key[YEAR_TEXT];   /* the text before that */
    char public_b64[YEAR_TEXT]; /* of the key that is in it */
};

struct year {
    uint64_t random;
    struct year_faults faults;
    uint64_t now_s;
    struct rotate_conf rotate;
    struct keystore_conf store;
    char dir[64];
    struct year_name names[YEAR_NAMES];
    size_t name_count;
    uint64_t outage_until_s[4]; /* owner's records, one owner's server, the
                                   publisher, one target's copies */
    bool talks;                 /* every event to stdout */
    int deaths_left;            /* writes until death; -1: none */
    bool died;
    unsigned writes; /* that the last run asked for, colours left out */
    unsigned activations;
    unsigned deletions;
    unsigned deaths;
    unsigned stand_ins;
};

/* dir: an empty directory of the test's. */
void year_begin(struct year *y, uint64_t seed, const char *dir,
                const struct year_faults *faults);

uint64_t year_random(struct year *y, uint64_t below);

/* Delegated, in the store; migrating: with an active key of the owner's. */
void year_add_delegated(struct year *y, const char *domain, bool migrating);
/* Own keys: its owner publishes them, some days late. */
void year_add_own(struct year *y, const char *domain);

/* Lets time pass, things break and heal, and owners do their part. */
void year_pass(struct year *y, uint64_t seconds);

/* A run, and after it the judgement. wish NULL: --due. */
enum rotate_result year_run(struct year *y, const struct rotate_wish *wish);

/* `key rotate DOMAIN --emergency`. */
void year_condemn(struct year *y, const char *domain);

/* What must hold at any moment; fails the test. */
void year_judge(struct year *y, bool clean);

/* The selector that signs for the domain; "" for none. */
const char *year_signer(struct year *y, const char *domain);

/* The selector's place in the book; NULL: it has none. */
struct year_name *year_find(struct year *y, const char *domain,
                            const char *selector);

#endif
