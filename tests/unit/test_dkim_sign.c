/*
 * test_dkim_sign - signatures as we write them, and the RFCs' own made again.
 */
#include "tests/support/cmocka.h"
#include "tests/support/judge.h"
#include "tests/support/signer.h"
#include "tests/support/vec.h"

#include <dkim/headerhash.h>
#include <dkim/signature.h>

enum {
    NOW_S = 1795000000
};

#define ID "Message-ID: <1@example.com>\r\n"

static const char plain[] =
    "From: Joe <joe@example.com>\r\n"
    "To: sue@example.org\r\n"
    "Subject: hello\r\n"
    "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n" ID "\r\nHi.\r\n";

static struct dkim_sign_params
params(enum dkim_alg alg)
{
    return (struct dkim_sign_params){
        .domain = "example.com",
        .selector = "sel",
        .alg = alg,
        .header_canon = DKIM_CANON_RELAXED,
        .body_canon = DKIM_CANON_RELAXED,
        .time_s = NOW_S,
        .expires_s = NOW_S + 7 * 86400,
        .headers = &dkim_sign_headers_default,
    };
}

/* The header hash of a printed signature, signed again, is its b=. */
static void
sign_again(const char *message, size_t n, const char *key_name)
{
    EVP_PKEY *key = signer_key(key_name);
    struct buf text = vec_file(message), again = BUF_INIT;
    struct bytes block, body;
    struct dkim_header header;
    struct dkim_signature sig;
    const struct dkim_field *field;
    struct dkim_header_hash *h;
    uint8_t digest[DKIM_HASH_OCTETS_MAX];

    (void)dkim_header_split(buf_bytes(&text), &block, &body);
    assert_int_equal(dkim_header_parse(block, &header), DKIM_HEADER_OK);
    field = dkim_header_get(&header, "dkim-signature", n);
    assert_non_null(field);
    assert_int_equal(dkim_signature_parse(field->value, &sig), DKIM_SIG_OK);
    h = dkim_header_hash_new(sig.header_canon, DKIM_HASH_SHA256);
    dkim_header_hash_names(h, &header, sig.names, field);
    assert_true(dkim_header_hash_signature(h, field->raw));
    assert_int_equal(dkim_header_hash_end(h, digest), 32);
    signer_sign(key, sig.alg, bytes_make(digest, 32), &again);
    assert_true(bytes_eq(buf_bytes(&again), bytes_make(sig.b, sig.b_len)));
    dkim_header_hash_free(&h);
    dkim_header_free(&header);
    buf_free(&text);
    buf_free(&again);
    EVP_PKEY_free(key);
}

static void
rfc_examples(void **state)
{
    (void)state;
    sign_again("rfc6376-a2.eml", 0, "rfc6376-c2-rsa.pem");
    sign_again("rfc8463-a3.eml", 0, "rfc8463-a2-ed25519.pem");
    sign_again("rfc8463-a3.eml", 1, "rfc8463-a2-rsa.pem");
}

/* The value of h= in the first field of a signed message, unfolded. */
static struct buf
names_of(struct bytes signed_message)
{
    struct bytes block, body;
    struct dkim_header header;
    struct dkim_signature sig;
    struct buf out = BUF_INIT;

    (void)dkim_header_split(signed_message, &block, &body);
    assert_int_equal(dkim_header_parse(block, &header), DKIM_HEADER_OK);
    assert_int_equal(dkim_signature_parse(header.fields[0].value, &sig),
                     DKIM_SIG_OK);
    for (size_t i = 0; i < sig.names.len; i++) {
        if (strchr("\r\n ", sig.names.ptr[i]) == NULL) {
            buf_putc(&out, (char)sig.names.ptr[i]);
        }
    }
    dkim_header_free(&header);
    return out;
}

static void
names_are(const struct dkim_sign_headers *headers, const char *block,
          const char *want)
{
    struct dkim_sign_params p = params(DKIM_ALG_ED25519_SHA256);
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");
    struct buf message = BUF_INIT, out, names;

    p.headers = headers;
    buf_puts(&message, block);
    buf_puts(&message, "\r\n");
    out = signer_product(&p, key, buf_bytes(&message));
    names = names_of(buf_bytes(&out));
    assert_string_equal(buf_str(&names), want);
    buf_free(&message);
    buf_free(&out);
    buf_free(&names);
    EVP_PKEY_free(key);
}

#define OVER "from:to:cc:subject:date:message-id:reply-to"

