/*
 * test_dkim_verify_records - verdicts on the tags of crafted signatures and on
 * what DNS has for their keys.
 *
 * Each row is signed as it stands, so that a verdict other than pass is
 * never just a broken hash.
 */
#include "tests/support/cmocka.h"
#include "tests/support/judged_one.h"

static void
crafted_tags(void **state)
{
    static const struct {
        const char *tags;
        enum dkim_verdict want;
    } rows[] = {
        { GOOD, DKIM_PASS },
        { GOOD ";", DKIM_PASS },
        { GOOD "; y=unknown", DKIM_PASS },
        { HEAD "c=relaxed/relaxed; b=; h=from; bh={bh}", DKIM_PASS },
        { HEAD "c=relaxed/relaxed; bh={bh}; b = ; h=from", DKIM_PASS },
        { HEAD "c=relaxed/relaxed; bh={bh}; h=from; b\r\n =\r\n ", DKIM_PASS },
        { HEAD "c=relaxed/relaxed; z=b=x|a:; i=b=3Dx@example.com; " TAIL,
          DKIM_PASS },
        { HEAD "c=relaxed/relaxed; l=11; bh={bh}; h=from; b=", DKIM_PASS },
        { GOOD "; b=", DKIM_PERMERROR },
        { GOOD "; b=AAAA", DKIM_PERMERROR },
        { HEAD "c=relaxed/relaxed; h=subject; bh={bh}; b=", DKIM_PERMERROR },
        { HEAD "c=relaxed/relaxed; h=from:Subject:x-none:x-none:from:"
               "dkim-signature; bh={bh}; b=",
          DKIM_PASS },
        { HEAD "c=relaxed/relaxed; t=1795000000; " TAIL, DKIM_PASS },
        { HEAD "c=relaxed/relaxed; t=1795000299; " TAIL, DKIM_PASS },
        { HEAD "c=relaxed/relaxed; t=1795000300; " TAIL, DKIM_PASS },
        { HEAD "c=relaxed/relaxed; t=1795000301; " TAIL, DKIM_FAIL },
        { HEAD "c=relaxed/relaxed; x=1794999701; " TAIL, DKIM_PASS },
        { HEAD "c=relaxed/relaxed; x=1794999700; " TAIL, DKIM_PASS },
        { HEAD "c=relaxed/relaxed; x=1794999699; " TAIL, DKIM_FAIL },
        { HEAD "c=relaxed/relaxed; t=5; x=5; " TAIL, DKIM_PERMERROR },
        { HEAD "c=foo/bar; " TAIL, DKIM_PERMERROR },
        { HEAD "c=relaxed/relaxed; q=foo; " TAIL, DKIM_PERMERROR },
        { HEAD "c=relaxed/relaxed; q=foo/bar:dns/txt; " TAIL, DKIM_PASS },
        { HEAD "c=relaxed/relaxed; i=@a.example.com; " TAIL, DKIM_PASS },
        { HEAD "c=relaxed/relaxed; i=@example.org; " TAIL, DKIM_PERMERROR },
        { HEAD "c=simple/relaxed; " TAIL, DKIM_FAIL }, /* not so signed */
        { " v=2; a=ed25519-sha256; d=example.com; s=sel; " TAIL,
          DKIM_PERMERROR },
    };
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct craft c = craft_for(rows[i].tags, key);
        struct dkim_verify_result r = judge_crafted(&c, PLAIN);

        judge_is(&r, rows[i].want, rows[i].tags);
        assert_true(r.verdict == DKIM_PASS || r.reason[0] != '\0');
    }
    EVP_PKEY_free(key);
}

#define LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."

