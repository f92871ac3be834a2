/*
 * test_spf - every mechanism and modifier of dkim/spf.h, their grammar, and
 * whose result counts. The OpenSPF suite is test_spf_vectors.
 */
#include "dkim/spf_parts.h"
#include "tests/support/cmocka.h"
#include "tests/support/spf_zone.h"

#include <stdio.h>

static const struct spf_case {
    const char *zone;
    const char *ip;
    const char *from;
    const char *helo;
    enum spf_result_code want;
    const char *term; /* that decided */
} cases[] = {
    /* 4.3, 4.4, 4.5: finding the record */
    { "", V4, FROM, "h.test", SPF_NONE, "" },
    { "a.test TXT \"v=spf10 -all\"", V4, FROM, "h.test", SPF_NONE, "" },
    { "a.test TXT \"V=SPF1\"", V4, FROM, "h.test", SPF_NEUTRAL, "" },
    { "\"v=spf1\\009-all\"", V4, FROM, "h.test", SPF_NONE, "" },
    { "a.test TXT \"x\"\na.test TXT \"v=spf1 -all\"", V4, FROM, "h.test",
      SPF_FAIL, "-all" },
    { "a.test TXT \"v=spf1\"\na.test TXT \"v=spf1\"", V4, FROM, "h.test",
      SPF_PERMERROR, "" },
    { "a.test * !SERVFAIL", V4, FROM, "h.test", SPF_TEMPERROR, "" },
    { "a.test A 192.0.2.1", V4, FROM, "h.test", SPF_NONE, "" },
    { "test TXT \"v=spf1 -all\"", V4, "joe@test", "h.test", SPF_NONE, "" },
    { "\"v=spf1 -all\"", V4, "joe@a..test", "h.test", SPF_NONE, "" },
    { "\"v=spf1 -all\"", V4, "joe@[192.0.2.7]", "h.test", SPF_NONE, "" },
    { "\"v=spf1 -all\"", V4, "joe@b\xc3\xa4.test", "h.test", SPF_NONE, "" },
    { "\"v=spf1 -all\"", V4, "@A.TEST.", "h.test", SPF_FAIL, "-all" },
    { "\"v=spf1 -all\"", V4, "joe@b.test@a.test", "h", SPF_FAIL, "-all" },
    { "\"v=spf1 -all\"", V4, "", "a.test", SPF_FAIL, "-all" },
    { "\"v=spf1 -all\"", V4, "", "[192.0.2.7]", SPF_NONE, "" },
    /* 4.6.2: qualifiers; 5.1 all; the first match counts */
    { "\"v=spf1 +all -all\"", V4, FROM, "h.test", SPF_PASS, "+all" },
    { "\"v=spf1 ~ALL\"", V4, FROM, "h.test", SPF_SOFTFAIL, "~ALL" },
    { "\"v=spf1 ?all\"", V4, FROM, "h.test", SPF_NEUTRAL, "?all" },
    { "\"v=spf1  -all  \"", V4, FROM, "h.test", SPF_FAIL, "-all" },
    /* 5.3 a */
    { "\"v=spf1 a -all\"\na.test A " V4, V4, FROM, "h", SPF_PASS, "a" },
    { "\"v=spf1 a -all\"\na.test AAAA " V6, V6, FROM, "h", SPF_PASS, "a" },
    { "\"v=spf1 a -all\"\na.test A " V4, V6, FROM, "h", SPF_FAIL, "-all" },
    { "\"v=spf1 a/24 -all\"\na.test A 192.0.2.255", V4, FROM, "h", SPF_PASS,
      "a/24" },
    { "\"v=spf1 a/25 -all\"\na.test A 192.0.2.255", V4, FROM, "h", SPF_FAIL,
      "-all" },
    { "\"v=spf1 a//64 -all\"\na.test AAAA 2001:db8::1:0:0:7", V6, FROM, "h",
      SPF_PASS, "a//64" },
    { "\"v=spf1 a//96 -all\"\na.test AAAA 2001:db8::1:0:0:7", V6, FROM, "h",
      SPF_FAIL, "-all" },
    { "\"v=spf1 a:b.test/8//128 -all\"\nb.test A 192.9.9.9", V4, FROM, "h",
      SPF_PASS, "a:b.test/8//128" },
    { "\"v=spf1 a -all\"\na.test A !TIMEOUT", V4, FROM, "h", SPF_TEMPERROR,
      "a" },
    { "\"v=spf1 a -all\"\na.test A " V4, "::ffff:192.0.2.7", FROM, "h",
      SPF_PASS, "a" },
    /* 5.4 mx */
    { "\"v=spf1 mx -all\"\na.test MX 1 m.test\nm.test A " V4, V4, FROM, "h",
      SPF_PASS, "mx" },
    { "\"v=spf1 mx:b.test/16 -all\"\nb.test MX 1 m.test\nb.test MX 2 n.test\n"
      "m.test A 10.0.0.1\nn.test A 192.0.9.9",
      V4, FROM, "h", SPF_PASS, "mx:b.test/16" },
    { "\"v=spf1 mx -all\"\na.test A " V4, V4, FROM, "h", SPF_FAIL, "-all" },
    { "\"v=spf1 mx -all\"\na.test MX 1 m.test\nm.test A !SERVFAIL", V4, FROM,
      "h", SPF_TEMPERROR, "mx" },
    { "\"v=spf1 mx -all\"\na.test MX !SERVFAIL", V4, FROM, "h", SPF_TEMPERROR,
      "mx" },
    { "\"v=spf1 mx -all\"\na.test MX 0 .", V4, FROM, "h", SPF_FAIL, "-all" },
    /* 5.5 ptr: only validated names count, errors are no match */
    { "\"v=spf1 ptr -all\"\n" PTR4 "x.a.test\nx.a.test A " V4, V4, FROM, "h",
      SPF_PASS, "ptr" },
    { "\"v=spf1 ptr:b.test -all\"\n" PTR4 "b.test\nb.test A " V4, V4, FROM, "h",
      SPF_PASS, "ptr:b.test" },
    { "\"v=spf1 ptr -all\"\n" PTR4 "xa.test\nxa.test A " V4, V4, FROM, "h",
      SPF_FAIL, "-all" },
    { "\"v=spf1 ptr -all\"\n" PTR4 "x.a.test\nx.a.test A 192.0.2.8", V4, FROM,
      "h", SPF_FAIL, "-all" },
    { "\"v=spf1 ptr -all\"\n7.2.0.192.in-addr.arpa PTR !TIMEOUT", V4, FROM, "h",
      SPF_FAIL, "-all" },
    { "\"v=spf1 ptr -all\"\n7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
      "8.b.d.0.1.0.0.2.ip6.arpa PTR x.a.test\nx.a.test AAAA " V6,
      V6, FROM, "h", SPF_PASS, "ptr" },
    /* 4.6.4: the third answer without a record, of whatever it was */
    { "\"v=spf1 a:v.test a:w.test ptr ?all\"", V4, FROM, "h", SPF_PERMERROR,
      "ptr" },
    { "\"v=spf1 mx ?all\"\na.test MX 1 u.test\na.test MX 2 v.test\n"
      "a.test MX 3 w.test",
      V4, FROM, "h", SPF_PERMERROR, "mx" },
    /* 5.6 ip4, ip6 */
    { "\"v=spf1 ip4:192.0.2.7 -all\"", V4, FROM, "h", SPF_PASS,
      "ip4:192.0.2.7" },
    { "\"v=spf1 ip4:192.0.2.4/30 -all\"", V4, FROM, "h", SPF_PASS,
      "ip4:192.0.2.4/30" },
    { "\"v=spf1 ip4:192.0.2.0/30 -all\"", V4, FROM, "h", SPF_FAIL, "-all" },
    { "\"v=spf1 ip4:0.0.0.0/0 -all\"", V6, FROM, "h", SPF_FAIL, "-all" },
    { "\"v=spf1 ip6:2001:DB8::/32 -all\"", V6, FROM, "h", SPF_PASS,
      "ip6:2001:DB8::/32" },
    { "\"v=spf1 ip6:::/0 -all\"", V4, FROM, "h", SPF_FAIL, "-all" },
    /* 5.7 exists */
    { "\"v=spf1 exists:%{ir}.b.test -all\"\n7.2.0.192.b.test A 127.0.0.2", V4,
      FROM, "h", SPF_PASS, "exists:%{ir}.b.test" },
    { "\"v=spf1 exists:b.test -all\"\nb.test A 127.0.0.2", V6, FROM, "h",
      SPF_PASS, "exists:b.test" },
    { "\"v=spf1 exists:b.test -all\"\nb.test AAAA ::1", V6, FROM, "h", SPF_FAIL,
      "-all" },
    { "\"v=spf1 exists:b.test -all\"\nb.test A !TIMEOUT", V4, FROM, "h",
      SPF_TEMPERROR, "exists:b.test" },
    /* 4.8: what a macro makes of the sender may be no name */
    { "\"v=spf1 exists:%{l}.b.test ?all\"\nb.test A 127.0.0.2", V4,
      "a..b@a.test", "h", SPF_NEUTRAL, "?all" },
    { "\"v=spf1 exists:%{l}.b.test ?all\"\nb.test A 127.0.0.2", V4,
      "a\\b@a.test", "h", SPF_NEUTRAL, "?all" },
    { "\"v=spf1 include:%{l}.b.test ?all\"", V4, "a..b@a.test", "h",
      SPF_PERMERROR, "include:%{l}.b.test" },
    /* 5.2 include */
    { "\"v=spf1 include:b.test -all\"\nb.test TXT \"v=spf1 +all\"", V4, FROM,
      "h", SPF_PASS, "include:b.test" },
    { "\"v=spf1 -include:b.test ?all\"\nb.test TXT \"v=spf1 +all\"", V4, FROM,
      "h", SPF_FAIL, "-include:b.test" },
    { "\"v=spf1 include:b.test ?all\"\nb.test TXT \"v=spf1 -all\"", V4, FROM,
      "h", SPF_NEUTRAL, "?all" },
    { "\"v=spf1 include:b.test ?all\"\nb.test TXT \"v=spf1 ~all\"", V4, FROM,
      "h", SPF_NEUTRAL, "?all" },
    { "\"v=spf1 include:b.test -all\"\nb.test TXT \"v=spf1 ?all\"", V4, FROM,
      "h", SPF_FAIL, "-all" },
    { "\"v=spf1 include:b.test -all\"\nb.test TXT !SERVFAIL", V4, FROM, "h",
      SPF_TEMPERROR, "" },
    { "\"v=spf1 include:b.test -all\"\nb.test TXT \"v=spf1 foo\"", V4, FROM,
      "h", SPF_PERMERROR, "" },
    { "\"v=spf1 include:b.test -all\"", V4, FROM, "h", SPF_PERMERROR,
      "include:b.test" },
    { "\"v=spf1 include:b.test -all\"\nb.test TXT \"v=spf1 include:c.test\"\n"
      "c.test TXT \"v=spf1 ip4:192.0.2.0/24 -all\"",
      V4, FROM, "h", SPF_PASS, "include:b.test" },
    { "\"v=spf1 include:b.test -all\"\nb.test TXT \"v=spf1 redirect=c.test\"\n"
      "c.test TXT \"v=spf1 a ?all\"\nc.test A " V4,
      V4, FROM, "h", SPF_PASS, "include:b.test" },
    { "\"v=spf1 include:a.test -all\"", V4, FROM, "h", SPF_PERMERROR,
      "include:a.test" },
    /* 6.1 redirect */
    { "\"v=spf1 redirect=b.test\"\nb.test TXT \"v=spf1 ~all\"", V4, FROM, "h",
      SPF_SOFTFAIL, "~all" },
    { "\"v=spf1 redirect=b.test -all\"\nb.test TXT \"v=spf1 +all\"", V4, FROM,
      "h", SPF_FAIL, "-all" },
    { "\"v=spf1 redirect=b.test\"", V4, FROM, "h", SPF_PERMERROR,
      "redirect=b.test" },
    { "\"v=spf1 redirect=b.test\"\nb.test TXT !TIMEOUT", V4, FROM, "h",
      SPF_TEMPERROR, "redirect=b.test" },
    { "\"v=spf1 redirect=b.test\"\nb.test TXT \"v=spf1 a -all\"\nb.test A " V4,
      V4, FROM, "h", SPF_PASS, "a" },
    { "\"v=spf1 redirect=a.test\"", V4, FROM, "h", SPF_PERMERROR,
      "redirect=a.test" },
    /* 6: unknown modifiers, doubled ones */
    { "\"v=spf1 x-y.z_1=%{c}/ -all\"", V4, FROM, "h", SPF_FAIL, "-all" },
    { "\"v=spf1 moo= moo= -all\"", V4, FROM, "h", SPF_FAIL, "-all" },
    { "\"v=spf1 exp=b.test exp=b.test -all\"", V4, FROM, "h", SPF_PERMERROR,
      "" },
    { "\"v=spf1 redirect=b.test redirect=b.test -all\"", V4, FROM, "h",
      SPF_PERMERROR, "" },
    /* 4.6.1: a syntax error behind the match is still one */
    { "\"v=spf1 +all foo\"", V4, FROM, "h", SPF_PERMERROR, "" },
    { "\"v=spf1 +all moo=%x\"", V4, FROM, "h", SPF_PERMERROR, "" },
    { "\"v=spf1 +all \xc3\xa4\"", V4, FROM, "h", SPF_PERMERROR, "" },
};

