/*
 * test_survey_judge - what each kind of answer says about a key.
 */
#include "proxy/dns/packet.h"
#include "proxy/dns/raw.h"
#include "proxy/survey/judge.h"
#include "proxy/survey/survey.h"
#include "tests/support/cmocka.h"
#include "tests/support/dns_message.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME   "sel._domainkey.example.com"
#define TARGET "tok.dkim.relay.example"

/* RFC 8463 A.2; and a key that is not ours. */
#define OURS      "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define OTHER     "AAAAAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define RECORD(p) "v=DKIM1; k=ed25519; p=" p

enum {
    AA = 0x04
};

typedef void make_answer(struct message *m);

static void
aa(struct message *m)
{
    message_flags(m, AA, 0);
}

static void
our_key(struct message *m)
{
    aa(m);
    put_txt_record(m, NULL, 300, RECORD(OURS));
}

static void
other_text_same_key(struct message *m)
{
    aa(m);
    put_txt_record(m, NULL, 300,
                   "k=ed25519;n=hello;p=11qYAYKxCrfVS/7TyWQ "
                   "HOg7hcvPapiMlrwIaaPcHURo=;");
}

static void
beside_stranger(struct message *m)
{
    our_key(m);
    put_txt_record(m, NULL, 300, "google-site-verification=abc");
}

static void
other_key(struct message *m)
{
    aa(m);
    put_txt_record(m, NULL, 300, RECORD(OTHER));
}

static void
two_keys(struct message *m)
{
    our_key(m);
    put_txt_record(m, NULL, 300, RECORD(OTHER));
}

static void
revoked(struct message *m)
{
    aa(m);
    put_txt_record(m, NULL, 60, "v=DKIM1; p=");
}

static void
sha1_only(struct message *m)
{
    aa(m);
    put_txt_record(m, NULL, 300, "v=DKIM1; h=sha1; k=ed25519; p=" OURS);
}

static void
not_for_mail(struct message *m)
{
    aa(m);
    put_txt_record(m, NULL, 300, "v=DKIM1; s=tlsrpt; k=ed25519; p=" OURS);
}

static void
testing(struct message *m)
{
    aa(m);
    put_txt_record(m, NULL, 300, "v=DKIM1; t=y; k=ed25519; p=" OURS);
}

static void
alias(struct message *m)
{
    aa(m);
    put_cname_record(m, NAME, "TOK.dkim.relay.example");
}

static void
other_alias(struct message *m)
{
    aa(m);
    put_cname_record(m, NAME, "tok.dkim.relay.example.example.com");
}

static void
alias_and_txt(struct message *m)
{
    alias(m);
    put_txt_record(m, NULL, 300, RECORD(OURS));
}

static void
alias_to_key(struct message *m)
{
    put_cname_record(m, NAME, TARGET);
    put_txt_record(m, TARGET, 40, RECORD(OURS));
}

static void
circle(struct message *m)
{
    put_cname_record(m, NAME, TARGET);
    put_cname_record(m, TARGET, NAME);
}

static void
nxdomain(struct message *m)
{
    message_flags(m, AA, 3);
    put_soa_record(m, "example.com", 900, 30);
}

static void
nodata(struct message *m)
{
    aa(m);
    put_soa_record(m, "example.com", 20, 300);
}

static void
referral(struct message *m)
{
    put_record(m, SECTION_NS, "sub.example.com", 2, 300, BYTES_LIT("\2ns\0"));
}

