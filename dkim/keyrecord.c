/*
 * keyrecord - see dkim/keyrecord.h.
 *
 * libcrypto leaves its complaints in a queue of the thread that TLS reads
 * too; whatever fails here takes its own entries away again.
 */
#include "rsakey.h"

#include <base/base64.h>

#include <dkim/keyrecord.h>
#include <dkim/signature.h>
#include <dkim/taglist.h>

#include <openssl/err.h>
#include <openssl/rsa.h>

#include <stdio.h>

static const struct key_err_row {
    enum dkim_verdict verdict;
    const char *text;
} key_errs[DKIM_KEY_ERRS] = {
    [DKIM_KEY_OK] = { DKIM_PASS, "" },
    [DKIM_KEY_TEMPFAIL] = { DKIM_TEMPERROR, "key lookup failed for now" },
    [DKIM_KEY_NONE] = { DKIM_PERMERROR, "no key record in DNS" },
    [DKIM_KEY_SEVERAL] = { DKIM_PERMERROR, "more than one key record in DNS" },
    [DKIM_KEY_SYNTAX] = { DKIM_PERMERROR, "key record is not a list of tags" },
    [DKIM_KEY_DUPLICATE] = { DKIM_PERMERROR,
                             "a tag of the key record occurs twice" },
    [DKIM_KEY_VERSION] = { DKIM_PERMERROR,
                           "key record does not start with v=DKIM1" },
    [DKIM_KEY_NO_P] = { DKIM_PERMERROR, "key record has no p=" },
    [DKIM_KEY_REVOKED] = { DKIM_PERMERROR, "key is revoked" },
    [DKIM_KEY_BASE64] = { DKIM_PERMERROR, "p= of the key is not base64" },
    [DKIM_KEY_TYPE] = { DKIM_PERMERROR, "key type is unknown" },
    [DKIM_KEY_MISMATCH] = { DKIM_PERMERROR,
                            "key type does not match the algorithm" },
    [DKIM_KEY_HASH] = { DKIM_PERMERROR, "key is not for this hash" },
    [DKIM_KEY_SERVICE] = { DKIM_PERMERROR, "key is not for email" },
    [DKIM_KEY_FORMAT] = { DKIM_PERMERROR, "p= is not a key of its type" },
    [DKIM_KEY_EXPONENT] = { DKIM_PERMERROR, "RSA exponent is not 3 or 65537" },
    [DKIM_KEY_SHORT] = { DKIM_POLICY, "RSA key is shorter than 1024 bits" },
    [DKIM_KEY_LONG] = { DKIM_PERMERROR, "RSA key is longer than 4096 bits" },
    [DKIM_KEY_BAD_SIGNATURE] = { DKIM_FAIL, "signature does not verify" },
};

const char *
dkim_key_err_text(enum dkim_key_err err)
{
    return err < DKIM_KEY_ERRS ? key_errs[err].text : "unknown";
}

enum dkim_verdict
dkim_key_err_verdict(enum dkim_key_err err)
{
    return err < DKIM_KEY_ERRS ? key_errs[err].verdict : DKIM_PERMERROR;
}

bool
dkim_key_question(const char *selector, const char *domain,
                  struct dns_question *q_out)
{
    struct dns_question q = { .type = DNS_TXT };
    int n =
        snprintf(q.name, sizeof(q.name), "%s._domainkey.%s", selector, domain);

    if (n < 0 || (size_t)n >= sizeof(q.name)) {
        return false;
    }
    *q_out = q;
    return true;
}

typedef enum dkim_key_err key_tag_parser(struct dkim_key_record *key,
                                         struct bytes value);

/* Whether a colon list has word. */
static bool
lists(struct bytes value, const char *word)
{
    struct bytes element;
    bool more = true;

    for (unsigned n = 0; n < DKIM_KEY_NAMES_MAX &&
                         dkim_taglist_element(&value, &more, &element);
         n++) {
        if (bytes_is(element, word)) {
            return true;
        }
    }
    return false;
}

static enum dkim_key_err
parse_version(struct dkim_key_record *key, struct bytes value)
{
    (void)key;
    return bytes_is(value, "DKIM1") ? DKIM_KEY_OK : DKIM_KEY_VERSION;
}

static enum dkim_key_err
parse_hashes(struct dkim_key_record *key, struct bytes value)
{
    key->sha1 = lists(value, "sha1");
    key->sha256 = lists(value, "sha256");
    return DKIM_KEY_OK;
}

static enum dkim_key_err
parse_type(struct dkim_key_record *key, struct bytes value)
{
    if (bytes_is(value, "ed25519")) {
        key->type = DKIM_KEY_ED25519;
        return DKIM_KEY_OK;
    }
    return bytes_is(value, "rsa") ? DKIM_KEY_OK : DKIM_KEY_TYPE;
}

