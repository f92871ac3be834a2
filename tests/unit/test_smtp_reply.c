/*
 * test_smtp_reply - replies read, given on and written; EHLO's offers.
 */
#include "tests/support/cmocka.h"
#include "tests/support/vec.h"

#include <smtp/caps.h>
#include <smtp/reply.h>
#include <smtp/xclient.h>

static void
put_outcome(struct buf *out, enum smtp_reply_result result,
            const struct smtp_reply *reply)
{
    struct bytes enhanced;

    if (result != SMTP_REPLY_OK) {
        buf_puts(out, result == SMTP_REPLY_BAD ? "bad" : "more");
        return;
    }
    enhanced = smtp_reply_enhanced(reply);
    buf_printf(out, "%d %u ", reply->code, reply->lines);
    buf_put(out, enhanced.len > 0 ? enhanced : BYTES_LIT("-"));
}

/* Every prefix is MORE, or as BAD as the whole; never an early OK. */
static void
check_prefixes(const struct vec *v, enum smtp_reply_result whole)
{
    struct smtp_reply reply;

    for (size_t n = 0; n < v->col[1].len; n++) {
        struct bytes in = bytes_take(v->col[1], n);
        enum smtp_reply_result result = smtp_reply_next(&in, &reply);

        if (result != SMTP_REPLY_MORE &&
            (result == SMTP_REPLY_OK || whole != SMTP_REPLY_BAD)) {
            fail_msg("%s:%u: prefix of %zu", v->name, v->line, n);
        }
        assert_int_equal(in.len, n);
    }
}

static void
test_vectors(void **state)
{
    struct vec v;

    (void)state;
    vec_open(&v, "smtp-reply.txt");
    while (vec_next_of(&v, 4)) {
        struct buf got = BUF_INIT, tail = BUF_INIT;
        struct smtp_reply reply;
        struct bytes in = v.col[1];
        enum smtp_reply_result result = smtp_reply_next(&in, &reply);

        put_outcome(&got, result, &reply);
        if (!bytes_eq(buf_bytes(&got), v.col[2])) {
            fail_msg("%s:%u: got %s", v.name, v.line, buf_str(&got));
        }
        assert_int_equal(in.len, result == SMTP_REPLY_OK ? 0 : v.col[1].len);
        check_prefixes(&v, result);
        if (result == SMTP_REPLY_OK) {
            buf_clear(&got);
            smtp_reply_relay(&reply, reply.code, &got);
            assert_true(bytes_eq(buf_bytes(&got), v.col[3]));
            /* What stands behind is left alone. */
            buf_put(&tail, v.col[1]);
            buf_puts(&tail, "250 next\r\n");
            in = buf_bytes(&tail);
            assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_OK);
            assert_true(bytes_is(in, "250 next\r\n"));
        }
        buf_free(&got);
        buf_free(&tail);
    }
}

/* 64 KiB in all, whether it comes at once or not. */
static void
test_octets_max(void **state)
{
    struct buf text = BUF_INIT;
    struct smtp_reply reply;
    struct bytes in;

    (void)state;
    for (unsigned i = 0; i < 17; i++) {
        buf_puts(&text, "250-");
        for (unsigned k = 0; k < 4000; k++) {
            buf_putc(&text, 'a');
        }
        buf_puts(&text, "\r\n");
    }
    buf_puts(&text, "250 \r\n");
    in = buf_bytes(&text);
    assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_BAD);
    in = bytes_take(in, SMTP_REPLY_OCTETS_MAX);
    assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_BAD);
    in = bytes_take(in, SMTP_REPLY_OCTETS_MAX - 1);
    assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_MORE);
    buf_free(&text);
}

static void
test_relay_recoded(void **state)
{
    static const struct {
        const char *in;
        int code;
        const char *out;
    } cases[] = {
        { "550-5.7.1 a\r\n550 5.7.1 b\r\n", 451,
          "451-4.7.1 a\r\n451 4.7.1 b\r\n" },
        { "550 no code\r\n", 451, "451 no code\r\n" },
        { "421 4.3.2 bye\r\n", 451, "451 4.3.2 bye\r\n" },
        { "250 2.0.0 early\r\n", 451, "451 4.0.0 early\r\n" },
        { "450 4.2.0 later\r\n", 550, "550 5.2.0 later\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bytes in = bytes_str(cases[i].in);
        struct buf out = BUF_INIT;
        struct smtp_reply reply;

        assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_OK);
        smtp_reply_relay(&reply, cases[i].code, &out);
        assert_string_equal(buf_str(&out), cases[i].out);
        buf_free(&out);
    }
}

static void
test_put(void **state)
{
    static const struct {
        int code;
        const char *enhanced, *text, *out;
    } cases[] = {
        { 220, "", "relay.example ESMTP", "220 relay.example ESMTP\r\n" },
        { 334, "", "", "334 \r\n" },
        { 550, "5.7.1", "no [x]", "550 5.7.1 no [x]\r\n" },
        { 214, "2.0.0", "a\nb", "214-2.0.0 a\r\n214 2.0.0 b\r\n" },
        { 250, "2.0.0", "a\rb\x80", "250 2.0.0 a?b?\r\n" },
    };
    char text[700];
    struct buf out = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&out);
        smtp_reply_put(&out, cases[i].code, cases[i].enhanced, cases[i].text);
        assert_string_equal(buf_str(&out), cases[i].out);
    }
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    buf_clear(&out);
    smtp_reply_put(&out, 550, "5.0.0", text);
    assert_int_equal(buf_bytes(&out).len, 512); /* RFC 5321 4.5.3.1.5 */
    buf_free(&out);
}

