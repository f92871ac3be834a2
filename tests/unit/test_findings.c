/*
 * test_findings - facts in, findings out; the zones with each mistake are in
 * tests/integration/test_domain_check.py.
 */
#include "proxy/dns/packet.h"
#include "proxy/survey/findings.h"
#include "tests/support/cmocka.h"
#include "tests/support/dns_message.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME      "sel._domainkey.example.com"
#define TARGET    "tok.dkim.relay.example"
#define OURS      "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define OTHER     "AAAAAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define RECORD(p) "v=DKIM1; k=ed25519; p=" p

/* --- answers -------------------------------------------------------------- */

typedef void make_answer(struct message *m);

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

enum wanted {
    OWN,       /* a TXT record of the owner's, with OURS */
    DELEGATED, /* a CNAME to TARGET, with OURS behind it */
    FREE,      /* the same, no key yet */
    ANY,       /* whatever is there */
    REVOKED    /* p= empty is wanted */
};

enum {
    O = SEEN_OWNER,
    T = SEEN_TARGET,
    R = SEEN_RESOLVER,
    BOGUS = 8 /* beside R */
};

struct shown {
    make_answer *make; /* NULL: see end */
    enum fact_place place;
    int role; /* with BOGUS */
    enum direct_end end;
    const char *trouble;
};

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

static const char *const places[PLACES] = {
    NAME,
    NAME,
    "check-1._domainkey.example.com",
    "_domainkey.sel.example.com",
    "sel.example.com",
    "sel.domainkey.example.com",
    "_domainkey.example.com",
    "example.com",
    "sel._domainkey.example.com.example.com",
};

static struct raw_answer *
read_made(const char *name, make_answer *make)
{
    struct packet_question q = { .type = DNS_TXT };
    struct packet_seed seed = { .id = 7 };
    struct packet_query query;
    struct message m = { BUF_INIT };
    struct raw_answer *answer = NULL;

    assert_true(packet_name_make(name, &q.name));
    assert_true(packet_query_make(&q, &seed, &query));
    message_begin(&m, bytes_make(query.data, query.len));
    make(&m);
    assert_int_equal(
        packet_read_raw(&q, &query, buf_bytes(&m.b), true, &answer),
        PACKET_ANSWER);
    buf_free(&m.b);
    return answer;
}

static void
show(struct facts *f, const struct shown *shown)
{
    struct sight *s;

    if (f->sights[shown->place] == NULL) {
        f->sights[shown->place] = calloc(6, sizeof(struct sight));
        assert_non_null(f->sights[shown->place]);
    }
    s = &f->sights[shown->place][f->counts[shown->place]++];
    s->role = (enum seen_role)(shown->role & 3);
    s->bogus = shown->role & BOGUS;
    s->trouble = shown->trouble;
    s->end = shown->make != NULL ? DIRECT_ANSWERED : shown->end;
    snprintf(s->name, sizeof(s->name), "%s",
             s->role == SEEN_TARGET ? TARGET : places[shown->place]);
    snprintf(s->server, sizeof(s->server), "%s",
             s->trouble != NULL ? s->name : "ns1 [192.0.2.1]");
    if (shown->make != NULL) {
        s->answer = read_made(s->name, shown->make);
    }
}

static void
set_key(struct fact_key *key, enum wanted kind)
{
    bool slot = kind == DELEGATED || kind == FREE;

    *key = (struct fact_key){
        .domain = "example.com",
        .selector = "sel",
        .target = slot ? TARGET : "",
        .public_b64 = kind == OWN || kind == DELEGATED ? OURS : "",
        .ed25519 = true,
        .revoked = kind == REVOKED,
        .waiting = kind == FREE,
        .zone = slot ? "dkim.relay.example" : "",
    };
}

static int
compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, with a blank between. */
static void
put_ids(const struct findings *f, char *out, size_t cap)
{
    const char *ids[FINDINGS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < f->count; i++) {
        ids[i] = f->list[i].id;
    }
    qsort(ids, f->count, sizeof(ids[0]), compare);
    out[0] = '\0';
    for (size_t i = 0; i < f->count; i++) {
        n += (size_t)snprintf(out + n, cap - n, "%s%s", i > 0 ? " " : "",
                              ids[i]);
    }
}

