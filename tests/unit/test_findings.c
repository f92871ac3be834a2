/*
 * test_findings - facts of a key in, findings out; the zones with each mistake
 * are in tests/support/domaincases.py.
 */
#include "tests/support/cmocka.h"
#include "tests/support/shown.h"

#include <stdio.h>

#define OTHER     "AAAAAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define RECORD(p) "v=DKIM1; k=ed25519; p=" p

/* --- answers -------------------------------------------------------------- */

static void
aa(struct message *m)
{
    message_flags(m, 0x04, 0);
}

static void
good(struct message *m)
{
    aa(m);
    put_txt_record(m, NULL, 300, RECORD(OURS));
}

static void
other(struct message *m)
{
    aa(m);
    put_txt_record(m, NULL, 600, RECORD(OTHER));
}

static void
nothing(struct message *m)
{
    message_flags(m, 0x04, 3);
    put_soa_record(m, "example.com", 900, 30);
}

static void
hello(struct message *m)
{
    aa(m);
    put_txt_record(m, NULL, 300, "hello");
}

static void
alias(struct message *m)
{
    aa(m);
    put_cname_record(m, NAME, TARGET);
}

static void
alias_dot(struct message *m)
{
    aa(m);
    put_cname_record(m, NAME, TARGET ".example.com");
}

static void
alias_old(struct message *m)
{
    aa(m);
    put_cname_record(m, NAME, "old.dkim.relay.example");
}

static void
alias_away(struct message *m)
{
    aa(m);
    put_cname_record(m, NAME, "elsewhere.example");
}

static void
alias_back(struct message *m)
{
    aa(m);
    put_cname_record(m, TARGET, NAME);
}

static void
alias_on(struct message *m)
{
    aa(m);
    put_cname_record(m, TARGET, "hop.relay.example");
}

static void
refused(struct message *m)
{
    message_flags(m, 0, 5);
}

static void
servfail(struct message *m)
{
    message_flags(m, 0, 2);
}

static void
lower_zone(struct message *m)
{
    put_record(m, SECTION_NS, "_domainkey.example.com", 2, 300,
               BYTES_LIT("\2ns\0"));
}

/* --- cases ---------------------------------------------------------------- */

