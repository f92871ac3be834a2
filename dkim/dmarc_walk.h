/*
 * dmarc_walk - up the DNS tree, label by label. RFC 9989 4.10.
 *
 * Names are tails of the domain that the walk is about, told by where in it
 * they start.
 */
#ifndef DKIM_DMARC_WALK_H
#define DKIM_DMARC_WALK_H

#include "dmarc_record.h"

#include <base/bytes.h>

#include <dkim/dmarc.h>
#include <dkim/dns.h>

struct dmarc_walk {
    char domain[DNS_NAME_MAX + 1];
    size_t at;    /* where in domain the name in question starts */
    bool over;    /* nothing more to ask */
    bool failed;  /* a look-up did: what is not found is not known */
    size_t found; /* records, from the longest name to the shortest */
    size_t where[DMARC_WALK_MAX];
    struct dmarc_record records[DMARC_WALK_MAX];
};

/* domain fits. */
void dmarc_walk_start(struct dmarc_walk *w, const char *domain);
/* Steps 1 and 5. False: too long a name for "_dmarc." before it: go up. */
bool dmarc_walk_question(const struct dmarc_walk *w, struct dns_question *q);
/* Steps 2 and 6: exactly one record with the version counts; then goes up. */
void dmarc_walk_answer(struct dmarc_walk *w, const struct dns_answer *a);
/* Steps 3, 4 and 7: one label less, and at most seven. */
void dmarc_walk_up(struct dmarc_walk *w);
/* 4.10.2: where in the domain its organization starts. */
size_t dmarc_walk_organization(const struct dmarc_walk *w);
/* The record found at that name, or NULL. */
const struct dmarc_record *dmarc_walk_record_at(const struct dmarc_walk *w,
                                                size_t at);

#endif
