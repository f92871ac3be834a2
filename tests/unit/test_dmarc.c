/*
 * test_dmarc - records, walks, alignment and policies of RFC 9989 by table.
 *
 * Zones are files of DNS answers; "D" in them stands for v=DMARC1.
 */
#include "dkim/dmarc_record.h"
#include "tests/support/cmocka.h"

#include <dkim/dmarc.h>

#include <proxy/dns/file.h>
#include <stdio.h>
#include <stdlib.h>

/* --- 4.7, 4.8, 4.10.1: records -------------------------------------------- */

static const struct record_case {
    const char *text;
    const char *want; /* "-": no record; else p sp np usable psd t adkim aspf */
} records[] = {
    { "v=DMARC1; p=none", "none - - usable u n r r" },
    { "v=DMARC1;p=reject;", "reject - - usable u n r r" },
    { "V \t= DMARC1 ; P = REJECT ; SP=Quarantine;np=none",
      "reject quarantine none usable u n r r" },
    { "v=DMARC1", "none - - unusable u n r r" },
    { "v=DMARC1;", "none - - unusable u n r r" },
    { "v=DMARC1; rua=mailto:a@b.test", "none - - usable u n r r" },
    { "v=DMARC1; p=bogus; rua=mailto:a@b.test", "none - - usable u n r r" },
    { "v=DMARC1; p=bogus; rua=mailto:ab.test", "none - - unusable u n r r" },
    { "v=DMARC1; p=bogus; rua=x, https://b.test/", "none - - usable u n r r" },
    { "v=DMARC1; p=bogus; rua=", "none - - unusable u n r r" },
    { "v=DMARC1; p=bogus; rua=:a@b.test", "none - - unusable u n r r" },
    { "v=DMARC1; p=bogus; rua=x_y:a@b.test", "none - - unusable u n r r" },
    { "v=DMARC1; p=bogus; rua=x+y-1.z:a@b.test", "none - - usable u n r r" },
    { "v=DMARC1; p=bogus; rua=https://b.test/{id",
      "none - - unusable u n r r" },
    { "v=DMARC1; p=bogus; rua=mailto:a@b.test\xc3\xa4",
      "none - - unusable u n r r" },
    { "v=DMARC1; p=reject; sp=bogus", "none - - unusable u n r r" },
    { "v=DMARC1; p=reject; np=; rua=mailto:a@b.test",
      "none - - usable u n r r" },
    { "v=DMARC1; p=reject; sp=none; p=none", "reject none - usable u n r r" },
    { "v=DMARC1; p=reject; adkim=s; aspf=S; psd=Y; t=Y",
      "reject - - usable y y s s" },
    { "v=DMARC1; p=reject; adkim=x; aspf=; psd=n; t=n",
      "reject - - usable n n r r" },
    { "v=DMARC1; p=reject; psd=u; t=yes", "reject - - usable u n r r" },
    { "v=DMARC1; p=reject; pct=0; rf=x; ri=1; ; foo; =x",
      "reject - - usable u n r r" },
    { "v=DMARC1; preject", "none - - unusable u n r r" },
    { "v=DMARC1 p=reject", "-" },
    { "v=dmarc1; p=reject", "-" },
    { "v=DMARC2; p=reject", "-" },
    { "v=DMARC11; p=reject", "-" },
    { " v=DMARC1; p=reject", "-" },
    { "p=reject; v=DMARC1", "-" },
    { "vDMARC1; p=reject", "-" },
    { "", "-" },
    { ";", "-" },
    { "=DMARC1", "-" },
};

static void
show_record(struct bytes text, char *out, size_t cap)
{
    struct dmarc_record r;

    if (!dmarc_record_parse(text, &r)) {
        snprintf(out, cap, "-");
        return;
    }
    snprintf(out, cap, "%s %s %s %s %c %c %c %c", dmarc_policy_name(r.p),
             r.has_sp ? dmarc_policy_name(r.sp) : "-",
             r.has_np ? dmarc_policy_name(r.np) : "-",
             r.usable ? "usable" : "unusable", "uyn"[r.psd],
             r.testing ? 'y' : 'n', r.dkim_strict ? 's' : 'r',
             r.spf_strict ? 's' : 'r');
}