/* Names that are none are judged before anything is asked. */
static void
no_question(void **state)
{
    static const char *const tags[] = {
        " v=1; a=ed25519-sha256; d=example.net(.example.com; s=sel; " TAIL,
        " v=1; a=ed25519-sha256; d=a..example; s=sel; " TAIL,
        " v=1; a=ed25519-sha256; d=*.example; s=sel; " TAIL,
        " v=1; a=ed25519-sha256; d=b\xc3\xbc.example; s=sel; " TAIL,
        " v=1; a=ed25519-sha256; d=a b.example; s=sel; " TAIL,
        " v=1; a=ed25519-sha256; d=example.com; s=*; " TAIL,
        " v=1; a=ed25519-sha256; d=example.com; s=sel; i=@x.org; " TAIL,
        " v=1; a=ed25519-sha256; d=example.com; s=sel; t=1795000301; " TAIL,
        " v=1; a=ed25519-sha256; d=example.com; s=sel; x=1; " TAIL,
        " v=1; a=ed25519-sha256; d=example.com; "
        "s=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; " TAIL,
        /* each is a name, but not s= ._domainkey. d= */
        " v=1; a=ed25519-sha256; s=sel; d=" LABEL LABEL LABEL LABEL "a; " TAIL,
    };
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");

    (void)state;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        struct craft c = craft_for(tags[i], key);
        struct buf out = signer_craft(&c, bytes_str(PLAIN));
        unsigned questions;
        struct dkim_verify_result r =
            judge_first(buf_bytes(&out), "v=DKIM1; p=", &questions);

        if (questions != 0) {
            fail_msg("%s: %u questions", tags[i], questions);
        }
        assert_true(r.verdict == DKIM_PERMERROR || r.verdict == DKIM_FAIL);
        buf_free(&out);
    }
    EVP_PKEY_free(key);
}

static void
key_records(void **state)
{
#define P "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    static const struct {
        const char *record;
        enum dkim_verdict good, broken; /* the broken one: a changed body */
        const char *identity;
    } rows[] = {
        { "k=ed25519; " P, DKIM_PASS, DKIM_FAIL, "" },
        { "v=DKIM1; k=ed25519; t=y; " P, DKIM_PASS, DKIM_NONE, "" },
        { "k=ed25519; t=s; " P, DKIM_PASS, DKIM_FAIL, "" },
        { "k=ed25519; t=s; " P, DKIM_PASS, DKIM_FAIL, "i=@example.com; " },
        { "k=ed25519; t=s; " P, DKIM_PERMERROR, DKIM_PERMERROR,
          "i=@a.example.com; " },
        { "k=ed25519; t=y:s; " P, DKIM_PERMERROR, DKIM_PERMERROR,
          "i=@a.example.com; " },
        { "k=ed25519; g=other; n=x; " P, DKIM_PASS, DKIM_FAIL, "" },
        { "k=ed25519; h=sha1; " P, DKIM_PERMERROR, DKIM_PERMERROR, "" },
        { "k=ed25519; s=other; " P, DKIM_PERMERROR, DKIM_PERMERROR, "" },
        { "k=foo; " P, DKIM_PERMERROR, DKIM_PERMERROR, "" },
        { "k=ed25519; p=", DKIM_PERMERROR, DKIM_PERMERROR, "" },
        { "k=ed25519; p=junk!", DKIM_PERMERROR, DKIM_PERMERROR, "" },
        { "v=DKIM2; k=ed25519; " P, DKIM_PERMERROR, DKIM_PERMERROR, "" },
        { "k=ed25519; v=DKIM1; " P, DKIM_PERMERROR, DKIM_PERMERROR, "" },
        { "k=ed25519; " P "v=DKIM1; k=ed25519; " P, DKIM_PERMERROR,
          DKIM_PERMERROR, "" },
        { "k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
          DKIM_PERMERROR, DKIM_PERMERROR, "" }, /* 31 octets */
        { "k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
          DKIM_PERMERROR, DKIM_PERMERROR, "" }, /* 33 octets */
        { "k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
          DKIM_PERMERROR, DKIM_PERMERROR, "" }, /* 64 octets */
        { "k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
          DKIM_FAIL, DKIM_FAIL, "" }, /* another key */
    };
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf tags = BUF_INIT, out;
        struct dkim_verify_result r;
        struct craft c;
        unsigned questions;

        buf_printf(&tags, HEAD "c=relaxed/relaxed; %s" TAIL, rows[i].identity);
        c = craft_for(buf_str(&tags), key);
        out = signer_craft(&c, bytes_str(PLAIN));
        r = judge_first(buf_bytes(&out), rows[i].record, &questions);
        judge_is(&r, rows[i].good, rows[i].record);
        assert_int_equal(questions, 1);
        buf_puts(&out, "more\r\n");
        r = judge_first(buf_bytes(&out), rows[i].record, &questions);
        judge_is(&r, rows[i].broken, rows[i].record);
        assert_string_equal(r.domain, "example.com");
        buf_free(&out);
        buf_free(&tags);
    }
    EVP_PKEY_free(key);
