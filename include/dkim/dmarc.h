/*
 * dmarc - does the author's domain stand behind this message? RFC 9989.
 *
 *   d = dmarc_new(&input)
 *   while (dmarc_run(d, &q) == DMARC_ASK) dmarc_answer(d, answer to q)
 *   dmarc_outcome(d)
 *
 * Policies and organizational domains are found by walking up the DNS tree
 * (4.10); there is no public suffix list. One question at a time; at most
 * DMARC_QUESTIONS_MAX of them.
 */
#ifndef DKIM_DMARC_H
#define DKIM_DMARC_H

#include <base/bytes.h>

#include <dkim/dns.h>

enum dmarc_result {
    DMARC_NONE,      /* the domain has no policy */
    DMARC_PASS,      /* an aligned identifier passed */
    DMARC_FAIL,      /* none did */
    DMARC_TEMPERROR, /* a look-up that was needed failed */
    DMARC_PERMERROR, /* there is no single author domain in ASCII */
    DMARC_RESULTS
};

enum dmarc_policy {
    DMARC_POLICY_NONE,
    DMARC_POLICY_QUARANTINE,
    DMARC_POLICY_REJECT,
    DMARC_POLICIES
};

enum dmarc_step {
    DMARC_ASK, /* answer *q_out with dmarc_answer() */
    DMARC_DONE
};

enum {
    DMARC_WALK_MAX = 8,  /* 4.10: questions of one walk */
    DMARC_DKIM_MAX = 16, /* different d= looked at; the rest are not */
    DMARC_QUESTIONS_MAX = DMARC_WALK_MAX * (DMARC_DKIM_MAX + 2) + 1
};

/* Copied. Domains are in lower case without a final dot, as dkim/address.h,
 * dkim/verify.h and dkim/spf.h give them. */
struct dmarc_input {
    const char *author;      /* of From; "" or NULL: there is no single one */
    const char *const *dkim; /* d= of each signature that passes */
    size_t dkim_count;
    const char *spf; /* spf_dmarc_domain(); "" or NULL: none */
};

struct dmarc_outcome {
    enum dmarc_result result;
    const char *reason;          /* one static sentence, no full stop */
    enum dmarc_policy policy;    /* asked for; NONE unless result is FAIL */
    enum dmarc_policy published; /* the same before t=y lowered it */
    const char *tag;             /* where it was: "p", "sp", "np" or "" */
    bool testing;                /* t=y */
    char author[DNS_NAME_MAX + 1];
    char policy_domain[DNS_NAME_MAX + 1]; /* whose record holds, or "" */
    char organization[DNS_NAME_MAX + 1];  /* of the author; "": not needed */
    bool dkim_aligned, spf_aligned;
    char dkim_domain[DNS_NAME_MAX + 1]; /* the aligned d=, or "" */
    bool dkim_strict, spf_strict;       /* adkim=s, aspf=s */
};

struct dmarc;

/* NULL: no memory. */
struct dmarc *dmarc_new(const struct dmarc_input *input);
enum dmarc_step dmarc_run(struct dmarc *d, struct dns_question *q_out);
void dmarc_answer(struct dmarc *d, const struct dns_answer *answer);
/* After DMARC_DONE; lent until dmarc_free(). */
const struct dmarc_outcome *dmarc_outcome(const struct dmarc *d);
void dmarc_free(struct dmarc **d);

/* "pass", "quarantine" */
const char *dmarc_result_name(enum dmarc_result result);
const char *dmarc_policy_name(enum dmarc_policy policy);

struct dkim_authres;
/* Appends "dmarc=RESULT header.from=DOMAIN". RFC 9989 9.1 (8601 registry). */
void dmarc_authres(struct dkim_authres *a, const struct dmarc *d);

#endif