static void
no_authority(struct message *m)
{
    put_txt_record(m, NULL, 300, RECORD(OURS));
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

#define O SEEN_OWNER
#define T SEEN_TARGET
#define R SEEN_RESOLVER

static const struct verdict {
    const char *label;
    make_answer *make;
    enum seen_role role;
    const char *target;
    const char *public_b64;
    enum seen_what what;
    uint32_t ttl_s, negative_s;
    const char *detail; /* begins so */
} verdicts[] = {
    { "key", our_key, O, "", OURS, SEEN_KEY, 300, 0, "" },
    { "key at the target", our_key, T, "", OURS, SEEN_KEY, 300, 0, "" },
    { "same key, other text", other_text_same_key, O, "", OURS, SEEN_KEY, 300,
      0, "" },
    { "a stranger's TXT", beside_stranger, O, "", OURS, SEEN_KEY, 300, 0, "" },
    { "other key", other_key, O, "", OURS, SEEN_OTHER, 300, 0,
      "another public key" },
    { "none wanted", other_key, O, "", "", SEEN_OTHER, 300, 0,
      "a key is published" },
    { "two keys", two_keys, O, "", OURS, SEEN_OTHER, 300, 0, "a TXT record" },
    { "revoked", revoked, T, "", "", SEEN_REVOKED, 60, 0, "p= is empty" },
    { "sha1", sha1_only, O, "", OURS, SEEN_OTHER, 300, 0, "our key, but h=" },
    { "service", not_for_mail, O, "", OURS, SEEN_OTHER, 300, 0,
      "our key, but s=" },
    { "testing", testing, O, "", OURS, SEEN_KEY, 300, 0, "t=y" },
    { "alias", alias, O, TARGET ".", OURS, SEEN_CNAME, 300, 0, "a CNAME to" },
    { "alias, no target", alias, O, "", OURS, SEEN_CNAME, 300, 0,
      "a CNAME to tok" },
    { "other alias", other_alias, O, TARGET, OURS, SEEN_OTHER, 300, 0,
      "a CNAME to tok.dkim.relay.example.example.com instead" },
    { "alias at the target", alias, T, TARGET, OURS, SEEN_OTHER, 300, 0,
      "a CNAME to" },
    { "both", alias_and_txt, O, TARGET, OURS, SEEN_OTHER, 300, 0,
      "a TXT record beside" },
    { "TXT not CNAME", our_key, O, TARGET, OURS, SEEN_KEY, 300, 0, "" },
    { "nxdomain", nxdomain, O, "", OURS, SEEN_MISSING, 0, 30, "no such name" },
    { "nodata", nodata, O, "", OURS, SEEN_MISSING, 0, 20, "no such record" },
    { "referral", referral, O, "", OURS, SEEN_BROKEN, 0, 0,
      "lame: it refers to the servers of sub.example.com" },
    { "no authority", no_authority, O, "", OURS, SEEN_BROKEN, 0, 0,
      "lame: it answers without" },
    { "refused", refused, O, "", OURS, SEEN_BROKEN, 0, 0, "lame: REFUSED" },
    { "resolver", no_authority, R, "", OURS, SEEN_KEY, 300, 0, "" },
    { "resolver, chain", alias_to_key, R, "", OURS, SEEN_KEY, 40, 0, "" },
    { "resolver, circle", circle, R, "", OURS, SEEN_BROKEN, 0, 0,
      "the CNAMEs run in a circle" },
    { "resolver, nothing", nxdomain, R, "", OURS, SEEN_MISSING, 0, 30,
      "no such name: sel." },
    { "resolver that is none", referral, R, "", OURS, SEEN_BROKEN, 0, 0,
      "no resolver: it refers to the servers of sub.example.com" },
    { "resolver fails", servfail, R, "", OURS, SEEN_BROKEN, 0, 0, "SERVFAIL" },
};

static struct raw_answer *
read_made(make_answer *make)
{
    struct packet_question q = { .type = DNS_TXT, .no_recurse = true };
    struct packet_seed seed = { .id = 7 };
    struct packet_query query;
    struct message m = { BUF_INIT };
    struct raw_answer *answer = NULL;

    assert_true(packet_name_make(NAME, &q.name));
    assert_true(packet_query_make(&q, &seed, &query));
    assert_int_equal(query.data[2] & 1, 0); /* RD */
    message_begin(&m, bytes_make(query.data, query.len));
    make(&m);
    assert_int_equal(
        packet_read_raw(&q, &query, buf_bytes(&m.b), true, &answer),
        PACKET_ANSWER);
    buf_free(&m.b);
    assert_non_null(answer);
    return answer;
}

static void
answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        const struct verdict *v = &verdicts[i];
        struct raw_answer *answer = read_made(v->make);
        struct seen_question q = { .domain = "example.com",
                                   .selector = "sel",
                                   .target = v->target,
                                   .public_b64 = v->public_b64,
                                   .ed25519 = true };
        struct sight sight = { .role = v->role,
                               .server = "ns1 [192.0.2.1]",
                               .name = NAME,
                               .end = DIRECT_ANSWERED,
                               .answer = answer };
        struct seen_at at;

        judge_sight(&q, &sight, &at);
        if (at.what != v->what || at.ttl_s != v->ttl_s ||
            at.negative_s != v->negative_s || at.role != v->role ||
            strncmp(at.detail, v->detail, strlen(v->detail)) != 0) {
            fail_msg("%s: what %d ttl %u negative %u \"%s\"", v->label, at.what,
                     at.ttl_s, at.negative_s, at.detail);
        }
        assert_string_equal(at.server, sight.server);
        raw_free(&answer);
    }
}

static void
failures(void **state)
{
    static const struct {
        enum direct_end end;
        const char *trouble;
        enum seen_what what;
        const char *detail;
    } cases[] = {
        { DIRECT_SILENT, NULL, SEEN_SILENT, "no answer in time" },
        { DIRECT_NOBODY, NULL, SEEN_SILENT, "nobody listens there" },
        { DIRECT_NO_TCP, NULL, SEEN_BROKEN, "the answer needs TCP" },
        { DIRECT_GARBLED, NULL, SEEN_BROKEN, "what came is no DNS answer" },
        { DIRECT_OURS, "no servers", SEEN_BROKEN, "no servers" },
        { DIRECT_SILENT, "nobody says", SEEN_SILENT, "nobody says" },
    };
    struct seen_question q = { "example.com", "sel", "", OURS, true };
    struct raw_answer *answer = raw_new(RAW_SERVFAIL);
    struct sight bogus = { .role = R, .answer = answer, .bogus = true };
    struct seen_at at;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sight sight = { .role = O,
                               .end = cases[i].end,
                               .trouble = cases[i].trouble };

        judge_sight(&q, &sight, &at);
        assert_int_equal(at.what, cases[i].what);
        assert_memory_equal(at.detail, cases[i].detail,
                            strlen(cases[i].detail));
    }
    judge_sight(&q, &bogus, &at);
    assert_int_equal(at.what, SEEN_BROKEN);
    assert_memory_equal(at.detail, SURVEY_BOGUS, strlen(SURVEY_BOGUS));
    raw_free(&answer);
}

static void
strings_are_kept_apart(void **state)
{
    struct raw_answer *answer = read_made(our_key);
    const struct raw_record *r = raw_find(answer, NAME, RAW_TYPE_TXT);
    struct buf text = BUF_INIT;

    (void)state;
    assert_non_null(r);
    assert_int_equal(r->data.ptr[0], r->data.len - 1);
    raw_join(r->data, &text);
    assert_int_equal(text.len, strlen(RECORD(OURS)));
    assert_memory_equal(text.ptr, RECORD(OURS), text.len);
    buf_free(&text);
    raw_free(&answer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(failures),
        cmocka_unit_test(strings_are_kept_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