static void
signed_names(void **state)
{
    const struct dkim_sign_headers *h = &dkim_sign_headers_default;
    static const char *const sign[] = { "x-*", "subject", "bcc", "received",
                                        NULL };
    static const char *const none[] = { NULL };
    const struct dkim_sign_headers own = { sign, none, none };

    (void)state;
    names_are(h, "From: a@b.example\r\n", "from:" OVER);
    names_are(h, "FROM: a@b.example\r\nTo: c\r\nto: d\r\n",
              "from:from:to:to:to:cc:subject:date:message-id:reply-to");
    names_are(h, "From: a\r\nMIME-Version: 1.0\r\nReferences: x\r\n",
              "from:" OVER ":mime-version:mime-version:references:references");
    names_are(h,
              "From: a\r\nList-Id: x\r\nlist-unsubscribe: y\r\n"
              "Content-Language: z\r\nResent-From: r\r\nSender: s\r\n",
              "from:" OVER ":sender:content-language:resent-from:list-id:"
              "list-unsubscribe");
    names_are(h,
              "Received: x\r\nReturn-Path: y\r\nDKIM-Signature: z\r\n"
              "Authentication-Results: a\r\nARC-Seal: b\r\nBcc: c\r\n"
              "Resent-Bcc: d\r\nComments: e\r\nX-F: f\r\nFrom: a\r\n",
              "from:" OVER);
    names_are(h,
              "From: a\r\nContent-x;y: 1\r\nContent-\xc3\xa4: 2\r\n"
              "no field\r\n",
              "from:" OVER);
    names_are(&own,
              "From: a\r\nX-B: 1\r\nSubject: s\r\nX-A: 2\r\nx-b: 3\r\n"
              "Bcc: b\r\nReceived: r\r\n",
              "from:from:x-b:x-b:x-a:subject");
}

/* More instances than a verifier takes: those names are left out whole. */
static void
names_limit(void **state)
{
    struct buf block = BUF_INIT;

    (void)state;
    buf_puts(&block, "From: a@b.example\r\n");
    for (int i = 0; i < 300; i++) {
        buf_puts(&block, "List-Id: x\r\n");
    }
    buf_puts(&block, "Sender: s\r\nList-Help: y\r\n");
    names_are(&dkim_sign_headers_default, buf_str(&block),
              "from:" OVER ":sender:list-help");
    buf_free(&block);
}

/* Lines of the field: none over 78 octets, no name or number divided. */
static void
check_layout(struct bytes field)
{
    while (field.len > 0) {
        struct bytes line = bytes_take(field, bytes_find(field, '\n'));

        assert_true(line.len > 1 && line.ptr[line.len - 1] == '\r');
        assert_true(line.len - 1 <= 78);
        assert_false(byte_is_wsp(line.ptr[line.len - 2]));
        field = bytes_skip(field, line.len + 1);
        assert_true(field.len == 0 || field.ptr[0] == ' ');
    }
}

static void
layout(void **state)
{
    static const enum dkim_alg algs[] = { DKIM_ALG_RSA_SHA256,
                                          DKIM_ALG_ED25519_SHA256 };
    static const char *const keys[] = { "rfc8463-a2-rsa.pem",
                                        "rfc8463-a2-ed25519.pem" };
    char domain[80];

    (void)state;
    for (size_t len = 4; len < 62; len++) {
        struct dkim_sign_params p = params(algs[len % 2]);
        EVP_PKEY *key = signer_key(keys[len % 2]);
        struct buf out, again;
        struct bytes field;

        memset(domain, 'd', sizeof(domain));
        memcpy(domain + len, ".example", 9);
        p.domain = domain;
        out = signer_product(&p, key, bytes_str(plain));
        again = signer_product(&p, key, bytes_str(plain));
        assert_true(bytes_eq(buf_bytes(&out), buf_bytes(&again)));
        field = bytes_take(buf_bytes(&out), out.len - strlen(plain));
        check_layout(field);
        assert_null(strstr(buf_str(&out), "l="));
        assert_null(strstr(buf_str(&out), "z="));
        assert_null(strstr(buf_str(&out), "i="));
        buf_free(&out);
        buf_free(&again);
        EVP_PKEY_free(key);
    }
}

static void
exact_field(void **state)
{
    struct dkim_sign_params p = params(DKIM_ALG_ED25519_SHA256);
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");
    struct buf out = signer_product(&p, key, bytes_str(plain));
    const char *want =
        "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;"
        " d=example.com;\r\n"
        " s=sel; t=1795000000; x=1795604800;"
        " h=from:from:to:to:cc:subject:subject:date:\r\n"
        " date:message-id:message-id:reply-to;\r\n"
        " bh=UrA8rmgY3eNBotmDWtzAmHyn5RyZv8Gea45sNGsP0zw=; b=";

    (void)state;
    if (!bytes_starts_ci(buf_bytes(&out), want)) {
        fail_msg("%s", buf_str(&out));
    }
    buf_free(&out);
    p.time_s = p.expires_s = 0;
    out = signer_product(&p, key, bytes_str(plain));
    assert_null(strstr(buf_str(&out), " t="));
    assert_null(strstr(buf_str(&out), " x="));
    buf_free(&out);
    EVP_PKEY_free(key);
}

