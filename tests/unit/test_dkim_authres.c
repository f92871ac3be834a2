/*
 * test_dkim_authres - Authentication-Results as written, and who claims it.
 */
#include "tests/support/cmocka.h"
#include "tests/support/judge.h"
#include "tests/support/signer.h"
#include "tests/support/vec.h"

#include <dkim/address.h>
#include <dkim/authres.h>

enum {
    NOW_S = 1795000000
};

#define FROM "From: Joe <joe@example.com>\r\n"
#define ED   "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static void
end_is(struct dkim_authres *a, const char *want)
{
    struct bytes field;

    assert_true(dkim_authres_end(a, &field));
    if (!bytes_is(field, want)) {
        fail_msg("%.*s", BYTES_ARG(field));
    }
    dkim_authres_free(a);
}

static void
shapes(void **state)
{
    struct dkim_authres a;

    (void)state;
    dkim_authres_begin(&a, "mx.example.com");
    end_is(&a, "Authentication-Results: mx.example.com; none\r\n");
    dkim_authres_begin(&a, "mx 1\"");
    end_is(&a, "Authentication-Results: \"mx 1\\\"\"; none\r\n");
    dkim_authres_begin(&a, "mx.example.com");
    dkim_authres_result(&a, "spf", "pass", "");
    dkim_authres_property(&a, "smtp.mailfrom", BYTES_LIT("joe@example.com"));
    dkim_authres_result(&a, "dkim", "fail", "a \"reason\"");
    end_is(&a, "Authentication-Results: mx.example.com;\r\n"
               " spf=pass smtp.mailfrom=joe@example.com;\r\n"
               " dkim=fail reason=\"a \\\"reason\\\"\"\r\n");
}