/* Terms that are errors or good ones, alone in a record. 12, 7.1. */
static const char *const bad_terms[] = {
    "all:",
    "all/8",
    "all.",
    "alll",
    "include",
    "include:",
    "include:b",
    "include:b.test/24",
    "a:",
    "a:/24",
    "a/",
    "a/33",
    "a/032",
    "a//129",
    "a/24/64",
    "a//64/24",
    "a:b.test//",
    "a:b.1",
    "a:b.-c",
    "a:b.c-",
    "a:b.c_d",
    "a:b",
    "a.b.test",
    "a:%{d}x",
    "a:%{d}.1",
    "a:%{d0}",
    "a:%{x}.test",
    "a:%{d.test",
    "a:%{}.test",
    "a:%(d).test",
    "a:%.test",
    "a:%{c}.test",
    "a:%{r}",
    "a:%{t}",
    "a:%{dx}",
    "a:%{d5.r}",
    "mx:",
    "mx/33",
    "mx:b",
    "ptr:",
    "ptr/24",
    "ptr:b",
    "exists",
    "exists:",
    "exists/24",
    "exists:b",
    "ip4",
    "ip4:",
    "ip4:1.2.3",
    "ip4:1.2.3.04",
    "ip4:1.2.3.4/",
    "ip4:1.2.3.4/33",
    "ip4:1.2.3.4//32",
    "ip4:::1",
    "ip4:b.test",
    "ip4/8",
    "ip6",
    "ip6:",
    "ip6:1.2.3.4",
    "ip6:::/129",
    "ip6:::/01",
    "ip6:::g",
    "redirect=",
    "redirect=b",
    "exp=",
    "exp=b",
    "exp=b.test/24x ",
    "-redirect=b.test",
    "--all",
    "=b",
    "1x=b",
    "-",
    "moo=%",
    "moo=%{d",

    "redirect:b.test",
};

