/*
 * judge - what one server's answer says about one key.
 *
 * Pure: an answer in, a line of seen.h out. Keys are compared, not strings.
 */
#ifndef PROXY_SURVEY_JUDGE_H
#define PROXY_SURVEY_JUDGE_H

#include <dkim/keyrecord.h>

#include <proxy/domains/seen.h>
#include <proxy/survey/look.h>

enum {
    JUDGE_HOPS_MAX = 8 /* CNAMEs followed inside one resolver's answer */
};

/* The line that the sight of q's record makes. */
void judge_sight(const struct seen_question *q, const struct sight *sight,
                 struct seen_at *at_out);

/*
 * The name at the end of the CNAMEs that the answer has, from name on; lent
 * from the answer, or name itself. *ttl_out: the smallest on the way,
 * UINT32_MAX when there are none. NULL: a loop, or more than JUDGE_HOPS_MAX.
 */
const char *judge_chain(const struct raw_answer *answer, const char *name,
                        uint32_t *ttl_out);

/* The zone to whose servers an answer refers; NULL: it is no referral. */
const char *judge_referral(const struct raw_answer *answer);

/* The one key record among the TXT records at owner, as a verifier reads it.
 * TEMPFAIL: no memory. */
enum dkim_key_err judge_record(const struct raw_answer *answer,
                               const char *owner,
                               struct dkim_key_record *key_out);

/* Whether that record holds our key: the same octets in p=, or the same key
 * in another encoding. public_b64: what stands in our p=. */
bool judge_same_key(const struct dkim_key_record *key, const char *public_b64,
                    bool ed25519);

#endif
