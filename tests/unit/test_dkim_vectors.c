/*
 * test_dkim_vectors - signatures of others, judged as others judge them.
 *
 * Runs the suites dkim-rfc, dkim-lieser and cross-signed; skipped when they
 * are not there. The body is fed in pieces whose size changes from case to
 * case.
 */
#include "tests/support/cases.h"
#include "tests/support/cmocka.h"

#include <dkim/verify.h>

#include <proxy/dns/file.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NOW_S = 1795000060
}; /* later than all that was signed */

static struct dkim_verify *
run(const struct cases *c, const struct dkim_header *header, struct bytes body,
    size_t chunk)
{
    struct dkim_verify_conf conf = {
        .now_s = json_number(c->expect, "env.now", NOW_S),
        .signatures_max = 8,
    };
    struct dkim_verify *v = dkim_verify_new(header, &conf);
    struct buf error = BUF_INIT;
    struct dns_file *dns = dns_file_load(c->dns_path, &error);
    struct dns_question q;
    unsigned id;

    assert_non_null(v);
    assert_non_null(dns);
    while (dkim_verify_question(v, &q, &id)) {
        struct dns_answer answer;

        dns_file_ask(dns, &q, &answer);
        dkim_verify_answer(v, id, &answer);
    }
    assert_int_equal(dkim_verify_waiting(v), 0);
    while (body.len > 0) {
        dkim_verify_body(v, bytes_take(body, chunk));
        body = bytes_skip(body, body.len < chunk ? body.len : chunk);
    }
    dkim_verify_end(v);
    dns_file_free(&dns);
    buf_free(&error);
    return v;
}

/* The result itself, or one of the other right answers. */
static bool
is_right(const struct cases *c, size_t n, const char *verdict)
{
    char path[64];
    char *want;
    bool right;

    snprintf(path, sizeof(path), "dkim.%zu.result", n);
    want = json_text(c->expect, path, "");
    right = strcmp(want, verdict) == 0;
    free(want);
    snprintf(path, sizeof(path), "dkim.%zu.accept", n);
    for (size_t i = 0, count = json_count(c->expect, path); i < count; i++) {
        snprintf(path, sizeof(path), "dkim.%zu.accept.%zu", n, i);
        want = json_text(c->expect, path, "");
        right = right || strcmp(want, verdict) == 0;
        free(want);
    }
    return right;
}

static unsigned
judge(const struct cases *c, const struct dkim_verify *v)
{
    size_t count = json_count(c->expect, "dkim");
    unsigned wrong = 0;

    if (dkim_verify_count(v) != count) {
        print_error("%s: %zu signatures\n", c->name, dkim_verify_count(v));
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        const struct dkim_verify_result *r = dkim_verify_result(v, i);

        if (!is_right(c, i, dkim_verdict_name(r->verdict))) {
            print_error("%s: signature %zu: %s %s\n", c->name, i,
                        dkim_verdict_name(r->verdict), r->reason);
            wrong++;
        }
    }
    return wrong;
}

static void
run_suite(const char *name, size_t least)
{
    struct cases *c = cases_open(name);
    size_t count = 0;
    unsigned wrong = 0;

    if (c == NULL) {
        skip();
    }
    while (cases_next(c)) {
        struct dkim_header header;
        struct bytes block, body;
        struct dkim_verify *v;

        (void)dkim_header_split(c->message, &block, &body);
        assert_int_equal(dkim_header_parse(block, &header), DKIM_HEADER_OK);
        v = run(c, &header, body, 1 + count * 37 % 4099);
        wrong += judge(c, v);
        dkim_verify_free(&v);
        dkim_header_free(&header);
        count++;
    }
    cases_close(&c);
    print_message("%s: %zu cases\n", name, count);
    assert_int_equal(wrong, 0);
    assert_true(count >= least);
}

static void
dkim_rfc(void **state)
{
    (void)state;
    run_suite("dkim-rfc", 2);
}

static void
dkim_lieser(void **state)
{
    (void)state;
    run_suite("dkim-lieser", 32);
}

static void
cross_signed(void **state)
{
    (void)state;
    run_suite("cross-signed", 302);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dkim_rfc),
        cmocka_unit_test(dkim_lieser),
        cmocka_unit_test(cross_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
