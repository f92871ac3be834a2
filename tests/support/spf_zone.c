/*
 * spf_zone - see tests/support/spf_zone.h.
 */
#include "spf_zone.h"

#include "cmocka.h"

#include <arpa/inet.h>
#include <proxy/dns/file.h>
#include <stdio.h>

static const char *
make_zone(const char *zone, char *out, size_t cap)
{
    snprintf(out, cap, "%s%s\n", zone[0] == '"' ? "a.test TXT " : "", zone);
    return out;
}

struct spf *
spf_zone_check(const char *zone, const char *ip, const char *from,
               const char *helo, bool helo_too)
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