static void
records_by_table(void **state)
{
    char seen[200];

    (void)state;
    for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++) {
        show_record(bytes_str(records[i].text), seen, sizeof(seen));
        if (strcmp(seen, records[i].want) != 0) {
            fail_msg("%s: %s", records[i].text, seen);
        }
    }
}

/* --- the evaluator -------------------------------------------------------- */

#define EX "_dmarc.example.com TXT "
#define D  "\"v=DMARC1; "

static const struct dmarc_case {
    const char *zone;
    const char *author;
    const char *dkim; /* d= values, divided by spaces */
    const char *spf;
    const char *want; /* result policy tag policy-domain organization D S */
} cases[] = {
    /* no record, no DMARC; one record only; discarded ones */
    { "", "example.com", "example.com", "", "none none - - - - -" },
    { EX "\"v=spf1\"", "example.com", "", "", "none none - - - - -" },
    { EX D "p=none\"\n" EX D "p=none\"", "example.com", "", "",
      "none none - - - - -" },
    { EX D "p=reject\"\n" EX "\"other\"", "example.com", "", "",
      "fail reject p example.com - - -" },
    { EX D "p=bad\"", "example.com", "example.com", "",
      "none none - example.com - - -" },
    /* pass: the same name needs no walk */
    { EX D "p=reject\"", "example.com", "example.com", "",
      "pass none - example.com - D -" },
    { EX D "p=reject\"", "example.com", "", "example.com",
      "pass none - example.com - - S" },
    { EX D "p=reject\"", "example.com", "other.net example.com", "example.com",
      "pass none - example.com example.com D S" },
    /* relaxed: the same organization, in both directions */
    { EX D "p=reject\"", "example.com", "mail.example.com", "",
      "pass none - example.com example.com D -" },
    { EX D "p=reject\"", "a.example.com", "b.example.com", "",
      "pass none - example.com example.com D -" },
    { EX D "p=reject\"", "a.example.com", "", "example.com",
      "pass none - example.com example.com - S" },
    { EX D "p=reject\"", "example.com", "example.net", "xexample.com",
      "fail reject p example.com example.com - -" },
    { EX D "p=reject\"", "example.com", "com", "",
      "fail reject p example.com example.com - -" },
    /* strict */
    { EX D "p=reject; adkim=s\"", "example.com", "mail.example.com", "",
      "fail reject p example.com - - -" },
    { EX D "p=reject; adkim=s\"", "example.com", "example.com", "",
      "pass none - example.com - D -" },
    { EX D "p=reject; adkim=s\"", "example.com", "mail.example.com",
      "mail.example.com", "pass none - example.com example.com - S" },
    { EX D "p=reject; aspf=s\"", "example.com", "x.test", "mail.example.com",
      "fail reject p example.com example.com - -" },
    { EX D "p=quarantine; aspf=s\"", "example.com", "", "mail.example.com",
      "fail quarantine p example.com - - -" },
    /* 4.10.1: the author's own record, the organization's, the suffix's */
    { EX D "p=reject; sp=none\"\n_dmarc.a.example.com TXT " D
           "p=quarantine; sp=reject\"",
      "a.example.com", "", "", "fail quarantine p a.example.com - - -" },
    { EX D "p=reject; sp=quarantine\"\na.example.com A 192.0.2.1",
      "a.example.com", "", "",
      "fail quarantine sp example.com example.com - -" },
    { EX D "p=reject\"", "a.example.com", "", "",
      "fail reject p example.com example.com - -" },
    { EX D "p=none; sp=quarantine; np=reject\"\na.example.com A 192.0.2.1",
      "a.example.com", "", "",
      "fail quarantine sp example.com example.com - -" },
    { EX D "p=none; sp=quarantine; np=reject\"\na.example.com A !NODATA",
      "a.example.com", "", "",
      "fail quarantine sp example.com example.com - -" },
    { EX D "p=none; sp=quarantine; np=reject\"", "a.example.com", "", "",
      "fail reject np example.com example.com - -" },
    { EX D "p=none; sp=quarantine\"", "a.example.com", "", "",
      "fail quarantine sp example.com example.com - -" },
    { EX D "p=none; np=reject\"\na.example.com A !SERVFAIL", "a.example.com",
      "", "", "temperror none - example.com example.com - -" },
    { EX D "p=quarantine; np=reject\"", "example.com", "", "",
      "fail quarantine p example.com - - -" },
    { "_dmarc.com TXT " D "p=none; psd=y; np=reject\"", "a.example.com",
      "b.example.com", "", "pass none - com example.com D -" },
    { "_dmarc.com TXT " D "p=none; psd=y; np=reject\"", "a.example.com",
      "other.com", "", "fail reject np com example.com - -" },
    { "_dmarc.com TXT " D "p=none; psd=y; sp=reject\"\n" EX D "p=quarantine\"",
      "a.example.com", "", "",
      "fail quarantine p example.com example.com - -" },
    { "_dmarc.com TXT " D "p=reject; psd=y; sp=none\"", "com", "a.com", "",
      "fail reject p com com - -" },
    /* a record between: only the author's and the organization's count */
    { EX D "p=reject\"\n_dmarc.b.example.com TXT " D "p=none\"",
      "a.b.example.com", "", "", "fail reject p example.com example.com - -" },
    { "_dmarc.com TXT " D "p=reject; psd=y\"\n_dmarc.b.example.com TXT " D
      "p=none\"",
      "a.b.example.com", "", "", "fail reject p com example.com - -" },
    /* psd=n: an organization inside another one */
    { EX D "p=reject\"\n_dmarc.b.example.com TXT " D "p=none; psd=n\"",
      "a.b.example.com", "c.b.example.com", "",
      "pass none - b.example.com b.example.com D -" },
    { EX D "p=reject\"\n_dmarc.b.example.com TXT " D "p=none; psd=n\"",
      "a.b.example.com", "example.com", "",
      "fail none p b.example.com b.example.com - -" },
    { EX D "p=reject\"\n_dmarc.b.example.com TXT " D "p=none; psd=n\"",
      "example.com", "b.example.com", "",
      "fail reject p example.com example.com - -" },
    /* psd=y ends the walk */
    { EX D "p=reject; psd=y\"\n_dmarc.com TXT " D "p=none\"", "a.example.com",
      "", "", "fail reject p example.com a.example.com - -" },
    /* psd=y at the author's own name is its own organization */
    { EX D "p=reject; psd=y\"", "example.com", "a.example.com", "",
      "fail reject p example.com example.com - -" },
    /* the shortest name with a record is the organization */
    { EX D "p=reject\"\n_dmarc.com TXT " D "p=none\"", "a.example.com",
      "other.com", "", "pass none - com com D -" },
    /* t=y lowers by one */
    { EX D "p=reject; t=y\"", "example.com", "", "",
      "fail quarantine p example.com - - -" },
    { EX D "p=quarantine; t=y\"", "example.com", "", "",
      "fail none p example.com - - -" },
    { EX D "p=none; t=y\"", "example.com", "", "",
      "fail none p example.com - - -" },
    { EX D "p=none; np=reject; t=y\"", "a.example.com", "", "",
      "fail quarantine np example.com example.com - -" },
    /* look-ups that fail */
    { EX "!SERVFAIL", "example.com", "example.com", "",
      "temperror none - - - - -" },
    { EX "!SERVFAIL", "a.example.com", "a.example.com", "",
      "temperror none - - - - -" },
    { EX D "p=reject\"\n_dmarc.com TXT !TIMEOUT", "example.com", "example.com",
      "", "pass none - example.com - D -" },
    { EX D "p=reject\"\n_dmarc.com TXT !TIMEOUT", "example.com",
      "example.com a.example.com", "", "pass none - example.com - D -" },
    { EX D "p=reject\"\n_dmarc.com TXT !TIMEOUT", "example.com",
      "a.example.com", "", "temperror none - example.com - - -" },
    { EX D "p=reject\"\n_dmarc.a.example.com TXT !TIMEOUT", "example.com",
      "a.example.com", "", "temperror none - example.com example.com - -" },
    { EX D "p=reject\"\n_dmarc.a.example.com TXT !TIMEOUT", "example.com",
      "a.example.com b.example.com", "",
      "pass none - example.com example.com D -" },
    { EX D "p=reject; adkim=s\"\n_dmarc.com TXT !TIMEOUT", "example.com",
      "a.example.com", "", "fail reject p example.com - - -" },
    /* names */
    { EX D "p=reject\"", "EXAMPLE.com", "Example.COM", "",
      "pass none - example.com - D -" },
    { EX D "p=reject\"", "", "example.com", "", "permerror none - - - - -" },
    { EX D "p=reject\"", "b\xc3\xa4.test", "", "", "permerror none - - - - -" },
    { EX D "p=reject\"", "a..example.com", "", "", "permerror none - - - - -" },
    { EX D "p=reject\"", "example.com.", "", "", "permerror none - - - - -" },
};