static void
check_case(const struct judged *c)
{
    struct findings found = { .count = 0 };
    struct facts f = { .counts = { 0 } };
    char ids[1024];

    set_key(&f.key, c->key);
    for (size_t p = 0; p < PLACES; p++) {
        snprintf(f.names[p], sizeof(f.names[p]), "%s", places[p]);
    }
    for (size_t i = 0; i < 6; i++) {
        if (c->shown[i].make != NULL || c->shown[i].end != 0) {
            show(&f, &c->shown[i]);
        }
    }
    findings_of_key(&f, &found);
    put_ids(&found, ids, sizeof(ids));
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
    set_key(&f.key, OWN);
    snprintf(f.names[PLACE_RECORD], sizeof(f.names[0]), "%s", NAME);
    show(&f, &shown[0]);
    show(&f, &shown[1]);
    findings_of_key(&f, &found);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.list[0].wait_s, 30);
    assert_string_equal(buf_str(&found.list[0].visible),
                        "at the latest in 30 s");
    findings_free(&found);
    facts_free(&f);
}

/* --- mail ----------------------------------------------------------------- */

static const struct mail_facts sound = {
    .domain = "example.com",
    .from = "example.com",
    .has_keys = true,
    .keys_expected = true,
    .spf_records = 1,
    .spf_text = "v=spf1 -all",
    .spf_result = SPF_FAIL,
    .dmarc_records = 1,
    .dmarc_text = "v=DMARC1; p=reject",
    .dmarc_domain = "example.com",
    .dmarc_policy = DMARC_POLICY_REJECT,
    .aligned = true,
};

static void
expect_mail(const struct mail_facts *m, const char *want)
{
    struct findings found = { .count = 0 };
    char ids[1024];

    findings_of_mail(m, &found);
    put_ids(&found, ids, sizeof(ids));
    assert_string_equal(ids, want);
    findings_free(&found);
}

static void
mail(void **state)
{
    struct seenfrom_line line = { "a.example.com", 1, 2, 3 };
    struct mail_facts m = sound;

    (void)state;
    expect_mail(&m, "");
    m.has_keys = false;
    expect_mail(&m, "no-key");
    m.no_mail = true;
    expect_mail(&m, "");
    m.spf_result = SPF_SOFTFAIL;
    m.dmarc_policy = DMARC_POLICY_NONE;
    expect_mail(&m, "no-mail-dmarc no-mail-spf");
    m = sound;
    m.spf_records = 0;
    m.spf_result = SPF_NONE;
    expect_mail(&m, "spf-missing");
    m.spf_failed = true;
    expect_mail(&m, "spf-unknown");
    m = (struct mail_facts){ .domain = "exmaple.com", .from = "exmaple.com" };
    m.keys_expected = true;
    expect_mail(&m, "dmarc-missing no-key spf-missing");
    m.missing = true; /* advice for it would be of no use */
    expect_mail(&m, "domain-missing");
    m = sound;
    m.spf_records = 2;
    m.spf_result = SPF_PERMERROR;
    expect_mail(&m, "spf-several");
    m.spf_records = 1;
    expect_mail(&m, "spf-broken");
    m.spf_result = SPF_PASS;
    expect_mail(&m, "spf-open");
    m = sound;
    m.aligned = false;
    expect_mail(&m, "not-aligned");
    m.dmarc_domain[0] = '\0';
    expect_mail(&m, "dmarc-broken");
    m.dmarc_records = 0;
    expect_mail(&m, "dmarc-missing");
    m.dmarc_failed = true;
    expect_mail(&m, "dmarc-unknown");
    m = sound;
    m.dmarc_policy = DMARC_POLICY_NONE;
    m.subdomains = &line;
    m.subdomain_count = 1;
    expect_mail(&m, "dmarc-none from-without-key");
}

/* A name that cannot exist was never asked for. */
static void
long_name(void **state)
{
    struct facts f = { .counts = { 0 } };
    struct findings found = { .count = 0 };

    (void)state;
    set_key(&f.key, OWN);
    findings_of_key(&f, &found);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.list[0].id, "name-too-long");
    findings_free(&found);
}

/* What is too much is not kept, and nothing is lost track of. */
static void
too_many(void **state)
{
    struct seenfrom_line *lines = calloc(100, sizeof(*lines));
    struct findings found = { .count = 0 };
    struct mail_facts m = sound;

    (void)state;
    assert_non_null(lines);
    for (unsigned i = 0; i < 100; i++) {
        lines[i].count = 100 - i; /* the most frequent first */
    }
    m.subdomains = lines;
    m.subdomain_count = 100;
    findings_of_mail(&m, &found);
    assert_int_equal(found.count, FINDINGS_MAX);
    assert_memory_equal(found.list[FINDINGS_MAX - 1].what.ptr, "37 messages",
                        11);
    findings_free(&found);
    free(lines);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),      cmocka_unit_test(waits),
        cmocka_unit_test(long_name), cmocka_unit_test(mail),
        cmocka_unit_test(too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
