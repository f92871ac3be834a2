/*
 * test_smtp_client - the way to MAIL, credentials, and the lines of MAIL and
 * RCPT as an upstream gets them.
 */
#include "tests/support/cmocka.h"
#include "tests/support/vec.h"

#include <base/wipe.h>

#include <smtp/client.h>
#include <smtp/sasl.h>
#include <smtp/xclient.h>

/* Puts what is in out without its CRLF, in braces, and empties it. */
static void
put_out(struct buf *trace, struct buf *out)
{
    struct bytes text = buf_bytes(out);

    if (text.len > 0) {
        assert_true(text.len >= 2);
        assert_memory_equal(text.ptr + text.len - 2, "\r\n", 2);
        text.len -= 2;
    }
    buf_putc(trace, '{');
    buf_put(trace, text);
    buf_putc(trace, '}');
    buf_clear(out);
}

static void
put_action(struct buf *trace, const struct smtp_client *c,
           enum smtp_client_action action)
{
    if (action == SMTP_CLIENT_READY) {
        buf_printf(trace, "READY %u %u", c->caps.offers, c->caps.mechs);
    } else if (action == SMTP_CLIENT_FAILED) {
        buf_printf(trace, "FAILED %u %d", (unsigned)c->failure, c->code);
        assert_non_null(smtp_client_failure_text(c->failure));
    } else if (action == SMTP_CLIENT_TLS) {
        buf_puts(trace, "TLS");
    }
}

static bool
has(struct bytes flags, char flag)
{
    return bytes_find(flags, (uint8_t)flag) < flags.len;
}

/* "MQ==" and "Mg==" in turn; the server's last word is "Mw==". */
static enum smtp_scram_result
fake_scram(void *ctx, enum smtp_mech mech, struct bytes challenge,
           struct buf *response)
{
    (void)ctx;
    (void)mech;
    if (challenge.len == 0) {
        buf_puts(response, "MQ==");
        return SMTP_SCRAM_MORE;
    }
    if (bytes_is(challenge, "MQ==")) {
        buf_puts(response, "Mg==");
        return SMTP_SCRAM_MORE;
    }
    return bytes_is(challenge, "Mw==") ? SMTP_SCRAM_DONE : SMTP_SCRAM_FAILED;
}

static const struct smtp_xattrs origin = {
    .given = 1u << SMTP_XATTR_NAME | 1u << SMTP_XATTR_ADDR |
             1u << SMTP_XATTR_HELO | 1u << SMTP_XATTR_LOGIN,
    .value = { [SMTP_XATTR_ADDR] = "2001:db8::1",
               [SMTP_XATTR_HELO] = "a b+c=d\xc3" },
};

static struct smtp_client
client_of(struct bytes flags)
{
    struct smtp_client_conf conf = { .hostname = "me" };
    struct smtp_client c;

    conf.tls = bytes_find(flags, 'r') < flags.len   ? SMTP_CLIENT_TLS_REQUIRED
               : bytes_find(flags, 'm') < flags.len ? SMTP_CLIENT_TLS_MAY
                                                    : SMTP_CLIENT_TLS_NONE;
    if (bytes_find(flags, 'a') < flags.len) {
        conf.user = "user";
        conf.secret = "pass";
    }
    conf.lmtp = has(flags, 'l');
    conf.host = "up.example";
    conf.port = 587;
    if (has(flags, 'o')) {
        conf.mechs = SMTP_MECH_XOAUTH2 | SMTP_MECH_OAUTHBEARER;
    }
    if (has(flags, 's')) {
        conf.mechs = ~0u;
        conf.scram = fake_scram;
    }
    if (has(flags, 'x') || has(flags, 'y')) {
        conf.xclient = &origin;
        conf.xclient_needed = has(flags, 'y');
    }
    smtp_client_init(&c, &conf, has(flags, 'i'));
    return c;
}

/* LF becomes CRLF. */
static struct buf
wire_of(struct bytes text)
{
    struct buf wire = BUF_INIT;

    for (size_t i = 0; i < text.len; i++) {
        buf_puts(&wire, text.ptr[i] == '\n' ? "\r" : "");
        buf_putc(&wire, (char)text.ptr[i]);
    }
    buf_puts(&wire, "\r\n");
    return wire;
}