static enum dkim_key_err
parse_service(struct dkim_key_record *key, struct bytes value)
{
    key->email = lists(value, "*") || lists(value, "email");
    return DKIM_KEY_OK;
}

static enum dkim_key_err
parse_flags(struct dkim_key_record *key, struct bytes value)
{
    key->testing = lists(value, "y");
    key->strict = lists(value, "s");
    return DKIM_KEY_OK;
}

static enum dkim_key_err
parse_p(struct dkim_key_record *key, struct bytes value)
{
    if (value.len == 0) {
        return DKIM_KEY_REVOKED;
    }
    return base64_decode(value, true, key->p, sizeof(key->p), &key->p_len)
               ? DKIM_KEY_OK
               : DKIM_KEY_BASE64;
}

/* RFC 6376 3.6.1. n= and g= (RFC 4871) say nothing to us. */
static const struct key_tag_rule {
    const char *name;
    key_tag_parser *parse;
} rules[] = {
    { "v", parse_version }, { "h", parse_hashes },  { "k", parse_type },
    { "p", parse_p },       { "s", parse_service }, { "t", parse_flags },
};

static enum dkim_key_err
parse_tag(struct dkim_key_record *key, const struct dkim_tag *tag, bool first)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (bytes_is(tag->name, rules[i].name)) {
            return i == 0 && !first ? DKIM_KEY_VERSION
                                    : rules[i].parse(key, tag->value);
        }
    }
    return DKIM_KEY_OK;
}

/* A mistake of form is told before one of content, and a missing p= last. */
enum dkim_key_err
dkim_key_parse(struct bytes record, struct dkim_key_record *key_out)
{
    enum dkim_key_err err = DKIM_KEY_OK;
    struct dkim_taglist list;
    struct dkim_tag tag;
    enum dkim_tag_result result;
    bool first = true, has_p = false;

    if (record.len > DKIM_KEY_RECORD_MAX) {
        return DKIM_KEY_SYNTAX;
    }
    memset(key_out, 0, sizeof(*key_out));
    key_out->sha1 = key_out->sha256 = key_out->email = true;
    dkim_taglist_init(&list, record);
    while ((result = dkim_taglist_next(&list, &tag)) == DKIM_TAG_FOUND) {
        enum dkim_key_err tag_err = parse_tag(key_out, &tag, first);

        err = err == DKIM_KEY_OK ? tag_err : err;
        has_p = has_p || bytes_is(tag.name, "p");
        first = false;
    }
    if (result != DKIM_TAG_END) {
        return result == DKIM_TAG_DUPLICATE ? DKIM_KEY_DUPLICATE
                                            : DKIM_KEY_SYNTAX;
    }
    return err == DKIM_KEY_OK && !has_p ? DKIM_KEY_NO_P : err;
}

/* Starts with v=DKIM1, or has a p=, as far as it can be read. */
static bool
is_key_record(struct bytes record)
{
    struct dkim_taglist list;
    struct dkim_tag tag;

    dkim_taglist_init(&list, record);
    while (dkim_taglist_next(&list, &tag) == DKIM_TAG_FOUND) {
        if (bytes_is(tag.name, "p") ||
            (list.count == 1 && bytes_is(tag.name, "v") &&
             bytes_is(tag.value, "DKIM1"))) {
            return true;
        }
    }
    return false;
}

enum dkim_key_err
dkim_key_from_answer(const struct dns_answer *answer,
                     struct dkim_key_record *key_out)
{
    const struct dns_record *found = NULL;

    if (answer->status == DNS_TEMPFAIL) {
        return DKIM_KEY_TEMPFAIL;
    }
    for (size_t i = 0; answer->status == DNS_OK && i < answer->count; i++) {
        if (!is_key_record(answer->records[i].data)) {
            continue;
        }
        if (found != NULL) {
            return DKIM_KEY_SEVERAL;
        }
        found = &answer->records[i];
    }
    if (found != NULL) {
        return dkim_key_parse(found->data, key_out);
    }
    /* A lone record that is none says more than "there is no record". */
    return answer->status == DNS_OK && answer->count == 1 ? DKIM_KEY_SYNTAX
                                                          : DKIM_KEY_NONE;
}

static enum dkim_key_err
check_use(const struct dkim_key_record *key, enum dkim_alg alg)
{
    bool sha1 = dkim_alg_hash(alg) == DKIM_HASH_SHA1;

    if (sha1 ? !key->sha1 : !key->sha256) {
        return DKIM_KEY_HASH;
    }
    if ((alg == DKIM_ALG_ED25519_SHA256) != (key->type == DKIM_KEY_ED25519)) {
        return DKIM_KEY_MISMATCH;
    }
    return key->email ? DKIM_KEY_OK : DKIM_KEY_SERVICE;
}

