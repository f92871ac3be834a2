/*
 * verify - the DKIM signatures of one message, checked while it arrives.
 *
 *   v = dkim_verify_new(header, conf)     as soon as the header has ended
 *   while (dkim_verify_question(v, &q, &id)) ask it
 *   dkim_verify_body(v, octets) ...       as they arrive, CRLF line ends
 *   dkim_verify_answer(v, id, answer)     in any order, at any time
 *   dkim_verify_end(v)                    body over and nothing unanswered:
 *                                         computes the verdicts
 *   dkim_verify_result(v, n)              n = 0 .. dkim_verify_count(v) - 1
 *
 * Questions for one name are asked once. What is not answered at
 * dkim_verify_end() is temperror. RFC 6376 6, 8301, 8463, 8616.
 */
#ifndef DKIM_VERIFY_H
#define DKIM_VERIFY_H

#include <base/bytes.h>
#include <dkim/address.h>
#include <dkim/dns.h>
#include <dkim/header.h>
#include <dkim/sign.h>

/* RFC 8601 2.7.1. */
enum dkim_verdict {
    DKIM_NONE,
    DKIM_PASS,
    DKIM_FAIL,
    DKIM_POLICY,
    DKIM_NEUTRAL,
    DKIM_TEMPERROR,
    DKIM_PERMERROR,
    DKIM_VERDICTS
};

struct dkim_verify_conf {
    uint64_t now_s;
    unsigned signatures_max; /* evaluated; the rest are DKIM_POLICY */
    bool allow_legacy;       /* SHA-1 and RSA under 1024 bits may pass */
};

struct dkim_verify_result {
    enum dkim_verdict verdict;
    const char *reason;  /* one static sentence; "" for a plain pass */
    char domain[DKIM_DOMAIN_MAX + 1];   /* d=; "" when unparsable */
    char selector[DKIM_DOMAIN_MAX + 1]; /* s= */
    struct bytes identity; /* i= as written, or empty */
    struct bytes b;        /* b= as written; its first 8 octets tell
                              signatures apart (RFC 6008) */
    enum dkim_alg alg;
    bool alg_known;
    unsigned key_bits;  /* 0: no key was seen */
    bool testing;       /* t=y in the key record */
};

struct dkim_verify;

/* header is borrowed until dkim_verify_free(). NULL: no memory. */
struct dkim_verify *dkim_verify_new(const struct dkim_header *header,
                                    const struct dkim_verify_conf *conf);
bool dkim_verify_question(struct dkim_verify *v, struct dns_question *q_out,
                          unsigned *id_out);
void dkim_verify_answer(struct dkim_verify *v, unsigned id,
                        const struct dns_answer *answer);
/* Answers still missing. */
unsigned dkim_verify_waiting(const struct dkim_verify *v);
void dkim_verify_body(struct dkim_verify *v, struct bytes body);
void dkim_verify_end(struct dkim_verify *v);
/* All DKIM-Signature fields, from the top; 0: the message has none. */
size_t dkim_verify_count(const struct dkim_verify *v);
const struct dkim_verify_result *
dkim_verify_result(const struct dkim_verify *v, size_t n);
void dkim_verify_free(struct dkim_verify **v);

/* "pass" */
const char *dkim_verdict_name(enum dkim_verdict verdict);

#endif