static void
refusals(void **state)
{
    static const char *const bad[] = {
        "a b.example", "a;b.example", "",
        "*.example",   "a..example",  "b\xc3\xbc.example"
    };
    struct dkim_header header;
    uint8_t digest[DKIM_SHA256_OCTETS] = { 0 };
    struct buf field = BUF_INIT;
    struct dkim_sign_params p = params(DKIM_ALG_RSA_SHA256);
    char longer[DKIM_DOMAIN_MAX + 20] = "";

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(longer); i++) {
        longer[i] = i % 50 == 49 ? '.' : 'a';
    }
    p.body_hash = bytes_make(digest, sizeof(digest));
    assert_int_equal(dkim_header_parse(BYTES_LIT("From: a\r\n"), &header), 0);
    assert_true(dkim_sign_prepare(&header, &p, &field, digest));
    p.domain = longer;
    assert_false(dkim_sign_prepare(&header, &p, &field, digest));
    p.domain = "example.com";
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        p.domain = bad[i];
        assert_false(dkim_sign_prepare(&header, &p, &field, digest));
        p.domain = "example.com";
        p.selector = bad[i];
        assert_false(dkim_sign_prepare(&header, &p, &field, digest));
        p.selector = "sel";
    }
    p.alg = DKIM_ALG_RSA_SHA1;
    assert_false(dkim_sign_prepare(&header, &p, &field, digest));
    p.alg = DKIM_ALG_RSA_SHA256;
    p.body_hash.len = 31;
    assert_false(dkim_sign_prepare(&header, &p, &field, digest));
    dkim_header_free(&header);
    buf_free(&field);
}

static void
verifies(struct bytes message, const struct dkim_sign_params *p, EVP_PKEY *key)
{
    const struct dkim_verify_conf conf = { NOW_S, 8, false };
    struct buf out = signer_product(p, key, message);
    struct buf record = signer_record(key);
    const struct judge_dns dns[] = {
        { "sel._domainkey.example.com", DNS_OK, { buf_str(&record) } },
        { NULL, DNS_OK, { NULL } },
    };
    struct judged j;

    judge(&j, buf_bytes(&out), dns, &conf);
    if (dkim_verify_result(j.verify, 0)->verdict != DKIM_PASS) {
        fail_msg("%s\n%s", dkim_verify_result(j.verify, 0)->reason,
                 buf_str(&out));
    }
    judge_free(&j);
    buf_free(&record);
    buf_free(&out);
}

/* What we sign we verify: canonicalizations, keys, awkward messages. */
static void
round_trip(void **state)
{
    static const char *const messages[] = {
        plain,
        "From: a@example.com\r\n\r\n",
        "From: a@example.com\r\n\r\n\r\n",
        "From: a@example.com\r\n\r\n \r\n\t\r\n",
        "From: a@example.com\r\n\r\nno end",
        "From: a@example.com\r\n\r\na \t b \r\n\x0c\r\n\r\n\r\n",
        "FROM \t:\r\n a@example.com \r\nSubject:\r\nTo: \r\n \r\n\r\n.\r\n..",
        "Subject: a\r\nSubject: b\r\nFrom: a@example.com\r\nSubject: c\r\n\r\n",
        "From: a@example.com\r\nSubject: b=; bh=x; DKIM-Signature\r\n\r\nb=x",
        "DKIM-Signature: v=1; b=; h=from\r\nFrom: a@example.com\r\n\r\nx\r\n",
    };
    static const char *const keys[] = { "rfc8463-a2-rsa.pem",
                                        "rfc8463-a2-ed25519.pem" };

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        EVP_PKEY *key = signer_key(keys[k]);
        struct dkim_sign_params p =
            params(k == 0 ? DKIM_ALG_RSA_SHA256 : DKIM_ALG_ED25519_SHA256);

        for (unsigned mode = 0; mode < 4; mode++) {
            p.header_canon = mode & 1 ? DKIM_CANON_RELAXED : DKIM_CANON_SIMPLE;
            p.body_canon = mode & 2 ? DKIM_CANON_RELAXED : DKIM_CANON_SIMPLE;
            for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]);
                 i++) {
                verifies(bytes_str(messages[i]), &p, key);
            }
        }
        EVP_PKEY_free(key);
    }
}

/* Several fields into one buffer, as dual signatures are. */
static void
appended(void **state)
{
    struct dkim_sign_params p = params(DKIM_ALG_ED25519_SHA256);
    uint8_t one[DKIM_SHA256_OCTETS], two[DKIM_SHA256_OCTETS];
    uint8_t zero[DKIM_SHA256_OCTETS] = { 0 };
    struct dkim_header header;
    struct buf field = BUF_INIT;

    (void)state;
    p.body_hash = bytes_make(zero, sizeof(zero));
    assert_int_equal(dkim_header_parse(BYTES_LIT("From: a\r\n"), &header), 0);
    assert_true(dkim_sign_prepare(&header, &p, &field, one));
    dkim_sign_finish(&field, BYTES_LIT("abc"));
    assert_true(dkim_sign_prepare(&header, &p, &field, two));
    dkim_sign_finish(&field, BYTES_LIT("abc"));
    assert_memory_equal(one, two, sizeof(one));
    assert_memory_equal(field.ptr, field.ptr + field.len / 2, field.len / 2);
    dkim_header_free(&header);
    buf_free(&field);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_examples), cmocka_unit_test(signed_names),
        cmocka_unit_test(names_limit),  cmocka_unit_test(layout),
        cmocka_unit_test(exact_field),  cmocka_unit_test(refusals),
        cmocka_unit_test(round_trip),   cmocka_unit_test(appended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