static size_t
split(char *text, const char **out, size_t max)
{
    size_t n = 0;

    for (char *word = strtok(text, " "); word != NULL && n < max;
         word = strtok(NULL, " ")) {
        out[n++] = word;
    }
    return n;
}

struct questions {
    unsigned count;
    char names[2000];
};

static struct dmarc *
evaluate(const char *zone, const char *author, const char *dkim,
         const char *spf, struct questions *asked)
{
    struct buf error = BUF_INIT;
    struct dns_file *f = dns_file_parse("zone", bytes_str(zone), &error);
    const char *domains[32];
    char words[1000];
    struct dmarc_input in = { .author = author, .dkim = domains, .spf = spf };
    struct dns_question q;
    struct dns_answer a;
    struct dmarc *d;

    if (f == NULL) {
        fail_msg("%s: %s", zone, buf_str(&error));
    }
    snprintf(words, sizeof(words), "%s", dkim);
    in.dkim_count = split(words, domains, 32);
    d = dmarc_new(&in);
    assert_non_null(d);
    memset(asked, 0, sizeof(*asked));
    while (dmarc_run(d, &q) == DMARC_ASK) {
        size_t len = strlen(asked->names);

        asked->count++;
        snprintf(asked->names + len, sizeof(asked->names) - len, "%s\n",
                 q.name);
        dns_file_ask(f, &q, &a);
        dmarc_answer(d, &a);
    }
    dns_file_free(&f);
    buf_free(&error);
    return d;
}

