/*
 * test_spf - every mechanism, modifier, macro and limit of dkim/spf.h.
 *
 * Each case has a zone of its own; a zone that starts with a quote is the SPF
 * record of a.test. The OpenSPF suite is test_spf_vectors.
 */
#include "dkim/spf_parts.h"
#include "tests/support/cmocka.h"

#include <dkim/spf.h>

#include <arpa/inet.h>
#include <proxy/dns/file.h>
#include <stdio.h>
#include <stdlib.h>

#define V4   "192.0.2.7"
#define V6   "2001:db8::7"
#define FROM "joe@a.test"
#define PTR4 "7.2.0.192.in-addr.arpa PTR "

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

static const char *
make_zone(const char *zone, char *out, size_t cap)
{
    snprintf(out, cap, "%s%s\n", zone[0] == '"' ? "a.test TXT " : "", zone);
    return out;
}

static struct spf *
check(const char *zone, const char *ip, const char *from, const char *helo,
      bool helo_too)
{
    struct spf_input in = { .ip_octets = strchr(ip, ':') == NULL ? 4 : 16,
                            .helo = bytes_str(helo),
                            .mail_from = bytes_str(from),
                            .receiver = "mx.r.test",
                            .now_s = 1234567890,
                            .helo_too = helo_too,
                            .explain = true };
    static char text[65536];
    struct buf error = BUF_INIT;
    struct dns_file *f = dns_file_parse(
        "zone", bytes_str(make_zone(zone, text, sizeof(text))), &error);
    struct dns_question q;
    struct dns_answer a;
    struct spf *s;

    if (f == NULL) {
        fail_msg("%s: %s", zone, buf_str(&error));
    }
    assert_int_equal(
        inet_pton(in.ip_octets == 4 ? AF_INET : AF_INET6, ip, in.ip), 1);
    s = spf_new(&in);
    assert_non_null(s);
    while (spf_run(s, &q) == SPF_ASK) {
        dns_file_ask(f, &q, &a);
        spf_answer(s, &a);
    }
    dns_file_free(&f);
    buf_free(&error);
    return s;
}

static void
results_by_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct spf_case *c = &cases[i];
        struct spf *s = check(c->zone, c->ip, c->from, c->helo, false);
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
    struct spf *s = check(
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
        s = check(zone, V4, FROM, "h.test", false);
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
        s = check(zone, V4, FROM, "h.test", false);
        assert_int_equal(spf_result(s), SPF_FAIL);
        assert_string_equal(spf_explanation(s), exps[i].want);
        spf_free(&s);
    }
}

/* 6.2: the explanation's own name may be none. */
static void
explanation_without_a_name(void **state)
{
    struct spf *s = check("\"v=spf1 -all exp=%{l}.e.test\"\ne.test TXT \"a\"",
                          V4, "a..b@a.test", "h.test", false);

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
    s = check(zone, V4, "a\r\nb\xff@a.test", "h.test", false);
    assert_int_equal(strlen(spf_explanation(s)), SPF_EXPLANATION_MAX);
    assert_memory_equal(spf_explanation(s), "a??b?x", 6);
    spf_free(&s);
}

/* 4.6.4: n terms with look-ups before "+all". */
static enum spf_result_code
with_lookups(unsigned includes, unsigned voids)
{
    char zone[8000] = "a.test TXT \"v=spf1";
    char term[100];
    enum spf_result_code result;
    struct spf *s;

    for (unsigned i = 0; i < includes; i++) {
        strcat(zone, " a:yes.test");
    }
    for (unsigned i = 0; i < voids; i++) {
        snprintf(term, sizeof(term), " %s:no%u.test", i % 2 ? "mx" : "exists",
                 i);
        strcat(zone, term);
    }
    strcat(zone, " +all\"\nyes.test A 10.0.0.1");
    s = check(zone, V4, FROM, "h.test", false);
    result = spf_result(s);
    spf_free(&s);
    return result;
}

static void
lookups_are_limited(void **state)
{
    (void)state;
    assert_int_equal(with_lookups(9, 0), SPF_PASS);
    assert_int_equal(with_lookups(10, 0), SPF_PASS);
    assert_int_equal(with_lookups(11, 0), SPF_PERMERROR);
    assert_int_equal(with_lookups(8, 2), SPF_PASS);
    assert_int_equal(with_lookups(9, 2), SPF_PERMERROR);
}