#undef P
}

static void
dns_states(void **state)
{
    static const struct {
        enum dns_status status;
        enum dkim_verdict want;
    } rows[] = {
        { DNS_NXDOMAIN, DKIM_PERMERROR },
        { DNS_NODATA, DKIM_PERMERROR },
        { DNS_TEMPFAIL, DKIM_TEMPERROR },
    };
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");
    struct craft c = craft_for(GOOD, key);
    struct buf out = signer_craft(&c, bytes_str(PLAIN));
    struct bytes block, body;
    struct dkim_header header;
    struct dkim_verify *v;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct judge_dns dns[] = { { "*", rows[i].status, { NULL } } };
        struct judged j;

        judge(&j, buf_bytes(&out), dns, &judge_conf);
        judge_is(dkim_verify_result(j.verify, 0), rows[i].want, "DNS");
        judge_free(&j);
    }
    /* never answered, and an answer nobody asked for */
    (void)dkim_header_split(buf_bytes(&out), &block, &body);
    assert_int_equal(dkim_header_parse(block, &header), DKIM_HEADER_OK);
    v = dkim_verify_new(&header, &judge_conf);
    assert_int_equal(dkim_verify_waiting(v), 1);
    dkim_verify_answer(v, 99, &(struct dns_answer){ .status = DNS_NXDOMAIN });
    assert_int_equal(dkim_verify_waiting(v), 1);
    dkim_verify_body(v, body);
    dkim_verify_end(v);
    judge_is(dkim_verify_result(v, 0), DKIM_TEMPERROR, "no answer");
    assert_null(dkim_verify_result(v, 1));
    dkim_verify_free(&v);
    dkim_header_free(&header);
    buf_free(&out);
    EVP_PKEY_free(key);
}

/* Which of several TXT records is the key: one, or none (RFC 6376 3.6.2.2). */
static void
several_records(void **state)
{
#define KEY "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    static const struct {
        const char *records[3];
        enum dkim_verdict want;
    } rows[] = {
        { { KEY, NULL }, DKIM_PASS },
        { { KEY, KEY, NULL }, DKIM_PERMERROR },
        { { KEY, "v=spf1 -all", NULL }, DKIM_PASS },
        { { "junk", KEY, NULL }, DKIM_PASS },
        { { "junk", "v=spf1 -all", NULL }, DKIM_PERMERROR },
    };
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");
    struct craft c = craft_for(GOOD, key);
    struct buf out = signer_craft(&c, bytes_str(PLAIN));

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct judge_dns dns[] = { { "*", DNS_OK, { NULL } } };
        struct judged j;

        memcpy(dns[0].records, rows[i].records, sizeof(rows[i].records));
        judge(&j, buf_bytes(&out), dns, &judge_conf);
        judge_is(dkim_verify_result(j.verify, 0), rows[i].want,
                 rows[i].records[0]);
        judge_free(&j);
    }
    buf_free(&out);
    EVP_PKEY_free(key);
#undef KEY
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crafted_tags),    cmocka_unit_test(no_question),
        cmocka_unit_test(key_records),     cmocka_unit_test(dns_states),
        cmocka_unit_test(several_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
