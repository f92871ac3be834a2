/*
 * identities - who holds handles, and what each has done so far.
 *
 * One identity for each user's name and way in: by password, or asserted by a
 * worker for a trusted network. Its counts outlive its handles, for
 * statistics. No locks: the caller has one.
 */
#ifndef PROXY_KEEPER_IDENTITIES_H
#define PROXY_KEEPER_IDENTITIES_H

#include <base/bytes.h>

#include <proxy/keeper/protocol.h>

struct identity {
    char name[KEEPER_USER_MAX + 1]; /* lower case; "": the loopback identity */
    bool asserted;
    uint64_t logins;
    uint64_t signatures;
    uint64_t refusals; /* of signatures */
    uint64_t signed_s; /* the last one, since 1970; 0: none in this life */
    bool signed_news;  /* it is not in the book yet (books.h) */
    char signed_domain[KEEPER_DOMAIN_MAX + 1];
    char signed_selector[KEEPER_SELECTOR_MAX + 1];
    struct identity *next; /* private */
    unsigned refs;         /* private */
};

struct identities;

/* NULL: no memory. */
struct identities *identities_new(void);
void identities_free(struct identities **ids);

/* With a reference for the caller, made when new. NULL: no memory. */
struct identity *identities_get(struct identities *ids, struct bytes name,
                                bool asserted);
/* One more reference. */
struct identity *identities_hold(struct identity *identity);
/* One less; *identity is NULL afterwards; NULL is fine. */
void identities_drop(struct identity **identity);

/* Forgets those without handles for whom gone(name, arg) is true. */
void identities_sweep(struct identities *ids,
                      bool (*gone)(const char *name, void *arg), void *arg);
/* Calls each() for all of them. */
void identities_each(struct identities *ids,
                     void (*each)(struct identity *identity, void *arg),
                     void *arg);
size_t identities_count(const struct identities *ids);

#endif
