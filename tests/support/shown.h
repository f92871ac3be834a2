/*
 * shown - facts put together from what servers are to have shown, and the
 * findings they lead to as one line.
 */
#ifndef TESTS_SUPPORT_SHOWN_H
#define TESTS_SUPPORT_SHOWN_H

#include "dns_message.h"
#include "proxy/survey/findings.h"

#define NAME   "sel._domainkey.example.com"
#define TARGET "tok.dkim.relay.example"
#define OURS   "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

enum wanted {
    OWN,       /* a TXT record of the owner's, with OURS */
    DELEGATED, /* a CNAME to TARGET, with OURS behind it */
    FREE,      /* the same, no key yet */
    ANY,       /* whatever is there */
    REVOKED    /* p= empty is wanted */
};

enum {
    O = SEEN_OWNER,
    T = SEEN_TARGET,
    R = SEEN_RESOLVER,
    BOGUS = 8 /* beside R */
};

/* Adds to what message_begin() made of the query. */
typedef void make_answer(struct message *m);

struct shown {
    make_answer *make; /* NULL: see end */
    enum fact_place place;
    int role; /* with BOGUS */
    enum direct_end end;
    const char *trouble;
};

/* The name asked for at each place. */
extern const char *const shown_places[PLACES];

/* One more sight, up to six a place; facts_free() frees it. */
void shown_add(struct facts *f, const struct shown *shown);

/* The key sel of example.com; its texts are constants. */
void shown_key(struct fact_key *key, enum wanted kind);

/* Sorted, with a blank between. */
void shown_ids(const struct findings *f, char *out, size_t cap);

#endif
