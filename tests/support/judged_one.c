/*
 * judged_one - see tests/support/judged_one.h.
 */
#include "judged_one.h"

#include "cmocka.h"

const struct dkim_verify_conf judge_conf = { NOW_S, 8, false };

struct craft
craft_for(const char *tags, EVP_PKEY *key)
{
    return (struct craft){
        .tags = tags,
        .alg = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519
                   ? DKIM_ALG_ED25519_SHA256
                   : DKIM_ALG_RSA_SHA256,
        .header = DKIM_CANON_RELAXED,
        .body = DKIM_CANON_RELAXED,
        .key = key,
    };
}

struct dkim_verify_result
judge_first(struct bytes message, const char *record, unsigned *questions_out)
{
    const struct judge_dns dns[] = { { "*", DNS_OK, { record } } };
    struct dkim_verify_result r;
    struct judged j;

    judge(&j, message, dns, &judge_conf);
    assert_true(dkim_verify_count(j.verify) > 0);
    r = *dkim_verify_result(j.verify, 0);
    *questions_out = j.questions;
    judge_free(&j);
    return r;
}

struct dkim_verify_result
judge_crafted(const struct craft *c, const char *message)
{
    struct buf record = signer_record(c->key);
    struct buf out = signer_craft(c, bytes_str(message));
    unsigned questions;
    struct dkim_verify_result r =
        judge_first(buf_bytes(&out), buf_str(&record), &questions);

    buf_free(&record);
    buf_free(&out);
    return r;
}

void
judge_is(const struct dkim_verify_result *r, enum dkim_verdict want,
         const char *what)
{
    if (r->verdict != want) {
        fail_msg("%s: %s %s", what, dkim_verdict_name(r->verdict), r->reason);
    }
}
