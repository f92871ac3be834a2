/*
 * test_spf_macros - the macros of SPF, and the explanations made with them.
 */
#include "dkim/spf_parts.h"
#include "tests/support/cmocka.h"
#include "tests/support/spf_zone.h"

#include <stdio.h>

static const struct macro_case {
    const char *spec;
    const char *want;
} macros[] = {
    /* 7.4's examples */
    { "%{s}", "strong-bad@email.example.com" },
    { "%{o}", "email.example.com" },
    { "%{d}", "email.example.com" },
    { "%{d4}", "email.example.com" },
    { "%{d3}", "email.example.com" },
    { "%{d2}", "example.com" },
    { "%{d1}", "com" },
    { "%{dr}", "com.example.email" },
    { "%{d2r}", "example.email" },
    { "%{l}", "strong-bad" },
    { "%{l-}", "strong.bad" },
    { "%{lr}", "strong-bad" },
    { "%{lr-}", "bad.strong" },
    { "%{l1r-}", "strong" },
    { "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com" },
    { "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com" },
    { "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
      "bad.strong.lp.3.2.0.192.in-addr._spf.example.com" },
    { "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
      "3.2.0.192.in-addr.strong.lp._spf.example.com" },
    { "%{d2}.trusted-domains.example.net",
      "example.com.trusted-domains.example.net" },
    /* the rest */
    { "%%%_%-", "% %20" },
    { "%{S}", "strong-bad%40email.example.com" },
    { "%{h}", "[mail]" },
    { "%{H}", "%5Bmail%5D" },
    { "%{c} %{r} %{t}", "192.0.2.3 mx.example.org 1234567890" },
    { "%{p}", "valid.example.com" },
    { "%{d1.-}%{d9+}", "comemail.example.com" },
};

static void
macros_by_table(void **state)
{
    static const uint8_t ip[4] = { 192, 0, 2, 3 };
    const struct spf_macro_env env = {
        .local = BYTES_LIT("strong-bad"),
        .sender_domain = BYTES_LIT("email.example.com"),
        .domain = BYTES_LIT("email.example.com"),
        .helo = BYTES_LIT("[mail]"),
        .receiver = BYTES_LIT("mx.example.org"),
        .validated = BYTES_LIT("valid.example.com"),
        .ip = ip,
        .ip4 = true,
        .now_s = 1234567890,
    };
    struct buf out = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(macros) / sizeof(*macros); i++) {
        buf_clear(&out);
        if (!spf_macro_good(bytes_str(macros[i].spec), true) ||
            !spf_macro_expand(bytes_str(macros[i].spec), &env, &out) ||
            !bytes_eq(buf_bytes(&out), bytes_str(macros[i].want))) {
            fail_msg("%s: %s", macros[i].spec, buf_str(&out));
        }
    }
    assert_false(spf_macro_good(BYTES_LIT("a b"), false));
    /* '@' is no delimiter */
    assert_false(spf_macro_good(BYTES_LIT("%{s2@}"), true));
    buf_free(&out);
}

/* Few octets of a record must not become many of ours. */
static void
macros_are_limited(void **state)
{
    static const uint8_t ip[4] = { 192, 0, 2, 3 };
    char local[100];
    const struct spf_macro_env env = {
        .local = bytes_make(local, sizeof(local)), .ip = ip, .ip4 = true
    };
    struct buf spec = BUF_INIT, out = BUF_INIT;

    (void)state;
    memset(local, 'x', sizeof(local));
    for (size_t n = 1; n <= 83; n++) {
        buf_puts(&spec, "%{l}");
        buf_clear(&out);
        assert_int_equal(spf_macro_expand(buf_bytes(&spec), &env, &out),
                         n * sizeof(local) <= SPF_MACRO_OCTETS_MAX);
    }
    buf_free(&spec);
    buf_free(&out);
}

static void
ipv6_macros(void **state)
{
    struct spf *s = spf_zone_check(
        "\"v=spf1 exists:%{ir}.%{v}.b.test -all\"\n7.0.0.0.0.0.0.0.0.0.0.0.0."
        "0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.b.test A 127.0.0.1",
        V6, FROM, "h.test", false);

    (void)state;
    assert_int_equal(spf_result(s), SPF_PASS);
    spf_free(&s);
}

