/*
 * test_smtp_server - scripts of smtp-server.txt, with every split, and with
 * answers to RCPT at once and late: the same replies in the same order.
 */
#include "tests/support/cmocka.h"
#include "tests/support/vec.h"

#include <smtp/server.h>

struct run {
    struct smtp_server s;
    struct buf trace;
    struct buf content; /* of the message, or of the chunk */
    bool late;          /* RCPTs are answered when nothing else can go on */
    bool refuse[64];    /* of the outstanding RCPTs */
    size_t rcpts, rcpts_answered;
};

static struct smtp_server_conf
conf_of(struct bytes flags)
{
    struct smtp_server_conf conf = { .line_max = 2048,
                                     .auth_line_max = 12288,
                                     .errors_max = 20,
                                     .junk_max = 100 };

    for (size_t i = 0; i < flags.len; i++) {
        uint8_t c = flags.ptr[i];

        conf.starttls = conf.starttls || c == 't';
        conf.auth = conf.auth || c == 'a';
        conf.auth_needs_tls = conf.auth_needs_tls || c == 'A';
        conf.mail_needs_tls = conf.mail_needs_tls || c == 'M';
        conf.mail_needs_auth = conf.mail_needs_auth || c == 'm';
        conf.chunking = conf.chunking || c == 'b';
        conf.smtputf8 = conf.smtputf8 || c == 'u';
        conf.normalize = conf.normalize || c == 'n';
        conf.offers |= c == 'd' ? SMTP_CAP_DSN : 0;
        conf.offers |= c == 'x' ? SMTP_CAP_XCLIENT : 0;
        conf.offers |= c == 'f' ? SMTP_CAP_XFORWARD : 0;
        conf.message_max = c == 's' ? 20 : conf.message_max;
    }
    return conf;
}

static void
put_word(struct run *r, const char *mark, const char *name, int code)
{
    buf_printf(&r->trace, "%s%s%s %d", r->trace.len > 0 ? " " : "", mark, name,
               code);
}

static void
answer(struct run *r, enum smtp_verb verb, int code)
{
    put_word(r, "", smtp_verb_name(verb), code);
    smtp_server_answered(&r->s, code);
}

static void
answer_rcpt(struct run *r)
{
    bool refuse = r->refuse[r->rcpts_answered++ % 64];

    answer(r, SMTP_VERB_RCPT, refuse ? 550 : 250);
}

static void
put_content(struct run *r)
{
    if (r->content.len > 0) {
        buf_puts(&r->trace, " {");
        buf_put(&r->trace, buf_bytes(&r->content));
        buf_putc(&r->trace, '}');
    }
}

static int
content_code(struct run *r, unsigned faults)
{
    unsigned bad = SMTP_FAULT_BARE_CR | SMTP_FAULT_BARE_LF | SMTP_FAULT_NUL |
                   SMTP_FAULT_TOO_BIG;
    bool no = bytes_starts_ci(buf_bytes(&r->content), "no");

    buf_clear(&r->content);
    return no || faults & bad ? 550 : 250;
}

static int
auth_code(struct bytes line)
{
    return bytes_is(line, "good") ? 235 : 535;
}

static void
on_command(struct run *r, const struct smtp_event *ev)
{
    static const int codes[SMTP_VERB_COUNT] = {
        [SMTP_VERB_EHLO] = 250, [SMTP_VERB_HELO] = 250,
        [SMTP_VERB_MAIL] = 250, [SMTP_VERB_DATA] = 354,
        [SMTP_VERB_RSET] = 250, [SMTP_VERB_NOOP] = 250,
        [SMTP_VERB_QUIT] = 221, [SMTP_VERB_VRFY] = 252,
        [SMTP_VERB_HELP] = 214, [SMTP_VERB_STARTTLS] = 220,
        [SMTP_VERB_XCLIENT] = 220, [SMTP_VERB_XFORWARD] = 250,
    };
    enum smtp_verb verb = ev->cmd.verb;

    switch (verb) {
    case SMTP_VERB_RCPT:
        r->refuse[r->rcpts++ % 64] = bytes_is(ev->cmd.path.local, "no");
        if (!r->late) {
            answer_rcpt(r);
        }
        break;
    case SMTP_VERB_BDAT:
        put_content(r);
        answer(r, verb, content_code(r, ev->faults));
        break;
    case SMTP_VERB_AUTH:
        answer(r, verb, ev->cmd.has_initial ? auth_code(ev->cmd.initial) : 334);
        break;
    default:
        assert_int_not_equal(codes[verb], 0); /* never an event */
        answer(r, verb, codes[verb]);
        break;
    }
}

static void
put_faults(struct buf *out, unsigned faults)
{
    static const char letters[] = "CLNBG8";

    for (unsigned i = 0; i < 6; i++) {
        if (faults & 1u << i) {
            buf_putc(out, letters[i]);
        }
    }
    if (faults == 0) {
        buf_putc(out, '-');
    }
}