static void
voids_are_limited(void **state)
{
    (void)state;
    assert_int_equal(with_lookups(0, 1), SPF_PASS);
    assert_int_equal(with_lookups(0, 2), SPF_PASS);
    assert_int_equal(with_lookups(0, 3), SPF_PERMERROR);
}

/* n names, the last of them is the client's. */
static enum spf_result_code
with_names(const char *mechanism, const char *owner, const char *type,
           unsigned names)
{
    char zone[8000];
    char line[200];
    enum spf_result_code result;
    struct spf *s;

    snprintf(zone, sizeof(zone), "a.test TXT \"v=spf1 %s -all\"\n", mechanism);
    for (unsigned i = 1; i <= names; i++) {
        snprintf(line, sizeof(line), "%s %s m%u.a.test\nm%u.a.test A %s\n",
                 owner, type, i, i, i == names ? V4 : "10.0.0.1");
        strcat(zone, line);
    }
    s = check(zone, V4, FROM, "h.test", false);
    result = spf_result(s);
    spf_free(&s);
    return result;
}

static void
names_are_limited(void **state)
{
    (void)state;
    assert_int_equal(with_names("mx", "a.test", "MX 1", 9), SPF_PASS);
    assert_int_equal(with_names("mx", "a.test", "MX 1", 10), SPF_PASS);
    assert_int_equal(with_names("mx", "a.test", "MX 1", 11), SPF_PERMERROR);
    assert_int_equal(with_names("ptr", "7.2.0.192.in-addr.arpa", "PTR", 10),
                     SPF_PASS);
    assert_int_equal(with_names("ptr", "7.2.0.192.in-addr.arpa", "PTR", 11),
                     SPF_FAIL);
}

/* 7.3: labels go on the left until 253 octets are left. */
static void
long_names_are_cut(void **state)
{
    char name[300] = "";
    char zone[1000];
    struct spf *s;

    (void)state;
    for (int i = 0; i < 4; i++) {
        memset(name + strlen(name), 'y', i == 3 ? 55 : 63);
        strcat(name, ".");
    }
    strcat(name, "b.te"); /* 64 * 3 + 56 + 4 = 252: "x." does not fit */
    assert_int_equal(strlen(name), 252);
    snprintf(zone, sizeof(zone),
             "\"v=spf1 exists:z.x.%s -all\"\n%s A 127.0.0.1", name, name);
    s = check(zone, V4, FROM, "h.test", false);
    assert_int_equal(spf_result(s), SPF_PASS);
    spf_free(&s);
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
        s = check(zone, V4, c->from, "h.test", true);
        if (spf_result(s) != c->want || spf_identity(s) != c->identity ||
            strcmp(spf_dmarc_domain(s), c->dmarc) != 0) {
            fail_msg("row %zu: %s by %d, dmarc %s", i,
                     spf_result_name(spf_result(s)), (int)spf_identity(s),
                     spf_dmarc_domain(s));
        }
        spf_free(&s);
    }
}

/* What is longer than any address names nobody, and is repeated nowhere. */
static void
long_identities_are_none(void **state)
{
    static const char zone[] =
        "a.test TXT \"v=spf1 -all exp=e.test\"\ne.test TXT \"<%{h}>\"";
    char text[514];
    struct spf *s;

    (void)state;
    for (size_t n = 512; n <= 513; n++) {
        memset(text, 'x', n);
        memcpy(text + n - 7, "@a.test", 8);
        s = check(zone, V4, text, "h.test", false);
        assert_int_equal(spf_result(s), n == 512 ? SPF_FAIL : SPF_NONE);
        spf_free(&s);
        memset(text, 'x', n);
        s = check(zone, V4, FROM, text, false);
        assert_int_equal(spf_result(s), SPF_FAIL);
        assert_int_equal(strcmp(spf_explanation(s), "<>") == 0, n == 513);
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
        cmocka_unit_test(macros_by_table),
        cmocka_unit_test(macros_are_limited),
        cmocka_unit_test(ipv6_macros),
        cmocka_unit_test(validated_name_by_preference),
        cmocka_unit_test(explanations_by_table),
        cmocka_unit_test(explanation_without_a_name),
        cmocka_unit_test(explanation_is_cut_and_cleaned),
        cmocka_unit_test(lookups_are_limited),
        cmocka_unit_test(voids_are_limited),
        cmocka_unit_test(names_are_limited),
        cmocka_unit_test(long_names_are_cut),
        cmocka_unit_test(identity_by_table),
        cmocka_unit_test(long_identities_are_none),
        cmocka_unit_test(may_be_given_up_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