static const char *const good_terms[] = {
    "all",
    "A",
    "Mx",
    "pTr",
    "a/0",
    "a//0",
    "a/32//128",
    "a:b.test./24",
    "a:b.xn--c",
    "a:b.c1-d",
    "a:b.1c",
    "a:foo:bar/baz.test",
    "a:%{d}",
    "a:%{d}.test",
    "a:%%%_%-.b.test",
    "a:b%{d/}/24",
    "a:%{D12R.-+,/_=}",
    "a:%{d99999999999999999999}",
    "exists:%{i}.%{v}.b",
    "mx/24//64",
    "ptr:b.test",
    "ip4:1.2.3.4/0",
    "ip6:::ffff:1.2.3.4/128",
    "redirect=%{d}",
    "exp=%{h}",
    "moo=%{c}",
};

static void
results_by_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct spf_case *c = &cases[i];
        struct spf *s = spf_zone_check(c->zone, c->ip, c->from, c->helo, false);
        const struct spf_outcome *o = spf_outcome(s, spf_identity(s));

        if (spf_result(s) != c->want || strcmp(o->term, c->term) != 0) {
            fail_msg("%s from %s: %s by \"%s\"", c->zone, c->from,
                     spf_result_name(spf_result(s)), o->term);
        }
        spf_free(&s);
    }
}