/* What signers use. Others are mistakes, and with 1 each hash signs itself. */
static bool
is_exponent(struct bytes e)
{
    return bytes_eq(e, BYTES_LIT("\x03")) ||
           bytes_eq(e, BYTES_LIT("\x01\x00\x01"));
}

/* Sizes are bounded before anything is computed with them. */
static enum dkim_key_err
check_rsa(const struct dkim_rsa *key, unsigned bits, bool legacy)
{
    if (bits > DKIM_RSA_BITS_MAX) {
        return DKIM_KEY_LONG;
    }
    if (!dkim_rsa_odd(key->n)) {
        return DKIM_KEY_FORMAT;
    }
    if (!is_exponent(key->e)) {
        return DKIM_KEY_EXPONENT;
    }
    return bits < DKIM_RSA_BITS_MIN && !legacy ? DKIM_KEY_SHORT : DKIM_KEY_OK;
}

static enum dkim_key_err
load_rsa(const struct dkim_key_record *key, bool legacy, EVP_PKEY **pkey_out,
         unsigned *bits_out)
{
    struct dkim_rsa rsa;
    enum dkim_key_err err;
    EVP_PKEY *pkey;

    /* 3.6.1 names RSAPublicKey; the world publishes SubjectPublicKeyInfo. */
    if (!dkim_rsa_parse(bytes_make(key->p, key->p_len), &rsa)) {
        return DKIM_KEY_FORMAT;
    }
    *bits_out = dkim_rsa_bits(rsa.n);
    err = check_rsa(&rsa, *bits_out, legacy);
    if (err != DKIM_KEY_OK) {
        return err;
    }
    pkey = dkim_rsa_make(&rsa);
    if (pkey == NULL) {
        return DKIM_KEY_FORMAT;
    }
    *pkey_out = pkey;
    return DKIM_KEY_OK;
}

/* 8463 4.2: 32 octets, no wrapping. */
static enum dkim_key_err
load_ed25519(const struct dkim_key_record *key, EVP_PKEY **pkey_out,
             unsigned *bits_out)
{
    EVP_PKEY *pkey = NULL;

    if (key->p_len == 32) {
        pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->p,
                                           key->p_len);
    }
    if (pkey == NULL) {
        return DKIM_KEY_FORMAT;
    }
    *bits_out = 256;
    *pkey_out = pkey;
    return DKIM_KEY_OK;
}

enum dkim_key_err
dkim_key_load(const struct dkim_key_record *key, enum dkim_alg alg, bool legacy,
              EVP_PKEY **pkey_out, unsigned *bits_out)
{
    enum dkim_key_err err = check_use(key, alg);

    if (err != DKIM_KEY_OK) {
        return err;
    }
    ERR_set_mark();
    err = key->type == DKIM_KEY_ED25519
              ? load_ed25519(key, pkey_out, bits_out)
              : load_rsa(key, legacy, pkey_out, bits_out);
    ERR_pop_to_mark();
    return err;
}

/* 1: it is the signature; 0: it is not; -1: libcrypto could not try. */
static int
verify_rsa(EVP_PKEY *pkey, enum dkim_alg alg, struct bytes digest,
           struct bytes signature)
{
    const EVP_MD *md =
        dkim_alg_hash(alg) == DKIM_HASH_SHA1 ? EVP_sha1() : EVP_sha256();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    int result = -1;

    if (ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(ctx, md) == 1) {
        result = EVP_PKEY_verify(ctx, signature.ptr, signature.len, digest.ptr,
                                 digest.len) == 1;
    }
    EVP_PKEY_CTX_free(ctx);
    return result;
}

static int
verify_ed25519(EVP_PKEY *pkey, struct bytes digest, struct bytes signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int result = -1;

    if (ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1) {
        result = EVP_DigestVerify(ctx, signature.ptr, signature.len, digest.ptr,
                                  digest.len) == 1;
    }
    EVP_MD_CTX_free(ctx);
    return result;
}

enum dkim_key_err
dkim_key_verify(EVP_PKEY *pkey, enum dkim_alg alg, struct bytes digest,
                struct bytes signature)
{
    int result;

    ERR_set_mark();
    result = alg == DKIM_ALG_ED25519_SHA256
                 ? verify_ed25519(pkey, digest, signature)
                 : verify_rsa(pkey, alg, digest, signature);
    ERR_pop_to_mark();
    if (result < 0) {
        return DKIM_KEY_TEMPFAIL;
    }
    return result == 1 ? DKIM_KEY_OK : DKIM_KEY_BAD_SIGNATURE;
}
