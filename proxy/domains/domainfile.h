/*
 * domainfile - what is known about one domain: STATE_DIR/domains/DOMAIN.conf.
 *
 *   [domain]
 *   way = delegated                    delegated own no-mail
 *   added = 2026-11-21T22:00:00Z
 *   earlier = sp202611a                selectors of before the CNAMEs
 *   earlier += ...
 *   colour = green                     waiting green yellow red: the last run
 *   colour_since = 2026-11-21T22:00:00Z
 *   checked = 2026-11-21T22:00:00Z
 *   why =                              the colour, in a sentence
 *   note =
 *   [track]                            one for each algorithm and user
 *   type = rsa                         rsa ed25519
 *   user =                             empty: the domain's own
 *   slot = TOKEN                       delegated: three of them
 *   slot += TOKEN 2026-11-21T22:00:00Z when a key was last put into it
 *
 * Files are written whole or not at all; who changes one holds the lock.
 *
 * OWNERSHIP
 *   domainfile_new(), _read(), _load()   caller owns until domainfile_free()
 *   texts in it are kept by its strings, and never NULL
 */
#ifndef PROXY_DOMAINS_DOMAINFILE_H
#define PROXY_DOMAINS_DOMAINFILE_H

#include <base/buf.h>

#include <proxy/domains/plan.h>
#include <proxy/keys/keystore.h>
#include <proxy/users/strings.h>

enum domain_way {
    DOMAIN_DELEGATED,
    DOMAIN_OWN,
    DOMAIN_NO_MAIL
};

enum {
    DOMAIN_TOKEN_MAX = 63,
    DOMAIN_TOKEN = 26, /* letters of a new one: 130 random bits */
    DOMAIN_TRACKS_MAX = 4000,
    DOMAIN_EARLIER_MAX = 64
};

struct domain_slot {
    const char *token;
    uint64_t used_s; /* 0: never */
};

struct domain_track {
    enum dkim_alg alg;
    const char *user; /* lower case; "" */
    struct domain_slot slots[PLAN_SLOTS];
    size_t slot_count; /* 0 or PLAN_SLOTS */
};

struct domain_file {
    const char *domain;
    enum domain_way way;
    uint64_t added_s;
    const char *earlier[DOMAIN_EARLIER_MAX];
    size_t earlier_count;
    enum plan_colour colour;
    uint64_t colour_s;
    uint64_t checked_s; /* 0: never */
    const char *why;
    const char *note;
    struct domain_track *tracks;
    size_t track_count;
    size_t track_cap;       /* private */
    struct strings strings; /* private */
};

/* An empty one. NULL: no memory. */
struct domain_file *domainfile_new(const char *domain, enum domain_way way);
void domainfile_free(struct domain_file **file);

/* From memory; name stands for the file in errors. NULL: an error line was
 * added, or no memory. */
struct domain_file *domainfile_read(struct bytes text, const char *domain,
                                    const char *name,
                                    struct conf_errors *errors);
void domainfile_put(const struct domain_file *file, struct buf *out);

/* NULL: there is none (no line), or it is faulty (a line). */
struct domain_file *domainfile_load(const struct keystore_conf *conf,
                                    const char *domain,
                                    struct conf_errors *errors);
/* False: errno says why. */
bool domainfile_save(const struct keystore_conf *conf,
                     const struct domain_file *file);
bool domainfile_remove(const struct keystore_conf *conf, const char *domain);

/*
 * The names of all domains that have a file, sorted, kept by s; NULL: no
 * memory or an error line. A directory that is missing is empty.
 */
const char **domainfile_names(const struct keystore_conf *conf,
                              struct strings *s, size_t *count_out,
                              struct conf_errors *errors);

/* Waits for the right to change domains and their keys. The descriptor ends
 * it when closed. -1: errno. */
int domainfile_lock(const struct keystore_conf *conf);

/*
 * The track of this algorithm and user, in any case. add: made when missing,
 * with slots of new random tokens in a delegated domain. NULL: none, or no
 * memory.
 */
struct domain_track *domainfile_track(struct domain_file *file,
                                      enum dkim_alg alg, const char *user,
                                      bool add);
/* An empty one more. NULL: no memory, or too many. */
struct domain_track *domainfile_add_track(struct domain_file *file);
/* False: no memory, or too many. */
bool domainfile_earlier(struct domain_file *file, const char *selector);
/* Is this one of its slots' tokens? */
bool domainfile_is_slot(const struct domain_file *file, const char *selector);
bool domainfile_is_earlier(const struct domain_file *file,
                           const char *selector);

/* room: DOMAIN_TOKEN + 1. False: no randomness. */
bool domainfile_token(char *out);

/* "own", "green"; and back, false for another word. */
const char *domainfile_way_name(enum domain_way way);
bool domainfile_way_parse(const char *word, enum domain_way *way_out);
const char *domainfile_colour_name(enum plan_colour colour);
bool domainfile_colour_parse(const char *word, enum plan_colour *colour_out);

#endif
