/*
 * test_dkim_memory - signing and verifying when the n-th allocation fails,
 * for every n: nothing crashes, nothing leaks, no signature passes by it.
 *
 * Memory ends (failmalloc.h) for the library's own calls and, by
 * CRYPTO_set_mem_functions(), for libcrypto's.
 */
#include "tests/support/cmocka.h"
#include "tests/support/failmalloc.h"
#include "tests/support/vec.h"

#include <dkim/authres.h>
#include <dkim/sign.h>
#include <dkim/verify.h>

#include <openssl/crypto.h>

#include <stdlib.h>

static const size_t plenty = SIZE_MAX / 2;

static void *
crypto_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return n == 0 ? NULL : malloc(n);
}

static void *
crypto_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(p, n);
}

static void
crypto_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

#define RSA                                                                    \
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5" \
    "V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/B" \
    "C/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryO" \
    "TIKT+l/K4w3QIDAQAB"
#define ED "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static struct buf message; /* read once, before anything fails */

static void
answer(struct dkim_verify *v)
{
    struct dns_question q;
    unsigned id;

    while (dkim_verify_question(v, &q, &id)) {
        const char *text = q.name[0] == 't' ? RSA : ED;
        struct dns_record record = { bytes_str(text), 0 };
        struct dns_answer a = { .status = DNS_OK,
                                .records = &record,
                                .count = 1 };

        dkim_verify_answer(v, id, &a);
    }
}

/* The number of passes; the report must be whole or refused. */
static unsigned
verify(const struct dkim_header *header, struct bytes body)
{
    const struct dkim_verify_conf conf = { 1795000000, 8, false };
    struct dkim_verify *v = dkim_verify_new(header, &conf);
    struct dkim_authres a;
    struct bytes field;
    unsigned passes = 0;

    if (v == NULL) {
        return 0;
    }
    answer(v);
    dkim_verify_body(v, body);
    dkim_verify_end(v);
    for (size_t i = 0; i < dkim_verify_count(v); i++) {
        const struct dkim_verify_result *r = dkim_verify_result(v, i);

        passes += r->verdict == DKIM_PASS;
        assert_non_null(r->reason);
    }
    dkim_authres_begin(&a, "mx.example.com");
    dkim_authres_dkim(&a, v);
    if (dkim_authres_end(&a, &field)) {
        assert_true(bytes_ends_ci(field, BYTES_LIT("\r\n")));
    }
    dkim_authres_free(&a);
    dkim_verify_free(&v);
    return passes;
}

/* True: a whole field was made. */
static bool
sign(const struct dkim_header *header)
{
    static const uint8_t zero[DKIM_SHA256_OCTETS];
    const struct dkim_sign_params params = {
        .domain = "example.com",
        .selector = "sel",
        .alg = DKIM_ALG_RSA_SHA256,
        .header_canon = DKIM_CANON_RELAXED,
        .body_canon = DKIM_CANON_RELAXED,
        .time_s = 1795000000,
        .body_hash = bytes_make(zero, sizeof(zero)),
        .headers = &dkim_sign_headers_default,
    };
    uint8_t digest[DKIM_SHA256_OCTETS];
    struct buf field = BUF_INIT;
    bool ok = dkim_sign_prepare(header, &params, &field, digest);

    if (ok) {
        dkim_sign_finish(&field, bytes_make(zero, sizeof(zero)));
        ok = !buf_failed(&field);
    }
    buf_free(&field);
    return ok;
}

static unsigned
run(void)
{
    struct bytes block, body;
    struct dkim_header header;
    unsigned done;

    (void)dkim_header_split(buf_bytes(&message), &block, &body);
    if (dkim_header_parse(block, &header) != DKIM_HEADER_OK) {
        return 0;
    }
    done = verify(&header, body);
    done += sign(&header);
    dkim_header_free(&header);
    return done;
}

static void
each_allocation(void **state)
{
    size_t total;

    (void)state;
    message = vec_file("rfc8463-a3.eml");
    assert_int_equal(run(), 3); /* and libcrypto has loaded what it needs */
    failmalloc_left = plenty;
    assert_int_equal(run(), 3);
    total = plenty - failmalloc_left;
    assert_true(total > 20);
    failmalloc_once = true;
    for (size_t n = 0; n < total; n++) {
        failmalloc_left = n;
        assert_true(run() <= 3);
        assert_true(failmalloc_left == 0);
    }
    failmalloc_left = plenty;
    assert_int_equal(run(), 3); /* nothing stays broken */
    buf_free(&message);
    print_message("%zu allocations\n", total);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation),
    };

    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) !=
        1) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