static void
test_client(void **state)
{
    struct vec v;

    (void)state;
    vec_open(&v, "smtp-client.txt");
    while (vec_next_of(&v, 4)) {
        struct smtp_client c = client_of(v.col[1]);
        struct buf wire = wire_of(v.col[2]);
        struct buf trace = BUF_INIT, out = BUF_INIT;
        struct bytes in = buf_bytes(&wire);
        struct smtp_reply reply;

        while (in.len > 0) {
            enum smtp_client_action action;

            assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_OK);
            action = smtp_client_reply(&c, &reply, &out);
            put_out(&trace, &out);
            put_action(&trace, &c, action);
            if (action == SMTP_CLIENT_TLS) {
                assert_true(in.len > 0);
                smtp_client_tls_started(&c, &out);
                assert_int_equal(c.caps.offers, 0); /* RFC 3207 4.2 */
                put_out(&trace, &out);
            }
        }
        if (!bytes_eq(buf_bytes(&trace), v.col[3])) {
            fail_msg("%s:%u: got %s", v.name, v.line, buf_str(&trace));
        }
        buf_free(&trace);
        buf_free(&out);
        buf_free(&wire);
    }
}

/* A reply that nothing asked for is a failure, at whatever step. */
static void
test_stray(void **state)
{
    struct smtp_client c = client_of(BYTES_LIT("r"));
    struct bytes in = BYTES_LIT("220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n"
                                "250-injected\r\n250 AUTH PLAIN\r\n");
    struct smtp_reply reply;
    struct buf out = BUF_INIT;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_OK);
        (void)smtp_client_reply(&c, &reply, &out);
    }
    assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_OK);
    assert_int_equal(smtp_client_reply(&c, &reply, &out), SMTP_CLIENT_FAILED);
    assert_int_equal(c.failure, SMTP_CLIENT_NO_STARTTLS);
    assert_int_equal(smtp_client_reply(&c, &reply, &out), SMTP_CLIENT_FAILED);
    buf_free(&out);
}

/* A client that has said AUTH with a token too long for one command. */
static void
after_long_auth(struct smtp_client *c, const struct smtp_client_conf *conf)
{
    struct bytes in = BYTES_LIT("220 x\r\n250-x\r\n250 AUTH XOAUTH2\r\n");
    struct smtp_reply reply;
    struct buf out = BUF_INIT;

    smtp_client_init(c, conf, true);
    for (unsigned i = 0; i < 2; i++) {
        buf_clear(&out);
        assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_OK);
        assert_int_equal(smtp_client_reply(c, &reply, &out), SMTP_CLIENT_WAIT);
    }
    assert_true(bytes_is(buf_bytes(&out), "AUTH XOAUTH2\r\n"));
    buf_free(&out);
}

/* RFC 4954 4: what makes AUTH longer than a command may be waits for 334. */
static void
test_long_token(void **state)
{
    static char token[2000];
    struct smtp_client_conf conf = { .hostname = "me",
                                     .user = "user",
                                     .secret = token,
                                     .mechs = SMTP_MECH_XOAUTH2 };
    struct bytes in = BYTES_LIT("334 \r\n235 ok\r\n535 no\r\n451 no\r\n");
    struct smtp_client c;
    struct smtp_reply reply;
    struct buf out = BUF_INIT;

    (void)state;
    memset(token, 't', sizeof(token) - 1);
    after_long_auth(&c, &conf);
    assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_OK);
    assert_int_equal(smtp_client_reply(&c, &reply, &out), SMTP_CLIENT_WAIT);
    assert_true(out.len > sizeof(token));
    assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_OK);
    assert_int_equal(smtp_client_reply(&c, &reply, &out), SMTP_CLIENT_READY);
    for (unsigned i = 0; i < 2; i++) { /* refused before it is said */
        after_long_auth(&c, &conf);
        buf_clear(&out);
        assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_OK);
        assert_int_equal(smtp_client_reply(&c, &reply, &out),
                         SMTP_CLIENT_FAILED);
        assert_int_equal(c.failure,
                         i == 0 ? SMTP_CLIENT_TOKEN : SMTP_CLIENT_AUTH_LATER);
        assert_true(bytes_is(buf_bytes(&out), "QUIT\r\n"));
    }
    buf_free(&out);
}

