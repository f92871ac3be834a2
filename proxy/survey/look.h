/*
 * look - records as every server that may be asked shows them.
 *
 * For each name: the authoritative servers of its zone, those of the zone
 * that its CNAME points into, and the resolvers. Nothing is judged here.
 * A command's own event loop runs inside.
 *
 * LOOK_NAMES_MAX names at a time, ASKER_IN_FLIGHT_MAX questions; each costs a
 * round trip, or two tries where a server is silent.
 */
#ifndef PROXY_SURVEY_LOOK_H
#define PROXY_SURVEY_LOOK_H

#include <proxy/config/conf.h>
#include <proxy/dns/direct.h>
#include <proxy/domains/seen.h>

enum {
    LOOK_NAMES_MAX = 100,
    LOOK_SIGHTS_MAX = 64, /* of one name; more servers are not asked */
    LOOK_SERVER_MAX = 300,
    LOOK_OWNER = 1 << SEEN_OWNER, /* whom to ask: bits */
    LOOK_TARGET = 1 << SEEN_TARGET,
    LOOK_RESOLVER = 1 << SEEN_RESOLVER
};

/* What one server said, or why it said nothing. */
struct sight {
    enum seen_role role;
    char server[LOOK_SERVER_MAX];    /* "ns1.example.net [192.0.2.1]" */
    char name[DNS_NAME_MAX + 1];     /* whose record it was asked for */
    const char *trouble;             /* nobody could be asked; else NULL */
    enum direct_end end;             /* with trouble: SILENT when it may pass */
    const struct raw_answer *answer; /* with ANSWERED; the sight's */
    bool bogus; /* a resolver failed, but not when told not to validate */
    bool own;   /* a resolver of [dns] nameserver */
};

struct look_name {
    const char *name;   /* borrowed until look() returns; lower case, and a
                           name that can exist */
    const char *target; /* of its CNAME, whose servers are asked too; "": the
                           CNAME that is found there, if one is */
    unsigned type;      /* RAW_TYPE_* */
    unsigned roles;     /* LOOK_* bits */
};

/* The sights of names[index], by role and server; lent for the call, answers
 * as well: raw_ref() keeps them. False: no memory; the look ends. */
typedef bool look_done(void *arg, size_t index, const struct sight *sights,
                       size_t count);

struct look_options {
    const struct dns_conf *dns; /* borrowed for the call */
    look_done *done;
    void (*progress)(void *arg, size_t done, size_t count); /* or NULL */
    void *arg;                                              /* of both */
};

/* False: no memory. */
bool look(const struct look_options *options, const struct look_name *names,
          size_t count);

#endif
