/*
 * test_dkim_selfcheck - what we have just signed, judged by our verifier; and
 * each way in which it could be wrong.
 */
#include "tests/support/cmocka.h"
#include "tests/support/signer.h"
#include "tests/support/vec.h"

#include <dkim/hash.h>
#include <dkim/selfcheck.h>

#include <openssl/x509.h>

enum {
    NOW_S = 1795000000
};

static const char fields[] =
    "Received: from a by b; Sat, 21 Nov 2026 10:00:00 +0000\r\n"
    "From: Joe <joe@example.com>\r\n"
    "To: sue@example.org\r\n"
    "Subject: a folded\r\n one\r\n"
    "DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=x; h=from;\r\n"
    " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=abcd\r\n"
    "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n";

struct signed_field {
    struct buf head;
    struct dkim_header header;
    struct buf field;
    uint8_t body_hash[DKIM_SHA256_OCTETS];
    uint8_t p[640];
    size_t p_len;
    enum dkim_alg alg;
};

/* p= of the key: SubjectPublicKeyInfo, or 32 raw octets. */
static void
put_public(struct signed_field *f, EVP_PKEY *key)
{
    unsigned char *out = f->p;
    int len;

    if (f->alg == DKIM_ALG_ED25519_SHA256) {
        f->p_len = sizeof(f->p);
        assert_int_equal(EVP_PKEY_get_raw_public_key(key, f->p, &f->p_len), 1);
        return;
    }
    len = i2d_PUBKEY(key, &out);
    assert_in_range(len, 100, (int)sizeof(f->p));
    f->p_len = (size_t)len;
}

static void
make(struct signed_field *f, const char *key_name, enum dkim_alg alg,
     enum dkim_canon_mode canon)
{
    EVP_PKEY *key = signer_key(key_name);
    struct buf signature = BUF_INIT;
    uint8_t digest[DKIM_SHA256_OCTETS];
    struct dkim_sign_params params = {
        .domain = "example.com",
        .selector = "sel",
        .alg = alg,
        .header_canon = canon,
        .body_canon = canon,
        .time_s = NOW_S,
        .expires_s = NOW_S + 86400,
        .headers = &dkim_sign_headers_default,
    };

    *f = (struct signed_field){ .alg = alg };
    buf_puts(&f->head, fields);
    memset(f->body_hash, 7, sizeof(f->body_hash));
    params.body_hash = bytes_make(f->body_hash, sizeof(f->body_hash));
    assert_int_equal(dkim_header_parse(buf_bytes(&f->head), &f->header), 0);
    assert_true(dkim_sign_prepare(&f->header, &params, &f->field, digest));
    signer_sign(key, alg, bytes_make(digest, sizeof(digest)), &signature);
    dkim_sign_finish(&f->field, buf_bytes(&signature));
    put_public(f, key);
    buf_free(&signature);
    EVP_PKEY_free(key);
}

static void
unmake(struct signed_field *f)
{
    dkim_header_free(&f->header);
    buf_free(&f->head);
    buf_free(&f->field);
}

static const char *
check(const struct signed_field *f)
{
    return dkim_selfcheck(&f->header, buf_bytes(&f->field),
                          bytes_make(f->body_hash, sizeof(f->body_hash)),
                          f->alg, bytes_make(f->p, f->p_len));
}

static void
ours_verify(void **state)
{
    static const struct {
        const char *key;
        enum dkim_alg alg;
    } keys[] = {
        { "rsa2048.pem", DKIM_ALG_RSA_SHA256 },
        { "rsa4096.pem", DKIM_ALG_RSA_SHA256 },
        { "rfc8463-a2-rsa.pem", DKIM_ALG_RSA_SHA256 }, /* 1024 bits */
        { "rfc8463-a2-ed25519.pem", DKIM_ALG_ED25519_SHA256 },
    };
    struct signed_field f;

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        make(&f, keys[i].key, keys[i].alg, DKIM_CANON_RELAXED);
        assert_string_equal(check(&f), "");
        unmake(&f);
        make(&f, keys[i].key, keys[i].alg, DKIM_CANON_SIMPLE);
        assert_string_equal(check(&f), "");
        unmake(&f);
    }
}

