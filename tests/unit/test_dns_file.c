/* Tests of proxy/dns/file.h. */
#include "tests/support/cmocka.h"

#include <proxy/dns/file.h>
#include <stdio.h>

static const char zone[] =
    "# a comment\n"
    "\n"
    "Example.COM. TXT \"v=spf1 \" \"-all\"  # joined\r\n"
    "example.com TXT \"a \\\"b\\\" \\\\ \\000\\255#\"\n"
    "example.com MX 10 Mail.Example.com.\n"
    "example.com\tMX\t0 .\n"
    "null.example.com MX 0 \n"
    "example.com A 192.0.2.1\n"
    "example.com A 192.0.2.2\n"
    "v6.example.com AAAA 2001:DB8::1\n"
    "v6.example.com A !SERVFAIL\n"
    "1.2.0.192.in-addr.arpa PTR host.example.com\n"
    "alias.example.com CNAME v6.example.com\n"
    "slow.example.com * !TIMEOUT\n"
    "slow.example.com A 192.0.2.3\n"
    "gone.example.com TXT !NXDOMAIN\n"
    "gone.example.com TXT \"not seen\"\n"
    "none.example.com txt !nodata\n"
    "empty.example.com TXT \n"
    "sp\\032ace\\.x.example.com A 192.0.2.9\n"
    "dangling CNAME nowhere\n"
    "loop CNAME loop\n"
    "c0 CNAME c1\nc1 CNAME c2\nc2 CNAME c3\nc3 CNAME c4\nc4 CNAME c5\n"
    "c5 CNAME c6\nc6 CNAME c7\nc7 CNAME c8\nc8 A 192.0.2.8\n"
    "c-1 CNAME c0\n"
    "last A 192.0.2.10";

static const struct ask_case {
    const char *name;
    enum dns_type type;
    enum dns_status status;
    const char *data; /* records joined with '|'; octets as hex for A, AAAA */
} asks[] = {
    { "example.com", DNS_A, DNS_OK, "c0000201|c0000202" },
    { "EXAMPLE.com", DNS_A, DNS_OK, "c0000201|c0000202" },
    { "example.com", DNS_MX, DNS_OK, "10 mail.example.com|0 " },
    { "null.example.com", DNS_MX, DNS_OK, "0 " },
    { "example.com", DNS_AAAA, DNS_NODATA, "" },
    { "v6.example.com", DNS_AAAA, DNS_OK, "20010db8000000000000000000000001" },
    { "v6.example.com", DNS_A, DNS_TEMPFAIL, "" },
    { "1.2.0.192.in-addr.arpa", DNS_PTR, DNS_OK, "host.example.com" },
    { "alias.example.com", DNS_AAAA, DNS_OK,
      "20010db8000000000000000000000001" },
    { "alias.example.com", DNS_A, DNS_TEMPFAIL, "" },
    { "alias.example.com", DNS_TXT, DNS_NODATA, "" },
    { "alias.example.com", DNS_CNAME, DNS_OK, "v6.example.com" },
    { "slow.example.com", DNS_TXT, DNS_TEMPFAIL, "" },
    { "slow.example.com", DNS_A, DNS_OK, "c0000203" },
    { "gone.example.com", DNS_TXT, DNS_NXDOMAIN, "" },
    { "none.example.com", DNS_TXT, DNS_NODATA, "" },
    { "none.example.com", DNS_A, DNS_NODATA, "" },
    { "empty.example.com", DNS_TXT, DNS_OK, "" },
    { "sp ace.x.example.com", DNS_A, DNS_OK, "c0000209" },
    { "absent.example.com", DNS_A, DNS_NXDOMAIN, "" },
    { "com", DNS_A, DNS_NXDOMAIN, "" },
    { "dangling", DNS_A, DNS_NXDOMAIN, "" },
    { "loop", DNS_A, DNS_TEMPFAIL, "" },
    { "c0", DNS_A, DNS_OK, "c0000208" },
    { "c-1", DNS_A, DNS_TEMPFAIL, "" },
    { "last", DNS_A, DNS_OK, "c000020a" },
};

static void
show(const struct dns_question *q, const struct dns_answer *a, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < a->count; i++) {
        struct bytes data = a->records[i].data;

        buf_puts(out, i > 0 ? "|" : "");
        if (q->type == DNS_MX) {
            buf_printf(out, "%u ", a->records[i].preference);
        }
        if (q->type != DNS_A && q->type != DNS_AAAA) {
            buf_put(out, data);
            continue;
        }
        for (size_t k = 0; k < data.len; k++) {
            buf_printf(out, "%02x", data.ptr[k]);
        }
    }
}

