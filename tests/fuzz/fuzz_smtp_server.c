/*
 * fuzz_smtp_server - a whole connection: the same events for every split, a
 * message only after MAIL, RCPT and DATA were answered so, and never more
 * input taken than there is.
 *
 * The first octet is the configuration, the second a split.
 */
#include <base/buf.h>

#include <smtp/server.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct smtp_server s;
    struct buf trace;  /* the events, as text */
    unsigned accepted; /* recipients of this transaction */
    bool mail;
    bool ended; /* nothing more is read */
};

static void
init(struct run *r, uint8_t flags)
{
    const struct smtp_server_conf conf = {
        .line_max = 100,
        .auth_line_max = 200,
        .errors_max = 6,
        .junk_max = 8,
        .message_max = flags & 1 ? 50 : 0,
        .normalize = flags & 2,
        .starttls = flags & 4,
        .auth = flags & 8,
        .auth_needs_tls = flags & 16,
        .mail_needs_auth = flags & 32,
        .chunking = flags & 64,
        .smtputf8 = flags & 128,
        .offers = (unsigned)SMTP_CAP_DSN | SMTP_CAP_XCLIENT |
                  SMTP_CAP_XFORWARD,
    };

    *r = (struct run){ .trace = BUF_INIT };
    smtp_server_init(&r->s, &conf);
}

static void
forget(struct run *r)
{
    r->accepted = 0;
    r->mail = false;
}

/* An answer that depends on the command alone, so that splits agree. */
static int
answer_to(const struct smtp_command *cmd)
{
    bool odd = cmd->arg.len % 4 == 3;

    switch (cmd->verb) {
    case SMTP_VERB_DATA:
        return 354;
    case SMTP_VERB_QUIT:
        return 221;
    case SMTP_VERB_STARTTLS:
        return 220;
    case SMTP_VERB_XCLIENT:
        return odd ? 501 : 220;
    case SMTP_VERB_AUTH:
        return cmd->has_initial ? (odd ? 535 : 235) : 334;
    case SMTP_VERB_MAIL:
    case SMTP_VERB_RCPT:
    case SMTP_VERB_EHLO:
        return odd ? 550 : 250;
    default:
        return 250;
    }
}

static void
on_command(struct run *r, const struct smtp_event *ev)
{
    int code = answer_to(&ev->cmd);

    buf_printf(&r->trace, "%s %d;", smtp_verb_name(ev->cmd.verb), code);
    assert(ev->cmd.verb != SMTP_VERB_RCPT || r->mail);
    assert(ev->cmd.verb != SMTP_VERB_MAIL || !r->mail);
    assert(ev->cmd.verb != SMTP_VERB_DATA || r->accepted > 0);
    smtp_server_answered(&r->s, code);
    if (code == 250 &&
        (ev->cmd.verb == SMTP_VERB_RSET || ev->cmd.verb == SMTP_VERB_EHLO ||
         ev->cmd.verb == SMTP_VERB_HELO)) {
        forget(r);
    }
    r->mail = r->mail || (ev->cmd.verb == SMTP_VERB_MAIL && code == 250);
    r->accepted += ev->cmd.verb == SMTP_VERB_RCPT && code == 250;
    if (ev->cmd.verb == SMTP_VERB_STARTTLS) {
        r->ended = true;
    }
}

/* Takes one event; false when nothing more comes of this input. */
static bool
turn(struct run *r, struct bytes *in)
{
    struct smtp_event ev;
    size_t before = in->len;

    smtp_server_next(&r->s, in, &ev);
    assert(in->len <= before);
    assert(smtp_server_in_transaction(&r->s) == r->mail);
    switch (ev.type) {
    case SMTP_EV_MORE:
        return false;
    case SMTP_EV_COMMAND:
        on_command(r, &ev);
        return !r->ended;
    case SMTP_EV_REFUSED:
        assert(ev.code >= 400 && ev.text != NULL);
        buf_printf(&r->trace, "!%s %d;", smtp_verb_name(ev.cmd.verb), ev.code);
        smtp_server_answered(&r->s, ev.code);
        return true;
    case SMTP_EV_SASL:
        buf_printf(&r->trace, "SASL %zu;", ev.data.len);
        smtp_server_answered(&r->s, ev.data.len % 3 == 0 ? 334 : 535);
        return true;
    case SMTP_EV_DATA:
        assert(r->accepted > 0 && ev.data.len > 0);
        buf_put(&r->trace, ev.data);
        return true;
    case SMTP_EV_END:
        assert(r->accepted > 0);
        buf_printf(&r->trace, "END %u;", ev.faults);
        smtp_server_answered(&r->s, 250);
        forget(r);
        return true;
    case SMTP_EV_CLOSE:
        r->ended = true;
        return false;
    }
    return false;
}

static void
play(struct run *r, struct bytes wire, size_t chunk)
{
    size_t taken = 0, given = 0;

    while (given < wire.len && !r->ended) {
        struct bytes in;

        given = wire.len - given < chunk ? wire.len : given + chunk;
        in = bytes_skip(bytes_take(wire, given), taken);
        while (turn(r, &in)) {
        }
        taken = given - in.len;
        assert(given - taken <= 200 || r->ended);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes wire = { data, size };
    struct run whole, split;

    if (size < 2) {
        return 0;
    }
    wire = bytes_skip(wire, 2);
    init(&whole, data[0]);
    init(&split, data[0]);
    play(&whole, wire, wire.len + 1);
    play(&split, wire, 1 + data[1] % 64);
    assert(bytes_eq(buf_bytes(&whole.trace), buf_bytes(&split.trace)));
    assert(whole.s.phase == split.s.phase);
    buf_free(&whole.trace);
    buf_free(&split.trace);
    return 0;
}