static void
values(void **state)
{
    static const struct {
        struct bytes value;
        const char *want;
    } rows[] = {
        { { (const uint8_t *)"a.b", 3 }, "a.b" },
        { { (const uint8_t *)"@a.b", 4 }, "@a.b" },
        { { (const uint8_t *)"", 0 }, "\"\"" },
        { { (const uint8_t *)"a;dkim=pass", 11 }, "\"a;dkim=pass\"" },
        { { (const uint8_t *)"a b", 3 }, "\"a b\"" },
        { { (const uint8_t *)"a(b)", 4 }, "\"a(b)\"" },
        { { (const uint8_t *)"a\r\n b\0c", 7 }, "\"a bc\"" },
        { { (const uint8_t *)"a\tb\x7f", 4 }, "\"a b\"" },
        { { (const uint8_t *)"\"\\", 2 }, "\"\\\"\\\\\"" },
        { { (const uint8_t *)"AB/+=", 5 }, "\"AB/+=\"" },
        { { (const uint8_t *)"a@b@c", 5 }, "\"a@b@c\"" },
        { { (const uint8_t *)"a@", 2 }, "\"a@\"" },
        { { (const uint8_t *)"\xc3\xb6", 2 }, "\"\xc3\xb6\"" },
        { { (const uint8_t *)"\xf6x", 2 }, "\"?x\"" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dkim_authres a;
        char want[100];

        snprintf(want, sizeof(want),
                 "Authentication-Results: mx;\r\n x=pass a.b=%s\r\n",
                 rows[i].want);
        dkim_authres_begin(&a, "mx");
        dkim_authres_result(&a, "x", "pass", "");
        dkim_authres_property(&a, "a.b", rows[i].value);
        end_is(&a, want);
    }
}

/* What is cut, is cut between characters. */
static void
cut_at_a_character(void **state)
{
    char value[DKIM_AUTHRES_VALUE_MAX + 20];

    (void)state;
    for (size_t first = 0; first < 4; first++) {
        struct dkim_authres a;
        struct bytes field;

        memset(value, 'v', first);
        for (size_t i = first; i + 4 <= sizeof(value); i += 4) {
            memcpy(value + i, "\xf0\x9f\x93\xa7", 4);
        }
        dkim_authres_begin(&a, "mx");
        dkim_authres_result(&a, "x", "fail", "");
        dkim_authres_property(&a, "a.b", bytes_make(value, sizeof(value) - 3));
        assert_true(dkim_authres_end(&a, &field));
        assert_true(dkim_utf8_valid(field));
        assert_true(bytes_find(field, '?') == field.len);
        assert_true(field.len > DKIM_AUTHRES_VALUE_MAX);
        assert_true(field.len < DKIM_AUTHRES_VALUE_MAX + 60);
        dkim_authres_free(&a);
    }
}

static void
folds_and_limits(void **state)
{
    struct dkim_authres a;
    struct bytes field;
    char value[2000];

    (void)state;
    memset(value, 'v', sizeof(value));
    for (size_t len = 0; len < sizeof(value); len += 7) {
        dkim_authres_begin(&a, "mx");
        for (int i = 0; i < 5; i++) {
            dkim_authres_result(&a, "x", "fail", "some reason");
            dkim_authres_property(&a, "a.b", bytes_make(value, len));
            dkim_authres_property(&a, "c.d", bytes_make(value, len / 2));
        }
        assert_true(dkim_authres_end(&a, &field));
        while (field.len > 0) {
            size_t n = bytes_find(field, '\n');

            assert_true(n >= 2 && field.ptr[n - 1] == '\r');
            /* over 78 only where one word is as long */
            assert_true(n - 1 <= 78 ||
                        bytes_find(bytes_make(field.ptr + 1, n - 2), ' ') ==
                            n - 2);
            assert_true(n - 1 <= 998);
            field = bytes_skip(field, n + 1);
            assert_true(field.len == 0 || field.ptr[0] == ' ');
        }
        dkim_authres_free(&a);
    }
}

/* A message with n fields of value; what we write of it. */
static struct buf
report(const char *signature, unsigned n)
{
    const struct dkim_verify_conf conf = { NOW_S, 8, false };
    const struct judge_dns dns[] = { { NULL, DNS_OK, { NULL } } };
    struct buf message = BUF_INIT, out = BUF_INIT;
    struct dkim_authres a;
    struct bytes field;
    struct judged j;

    while (n-- > 0) {
        buf_printf(&message, "DKIM-Signature:%s\r\n", signature);
    }
    buf_puts(&message, FROM "\r\nHi.\r\n");
    judge(&j, buf_bytes(&message), dns, &conf);
    dkim_authres_begin(&a, "mx");
    dkim_authres_dkim(&a, j.verify);
    assert_true(dkim_authres_end(&a, &field));
    buf_put(&out, field);
    dkim_authres_free(&a);
    judge_free(&j);
    buf_free(&message);
    return out;
}

static void
report_is(const char *signature, unsigned n, const char *want)
{
    struct buf out = report(signature, n);

    assert_string_equal(buf_str(&out), want);
    buf_free(&out);
}

#define TAGS " v=1; a=rsa-sha256; h=from; bh=" ED "; "

static void
signatures(void **state)
{
    (void)state;
    report_is("", 0, "Authentication-Results: mx;\r\n dkim=none\r\n");
    report_is("", 1,
              "Authentication-Results: mx;\r\n dkim=permerror"
              " reason=\"signature is not a list of tags\"\r\n");
    report_is(TAGS "d=example.com; s=sel; b=AB\r\n CD/FGHIJKL", 1,
              "Authentication-Results: mx;\r\n dkim=permerror"
              " reason=\"no key record in DNS\" header.d=example.com\r\n"
              " header.a=rsa-sha256 header.s=sel\r\n");
    report_is(TAGS "d=example.com; s=sel; i=a=20b@example.com; "
                   "b=AB\r\n CD/FGHIJKL",
              2,
              "Authentication-Results: mx;\r\n dkim=permerror"
              " reason=\"no key record in DNS\" header.d=example.com\r\n"
              " header.i=\"a=20b@example.com\" header.a=rsa-sha256"
              " header.s=sel\r\n header.b=\"ABCD/FGH\";\r\n"
              " dkim=permerror"
              " reason=\"no key record in DNS\" header.d=example.com\r\n"
              " header.i=\"a=20b@example.com\" header.a=rsa-sha256"
              " header.s=sel\r\n header.b=\"ABCD/FGH\"\r\n");
}

/* Nothing that a signature says becomes a result of its own. */
static void
injection(void **state)
{
    static const char *const tags[] = {
        TAGS "b=AAAA; s=sel; d=a;dkim=pass",
        TAGS "b=AAAA; s=sel; d=a dkim=pass header.d=example.com",
        TAGS "b=AAAA; s=sel; d=example.net(.example.com",
        TAGS "b=AAAA; s=x dkim=pass; d=example.com",
        TAGS "b=AAAA; s=sel; d=example.com; i=\" dkim=pass\"@example.com",
        TAGS "b=AAAA; s=sel; d=example.com; i=x=0D=0A dkim=3Dpass@example.com",
        TAGS "b= \" dkim=pass; s=sel; d=example.com",
        TAGS "b=AAAA; s=sel; d=example.com; i= dkim=pass",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        struct buf out = report(tags[i], 2);
        bool quoted = false;

        for (const char *p = buf_str(&out); *p != '\0'; p++) {
            p += *p == '\\' && p[1] != '\0';
            quoted = quoted != (*p == '"' && p[-1] != '\\');
            if (!quoted && strncmp(p, " dkim=pass", 10) == 0) {
                fail_msg("%s", buf_str(&out));
            }
        }
        assert_false(quoted);
        buf_free(&out);
    }
}

static void
too_many(void **state)
{
    struct buf out = report(TAGS "d=example.com; s=sel; b=AAAA", 900);
    const char *p = buf_str(&out);
    unsigned n = 0;

    (void)state;
    while ((p = strstr(p, " dkim=")) != NULL) {
        p++;
        n++;
    }
    assert_int_equal(n, DKIM_AUTHRES_SIGNATURES_MAX + 1);
    assert_non_null(strstr(buf_str(&out), "\"868 more signatures\"\r\n"));
    assert_true(out.len < 8192);
    buf_free(&out);
}

static bool
claims(const char *name, struct bytes value, const char *id)
{
    struct dkim_field field = { value, bytes_str(name), value };

    return dkim_authres_claims(&field, id);
}

static void
claim_vectors(void **state)
{
    unsigned count = 0;
    struct vec v;

    (void)state;
    for (vec_open(&v, "authres-claims.txt"); vec_next(&v); count++) {
        bool want = strcmp(v.word[0], "yes") == 0;

        assert_int_equal(v.columns, 3);
        if (claims("Authentication-Results", v.col[2], "mx.example.com") !=
            want) {
            fail_msg("%s", v.word[1]);
        }
    }
    assert_true(count > 50);
}

static void
claim_names(void **state)
{
    struct bytes value = BYTES_LIT(" mx.example.com; dkim=pass");
    struct buf b = BUF_INIT;

    (void)state;
    assert_true(claims("AUTHENTICATION-results", value, "mx.example.com"));
    assert_false(claims("ARC-Authentication-Results", value, "mx.example.com"));
    assert_false(claims("X-Authentication-Results", value, "mx.example.com"));
    assert_false(claims("", value, "mx.example.com"));
    assert_true(claims("Authentication-Results", value, "MX.example.com."));
    /* one name, as a U-label and as an A-label */
    assert_true(claims("Authentication-Results",
                       BYTES_LIT("m\xc3\xbc.example;"), "xn--m-xka.example"));
    assert_true(claims("Authentication-Results",
                       BYTES_LIT("XN--m-xka.example;"), "m\xc3\xbc.example"));
    /* an id of ours that is no token */
    assert_true(
        claims("Authentication-Results", BYTES_LIT("\"mx/1 a\"; x"), "mx/1 a"));
    for (int i = 0; i < 6000; i++) {
        buf_puts(&b, i % 2 ? "(" : ")");
    }
    assert_true(claims("Authentication-Results", buf_bytes(&b), "mx"));
    buf_clear(&b);
    buf_puts(&b, "(");
    for (int i = 0; i < 6000; i++) {
        buf_puts(&b, "a");
    }
    buf_puts(&b, ") mx; dkim=pass");
    assert_true(claims("Authentication-Results", buf_bytes(&b), "mx"));
    buf_clear(&b);
    for (int i = 0; i < 6000; i++) {
        buf_puts(&b, "a");
    }
    assert_true(claims("Authentication-Results", buf_bytes(&b), "mx"));
    buf_free(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(values),
        cmocka_unit_test(folds_and_limits),
        cmocka_unit_test(signatures),
        cmocka_unit_test(injection),
        cmocka_unit_test(too_many),
        cmocka_unit_test(claim_vectors),
        cmocka_unit_test(claim_names),
        cmocka_unit_test(cut_at_a_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