/* What is forbidden is not used, and nothing weaker takes its place that the
 * caller has not allowed. */
static void
test_forbidden(void **state)
{
    static const unsigned mechs[] = { SMTP_MECH_SCRAM_SHA_256_PLUS,
                                      SMTP_MECH_SCRAM_SHA_256_PLUS |
                                          SMTP_MECH_SCRAM_SHA_256 };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct smtp_client_conf conf = { .hostname = "me",
                                         .user = "user",
                                         .secret = "pass",
                                         .mechs = mechs[i],
                                         .scram = fake_scram };
        struct bytes in = BYTES_LIT("220 x\r\n250-x\r\n250 AUTH PLAIN LOGIN "
                                    "SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n");
        struct smtp_client c;
        struct smtp_reply reply;
        struct buf out = BUF_INIT;

        smtp_client_init(&c, &conf, true);
        smtp_client_forbid(&c, SMTP_MECH_SCRAM_SHA_256_PLUS);
        assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_OK);
        (void)smtp_client_reply(&c, &reply, &out);
        buf_clear(&out);
        assert_int_equal(smtp_reply_next(&in, &reply), SMTP_REPLY_OK);
        assert_int_equal(smtp_client_reply(&c, &reply, &out),
                         i == 0 ? SMTP_CLIENT_FAILED : SMTP_CLIENT_WAIT);
        assert_true(
            bytes_is(buf_bytes(&out),
                     i == 0 ? "QUIT\r\n" : "AUTH SCRAM-SHA-256 MQ==\r\n"));
        buf_free(&out);
    }
}

static void
test_mail_and_rcpt(void **state)
{
    static const char wire[] =
        "MAIL FROM:<x@y> SIZE=5 BODY=8BITMIME SMTPUTF8 AUTH=<> RET=FULL "
        "ENVID=e+2B REQUIRETLS";
    static const char rcpt_wire[] =
        "RCPT TO:<x@y> NOTIFY=DELAY,FAILURE ORCPT=rfc822;X+2B@Y";
    struct smtp_caps caps = { 0 };
    struct smtp_command mail, rcpt;
    struct buf out = BUF_INIT;

    (void)state;
    assert_int_equal(smtp_command_parse(bytes_str(wire), &mail), SMTP_OK);
    assert_int_equal(smtp_command_parse(bytes_str(rcpt_wire), &rcpt), SMTP_OK);
    assert_true(smtp_mail_put(&out, &caps, mail.path.mailbox, &mail.params, 9));
    assert_true(smtp_rcpt_put(&out, &caps, rcpt.path.mailbox, &rcpt.params));
    assert_string_equal(buf_str(&out), "MAIL FROM:<x@y>\r\nRCPT TO:<x@y>\r\n");
    caps.offers = ~0u;
    buf_clear(&out);
    assert_true(smtp_mail_put(&out, &caps, mail.path.mailbox, &mail.params, 9));
    assert_true(smtp_rcpt_put(&out, &caps, rcpt.path.mailbox, &rcpt.params));
    assert_string_equal(
        buf_str(&out),
        "MAIL FROM:<x@y> SIZE=9 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=e+2B "
        "REQUIRETLS\r\n"
        "RCPT TO:<x@y> NOTIFY=DELAY,FAILURE ORCPT=rfc822;X+2B@Y\r\n");
    buf_clear(&out);
    assert_true(smtp_mail_put(&out, &caps, BYTES_LIT(""),
                              &(struct smtp_params){ 0 }, 0));
    assert_string_equal(buf_str(&out), "MAIL FROM:<>\r\n");
    buf_free(&out);
}