/* "+all" would match before; nothing after a syntax error may. */
static void
terms_by_grammar(void **state)
{
    struct spf_record r;
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof(bad_terms) / sizeof(*bad_terms); i++) {
        snprintf(text, sizeof(text), "v=spf1 +all %s", bad_terms[i]);
        if (spf_record_parse(bytes_str(text), &r)) {
            fail_msg("taken: %s", text);
        }
    }
    for (size_t i = 0; i < sizeof(good_terms) / sizeof(*good_terms); i++) {
        snprintf(text, sizeof(text), "v=spf1 %s", good_terms[i]);
        if (!spf_record_parse(bytes_str(text), &r)) {
            fail_msg("refused: %s", text);
        }
    }
}

static const struct identity_case {
    const char *from_record, *helo_record;
    const char *from;
    enum spf_result_code want;
    enum spf_identity identity;
    const char *dmarc;
} identities[] = {
    { "+all", "-all", FROM, SPF_PASS, SPF_MAIL_FROM, "a.test" },
    { "-all", "+all", FROM, SPF_FAIL, SPF_MAIL_FROM, "" },
    { "?all", "-all", FROM, SPF_FAIL, SPF_HELO, "" },
    { "~all", "+all", FROM, SPF_SOFTFAIL, SPF_MAIL_FROM, "" },
    { "~all", "foo", FROM, SPF_SOFTFAIL, SPF_MAIL_FROM, "" },
    { "foo", "-all", FROM, SPF_FAIL, SPF_HELO, "" },
    { NULL, "+all", FROM, SPF_PASS, SPF_HELO, "" },
    { NULL, NULL, FROM, SPF_NONE, SPF_MAIL_FROM, "" },
    { "+all", "+all", "", SPF_PASS, SPF_HELO, "h.test" },
    { "+all", "-all", "", SPF_FAIL, SPF_HELO, "" },
};

