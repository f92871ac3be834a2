/*
 * seen - what DNS says about one key, server by server.
 *
 * The survey (proxy/survey) fills it in, the life cycle (plan.h) and
 * the checker judge it. Who decides about keys knows no socket: a simulation
 * hands in a survey of its own.
 */
#ifndef PROXY_DOMAINS_SEEN_H
#define PROXY_DOMAINS_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whose server was asked. */
enum seen_role {
    SEEN_OWNER,   /* authoritative for the owner's domain */
    SEEN_TARGET,  /* authoritative for the zone that the CNAME points into */
    SEEN_RESOLVER /* a recursive one: the whole chain */
};

enum seen_what {
    SEEN_KEY,     /* a record with exactly our public key, fit to verify */
    SEEN_CNAME,   /* OWNER: the CNAME that we asked for */
    SEEN_REVOKED, /* a record with p= empty */
    SEEN_OTHER,   /* another key or CNAME, or a record nobody can use */
    SEEN_MISSING, /* no such name, or no such record */
    SEEN_BROKEN,  /* an error, a lame answer, DNSSEC bogus */
    SEEN_SILENT   /* no answer in time, or nobody there */
};

struct seen_at {
    enum seen_role role;
    enum seen_what what;
    char server[300];    /* "ns1.example.net [192.0.2.1]" */
    uint32_t ttl_s;      /* of what was seen */
    uint32_t negative_s; /* MISSING: how long that may be kept (RFC 2308) */
    char detail[200];    /* what was there instead, one sentence; "" */
};

/* What is asked: the name, and what should stand there. */
struct seen_question {
    const char *domain;     /* owner's domain */
    const char *selector;   /* without _domainkey */
    const char *target;     /* of the CNAME, no final dot; "": a TXT of the
                               owner's own */
    const char *public_b64; /* "": p= empty is wanted, or nothing is */
    bool ed25519;           /* k= */
};

struct seen {
    uint64_t time_s; /* since 1970 */
    struct seen_at *at;
    size_t count; /* 0: no server of the domain could be found */
};

/*
 * Asks for count keys at once. seen has room for count; each at is the
 * caller's, freed with seen_free(). False: no memory, nothing is set.
 * arg is the survey's own (or the simulation's).
 */
typedef bool seen_survey(void *arg, const struct seen_question *questions,
                         size_t count, struct seen *seen_out);

void seen_free(struct seen *seen, size_t count);

#endif
