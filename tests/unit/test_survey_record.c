/*
 * test_survey_record - key records as people spoil them, and From domains.
 */
#include "proxy/survey/record.h"
#include "proxy/survey/seenfrom.h"
#include "tests/support/cmocka.h"

#include <stdio.h>

/* RFC 8463 A.2: the public key, and the seed that it comes from. */
#define PUBLIC "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define SEED   "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="

/* RFC 6376 appendix C: a key of 1024 bits. */
#define RSA_HEAD \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkM"
#define RSA_TAIL                                                       \
    "oGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/R" \
    "tdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToI" \
    "MmPSPDdQPNUYckcQ2QIDAQAB"
#define RSA RSA_HEAD RSA_TAIL

#define ED "v=DKIM1; k=ed25519; p="
#define RS "v=DKIM1; k=rsa; p="

/* Strings of a TXT record as they stand in RDATA. */
struct strings_of {
    const char *strings[4];
};

static size_t
wire(const struct strings_of *s, uint8_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < 4 && s->strings[i] != NULL; i++) {
        size_t len = strlen(s->strings[i]);

        out[n++] = (uint8_t)len;
        memcpy(out + n, s->strings[i], len);
        n += len;
    }
    return n;
}

static const struct spoilt {
    const char *label;
    struct strings_of text;
    const char *ours; /* "": unknown */
    bool ed25519;
    enum dkim_key_err err;
    const char *marks; /* K key, Q quotes, B blanks, L line breaks, S shuffled,
                          C cut, P private */
} cases[] = {
    { "good", { { ED PUBLIC } }, PUBLIC, true, DKIM_KEY_OK, "K" },
    { "unknown", { { RS RSA } }, "", false, DKIM_KEY_OK, "K" },
    { "two", { { RS RSA_HEAD, RSA_TAIL } }, RSA, false, DKIM_KEY_OK, "K" },
    { "order",
      { { RSA_TAIL, RS RSA_HEAD } },
      RSA,
      false,
      DKIM_KEY_SYNTAX,
      "KSC" },
    { "order, unknown",
      { { RSA_TAIL, "v=DKIM1; k=rsa; ", "p=" RSA_HEAD } },
      "",
      false,
      DKIM_KEY_SYNTAX,
      "KSC" },
    { "order, other key",
      { { RSA_TAIL, RS RSA_HEAD } },
      PUBLIC,
      true,
      DKIM_KEY_SYNTAX,
      "K" },
    { "quotes", { { RS "\"" RSA "\"" } }, RSA, false, DKIM_KEY_BASE64, "KQ" },
    { "quotes outside",
      { { "\"" RS RSA "\"" } },
      RSA,
      false,
      DKIM_KEY_SYNTAX,
      "KQ" },
    { "backslash", { { RS "\\" RSA } }, RSA, false, DKIM_KEY_BASE64, "KQ" },
    { "blank",
      { { RS RSA_HEAD " " RSA_TAIL } },
      RSA,
      false,
      DKIM_KEY_OK,
      "KB" },
    { "line break",
      { { RS RSA_HEAD "\n" RSA_TAIL } },
      RSA,
      false,
      DKIM_KEY_SYNTAX,
      "KL" },
    { "cut", { { RS RSA_HEAD } }, RSA, false, DKIM_KEY_OK, "KC" },
    { "cut, unknown", { { RS RSA_HEAD } }, "", false, DKIM_KEY_OK, "KC" },
    { "cut, 8", { { RS "MIGfMA0G" } }, RSA, false, DKIM_KEY_OK, "KC" },
    { "no p", { { "v=DKIM1; k=rsa" } }, RSA, false, DKIM_KEY_NO_P, "K" },
    { "empty p", { { "v=DKIM1; p=" } }, RSA, false, DKIM_KEY_REVOKED, "K" },
    { "seed", { { ED SEED } }, PUBLIC, true, DKIM_KEY_OK, "KP" },
    { "seed, unknown", { { ED SEED } }, "", true, DKIM_KEY_OK, "K" },
    { "PEM",
      { { "v=DKIM1; -----BEGIN PRIVATE KEY----- MC4CAQ" } },
      "",
      true,
      DKIM_KEY_SYNTAX,
      "KP" },
    { "a stranger",
      { { "google-site-verification=abc" } },
      "",
      false,
      DKIM_KEY_SYNTAX,
      "" },
    { "SPF", { { "v=spf1 -all" } }, "", false, DKIM_KEY_VERSION, "" },
    { "p only", { { "p=" RSA } }, RSA, false, DKIM_KEY_OK, "K" },
};

static void
put_marks(const struct spoilt *c, const struct record *r, char *out)
{
    const struct {
        char mark;
        bool set;
    } marks[] = {
        { 'K', record_is_key(buf_bytes(&r->text)) },
        { 'Q', r->quotes },
        { 'B', r->blanks },
        { 'L', r->line_breaks },
        { 'S', record_is_shuffled(r, c->ours, c->ed25519) },
        { 'C', record_is_cut(r, c->ours) },
        { 'P', record_is_private(r, c->ours, c->ed25519) },
    };

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (marks[i].set) {
            *out++ = marks[i].mark;
        }
    }
    *out = '\0';
}

static void
check_case(const struct spoilt *c)
{
    uint8_t data[1024];
    char marks[8];
    struct record r;

    assert_true(record_read(bytes_make(data, wire(&c->text, data)), &r));
    put_marks(c, &r, marks);
    if (r.err != c->err || strcmp(marks, c->marks) != 0) {
        fail_msg("%s: err %d marks %s", c->label, r.err, marks);
    }
    record_free(&r);
}

static void
spoilt_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_case(&cases[i]);
    }
}

static void
tags(void **state)
{
    struct bytes text = BYTES_LIT("v = DKIM1 ;k=; p=a=b ;x");

    (void)state;
    assert_true(bytes_is(record_tag(text, "v"), "DKIM1"));
    assert_true(bytes_is(record_tag(text, "k"), ""));
    assert_true(bytes_is(record_tag(text, "p"), "a=b"));
    assert_int_equal(record_tag(text, "x").len, 0);
    assert_int_equal(record_tag(text, "P").len, 0);
}

static void
from_domains(void **state)
{
    static const char text[] = "a.example.com 100 120 3\n"
                               "b.example.com 100 125 7\n"
                               "old.example.com 1 89 9\n"
                               "notexample.com 100 125 9\n"
                               "example.com 90 90 5\r\n"
                               "x.example.com 1 2\n"
                               "x.example.com 1 120 2 3\n"
                               "x..example.com 1 120 2\n"
                               "\n"
                               "y.example.com 1 120 z";
    struct seenfrom_line list[4];

    (void)state;
    assert_int_equal(
        seenfrom_read(bytes_str(text), "example.com", 120, list, 4), 3);
    assert_string_equal(list[0].domain, "b.example.com");
    assert_int_equal(list[0].count, 7);
    assert_string_equal(list[1].domain, "example.com");
    assert_string_equal(list[2].domain, "a.example.com");
    assert_int_equal(list[2].first_day, 100);
    assert_int_equal(
        seenfrom_read(bytes_str(text), "example.com", 120, list, 1), 1);
    assert_string_equal(list[0].domain, "b.example.com");
    assert_int_equal(
        seenfrom_read(bytes_str(text), "example.com", 120, list, 2), 2);
    assert_string_equal(list[1].domain, "example.com");
    assert_int_equal(seenfrom_read(bytes_str(""), "example.com", 120, list, 4),
                     0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spoilt_records),
        cmocka_unit_test(tags),
        cmocka_unit_test(from_domains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
