/*
 * test_spf_vectors - the OpenSPF suite for RFC 7208, each case with its zone.
 *
 * Skipped when the vectors are not there (tests/support/cases.h).
 */
#include "tests/support/cases.h"
#include "tests/support/cmocka.h"

#include <dkim/spf.h>

#include <arpa/inet.h>
#include <proxy/dns/file.h>
#include <stdio.h>
#include <stdlib.h>

struct run {
    enum spf_result_code result;
    char *explanation;
    unsigned questions;
};

static void
set_ip(struct spf_input *in, const char *text)
{
    in->ip_octets = strchr(text, ':') == NULL ? 4 : 16;
    assert_int_equal(
        inet_pton(in->ip_octets == 4 ? AF_INET : AF_INET6, text, in->ip), 1);
}

static struct run
evaluate(const struct cases *c, struct dns_file *zone, bool helo_too)
{
    char *ip = json_text(c->expect, "env.ip", "");
    char *helo = json_text(c->expect, "env.helo", "");
    char *from = json_text(c->expect, "env.mail_from", "");
    struct spf_input in = { .helo = bytes_str(helo),
                            .mail_from = bytes_str(from),
                            .receiver = "receiver.example",
                            .now_s = 1700000000,
                            .helo_too = helo_too,
                            .explain = true };
    struct run r = { 0 };
    struct dns_question q;
    struct dns_answer a;
    struct spf *s;

    set_ip(&in, ip);
    s = spf_new(&in);
    assert_non_null(s);
    for (; spf_run(s, &q) == SPF_ASK; r.questions++) {
        dns_file_ask(zone, &q, &a);
        spf_answer(s, &a);
    }
    r.result = spf_result(s);
    r.explanation = strdup(spf_explanation(s));
    assert_true(spf_reason(s)[0] != '\0');
    spf_free(&s);
    free(ip);
    free(helo);
    free(from);
    return r;
}

static bool
is_accepted(const struct cases *c, enum spf_result_code result)
{
    bool accepted = false;
    char path[32];

    for (size_t i = 0; i < json_count(c->expect, "accept_spf"); i++) {
        char *word;

        snprintf(path, sizeof(path), "accept_spf.%zu", i);
        word = json_text(c->expect, path, "");
        accepted = accepted || strcmp(word, spf_result_name(result)) == 0;
        free(word);
    }
    return accepted;
}

/* Returns how many things were wrong. */
static unsigned
check_case(const struct cases *c, bool helo_too)
{
    struct buf error = BUF_INIT;
    struct dns_file *zone = dns_file_load(c->dns_path, &error);
    char *explanation = json_text(c->expect, "explanation", "");
    unsigned wrong = 0;
    struct run r;

    if (zone == NULL) {
        print_error("%s\n", buf_str(&error));
        buf_free(&error);
        free(explanation);
        return 1;
    }
    r = evaluate(c, zone, helo_too);
    if (!is_accepted(c, r.result) || r.questions > SPF_QUESTIONS_MAX) {
        print_error("%s: %s, %u questions\n", c->name,
                    spf_result_name(r.result), r.questions);
        wrong++;
    }
    if (explanation[0] != '\0' &&
        !bytes_eq_ci(bytes_str(explanation), bytes_str(r.explanation))) {
        print_error("%s: explanation \"%s\", not \"%s\"\n", c->name,
                    r.explanation, explanation);
        wrong++;
    }
    free(r.explanation);
    free(explanation);
    dns_file_free(&zone);
    return wrong;
}

static void
run_suite(bool helo_too)
{
    struct cases *c = cases_open("spf-rfc7208");
    unsigned wrong = 0, count = 0;

    if (c == NULL) {
        print_message("0 cases run: no vectors\n");
        skip();
    }
    for (; cases_next(c); count++) {
        wrong += check_case(c, helo_too);
    }
    cases_close(&c);
    print_message("%u cases run, %u wrong\n", count, wrong);
    assert_true(count >= 203);
    assert_int_equal(wrong, 0);
}

static void
openspf_suite(void **state)
{
    (void)state;
    run_suite(false);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(openspf_suite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