static void
on_end(struct run *r, const struct smtp_event *ev)
{
    int code;

    assert_true(smtp_server_in_transaction(&r->s));
    put_content(r);
    buf_puts(&r->trace, " END ");
    put_faults(&r->trace, ev->faults);
    code = content_code(r, ev->faults);
    buf_printf(&r->trace, " %d", code);
    smtp_server_answered(&r->s, code);
    assert_false(smtp_server_in_transaction(&r->s));
}

static void
on_refused(struct run *r, const struct smtp_event *ev)
{
    assert_int_equal(ev->enhanced[0], '0' + ev->code / 100); /* RFC 2034 */
    assert_true(strlen(ev->text) > 5);
    assert_int_equal(r->s.rcpt_pending, 0); /* replies keep their order */
    put_word(r, "!", smtp_verb_name(ev->cmd.verb), ev->code);
    buf_printf(&r->trace, " %s", ev->enhanced);
    smtp_server_answered(&r->s, ev->code);
}

/* Next is not called while an answer is due, and takes nothing if it is. */
static void
check_waits(struct run *r, struct bytes in)
{
    struct smtp_server s = r->s;
    struct smtp_event ev;
    struct bytes rest = in;

    if (s.pending != SMTP_VERB_UNKNOWN || s.phase == SMTP_PHASE_END) {
        smtp_server_next(&s, &rest, &ev);
        assert_int_equal(ev.type, SMTP_EV_MORE);
        assert_int_equal(rest.len, in.len);
    }
}

/* One event; false: nothing more comes of this input. */
static bool
turn(struct run *r, struct bytes *in)
{
    struct smtp_event ev;

    smtp_server_next(&r->s, in, &ev);
    check_waits(r, *in);
    switch (ev.type) {
    case SMTP_EV_MORE:
        if (r->s.rcpt_pending > 0) {
            answer_rcpt(r);
            return true;
        }
        return false;
    case SMTP_EV_COMMAND:
        on_command(r, &ev);
        return true;
    case SMTP_EV_REFUSED:
        on_refused(r, &ev);
        return true;
    case SMTP_EV_SASL:
        answer(r, SMTP_VERB_AUTH, auth_code(ev.data));
        return true;
    case SMTP_EV_DATA:
        assert_true(ev.data.len > 0);
        buf_put(&r->content, ev.data);
        return true;
    case SMTP_EV_END:
        on_end(r, &ev);
        return true;
    case SMTP_EV_CLOSE:
        return false;
    }
    return false;
}

/* Pieces of chunk octets; what is not taken comes again with the next. */
static void
play(struct run *r, struct bytes wire, size_t chunk)
{
    size_t taken = 0, given = 0;
    struct smtp_event ev;
    struct bytes in = { 0 };

    do {
        given = given + chunk < wire.len ? given + chunk : wire.len;
        in = bytes_skip(bytes_take(wire, given), taken);
        while (turn(r, &in)) {
        }
        taken = given - in.len;
    } while (given < wire.len);
    put_content(r);
    smtp_server_next(&r->s, &in, &ev);
    if (ev.type == SMTP_EV_CLOSE) {
        buf_puts(&r->trace, r->trace.len > 0 ? " CLOSE" : "CLOSE");
    }
    if (in.len > 0) {
        buf_printf(&r->trace, "%s+%zu", r->trace.len > 0 ? " " : "", in.len);
    }
}

static void
check(const struct vec *v, size_t chunk, bool late)
{
    struct smtp_server_conf conf = conf_of(v->col[1]);
    struct run r = { .trace = BUF_INIT, .content = BUF_INIT, .late = late };

    smtp_server_init(&r.s, &conf);
    if (bytes_find(v->col[1], 'T') < v->col[1].len) {
        smtp_server_tls_started(&r.s);
    }
    play(&r, v->col[2], chunk);
    if (!bytes_eq(buf_bytes(&r.trace), v->col[3])) {
        fail_msg("%s:%u: pieces of %zu%s: got %s", v->name, v->line, chunk,
                 late ? ", late" : "", buf_str(&r.trace));
    }
    buf_free(&r.trace);
    buf_free(&r.content);
}

static void
test_scripts(void **state)
{
    struct vec v;

    (void)state;
    vec_open(&v, "smtp-server.txt");
    while (vec_next_of(&v, 4)) {
        size_t len = v.col[2].len;

        check(&v, len, true);
        check(&v, len == 0 ? 1 : len, false);
        for (size_t chunk = 1; chunk < len;
             chunk += chunk < 300 ? 1 : chunk / 7) {
            check(&v, chunk, chunk % 2 == 0);
        }
    }
}

/* 64 KiB of one line and no more, wherever it is cut (RFC 5321 4.5.3.1). */
static void
test_flood(void **state)
{
    static uint8_t wire[70000];

    (void)state;
    memset(wire, 'x', sizeof(wire));
    for (size_t len = 65530; len < 65542; len++) {
        for (size_t chunk = 1000; chunk < 80000; chunk *= 3) {
            struct smtp_server_conf conf = conf_of(BYTES_LIT("-"));
            struct run r = { .trace = BUF_INIT, .content = BUF_INIT };

            smtp_server_init(&r.s, &conf);
            memcpy(wire + len - 2, "\r\nNOOP\r\n", 8);
            play(&r, bytes_make(wire, len + 6), chunk);
            if (len <= 65536) {
                assert_string_equal(buf_str(&r.trace), "!? 500 5.5.2 NOOP 250");
            } else {
                assert_true(
                    bytes_starts_ci(buf_bytes(&r.trace), "!? 421 4.7.0 CLOSE"));
            }
            memset(wire + len - 2, 'x', 8);
            buf_free(&r.trace);
        }
    }
}