static struct smtp_caps
caps_of(const char *text)
{
    struct bytes in = bytes_str(text);
    struct smtp_reply reply;
    struct smtp_caps caps;

    assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_OK);
    smtp_caps_parse(&reply, &caps);
    return caps;
}

static void
test_caps_parse(void **state)
{
    struct smtp_caps caps = caps_of("250-SIZE DSN\r\n" /* the domain's line */
                                    "250-pipelining\r\n"
                                    "250-SIZE 1000\r\n"
                                    "250-X-UNKNOWN a b\r\n"
                                    "250-AUTH LOGIN plain FOO SCRAM-SHA-256\r\n"
                                    "250-LIMITS RCPTMAX=20 MAILMAX=5 "
                                    "rcptdomainmax=7 X=y\r\n"
                                    "250-XFORWARD NAME X-Y HELO\r\n"
                                    "250 8BITMIME\r\n");

    (void)state;
    assert_int_equal(caps.offers, SMTP_CAP_PIPELINING | SMTP_CAP_SIZE |
                                      SMTP_CAP_AUTH | SMTP_CAP_LIMITS |
                                      SMTP_CAP_8BITMIME | SMTP_CAP_XFORWARD);
    assert_int_equal(caps.mechs, SMTP_MECH_LOGIN | SMTP_MECH_PLAIN |
                                     SMTP_MECH_SCRAM_SHA_256);
    assert_int_equal(caps.size, 1000);
    assert_int_equal(caps.rcpt_max, 20);
    assert_int_equal(caps.mail_max, 5);
    assert_int_equal(caps.rcpt_domain_max, 7);
    assert_int_equal(caps.xforward,
                     1u << SMTP_XATTR_NAME | 1u << SMTP_XATTR_HELO);
    assert_int_equal(caps.xclient, 0);

    caps = caps_of("250-x\r\n250-AUTH=LOGIN\r\n250-SIZE\r\n"
                   "250 LIMITS RCPTMAX=9999999 MAILMAX RCPTMAX=x\r\n");
    assert_int_equal(caps.offers,
                     SMTP_CAP_AUTH | SMTP_CAP_SIZE | SMTP_CAP_LIMITS);
    assert_int_equal(caps.mechs, SMTP_MECH_LOGIN);
    assert_int_equal(caps.size, 0);
    assert_int_equal(caps.rcpt_max, 0);
    caps = caps_of("250 x\r\n");
    assert_int_equal(caps.offers, 0);
    caps = caps_of("250-x\r\n250-SIZE 1x\r\n250 \r\n");
    assert_int_equal(caps.offers, SMTP_CAP_SIZE);
    assert_int_equal(caps.size, 0);
}

static void
test_caps_put(void **state)
{
    struct smtp_caps caps = {
        .offers = SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_AUTH |
                  SMTP_CAP_LIMITS | SMTP_CAP_ENHANCEDSTATUSCODES,
        .mechs = SMTP_MECH_PLAIN | SMTP_MECH_LOGIN,
        .size = 52428800,
        .rcpt_max = 1000,
    };
    struct smtp_caps again;
    struct buf out = BUF_INIT;

    (void)state;
    smtp_caps_put(&out, "relay.example", "at your service", &caps);
    assert_string_equal(buf_str(&out), "250-relay.example at your service\r\n"
                                       "250-PIPELINING\r\n"
                                       "250-SIZE 52428800\r\n"
                                       "250-AUTH PLAIN LOGIN\r\n"
                                       "250-ENHANCEDSTATUSCODES\r\n"
                                       "250 LIMITS RCPTMAX=1000\r\n");
    again = caps_of(buf_str(&out));
    assert_memory_equal(&again, &caps, sizeof(caps));

    caps.mail_max = 50;
    caps.rcpt_domain_max = 8;
    buf_clear(&out);
    smtp_caps_put(&out, "x", "y", &caps);
    assert_non_null(strstr(buf_str(&out), "250 LIMITS RCPTMAX=1000 MAILMAX=50 "
                                          "RCPTDOMAINMAX=8\r\n"));

    buf_clear(&out); /* AUTH without a mechanism is not offered */
    caps = (struct smtp_caps){ .offers = SMTP_CAP_AUTH | SMTP_CAP_SIZE };
    smtp_caps_put(&out, "x", "y", &caps);
    assert_string_equal(buf_str(&out), "250-x y\r\n250 SIZE\r\n");
    buf_free(&out);
}

static void
test_mechs(void **state)
{
    (void)state;
    for (unsigned mech = 1; mech <= SMTP_MECH_OAUTHBEARER; mech <<= 1) {
        const char *name = smtp_mech_name((enum smtp_mech)mech);

        assert_int_equal(smtp_mech_parse(bytes_str(name)), mech);
    }
    assert_int_equal(smtp_mech_parse(BYTES_LIT("scram-sha-256")),
                     SMTP_MECH_SCRAM_SHA_256);
    assert_int_equal(smtp_mech_parse(BYTES_LIT("SCRAM-SHA-25")), 0);
    assert_int_equal(smtp_mech_parse(BYTES_LIT("")), 0);
}

/* What smtp_client makes up for a connection that said nothing. */
static void
test_no_text(void **state)
{
    const struct smtp_reply reply = { .code = 421 };

    (void)state;
    assert_int_equal(smtp_reply_enhanced(&reply).len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),       cmocka_unit_test(test_octets_max),
        cmocka_unit_test(test_relay_recoded), cmocka_unit_test(test_put),
        cmocka_unit_test(test_caps_parse),    cmocka_unit_test(test_caps_put),
        cmocka_unit_test(test_mechs),         cmocka_unit_test(test_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
