/*
 * judged_one - one crafted signature over a plain message, and its verdict.
 *
 * The pieces are those that most cases share: PLAIN is the message, GOOD the
 * tags of a good signature with the Ed25519 key of RFC 8463 A.2.
 */
#ifndef TESTS_JUDGED_ONE_H
#define TESTS_JUDGED_ONE_H

#include "judge.h"
#include "signer.h"

enum {
    NOW_S = 1795000000
};

#define FROM  "From: Joe <joe@example.com>\r\n"
#define PLAIN FROM "Subject: hello\r\n\r\nHi  there. \r\n"
#define HEAD  " v=1; a=ed25519-sha256; d=example.com; s=sel; "
#define TAIL  "h=from:subject; bh={bh}; b="
#define GOOD  HEAD "c=relaxed/relaxed; " TAIL

/* As the product has it: 8 signatures, nothing old, now is NOW_S. */
extern const struct dkim_verify_conf judge_conf;

/* relaxed/relaxed, the algorithm of key */
struct craft craft_for(const char *tags, EVP_PKEY *key);

/*
 * The first signature of message, with record at every name. The views in it
 * are not to be looked at.
 */
struct dkim_verify_result judge_first(struct bytes message, const char *record,
                                      unsigned *questions_out);

/* Signs message with c; then what is said of it with that key's record. */
struct dkim_verify_result judge_crafted(const struct craft *c,
                                        const char *message);

/* The test fails with what unless the verdict is want. */
void judge_is(const struct dkim_verify_result *r, enum dkim_verdict want,
              const char *what);

#endif
