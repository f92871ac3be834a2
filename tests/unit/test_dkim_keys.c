/*
 * test_dkim_keys - verdicts on RSA keys of all sizes and numbers, and SHA-1.
 */
#include "dkim/rsakey.h"
#include "tests/support/cmocka.h"
#include "tests/support/judged_one.h"

#include <base/base64.h>

#include <dkim/keyrecord.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include <time.h>

static void
rsa_sizes(void **state)
{
    static const struct {
        const char *key;
        unsigned bits;
        enum dkim_verdict want, legacy;
    } rows[] = {
        { "rsa512.pem", 512, DKIM_POLICY, DKIM_PASS },
        { "rsa1023.pem", 1023, DKIM_POLICY, DKIM_PASS },
        { "rfc6376-c2-rsa.pem", 1024, DKIM_PASS, DKIM_PASS },
        { "rsa2048.pem", 2048, DKIM_PASS, DKIM_PASS },
        { "rsa2048-e3.pem", 2048, DKIM_PASS, DKIM_PASS },
        { "rsa4096.pem", 4096, DKIM_PASS, DKIM_PASS },
    };
    const struct dkim_verify_conf lax = { NOW_S, 8, true };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        EVP_PKEY *key = signer_key(rows[i].key);
        struct craft c = craft_for(" v=1; a=rsa-sha256; d=example.com; s=sel; "
                                   "c=relaxed/relaxed; " TAIL,
                                   key);
        struct buf record = signer_record(key);
        struct buf out = signer_craft(&c, bytes_str(PLAIN));
        const struct judge_dns dns[] = {
            { "*", DNS_OK, { buf_str(&record) } }
        };
        struct judged j;

        judge(&j, buf_bytes(&out), dns, &judge_conf);
        judge_is(dkim_verify_result(j.verify, 0), rows[i].want, rows[i].key);
        assert_int_equal(dkim_verify_result(j.verify, 0)->key_bits,
                         rows[i].bits);
        judge_free(&j);
        judge(&j, buf_bytes(&out), dns, &lax);
        judge_is(dkim_verify_result(j.verify, 0), rows[i].legacy, rows[i].key);
        judge_free(&j);
        buf_free(&record);
        buf_free(&out);
        EVP_PKEY_free(key);
    }
}

/* SHA-1 never passes, but for those who ask for it. */
static void
sha1(void **state)
{
    const struct dkim_verify_conf lax = { NOW_S, 8, true };
    EVP_PKEY *key = signer_key("rsa2048.pem");
    struct craft c = craft_for(" v=1; a=rsa-sha1; d=example.com; s=sel; "
                               "c=relaxed/relaxed; " TAIL,
                               key);
    struct buf record = signer_record(key), out, both;
    const struct judge_dns dns[] = { { "*", DNS_OK, { buf_str(&record) } } };
    struct judged j;

    (void)state;
    c.alg = DKIM_ALG_RSA_SHA1;
    out = signer_craft(&c, bytes_str(PLAIN));
    judge(&j, buf_bytes(&out), dns, &judge_conf);
    judge_is(dkim_verify_result(j.verify, 0), DKIM_POLICY, "sha1");
    assert_int_equal(j.questions, 0);
    judge_free(&j);
    judge(&j, buf_bytes(&out), dns, &lax);
    judge_is(dkim_verify_result(j.verify, 0), DKIM_PASS, "sha1, legacy");
    judge_free(&j);
    /* two hashes of one canonicalization */
    c = craft_for(" v=1; a=rsa-sha256; d=example.com; s=sel; "
                  "c=relaxed/relaxed; " TAIL,
                  key);
    both = signer_craft(&c, buf_bytes(&out));
    judge(&j, buf_bytes(&both), dns, &lax);
    judge_is(dkim_verify_result(j.verify, 0), DKIM_PASS, "sha256");
    judge_is(dkim_verify_result(j.verify, 1), DKIM_PASS, "sha1 below");
    judge_free(&j);
    buf_free(&both);
    buf_free(&record);
    buf_free(&out);
    EVP_PKEY_free(key);
}

/* A public key of any numbers: bits of modulus (0: it is 0), exponent. */
static void
put_rsa(struct dkim_key_record *key, int bits, bool odd, const char *exponent)
{
    BIGNUM *n = BN_new(), *e = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *param;
    uint8_t *der = NULL;
    int len;

    if (bits > 0) {
        BN_set_bit(n, bits - 1);
        BN_set_bit(n, 5);
        BN_add_word(n, odd);
    }
    BN_hex2bn(&e, exponent);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
    param = OSSL_PARAM_BLD_to_param(build);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, param),
                     1);
    len = i2d_PUBKEY(pkey, &der);
    assert_true(len > 0 && (size_t)len <= sizeof(key->p));
    memcpy(key->p, der, (size_t)len);
    key->p_len = (size_t)len;
    OPENSSL_free(der);
    OSSL_PARAM_free(param);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    BN_free(n);
    BN_free(e);
}