static const struct judged {
    const char *label;
    enum wanted key;
    struct shown shown[6];
    const char *ids;
    enum finding_severity worst;
    bool temporary;
} cases[] = {
    { "green",
      OWN,
      { { good, PLACE_RECORD, O, 0, NULL },
        { good, PLACE_RECORD, R, 0, NULL } },
      "",
      FINDING_NOTE,
      false },
    { "missing",
      OWN,
      { { nothing, PLACE_RECORD, O, 0, NULL } },
      "record-missing",
      FINDING_ERROR,
      false },
    { "missing, resolvers alone",
      OWN,
      { { nothing, PLACE_RECORD, R, 0, NULL } },
      "record-missing",
      FINDING_ERROR,
      false },
    { "one server lacks it",
      OWN,
      { { good, PLACE_RECORD, O, 0, NULL },
        { nothing, PLACE_RECORD, O, 0, NULL } },
      "servers-disagree",
      FINDING_ERROR,
      false },
    { "no server answers",
      OWN,
      { { NULL, PLACE_RECORD, O, DIRECT_SILENT, NULL },
        { NULL, PLACE_RECORD, R, DIRECT_SILENT, NULL } },
      "resolver-fails server-silent",
      FINDING_WARNING,
      true },
    { "servers unknown",
      OWN,
      { { NULL, PLACE_RECORD, O, DIRECT_SILENT, "nobody says" } },
      "no-servers",
      FINDING_ERROR,
      true },
    { "no servers",
      OWN,
      { { NULL, PLACE_RECORD, O, DIRECT_OURS, "there are none" } },
      "no-servers",
      FINDING_ERROR,
      false },
    { "one is silent",
      OWN,
      { { good, PLACE_RECORD, O, 0, NULL },
        { NULL, PLACE_RECORD, O, DIRECT_NOBODY, NULL } },
      "server-silent",
      FINDING_WARNING,
      true },
    { "one is silent, the other lacks it",
      OWN,
      { { nothing, PLACE_RECORD, O, 0, NULL },
        { NULL, PLACE_RECORD, O, DIRECT_SILENT, NULL } },
      "record-missing server-silent",
      FINDING_ERROR,
      false },
    { "lame",
      OWN,
      { { good, PLACE_RECORD, O, 0, NULL },
        { refused, PLACE_RECORD, O, 0, NULL },
        { lower_zone, PLACE_RECORD, O, 0, NULL },
        { NULL, PLACE_RECORD, O, DIRECT_NO_TCP, NULL } },
      "server-lame server-lame server-lame",
      FINDING_ERROR,
      false },
    { "bogus",
      OWN,
      { { good, PLACE_RECORD, O, 0, NULL },
        { servfail, PLACE_RECORD, R | BOGUS, 0, NULL } },
      "dnssec-bogus",
      FINDING_ERROR,
      false },
    { "behind",
      OWN,
      { { good, PLACE_RECORD, O, 0, NULL },
        { nothing, PLACE_RECORD, R, 0, NULL } },
      "resolver-behind",
      FINDING_WARNING,
      true },
    { "behind, an old key",
      OWN,
      { { good, PLACE_RECORD, O, 0, NULL },
        { other, PLACE_RECORD, R, 0, NULL } },
      "resolver-behind",
      FINDING_WARNING,
      true },
    { "astray",
      OWN,
      { { nothing, PLACE_RECORD, O, 0, NULL },
        { good, PLACE_BARE, O, 0, NULL } },
      "domainkey-missing",
      FINDING_ERROR,
      false },
    { "astray, but there",
      OWN,
      { { good, PLACE_RECORD, O, 0, NULL }, { good, PLACE_BARE, O, 0, NULL } },
      "",
      FINDING_NOTE,
      false },
    { "astray is a stranger's",
      OWN,
      { { nothing, PLACE_RECORD, O, 0, NULL },
        { hello, PLACE_BARE, O, 0, NULL } },
      "record-missing",
      FINDING_ERROR,
      false },
    { "astray by a wildcard",
      OWN,
      { { nothing, PLACE_RECORD, O, 0, NULL },
        { good, PLACE_RANDOM, O, 0, NULL },
        { good, PLACE_BARE, O, 0, NULL } },
      "record-missing wildcard",
      FINDING_ERROR,
      false },
    { "delegated",
      DELEGATED,
      { { alias, PLACE_RECORD, O, 0, NULL },
        { good, PLACE_RECORD, T, 0, NULL } },
      "",
      FINDING_NOTE,
      false },
    { "dot trap",
      DELEGATED,
      { { alias_dot, PLACE_RECORD, O, 0, NULL },
        { good, PLACE_RECORD, T, 0, NULL } },
      "cname-trailing-dot",
      FINDING_ERROR,
      false },
    { "old target",
      DELEGATED,
      { { alias_old, PLACE_RECORD, O, 0, NULL },
        { good, PLACE_RECORD, T, 0, NULL } },
      "cname-old-target",
      FINDING_ERROR,
      false },
    { "wrong target",
      DELEGATED,
      { { alias_away, PLACE_RECORD, O, 0, NULL },
        { good, PLACE_RECORD, T, 0, NULL } },
      "cname-wrong",
      FINDING_ERROR,
      false },
    { "TXT instead",
      DELEGATED,
      { { good, PLACE_RECORD, O, 0, NULL },
        { good, PLACE_RECORD, T, 0, NULL } },
      "txt-instead-of-cname",
      FINDING_ERROR,
      false },
    { "TXT beside",
      DELEGATED,
      { { hello, PLACE_RECORD, O, 0, NULL },
        { alias, PLACE_ALIAS, O, 0, NULL },
        { good, PLACE_RECORD, T, 0, NULL } },
      "txt-beside-cname",
      FINDING_ERROR,
      false },
    { "nothing behind it",
      DELEGATED,
      { { alias, PLACE_RECORD, O, 0, NULL },
        { nothing, PLACE_RECORD, T, 0, NULL } },
      "target-missing",
      FINDING_ERROR,
      false },
    { "an alias that leads nowhere",
      OWN,
      { { alias, PLACE_RECORD, O, 0, NULL },
        { NULL, PLACE_RECORD, T, DIRECT_OURS, "there are none" } },
      "target-missing",
      FINDING_ERROR,
      false },
    { "nobody says where it leads",
      DELEGATED,
      { { alias, PLACE_RECORD, O, 0, NULL },
        { NULL, PLACE_RECORD, T, DIRECT_SILENT, "nobody says" } },
      "target-missing",
      FINDING_ERROR,
      true },
    { "a free slot",
      FREE,
      { { alias, PLACE_RECORD, O, 0, NULL },
        { nothing, PLACE_RECORD, T, 0, NULL },
        { nothing, PLACE_RECORD, R, 0, NULL } },
      "",
      FINDING_NOTE,
      false },
    { "a free slot without its CNAME",
      FREE,
      { { nothing, PLACE_RECORD, O, 0, NULL } },
      "record-missing",
      FINDING_ERROR,
      false },
    { "circle",
      DELEGATED,
      { { alias, PLACE_RECORD, O, 0, NULL },
        { alias_back, PLACE_RECORD, T, 0, NULL } },
      "cname-loop",
      FINDING_ERROR,
      false },
    { "chain",
      DELEGATED,
      { { alias, PLACE_RECORD, O, 0, NULL },
        { alias_on, PLACE_RECORD, T, 0, NULL } },
      "cname-chain",
      FINDING_WARNING,
      false },
    { "any",
      ANY,
      { { other, PLACE_RECORD, O, 0, NULL },
        { other, PLACE_RECORD, R, 0, NULL } },
      "",
      FINDING_NOTE,
      false },
    { "not revoked",
      REVOKED,
      { { good, PLACE_RECORD, O, 0, NULL } },
      "not-revoked",
      FINDING_ERROR,
      false },
    { "revoked and gone",
      REVOKED,
      { { nothing, PLACE_RECORD, O, 0, NULL } },
      "",
      FINDING_NOTE,
      false },
};

