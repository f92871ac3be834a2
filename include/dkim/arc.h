/*
 * arc - the Authenticated Received Chain of a message, judged. RFC 8617 5.2.
 *
 *   a = arc_new(header)                    as soon as the header has ended
 *   while (arc_question(a, &q, &id)) ask it
 *   arc_body(a, octets) ...                as they arrive, CRLF line ends
 *   arc_answer(a, id, answer)              in any order, at any time
 *   arc_end(a)                             body over: computes the result
 *   arc_result(a)
 *
 * A key that is not there, for whatever reason, is a failing chain: ARC knows
 * no temporary error. Nothing is sealed here.
 */
#ifndef DKIM_ARC_H
#define DKIM_ARC_H

#include <base/bytes.h>

#include <dkim/dns.h>
#include <dkim/header.h>

enum arc_result {
    ARC_NONE, /* no ARC fields */
    ARC_PASS,
    ARC_FAIL,
    ARC_RESULTS
};

enum {
    ARC_SETS_MAX = 50
}; /* 4.2.1 */

struct arc;

/* header is borrowed until arc_free(). NULL: no memory. */
struct arc *arc_new(const struct dkim_header *header);
bool arc_question(struct arc *a, struct dns_question *q_out, unsigned *id_out);
void arc_answer(struct arc *a, unsigned id, const struct dns_answer *answer);
/* Answers still missing. */
unsigned arc_waiting(const struct arc *a);
void arc_body(struct arc *a, struct bytes body);
void arc_end(struct arc *a);
void arc_free(struct arc **a);

/* All below: after arc_end(); text is lent until arc_free(). */
enum arc_result arc_result(const struct arc *a);
const char *arc_reason(const struct arc *a); /* one static sentence; "" */
/* How many sets the chain has; 0 unless the result is PASS. */
unsigned arc_count(const struct arc *a);
/* The d= of the ARC-Seal with i=, 1 to arc_count(). */
const char *arc_sealer(const struct arc *a, unsigned instance);
/* 5.2 step 4: 0 when every ARC-Message-Signature still holds; else the lowest
 * i= from which on all do. */
unsigned arc_oldest_pass(const struct arc *a);

/* "pass" */
const char *arc_result_name(enum arc_result result);

struct dkim_authres;
/* Appends "arc=RESULT header.oldest-pass=N smtp.remote-ip=IP". remote_ip may
 * be NULL. RFC 8617 10.1. */
void arc_authres(struct dkim_authres *a, const struct arc *chain,
                 const char *remote_ip);

#endif