static const char *
or_dash(const char *text)
{
    return text[0] == '\0' ? "-" : text;
}

static void
show(const struct dmarc_outcome *o, char *out, size_t cap)
{
    snprintf(out, cap, "%s %s %s %s %s %s %s", dmarc_result_name(o->result),
             dmarc_policy_name(o->policy), or_dash(o->tag),
             or_dash(o->policy_domain), or_dash(o->organization),
             o->dkim_aligned ? "D" : "-", o->spf_aligned ? "S" : "-");
}

static void
results_by_table(void **state)
{
    char seen[1000];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct dmarc_case *c = &cases[i];
        struct questions asked;
        struct dmarc *d = evaluate(c->zone, c->author, c->dkim, c->spf, &asked);

        show(dmarc_outcome(d), seen, sizeof(seen));
        if (strcmp(seen, c->want) != 0 || dmarc_outcome(d)->reason[0] == 0 ||
            asked.count > DMARC_QUESTIONS_MAX) {
            fail_msg("row %zu: %s of %s: %s", i, c->zone, c->author, seen);
        }
        dmarc_free(&d);
        assert_null(d);
    }
}

static const struct walk_case {
    const char *author;
    const char *names;
} walks[] = {
    { "example.com", "_dmarc.example.com\n_dmarc.com\n" },
    { "com", "_dmarc.com\n" },
    /* the RFC's example: 12 labels, 8 questions */
    { "a.b.c.d.e.f.g.h.i.j.mail.example.com",
      "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com\n"
      "_dmarc.g.h.i.j.mail.example.com\n_dmarc.h.i.j.mail.example.com\n"
      "_dmarc.i.j.mail.example.com\n_dmarc.j.mail.example.com\n"
      "_dmarc.mail.example.com\n_dmarc.example.com\n_dmarc.com\n" },
    { "1.2.3.4.5.6.7.8",
      "_dmarc.1.2.3.4.5.6.7.8\n_dmarc.2.3.4.5.6.7.8\n_dmarc.3.4.5.6.7.8\n"
      "_dmarc.4.5.6.7.8\n_dmarc.5.6.7.8\n_dmarc.6.7.8\n_dmarc.7.8\n"
      "_dmarc.8\n" },
    { "0.1.2.3.4.5.6.7.8",
      "_dmarc.0.1.2.3.4.5.6.7.8\n_dmarc.2.3.4.5.6.7.8\n_dmarc.3.4.5.6.7.8\n"
      "_dmarc.4.5.6.7.8\n_dmarc.5.6.7.8\n_dmarc.6.7.8\n_dmarc.7.8\n"
      "_dmarc.8\n" },
};