static struct dns_file *
parse(const char *text, struct buf *error)
{
    return dns_file_parse("FILE", bytes_str(text), error);
}

static void
answers_by_table(void **state)
{
    struct buf error = BUF_INIT, seen = BUF_INIT;
    struct dns_file *f = parse(zone, &error);

    (void)state;
    assert_non_null(f);
    for (size_t i = 0; i < sizeof(asks) / sizeof(*asks); i++) {
        struct dns_question q = { .type = asks[i].type };
        struct dns_answer a;

        snprintf(q.name, sizeof(q.name), "%s", asks[i].name);
        dns_file_ask(f, &q, &a);
        show(&q, &a, &seen);
        if (a.status != asks[i].status || a.ttl_s == 0 ||
            (a.status == DNS_OK) != (a.count > 0) ||
            !bytes_eq(buf_bytes(&seen), bytes_str(asks[i].data))) {
            fail_msg("%s type %d: status %d, data %s", q.name, (int)q.type,
                     (int)a.status, buf_str(&seen));
        }
    }
    dns_file_free(&f);
    assert_null(f);
    buf_free(&seen);
    buf_free(&error);
}

static void
text_records_are_decoded(void **state)
{
    static const char want[] = "a \"b\" \\ \0\xff#";
    struct dns_question q = { DNS_TXT, "example.com" };
    struct buf error = BUF_INIT;
    struct dns_file *f =
        dns_file_parse("FILE", bytes_make(zone, sizeof(zone) - 1), &error);
    struct dns_answer a;

    (void)state;
    assert_non_null(f);
    dns_file_ask(f, &q, &a);
    assert_int_equal(a.count, 2);
    assert_true(bytes_is(a.records[0].data, "v=spf1 -all"));
    assert_true(
        bytes_eq(a.records[1].data, bytes_make(want, sizeof(want) - 1)));
    dns_file_free(&f);
    buf_free(&error);
}

static const struct error_case {
    const char *text;
    const char *want; /* how the error starts */
} errors[] = {
    { "a A 192.0.2.1\nb A 192.0.2.256\n", "FILE:2: bad address" },
    { "a A\n", "FILE:1: bad address" },
    { "a AAAA 192.0.2.1\n", "FILE:1: bad address" },
    { "a A 192.0.2.1 192.0.2.2\n", "FILE:1: text behind" },
    { "a TXT hello\n", "FILE:1: TXT data without quotes" },
    { "a TXT \"hello\n", "FILE:1: string without" },
    { "a TXT \"hello\\\n", "FILE:1: bad escape" },
    { "a TXT \"\\25\"\n", "FILE:1: bad escape" },
    { "a TXT \"\\256\"\n", "FILE:1: bad escape" },
    { "a\\9 A 192.0.2.1\n", "FILE:1: bad escape in a name" },
    { "a MX mail\n", "FILE:1: MX without" },
    { "a MX 65536 mail\n", "FILE:1: MX without" },
    { "a PTR\n", "FILE:1: name missing" },
    { "a NS b\n", "FILE:1: unknown type" },
    { "a\n", "FILE:1: unknown type" },
    { "a TXT !MAYBE\n", "FILE:1: unknown failure" },
    { "a * 192.0.2.1\n", "FILE:1: data for type *" },
};

static void
mistakes_have_a_place(void **state)
{
    struct buf error = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        struct dns_file *f = parse(errors[i].text, &error);

        assert_null(f);
        if (!bytes_starts_ci(buf_bytes(&error), errors[i].want)) {
            fail_msg("%s: %s", errors[i].text, buf_str(&error));
        }
        buf_clear(&error);
    }
    assert_null(dns_file_load("/nonexistent/dns.txt", &error));
    assert_true(bytes_starts_ci(buf_bytes(&error), "/nonexistent/dns.txt: "));
    buf_free(&error);
}

static void
a_name_may_have_253_octets(void **state)
{
    char text[300];
    struct buf error = BUF_INIT;
    struct dns_file *f;

    (void)state;
    memset(text, 'a', 254);
    strcpy(text + 253, " A 192.0.2.1");
    f = parse(text, &error);
    assert_non_null(f);
    dns_file_free(&f);
    memset(text, 'a', 254);
    strcpy(text + 254, " A 192.0.2.1");
    assert_null(parse(text, &error));
    buf_free(&error);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_by_table),
        cmocka_unit_test(text_records_are_decoded),
        cmocka_unit_test(mistakes_have_a_place),
        cmocka_unit_test(a_name_may_have_253_octets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