#define F16  "FFFFFFFFFFFFFFFF"
#define F128 F16 F16 F16 F16 F16 F16 F16 F16

static void
rsa_numbers(void **state)
{
    static const struct {
        int bits;
        bool odd;
        const char *exponent;
        enum dkim_key_err want;
    } rows[] = {
        { 2048, true, "010001", DKIM_KEY_OK },
        { 2048, true, "03", DKIM_KEY_OK },
        { 2048, true, "01", DKIM_KEY_EXPONENT },
        { 2048, true, "010000", DKIM_KEY_EXPONENT },
        { 2048, true, "00", DKIM_KEY_EXPONENT },
        { 2048, true, "02", DKIM_KEY_EXPONENT },
        { 2048, true, "05", DKIM_KEY_EXPONENT },
        { 2048, true, "11", DKIM_KEY_EXPONENT },
        { 2048, true, "010003", DKIM_KEY_EXPONENT },
        { 2048, true, "01010001", DKIM_KEY_EXPONENT },
        { 2048, true, "FFFFFFFF", DKIM_KEY_EXPONENT },
        { 2048, true, F128 F128 F128 F128 F128 F128 F128 F128,
          DKIM_KEY_EXPONENT }, /* 4096 bits */
        { 2048, false, "010001", DKIM_KEY_FORMAT },
        { 0, false, "010001", DKIM_KEY_FORMAT },
        { 4096, true, "010001", DKIM_KEY_OK },
        { 4097, true, "010001", DKIM_KEY_LONG },
        { 16384, true, "010001", DKIM_KEY_LONG },
        { 1023, true, "010001", DKIM_KEY_SHORT },
    };
    struct dkim_key_record key = { .sha256 = true, .email = true };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        EVP_PKEY *pkey = NULL;
        unsigned bits = 0;
        enum dkim_key_err err;
        clock_t start;

        put_rsa(&key, rows[i].bits, rows[i].odd, rows[i].exponent);
        start = clock();
        err = dkim_key_load(&key, DKIM_ALG_RSA_SHA256, false, &pkey, &bits);
        /* 5 ms for what is not even tried */
        assert_true(clock() - start <
                    CLOCKS_PER_SEC / (bits > 4096 ? 200 : 20));
        if (err != rows[i].want) {
            fail_msg("%d bits, e %s: %s", rows[i].bits, rows[i].exponent,
                     dkim_key_err_text(err));
        }
        assert_int_equal(bits, rows[i].bits);
        EVP_PKEY_free(pkey);
    }
    assert_int_equal(ERR_peek_error(), 0); /* TLS reads this queue too */
}

/* The word for a signature whose key has such numbers. */
static void
rsa_verdicts(void **state)
{
    static const struct {
        int bits;
        bool odd;
        const char *exponent;
        enum dkim_verdict want;
    } rows[] = {
        { 2048, true, "010001", DKIM_FAIL }, /* good, and not this one's */
        { 1024, true, "03", DKIM_FAIL },
        { 1023, true, "03", DKIM_POLICY },
        { 2048, true, "01", DKIM_PERMERROR },
        { 2048, true, "010000", DKIM_PERMERROR },
        { 2048, false, "010001", DKIM_PERMERROR },
        { 4097, true, "010001", DKIM_PERMERROR },
        { 16384, true, "010001", DKIM_PERMERROR },
    };
    EVP_PKEY *key = signer_key("rsa2048.pem");
    struct craft c = craft_for(" v=1; a=rsa-sha256; d=example.com; s=sel; "
                               "c=relaxed/relaxed; " TAIL,
                               key);
    struct buf out = signer_craft(&c, bytes_str(PLAIN));

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dkim_key_record numbers = { 0 };
        char record[DKIM_KEY_RECORD_MAX] = "p=";
        struct dkim_verify_result r;
        unsigned questions;

        put_rsa(&numbers, rows[i].bits, rows[i].odd, rows[i].exponent);
        record[2 + base64_encode(bytes_make(numbers.p, numbers.p_len),
                                 record + 2)] = '\0';
        r = judge_first(buf_bytes(&out), record, &questions);
        judge_is(&r, rows[i].want, rows[i].exponent);
        assert_int_equal(questions, 1);
    }
    buf_free(&out);
    EVP_PKEY_free(key);
}