static void
walks_by_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(walks) / sizeof(*walks); i++) {
        struct questions asked;
        struct dmarc *d = evaluate("", walks[i].author, "x.test", "", &asked);

        assert_string_equal(asked.names, walks[i].names);
        dmarc_free(&d);
    }
}

/* Walks that cannot change anything are not made. */
static void
questions_are_spared(void **state)
{
    static const struct {
        const char *author, *dkim, *spf;
        unsigned questions;
    } table[] = {
        { "example.com", "", "", 1 },
        { "example.com", "example.com example.com", "example.com", 1 },
        { "example.com", "other.net third.net", "fourth.net", 2 },
        { "example.com", "a.example.com b.example.com", "", 2 + 3 },
        { "a.example.com", "", "", 3 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct questions asked;
        struct dmarc *d = evaluate(EX D "p=reject\"", table[i].author,
                                   table[i].dkim, table[i].spf, &asked);

        if (asked.count != table[i].questions) {
            fail_msg("row %zu: %u questions:\n%s", i, asked.count, asked.names);
        }
        dmarc_free(&d);
    }
}

static void
long_names_have_no_record_of_their_own(void **state)
{
    char author[300] = "";
    struct questions asked;
    struct dmarc *d;

    (void)state;
    for (int i = 0; i < 3; i++) {
        memset(author + strlen(author), 'x', 62);
        strcat(author, ".");
    }
    memset(author + strlen(author), 'x', 52);
    strcat(author, ".example.com"); /* 63 * 3 + 64 = 253 */
    assert_int_equal(strlen(author), 253);
    d = evaluate(EX D "p=reject\"", author, "", "", &asked);
    assert_int_equal(dmarc_outcome(d)->result, DMARC_FAIL);
    assert_string_equal(dmarc_outcome(d)->policy_domain, "example.com");
    dmarc_free(&d);
}

static void
the_aligned_domain_is_told(void **state)
{
    struct questions asked;
    struct dmarc *d =
        evaluate(EX D "p=reject; aspf=s; t=y\"", "example.com",
                 "x.test m.example.com n.example.com", "", &asked);
    const struct dmarc_outcome *o = dmarc_outcome(d);

    (void)state;
    assert_string_equal(o->dkim_domain, "m.example.com");
    assert_true(o->spf_strict && !o->dkim_strict && o->testing);
    dmarc_free(&d);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_by_table),
        cmocka_unit_test(results_by_table),
        cmocka_unit_test(walks_by_table),
        cmocka_unit_test(questions_are_spared),
        cmocka_unit_test(long_names_have_no_record_of_their_own),
        cmocka_unit_test(the_aligned_domain_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
