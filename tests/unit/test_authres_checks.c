/*
 * test_authres_checks - SPF, DMARC and ARC as they stand in
 * Authentication-Results.
 */
#include "tests/support/cmocka.h"

#include <dkim/arc.h>
#include <dkim/authres.h>
#include <dkim/dmarc.h>
#include <dkim/spf.h>

/* Every question gets this TXT record, or NXDOMAIN. */
static struct dns_answer
answer_with(struct dns_record *record, const char *text)
{
    struct dns_answer a = { DNS_NXDOMAIN, record, 0, 1, false };

    record->data = bytes_str(text);
    if (text != NULL) {
        a.status = DNS_OK;
        a.count = 1;
    }
    return a;
}

static void
field_is(struct dkim_authres *a, const char *want)
{
    struct bytes field;
    struct buf seen = BUF_INIT;

    assert_true(dkim_authres_end(a, &field));
    for (size_t i = 0; i < field.len; i++) {
        if (field.ptr[i] != '\r' && field.ptr[i] != '\n') {
            buf_putc(&seen, (char)field.ptr[i]);
        }
    }
    assert_string_equal(buf_str(&seen), want);
    buf_free(&seen);
    dkim_authres_free(a);
}

static void
spf_is(const char *from, const char *record, const char *want)
{
    const struct spf_input in = { .ip = { 192, 0, 2, 1 },
                                  .ip_octets = 4,
                                  .helo = BYTES_LIT("h.test"),
                                  .mail_from = bytes_str(from) };
    struct spf *s = spf_new(&in);
    struct dkim_authres a;
    struct dns_record r = { { NULL, 0 }, 0 };
    struct dns_answer answer = answer_with(&r, record);
    struct dns_question q;

    assert_non_null(s);
    while (spf_run(s, &q) == SPF_ASK) {
        spf_answer(s, &answer);
    }
    dkim_authres_begin(&a, "mx.test");
    spf_authres(&a, s);
    field_is(&a, want);
    spf_free(&s);
}

static void
spf_results(void **state)
{
    (void)state;
    spf_is("joe@a.test", "v=spf1 +all",
           "Authentication-Results: mx.test; spf=pass smtp.mailfrom=a.test");
    spf_is("", "v=spf1 +all",
           "Authentication-Results: mx.test; spf=pass smtp.helo=h.test");
    spf_is("joe@a.test", "v=spf1 -all",
           "Authentication-Results: mx.test; spf=fail "
           "reason=\"the domain forbids this client\" smtp.mailfrom=a.test");
    spf_is("joe@[1.2.3.4]", NULL,
           "Authentication-Results: mx.test; spf=none "
           "reason=\"there is no domain name to ask about\"");
}

static void
dmarc_is(const char *author, const char *dkim, const char *record,
         const char *want)
{
    const struct dmarc_input in = { author, &dkim, dkim == NULL ? 0 : 1, "" };
    struct dmarc *d = dmarc_new(&in);
    struct dkim_authres a;
    struct dns_record r = { { NULL, 0 }, 0 };
    struct dns_answer answer = answer_with(&r, record);
    struct dns_question q;

    assert_non_null(d);
    while (dmarc_run(d, &q) == DMARC_ASK) {
        dmarc_answer(d, &answer);
    }
    dkim_authres_begin(&a, "mx.test");
    dmarc_authres(&a, d);
    field_is(&a, want);
    dmarc_free(&d);
}

static void
dmarc_results(void **state)
{
    (void)state;
    dmarc_is("a.test", "a.test", "v=DMARC1; p=reject",
             "Authentication-Results: mx.test; dmarc=pass header.from=a.test");
    dmarc_is("a.test", NULL, "v=DMARC1; p=reject; t=y",
             "Authentication-Results: mx.test; dmarc=fail "
             "reason=\"neither DKIM nor SPF passed\" header.from=a.test "
             "policy.dmarc=quarantine");
    dmarc_is("a.test", NULL, NULL,
             "Authentication-Results: mx.test; dmarc=none "
             "reason=\"the domain has no DMARC record\" header.from=a.test");
    dmarc_is(NULL, NULL, NULL,
             "Authentication-Results: mx.test; dmarc=permerror "
             "reason=\"there is no single author domain in From\"");
}

static void
arc_is(const char *block, const char *want)
{
    struct dkim_header header;
    struct dkim_authres a;
    struct arc *arc;

    assert_int_equal(dkim_header_parse(bytes_str(block), &header),
                     DKIM_HEADER_OK);
    arc = arc_new(&header);
    assert_non_null(arc);
    arc_end(arc);
    dkim_authres_begin(&a, "mx.test");
    arc_authres(&a, arc, "192.0.2.1");
    field_is(&a, want);
    arc_free(&arc);
    dkim_header_free(&header);
}

static void
arc_results(void **state)
{
    (void)state;
    arc_is("From: a@a.test\r\n", "Authentication-Results: mx.test; arc=none");
    arc_is("ARC-Seal: i=1\r\n",
           "Authentication-Results: mx.test; arc=fail "
           "reason=\"an ARC set is not complete\" smtp.remote-ip=192.0.2.1");
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(spf_results),
        cmocka_unit_test(dmarc_results),
        cmocka_unit_test(arc_results),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