/* RFC 6376 3.6.1 names RSAPublicKey; it is as good as the wrapped form. */
static void
bare_rsa(void **state)
{
    EVP_PKEY *key = signer_key("rsa2048.pem");
    struct craft c = craft_for(" v=1; a=rsa-sha256; d=example.com; s=sel; "
                               "c=relaxed/relaxed; " TAIL,
                               key);
    struct buf out = signer_craft(&c, bytes_str(PLAIN));
    struct dkim_verify_result r;
    uint8_t *der = NULL;
    int len = i2d_PublicKey(key, &der);
    char record[800] = "p=";
    uint8_t longer[400] = { 0 };
    unsigned questions;
    size_t n;

    (void)state;
    n = 2 + base64_encode(bytes_make(der, (size_t)len), record + 2);
    record[n] = '\0';
    r = judge_first(buf_bytes(&out), record, &questions);
    judge_is(&r, DKIM_PASS, "RSAPublicKey");
    /* one octet too many */
    memcpy(longer, der, (size_t)len);
    n = 2 + base64_encode(bytes_make(longer, (size_t)len + 1), record + 2);
    record[n] = '\0';
    r = judge_first(buf_bytes(&out), record, &questions);
    judge_is(&r, DKIM_PERMERROR, "RSAPublicKey and more");
    /* one too few */
    n = 2 + base64_encode(bytes_make(der, (size_t)len - 1), record + 2);
    record[n] = '\0';
    r = judge_first(buf_bytes(&out), record, &questions);
    judge_is(&r, DKIM_PERMERROR, "cut RSAPublicKey");
    assert_int_equal(ERR_peek_error(), 0);
    OPENSSL_free(der);
    buf_free(&out);
    EVP_PKEY_free(key);
}

/* What stands around the two numbers, octet for octet: strict DER. */
static void
rsa_frames(void **state)
{
#define ALG "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
    const struct {
        const char *name;
        struct bytes der;
        bool good;
    } cases[] = {
        { "bare", BYTES_LIT("\x30\x06\x02\x01\x0f\x02\x01\x03"), true },
        { "wrapped",
          BYTES_LIT("\x30\x1a\x30\x0d" ALG "\x05\x00\x03\x09\x00"
                    "\x30\x06\x02\x01\x0f\x02\x01\x03"),
          true },
        { "no parameters",
          BYTES_LIT("\x30\x18\x30\x0b" ALG "\x03\x09\x00"
                    "\x30\x06\x02\x01\x0f\x02\x01\x03"),
          true },
        { "parameters that are something",
          BYTES_LIT("\x30\x1b\x30\x0e" ALG "\x04\x01\x00\x03\x09\x00"
                    "\x30\x06\x02\x01\x0f\x02\x01\x03"),
          false },
        { "bits left over",
          BYTES_LIT("\x30\x1a\x30\x0d" ALG "\x05\x00\x03\x09\x01"
                    "\x30\x06\x02\x01\x0f\x02\x01\x03"),
          false },
        { "wrapped, and more behind",
          BYTES_LIT("\x30\x1a\x30\x0d" ALG "\x05\x00\x03\x09\x00"
                    "\x30\x06\x02\x01\x0f\x02\x01\x03\x00"),
          false },
        { "long length for a short one",
          BYTES_LIT("\x30\x81\x06\x02\x01\x0f\x02\x01\x03"), false },
        { "two octets of length for one",
          BYTES_LIT("\x30\x82\x00\x06\x02\x01\x0f\x02\x01\x03"), false },
        { "length without end",
          BYTES_LIT("\x30\x80\x02\x01\x0f\x02\x01\x03\x00\x00"), false },
        { "length of 127 octets", BYTES_LIT("\x30\xff\x02\x01"), false },
        { "negative", BYTES_LIT("\x30\x06\x02\x01\x8f\x02\x01\x03"), false },
        { "zeros before", BYTES_LIT("\x30\x07\x02\x02\x00\x0f\x02\x01\x03"),
          false },
        { "no octets", BYTES_LIT("\x30\x05\x02\x00\x02\x01\x03"), false },
        { "a third number",
          BYTES_LIT("\x30\x09\x02\x01\x0f\x02\x01\x03\x02\x01\x03"), false },
        { "one number", BYTES_LIT("\x30\x03\x02\x01\x0f"), false },
        { "nothing", { NULL, 0 }, false },
    };
    struct dkim_rsa key;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool good = dkim_rsa_parse(cases[i].der, &key);

        if (good != cases[i].good) {
            fail_msg("%s", cases[i].name);
        }
        if (good) {
            assert_int_equal(dkim_rsa_bits(key.n), 4);
            assert_int_equal(dkim_rsa_bits(key.e), 2);
        }
        for (size_t n = 0; good && n < cases[i].der.len; n++) {
            assert_false(dkim_rsa_parse(bytes_take(cases[i].der, n), &key));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rsa_sizes),   cmocka_unit_test(sha1),
        cmocka_unit_test(rsa_numbers), cmocka_unit_test(bare_rsa),
        cmocka_unit_test(rsa_frames),  cmocka_unit_test(rsa_verdicts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
