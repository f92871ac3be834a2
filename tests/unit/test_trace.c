/*
 * test_trace - the header fields that we make.
 */
#include "tests/support/cmocka.h"

#include <proxy/trace.h>
#include <stdlib.h>

static void
check(const struct trace *t, const char *want)
{
    struct buf out = BUF_INIT;

    trace_received(&out, t);
    assert_string_equal(buf_str(&out), want);
    buf_free(&out);
}

static void
test_received(void **state)
{
    struct trace t = {
        .helo = "client.example",
        .address = "192.0.2.1",
        .hostname = "relay.example.com",
        .tls = "TLSv1.3/TLS_AES_256_GCM_SHA384",
        .id = "0abc",
        .recipient = BYTES_LIT("a@b.example"),
        .esmtp = true,
        .authenticated = true,
        .now_s = 1795266000,
    };

    (void)state;
    check(&t, "Received: from client.example ([192.0.2.1])\r\n"
              "\tby relay.example.com (Sealpost) with ESMTPSA id 0abc\r\n"
              "\t(TLSv1.3/TLS_AES_256_GCM_SHA384)\r\n"
              "\tfor <a@b.example>;\r\n"
              "\tSat, 21 Nov 2026 13:00:00 +0000\r\n");
    t.helo = NULL;
    t.address = "2001:db8::1";
    t.tls = "-";
    t.recipient.len = 0;
    t.authenticated = false;
    check(&t, "Received: from [IPv6:2001:db8::1]\r\n"
              "\tby relay.example.com (Sealpost) with ESMTP id 0abc;\r\n"
              "\tSat, 21 Nov 2026 13:00:00 +0000\r\n");
}

/* RFC 3848, 6531 3.7.3. */
static void
test_with(void **state)
{
    static const struct {
        bool esmtp, authenticated, utf8;
        const char *tls, *want;
    } rows[] = {
        { false, false, false, "-", " with SMTP id" },
        { true, false, false, "-", " with ESMTP id" },
        { true, true, false, "-", " with ESMTPA id" },
        { true, false, false, "TLSv1.2/X", " with ESMTPS id" },
        { true, true, false, "TLSv1.2/X", " with ESMTPSA id" },
        { true, true, true, "TLSv1.2/X", " with UTF8SMTPSA id" },
        { true, false, true, "-", " with UTF8SMTP id" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out = BUF_INIT;
        struct trace t = { .address = "192.0.2.1",
                           .hostname = "h",
                           .tls = rows[i].tls,
                           .id = "i",
                           .esmtp = rows[i].esmtp,
                           .authenticated = rows[i].authenticated,
                           .utf8 = rows[i].utf8 };

        trace_received(&out, &t);
        assert_non_null(strstr(buf_str(&out), rows[i].want));
        buf_free(&out);
    }
}

/* Beyond 32 bits of seconds. */
static void
test_date(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    trace_date(&out, 4291747200);
    assert_string_equal(buf_str(&out),
                        "Date: Fri, 1 Jan 2106 00:00:00 +0000\r\n");
    buf_free(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_received),
        cmocka_unit_test(test_with),
        cmocka_unit_test(test_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