static void
says(const struct signed_field *f, const char *what, const char *want)
{
    const char *got = check(f);

    if (strstr(got, want) == NULL || want[0] == '\0') {
        fail_msg("%s: \"%s\", wanted \"%s\"", what, got, want);
    }
}

static void
faults_are_seen(void **state)
{
    struct signed_field f, other;
    uint8_t *from;

    (void)state;
    make(&f, "rfc8463-a2-ed25519.pem", DKIM_ALG_ED25519_SHA256,
         DKIM_CANON_RELAXED);
    f.body_hash[31] ^= 1;
    says(&f, "another body", "body hash");
    f.body_hash[31] ^= 1;

    from = (uint8_t *)strstr((char *)f.head.ptr, "joe@example.com");
    from[0] = 'k';
    says(&f, "another From", "verif");
    from[0] = 'j';

    f.p[3] ^= 1;
    assert_string_not_equal(check(&f), "");
    f.p[3] ^= 1;
    f.p_len--;
    assert_string_not_equal(check(&f), "");
    f.p_len = 0;
    assert_string_not_equal(check(&f), "");
    f.p_len = 32;

    f.alg = DKIM_ALG_RSA_SHA256;
    assert_string_not_equal(check(&f), "");
    f.alg = DKIM_ALG_ED25519_SHA256;
    assert_string_equal(check(&f), "");

    make(&other, "rsa2048.pem", DKIM_ALG_RSA_SHA256, DKIM_CANON_RELAXED);
    memcpy(f.p, other.p, other.p_len);
    f.p_len = other.p_len;
    f.alg = DKIM_ALG_RSA_SHA256;
    says(&f, "another algorithm", "a=");
    unmake(&other);
    unmake(&f);
}

static void
fields_of_another_kind(void **state)
{
    static const struct {
        const char *field;
        const char *want;
    } cases[] = {
        { "", "not one field" },
        { "Subject: x\r\n", "no DKIM-Signature" },
        { "DKIM-Signature: v=1\r\nSubject: x\r\n", "not one field" },
        { "no field\r\n", "not one field" },
        { "DKIM-Signature: v=2\r\n", "" },
        { "DKIM-Signature: v=1; a=ed25519-sha256; d=a.example; s=s; h=from;"
          " l=1; bh=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=; b=aaaa\r\n",
          "l=" },
    };
    struct signed_field f;

    (void)state;
    make(&f, "rfc8463-a2-ed25519.pem", DKIM_ALG_ED25519_SHA256,
         DKIM_CANON_RELAXED);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&f.field);
        buf_puts(&f.field, cases[i].field);
        assert_string_not_equal(check(&f), "");
        if (cases[i].want[0] != '\0') {
            says(&f, cases[i].field, cases[i].want);
        }
    }
    unmake(&f);
}

/* With simple canonicalization no octet of the field may change, but those
 * of the signature's own white space and line ends. */
static void
every_octet_counts(void **state)
{
    struct signed_field f;

    (void)state;
    make(&f, "rfc8463-a2-ed25519.pem", DKIM_ALG_ED25519_SHA256,
         DKIM_CANON_SIMPLE);
    for (size_t i = 0; i < f.field.len; i++) {
        uint8_t was = f.field.ptr[i];

        if (was <= ' ') {
            continue;
        }
        f.field.ptr[i] = was == 'A' ? 'B' : 'A';
        if (check(&f)[0] == '\0') {
            fail_msg("octet %zu does not count: %.*s", i, (int)f.field.len,
                     (const char *)f.field.ptr);
        }
        f.field.ptr[i] = was;
    }
    assert_string_equal(check(&f), "");
    unmake(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_verify),
        cmocka_unit_test(faults_are_seen),
        cmocka_unit_test(fields_of_another_kind),
        cmocka_unit_test(every_octet_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