static void
identity_by_table(void **state)
{
    char zone[500], line[200];

    (void)state;
    for (size_t i = 0; i < sizeof(identities) / sizeof(*identities); i++) {
        const struct identity_case *c = &identities[i];
        struct spf *s;

        snprintf(zone, sizeof(zone), "# nothing\n");
        if (c->from_record != NULL) {
            snprintf(line, sizeof(line), "a.test TXT \"v=spf1 %s\"\n",
                     c->from_record);
            strcat(zone, line);
        }
        if (c->helo_record != NULL) {
            snprintf(line, sizeof(line), "h.test TXT \"v=spf1 %s\"\n",
                     c->helo_record);
            strcat(zone, line);
        }
        s = spf_zone_check(zone, V4, c->from, "h.test", true);
        if (spf_result(s) != c->want || spf_identity(s) != c->identity ||
            strcmp(spf_dmarc_domain(s), c->dmarc) != 0) {
            fail_msg("row %zu: %s by %d, dmarc %s", i,
                     spf_result_name(spf_result(s)), (int)spf_identity(s),
                     spf_dmarc_domain(s));
        }
        spf_free(&s);
    }
}

/* Freed at every stage: the leak check of a sanitizer looks on. */
static void
may_be_given_up_early(void **state)
{
    const struct dns_record txt = {
        BYTES_LIT("v=spf1 ptr include:%{d} -all exp=%{d}"), 0
    };
    const struct dns_record name = { BYTES_LIT("x.test"), 0 };
    struct spf_input in = { .ip_octets = 4,
                            .helo = BYTES_LIT("h.test"),
                            .mail_from = BYTES_LIT(FROM),
                            .helo_too = true,
                            .explain = true };

    (void)state;
    for (unsigned stop = 0; stop < 40; stop++) {
        struct spf *s = spf_new(&in);
        struct dns_question q;

        for (unsigned i = 0; i < stop && spf_run(s, &q) == SPF_ASK; i++) {
            struct dns_answer a = { DNS_OK, &name, 1, 0, false };

            a.records = q.type == DNS_TXT ? &txt : &name;
            spf_answer(s, &a);
        }
        spf_free(&s);
        assert_null(s);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_by_table),
        cmocka_unit_test(terms_by_grammar),
        cmocka_unit_test(identity_by_table),
        cmocka_unit_test(may_be_given_up_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