/* 7.3: %{p} is the domain itself, then below it, then any. */
static void
validated_name_by_preference(void **state)
{
    static const struct {
        const char *names;
        const char *want;
    } table[] = {
        { PTR4 "x.b.test\n" PTR4 "x.a.test\n" PTR4 "a.test", "a.test" },
        { PTR4 "x.b.test\n" PTR4 "x.a.test", "x.a.test" },
        { PTR4 "z.test\n" PTR4 "x.b.test", "x.b.test" },
        { PTR4 "z.test", "unknown" },
        { PTR4 "z.a.test\nz.a.test A 192.0.2.1", "unknown" },
    };
    char zone[1000];

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct spf *s;

        snprintf(zone, sizeof(zone),
                 "a.test TXT \"v=spf1 -all exp=e.test\"\n%s\n"
                 "e.test TXT \"%%{p}\"\na.test A " V4 "\nx.a.test A " V4
                 "\nx.b.test A " V4 "\nz.test A 192.0.2.1",
                 table[i].names);
        s = spf_zone_check(zone, V4, FROM, "h.test", false);
        assert_string_equal(spf_explanation(s), table[i].want);
        spf_free(&s);
    }
}

static const struct exp_case {
    const char *zone; /* behind the record of a.test */
    const char *want;
} exps[] = {
    { "e.test TXT \"%{i} is not %{d}'s; %{c} %{t} %{r}\"",
      "192.0.2.7 is not a.test's; 192.0.2.7 1234567890 mx.r.test" },
    { "e.test TXT \"a\" \"b\"", "ab" },
    { "e.test TXT \"a\"\ne.test TXT \"b\"", "" },
    { "e.test TXT \"\"", "" },
    { "e.test TXT \"caf\xc3\xa9\"", "" },
    { "e.test TXT \"bell \\007\"", "" },
    { "e.test TXT \"%{x}\"", "" },
    { "e.test TXT !TIMEOUT", "" },
    { "", "" },
};

static void
explanations_by_table(void **state)
{
    char zone[1000];

    (void)state;
    for (size_t i = 0; i < sizeof(exps) / sizeof(*exps); i++) {
        struct spf *s;

        snprintf(zone, sizeof(zone), "\"v=spf1 -all exp=e.test\"\n%s",
                 exps[i].zone);
        s = spf_zone_check(zone, V4, FROM, "h.test", false);
        assert_int_equal(spf_result(s), SPF_FAIL);
        assert_string_equal(spf_explanation(s), exps[i].want);
        spf_free(&s);
    }
}

/* 6.2: the explanation's own name may be none. */
static void
explanation_without_a_name(void **state)
{
    struct spf *s =
        spf_zone_check("\"v=spf1 -all exp=%{l}.e.test\"\ne.test TXT \"a\"", V4,
                       "a..b@a.test", "h.test", false);

    (void)state;
    assert_int_equal(spf_result(s), SPF_FAIL);
    assert_string_equal(spf_explanation(s), "");
    spf_free(&s);
}

static void
explanation_is_cut_and_cleaned(void **state)
{
    char zone[2000] = "\"v=spf1 -all exp=e.test\"\ne.test TXT \"%{l}";
    struct spf *s;

    (void)state;
    memset(zone + strlen(zone), 'x', 1000);
    strcat(zone, "\"");
    s = spf_zone_check(zone, V4, "a\r\nb\xff@a.test", "h.test", false);
    assert_int_equal(strlen(spf_explanation(s)), SPF_EXPLANATION_MAX);
    assert_memory_equal(spf_explanation(s), "a??b?x", 6);
    spf_free(&s);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(macros_by_table),
        cmocka_unit_test(macros_are_limited),
        cmocka_unit_test(ipv6_macros),
        cmocka_unit_test(validated_name_by_preference),
        cmocka_unit_test(explanations_by_table),
        cmocka_unit_test(explanation_without_a_name),
        cmocka_unit_test(explanation_is_cut_and_cleaned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
