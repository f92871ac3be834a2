/*
 * facts - all that DNS shows around one key: where it belongs, and where
 * people put it by mistake.
 *
 * OWNERSHIP: facts_gather() fills in sights that belong to the facts until
 * facts_free(); the key's texts are borrowed as long.
 */
#ifndef PROXY_SURVEY_FACTS_H
#define PROXY_SURVEY_FACTS_H

#include <proxy/survey/look.h>

enum fact_place {
    PLACE_RECORD,   /* S._domainkey.D, TXT: everybody is asked */
    PLACE_ALIAS,    /* the same name, CNAME; from here on the owner's servers */
    PLACE_RANDOM,   /* a name nobody made: RANDOM._domainkey.D */
    PLACE_PREFIXED, /* _domainkey.S.D; from here on only when all is not well */
    PLACE_BARE,     /* S.D */
    PLACE_PLAIN,    /* S.domainkey.D */
    PLACE_UNNAMED,  /* _domainkey.D */
    PLACE_APEX,     /* D */
    PLACE_DOUBLED,  /* S._domainkey.D.D */
    PLACES
};

/* What is looked for. */
struct fact_key {
    const char *domain;
    const char *selector;
    const char *target;     /* of the CNAME, no final dot; "": none is wanted */
    const char *public_b64; /* p=; "": unknown, judge what is there */
    bool ed25519;
    bool revoked;     /* p= empty is wanted */
    bool waiting;     /* made, but not to be published by us or not yet */
    bool test_mode;   /* t=y is meant */
    const char *zone; /* [rotate] zone, where CNAMEs point; "" */
};

struct facts {
    struct fact_key key;
    char names[PLACES][DNS_NAME_MAX + 1]; /* "": no such name can be */
    struct sight *sights[PLACES];
    size_t counts[PLACES];
};

struct facts_options {
    const struct dns_conf *dns;
    bool resolvers_only; /* [rotate] prove = resolver */
    void (*progress)(void *arg, size_t done, size_t count); /* or NULL */
    void *arg;
};

/* list[i].key is set, all else zero. False: no memory. */
bool facts_gather(struct facts *list, size_t count,
                  const struct facts_options *options);
void facts_free(struct facts *facts);

/* What the survey would ask about the key. */
struct seen_question facts_question(const struct fact_key *key);

#endif