static void
test_tls(void **state)
{
    struct smtp_server_conf conf = conf_of(BYTES_LIT("taAMm"));
    struct run r = { .trace = BUF_INIT, .content = BUF_INIT };

    (void)state;
    smtp_server_init(&r.s, &conf);
    play(&r, BYTES_LIT("EHLO x\r\nSTARTTLS\r\n"), 100);
    smtp_server_tls_started(&r.s);
    play(&r,
         BYTES_LIT("MAIL FROM:<>\r\nAUTH PLAIN\r\nEHLO x\r\nMAIL FROM:<>\r\n"
                   "AUTH PLAIN\r\ngood\r\nMAIL FROM:<>\r\n"),
         7);
    assert_string_equal(buf_str(&r.trace),
                        "EHLO 250 STARTTLS 220 !MAIL 503 5.5.1 "
                        "!AUTH 503 5.5.1 EHLO 250 !MAIL 530 5.7.0 "
                        "AUTH 334 AUTH 235 MAIL 250");
    buf_free(&r.trace);
}

static void
test_peek(void **state)
{
    const struct {
        struct bytes in;
        enum smtp_verb verb;
    } cases[] = {
        { BYTES_LIT(""), SMTP_VERB_COUNT },
        { BYTES_LIT("DATA"), SMTP_VERB_COUNT },
        { BYTES_LIT("DATA\r\n"), SMTP_VERB_DATA },
        { BYTES_LIT("RCPT TO:<a@b>\r\n"), SMTP_VERB_RCPT },
        { BYTES_LIT("RCPT TO:<a\r\n"), SMTP_VERB_UNKNOWN },
        { BYTES_LIT("RCPT TO:<a@b> NOTIFY=NEVER\r\n"), SMTP_VERB_UNKNOWN },
        { BYTES_LIT("XYZZY\r\n"), SMTP_VERB_UNKNOWN },
        { BYTES_LIT("NOOP\0\r\n"), SMTP_VERB_UNKNOWN },
    };
    struct smtp_server_conf conf = conf_of(BYTES_LIT("-"));
    struct run r = { .trace = BUF_INIT, .content = BUF_INIT };

    (void)state;
    smtp_server_init(&r.s, &conf);
    play(&r, BYTES_LIT("EHLO x\r\nMAIL FROM:<>\r\n"), 100);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(smtp_server_peek(&r.s, cases[i].in), cases[i].verb);
    }
    play(&r, BYTES_LIT("RCPT TO:<a@b>\r\nDATA\r\n"), 100);
    assert_int_equal(smtp_server_peek(&r.s, BYTES_LIT("NOOP\r\n")),
                     SMTP_VERB_COUNT);
    buf_free(&r.trace);
}

/* A caller's 421 ends it, whatever it answers. */
static void
test_421(void **state)
{
    struct smtp_server_conf conf = conf_of(BYTES_LIT("-"));
    struct bytes in = BYTES_LIT("EHLO x\r\nNOOP\r\n");
    struct smtp_server s;
    struct smtp_event ev;

    (void)state;
    smtp_server_init(&s, &conf);
    smtp_server_next(&s, &in, &ev);
    smtp_server_answered(&s, 421);
    smtp_server_next(&s, &in, &ev);
    assert_int_equal(ev.type, SMTP_EV_CLOSE);
    assert_int_equal(in.len, 6);
}

/* DATA that the upstream refuses leaves the recipients where they are. */
static void
test_data_refused(void **state)
{
    struct smtp_server_conf conf = conf_of(BYTES_LIT("-"));
    struct run r = { .trace = BUF_INIT, .content = BUF_INIT };
    struct bytes in = BYTES_LIT("DATA\r\nNOOP\r\n");
    struct smtp_event ev;

    (void)state;
    smtp_server_init(&r.s, &conf);
    play(&r, BYTES_LIT("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n"), 100);
    smtp_server_next(&r.s, &in, &ev);
    assert_int_equal(ev.cmd.verb, SMTP_VERB_DATA);
    smtp_server_answered(&r.s, 451);
    smtp_server_next(&r.s, &in, &ev);
    assert_int_equal(ev.type, SMTP_EV_COMMAND);
    assert_int_equal(ev.cmd.verb, SMTP_VERB_NOOP);
    assert_int_equal(r.s.phase, SMTP_PHASE_RCPT);
    buf_free(&r.trace);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts), cmocka_unit_test(test_flood),
        cmocka_unit_test(test_tls),     cmocka_unit_test(test_peek),
        cmocka_unit_test(test_421),     cmocka_unit_test(test_data_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