static void
check_case(const struct judged *c)
{
    struct findings found = { .count = 0 };
    struct facts f = { .counts = { 0 } };
    char ids[1024];

    shown_key(&f.key, c->key);
    for (size_t p = 0; p < PLACES; p++) {
        snprintf(f.names[p], sizeof(f.names[p]), "%s", shown_places[p]);
    }
    for (size_t i = 0; i < 6; i++) {
        if (c->shown[i].make != NULL || c->shown[i].end != 0) {
            shown_add(&f, &c->shown[i]);
        }
    }
    findings_of_key(&f, &found);
    shown_ids(&found, ids, sizeof(ids));
    if (strcmp(ids, c->ids) != 0 || findings_worst(&found) != c->worst ||
        findings_temporary(&found) != c->temporary) {
        fail_msg("%s: \"%s\" %s%s", c->label, ids,
                 finding_severity_name(findings_worst(&found)),
                 findings_temporary(&found) ? " temporary" : "");
    }
    findings_free(&found);
    facts_free(&f);
}

static void
keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_case(&cases[i]);
    }
}

/* How long until it is seen: what the servers said, counted out. */
static void
waits(void **state)
{
    struct findings found = { .count = 0 };
    struct facts f = { .counts = { 0 } };
    static const struct shown shown[] = {
        { good, PLACE_RECORD, O, 0, NULL },
        { nothing, PLACE_RECORD, R, 0, NULL },
    };

    (void)state;
    shown_key(&f.key, OWN);
    snprintf(f.names[PLACE_RECORD], sizeof(f.names[0]), "%s", NAME);
    shown_add(&f, &shown[0]);
    shown_add(&f, &shown[1]);
    findings_of_key(&f, &found);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.list[0].wait_s, 30);
    assert_string_equal(buf_str(&found.list[0].visible),
                        "at the latest in 30 s");
    findings_free(&found);
    facts_free(&f);
}

/* A name that cannot exist was never asked for. */
static void
long_name(void **state)
{
    struct facts f = { .counts = { 0 } };
    struct findings found = { .count = 0 };

    (void)state;
    shown_key(&f.key, OWN);
    findings_of_key(&f, &found);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.list[0].id, "name-too-long");
    findings_free(&found);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(waits),
        cmocka_unit_test(long_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