/* Nothing that ends a line gets into a command. */
static void
test_injection(void **state)
{
    const struct bytes bad[] = {
        BYTES_LIT("a@b\r\nDATA"),
        BYTES_LIT("a@b\n"),
        BYTES_LIT("a@b\r"),
        BYTES_LIT("a\0@b"),
    };
    struct smtp_caps caps = { .offers = ~0u };
    struct buf out = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct smtp_params params = { 0 };

        assert_false(smtp_mail_put(&out, &caps, bad[i], &params, 0));
        assert_false(smtp_rcpt_put(&out, &caps, bad[i], &params));
        params.present = 1u << SMTP_PARAM_ENVID | 1u << SMTP_PARAM_ORCPT;
        params.value[SMTP_PARAM_ENVID] = bad[i];
        params.value[SMTP_PARAM_ORCPT] = bad[i];
        assert_false(smtp_mail_put(&out, &caps, BYTES_LIT("a@b"), &params, 0));
        assert_false(smtp_rcpt_put(&out, &caps, BYTES_LIT("a@b"), &params));
    }
    assert_int_equal(buf_bytes(&out).len, 0);
    buf_free(&out);
}

static bool
is_zero(const struct smtp_sasl *s)
{
    static const struct smtp_sasl zero;

    return memcmp(s->user, zero.user, sizeof(s->user)) == 0 &&
           memcmp(s->secret, zero.secret, sizeof(s->secret)) == 0;
}

static void
put_sasl(struct buf *trace, const struct smtp_sasl *s,
         enum smtp_sasl_result result, const char *prompt)
{
    buf_puts(trace, trace->len > 0 ? ";" : "");
    switch (result) {
    case SMTP_SASL_MORE:
        buf_printf(trace, "334 %s", prompt);
        break;
    case SMTP_SASL_DONE:
        buf_printf(trace, "done %s %s", s->user, s->secret);
        break;
    case SMTP_SASL_STEP:
        buf_printf(trace, "step %s %s", s->user, s->secret);
        break;
    default:
        buf_puts(trace, result == SMTP_SASL_CANCEL   ? "cancel"
                        : result == SMTP_SASL_BASE64 ? "base64"
                                                     : "invalid");
        assert_true(is_zero(s));
        break;
    }
}

static void
test_sasl(void **state)
{
    struct vec v;

    (void)state;
    vec_open(&v, "smtp-sasl.txt");
    while (vec_next_of(&v, 5)) {
        struct bytes lines = v.col[3];
        bool has_initial = !bytes_is(v.col[2], "-");
        struct buf trace = BUF_INIT;
        enum smtp_sasl_result result;
        const char *prompt = NULL;
        struct smtp_sasl s;

        smtp_sasl_init(&s, smtp_mech_parse(v.col[1]));
        result = smtp_sasl_start(&s, has_initial, v.col[2], &prompt);
        put_sasl(&trace, &s, result, prompt);
        while (lines.len > 0) {
            struct bytes line = bytes_take(lines, bytes_find(lines, '\n'));

            result = smtp_sasl_line(&s, line, &prompt);
            put_sasl(&trace, &s, result, prompt);
            lines = bytes_skip(lines, line.len + (line.len < lines.len));
        }
        if (result == SMTP_SASL_MORE) {
            buf_puts(&trace, ";more");
        }
        if (!bytes_eq(buf_bytes(&trace), v.col[4])) {
            fail_msg("%s:%u: got %s", v.name, v.line, buf_str(&trace));
        }
        wipe(&s, sizeof(s));
        buf_free(&trace);
    }
}

static void
test_plain_put(void **state)
{
    const char *prompt;
    struct buf out = BUF_INIT;
    struct smtp_sasl s;

    (void)state;
    smtp_sasl_plain_put(&out, "alice", "secret");
    assert_string_equal(buf_str(&out), "AGFsaWNlAHNlY3JldA==");
    smtp_sasl_init(&s, SMTP_MECH_PLAIN);
    assert_int_equal(smtp_sasl_start(&s, true, buf_bytes(&out), &prompt),
                     SMTP_SASL_DONE);
    assert_string_equal(s.user, "alice");
    assert_string_equal(s.secret, "secret");
    buf_free(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client),        cmocka_unit_test(test_stray),
        cmocka_unit_test(test_long_token),    cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_mail_and_rcpt), cmocka_unit_test(test_injection),
        cmocka_unit_test(test_sasl),          cmocka_unit_test(test_plain_put),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
