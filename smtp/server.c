/*
 * server - the machine of one connection; see smtp/server.h.
 *
 * Two tables say what is legal: legal_verbs in check.c for the peer (503),
 * legal_next here for us (assert). enter() alone assigns the phase. Every
 * line goes one way: framing, smtp_check_line(), then the event.
 */
#include "check.h"

#include <smtp/line.h>
#include <smtp/server.h>

#include <assert.h>

#define BIT(n) (1u << (n))

enum {
    DISCARD_MAX = 64 * 1024, /* octets of one overlong line, CRLF included */
    CRLF_LEN = 2
};

static const unsigned legal_next[] = {
    [SMTP_PHASE_CONNECTED] = BIT(SMTP_PHASE_CONNECTED) | BIT(SMTP_PHASE_READY),
    [SMTP_PHASE_READY] =
        BIT(SMTP_PHASE_READY) | BIT(SMTP_PHASE_SASL) | BIT(SMTP_PHASE_MAIL),
    [SMTP_PHASE_SASL] = BIT(SMTP_PHASE_READY) | BIT(SMTP_PHASE_SASL),
    [SMTP_PHASE_MAIL] = BIT(SMTP_PHASE_READY) | BIT(SMTP_PHASE_RCPT),
    [SMTP_PHASE_RCPT] = BIT(SMTP_PHASE_READY) | BIT(SMTP_PHASE_RCPT) |
                        BIT(SMTP_PHASE_DATA) | BIT(SMTP_PHASE_BDAT),
    [SMTP_PHASE_DATA] = BIT(SMTP_PHASE_END),
    [SMTP_PHASE_BDAT] =
        BIT(SMTP_PHASE_READY) | BIT(SMTP_PHASE_BDAT) | BIT(SMTP_PHASE_END),
    [SMTP_PHASE_END] = BIT(SMTP_PHASE_READY),
};

/* What sends nobody's mail and is counted (conf.junk_max). */
enum {
    JUNK = BIT(SMTP_VERB_EHLO) | BIT(SMTP_VERB_HELO) | BIT(SMTP_VERB_RSET) |
           BIT(SMTP_VERB_NOOP) | BIT(SMTP_VERB_VRFY) | BIT(SMTP_VERB_HELP)
};

static void
enter(struct smtp_server *s, enum smtp_phase next)
{
    assert(legal_next[s->phase] & BIT(next)); /* a hole here is our bug */
    s->phase = next;
}

/* The one way out of a transaction. */
static void
reset_transaction(struct smtp_server *s)
{
    s->rcpt_pending = 0;
    s->chunk_octets = 0;
    s->chunk_left = 0;
    s->chunk_open = false;
    s->chunk_last = false;
    s->chunk_failed = false;
    s->utf8 = false;
    if (s->phase != SMTP_PHASE_CONNECTED) {
        enter(s, SMTP_PHASE_READY);
    }
}

void
smtp_server_init(struct smtp_server *s, const struct smtp_server_conf *c)
{
    *s = (struct smtp_server){ .conf = *c, .phase = SMTP_PHASE_CONNECTED };
}

/* Back to the greeting. What was done wrong before is not forgotten. */
static void
begin_again(struct smtp_server *s, bool tls)
{
    struct smtp_server_conf conf = s->conf;
    unsigned errors = s->errors;

    smtp_server_init(s, &conf);
    s->errors = errors;
    s->tls = tls;
}

void
smtp_server_tls_started(struct smtp_server *s)
{
    begin_again(s, true);
}

bool
smtp_server_in_transaction(const struct smtp_server *s)
{
    return s->phase >= SMTP_PHASE_MAIL;
}

static void
refuse(struct smtp_server *s, enum smtp_verb verb, enum refusal refusal,
       struct smtp_event *ev)
{
    const struct smtp_refusal *r = smtp_refusal(refusal);

    s->errors++;
    if (!r->close && s->errors >= s->conf.errors_max) {
        r = smtp_refusal(REFUSE_ERRORS);
    }
    ev->type = SMTP_EV_REFUSED;
    ev->cmd = (struct smtp_command){ .verb = verb };
    ev->code = r->code;
    ev->enhanced = r->enhanced;
    ev->text = r->text;
    ev->close = r->close;
    ev->limit = r == smtp_refusal(REFUSE_ERRORS) ? SMTP_LIMIT_ERRORS
                : r == smtp_refusal(REFUSE_JUNK) ? SMTP_LIMIT_JUNK
                                                 : SMTP_LIMIT_NONE;
    s->closing = r->close;
    s->pending = SMTP_VERB_COUNT;
}

/* The BDAT line was good or is refused; its octets follow either way. */
static void
open_chunk(struct smtp_server *s, const struct smtp_command *cmd,
           enum refusal refusal)
{
    s->chunk_open = true;
    s->chunk_octets = cmd->chunk;
    s->chunk_left = cmd->chunk;
    s->chunk_last = cmd->last;
    s->refusal = refusal;
    if (refusal != NOTHING_REFUSED) {
        return;
    }
    if (s->phase == SMTP_PHASE_RCPT) {
        smtp_data_chunks_init(&s->decoder, smtp_message_max(s),
                              s->conf.normalize);
        enter(s, SMTP_PHASE_BDAT);
    }
    if (cmd->chunk > smtp_message_max(s) ||
        smtp_data_octets(&s->decoder) > smtp_message_max(s) - cmd->chunk) {
        s->refusal = REFUSE_SIZE;
        s->chunk_failed = true;
    }
}

/* RFC 3030 2: a refused chunk is read to its end, then refused. */
static void
next_swallowed(struct smtp_server *s, struct bytes *in, struct smtp_event *ev)
{
    size_t n = s->chunk_left < in->len ? (size_t)s->chunk_left : in->len;

    *in = bytes_skip(*in, n);
    s->chunk_left -= n;
    if (s->chunk_left == 0) {
        s->chunk_open = false;
        refuse(s, SMTP_VERB_BDAT, (enum refusal)s->refusal, ev);
    }
}

/* The chunk's octets are all there; its reply is due. */
static void
close_chunk(struct smtp_server *s, struct smtp_event *ev)
{
    s->chunk_open = false;
    ev->faults = smtp_data_faults(&s->decoder);
    if (s->chunk_last) {
        ev->type = SMTP_EV_END;
        enter(s, SMTP_PHASE_END);
        return;
    }
    ev->type = SMTP_EV_COMMAND;
    ev->cmd = (struct smtp_command){ .verb = SMTP_VERB_BDAT,
                                     .chunk = s->chunk_octets };
    s->pending = SMTP_VERB_BDAT;
}

static void
next_chunk(struct smtp_server *s, struct bytes *in, struct smtp_event *ev)
{
    if (s->refusal != NOTHING_REFUSED) {
        next_swallowed(s, in, ev);
        return;
    }
    while (s->chunk_left > 0 && in->len > 0 && ev->data.len == 0) {
        struct bytes piece = s->chunk_left < in->len
                                 ? bytes_take(*in, (size_t)s->chunk_left)
                                 : *in;
        size_t before = piece.len;

        (void)smtp_data_decode(&s->decoder, &piece, &ev->data);
        s->chunk_left -= before - piece.len;
        *in = bytes_skip(*in, before - piece.len);
    }
    if (s->chunk_left == 0 && s->chunk_last && ev->data.len == 0) {
        ev->data = smtp_data_chunks_end(&s->decoder);
    }
    if (ev->data.len > 0) {
        ev->type = SMTP_EV_DATA;
    } else if (s->chunk_left == 0) {
        close_chunk(s, ev);
    }
}

static void
next_data(struct smtp_server *s, struct bytes *in, struct smtp_event *ev)
{
    enum smtp_data_result result = SMTP_DATA_MORE;

    while (in->len > 0 && ev->data.len == 0 && result == SMTP_DATA_MORE) {
        result = smtp_data_decode(&s->decoder, in, &ev->data);
    }
    if (result == SMTP_DATA_DONE) {
        ev->type = SMTP_EV_END;
        ev->faults = smtp_data_faults(&s->decoder);
        enter(s, SMTP_PHASE_END);
    } else if (ev->data.len > 0) {
        ev->type = SMTP_EV_DATA;
    }
}

static size_t
line_max(const struct smtp_server *s, struct bytes in, bool *auth_out)
{
    *auth_out = s->phase == SMTP_PHASE_SASL || bytes_starts_ci(in, "AUTH ");
    return *auth_out ? s->conf.auth_line_max : s->conf.line_max;
}

/* Throws an overlong line away, in as many calls as it takes. */
static void
next_discarded(struct smtp_server *s, struct bytes *in, struct smtp_event *ev)
{
    bool over = smtp_line_discard(in, &s->discarded);

    if (s->discarded > DISCARD_MAX - CRLF_LEN) {
        refuse(s, SMTP_VERB_UNKNOWN, REFUSE_FLOOD, ev);
    } else if (over) {
        refuse(s, SMTP_VERB_UNKNOWN, (enum refusal)s->refusal, ev);
    }
    s->discarding = ev->type == SMTP_EV_MORE;
}

static bool
is_junk(struct smtp_server *s, enum smtp_verb verb)
{
    /* The first EHLO is none. */
    return BIT(verb) & JUNK &&
           (s->phase != SMTP_PHASE_CONNECTED ||
            (verb != SMTP_VERB_EHLO && verb != SMTP_VERB_HELO)) &&
           s->junk++ >= s->conf.junk_max;
}

static void
take_command(struct smtp_server *s, struct bytes line, struct smtp_event *ev)
{
    enum refusal refusal = smtp_check_line(s, line, &ev->cmd);
    enum smtp_verb verb = ev->cmd.verb;

    if (verb == SMTP_VERB_BDAT && s->conf.chunking &&
        refusal != REFUSE_CHUNK_SIZE) {
        open_chunk(s, &ev->cmd, refusal);
        return;
    }
    if (refusal == NOTHING_REFUSED && is_junk(s, verb)) {
        refusal = REFUSE_JUNK;
    }
    if (refusal != NOTHING_REFUSED) {
        refuse(s, verb, refusal, ev);
        return;
    }
    ev->type = SMTP_EV_COMMAND;
    if (verb == SMTP_VERB_RCPT) {
        s->rcpt_pending++;
        return;
    }
    s->pending = verb;
    if (verb == SMTP_VERB_MAIL) {
        s->utf8 = (ev->cmd.params.present & BIT(SMTP_PARAM_SMTPUTF8)) != 0;
    }
}

static void
take_sasl(struct smtp_server *s, struct bytes line, struct smtp_event *ev)
{
    if (!smtp_line_clean(line)) {
        refuse(s, SMTP_VERB_AUTH, REFUSE_CONTROL, ev);
        return;
    }
    ev->type = SMTP_EV_SASL;
    ev->data = line;
    s->pending = SMTP_VERB_AUTH;
}

static void
next_line(struct smtp_server *s, struct bytes *in, struct smtp_event *ev)
{
    struct bytes line;
    bool auth;

    if (s->rcpt_pending > 0 && smtp_server_peek(s, *in) != SMTP_VERB_RCPT) {
        return;
    }
    if (s->discarding) {
        next_discarded(s, in, ev);
        return;
    }
    if (s->phase != SMTP_PHASE_SASL && smtp_check_foreign(*in)) {
        ev->type = SMTP_EV_CLOSE;
        s->closing = true;
        return;
    }
    switch (smtp_line_next(in, line_max(s, *in, &auth), &line)) {
    case SMTP_LINE_MORE:
        break;
    case SMTP_LINE_OK:
        if (s->phase == SMTP_PHASE_SASL) {
            take_sasl(s, line, ev);
        } else {
            take_command(s, line, ev);
        }
        break;
    case SMTP_LINE_LONG:
        s->discarding = true;
        s->discarded = 0;
        s->refusal = auth ? REFUSE_LONG_AUTH : REFUSE_LONG;
        next_discarded(s, in, ev);
        break;
    }
}

void
smtp_server_next(struct smtp_server *s, struct bytes *in,
                 struct smtp_event *ev_out)
{
    *ev_out = (struct smtp_event){ .type = SMTP_EV_MORE };
    if (s->pending != SMTP_VERB_UNKNOWN || s->phase == SMTP_PHASE_END) {
        return; /* the answer comes first */
    }
    if (s->closing) {
        ev_out->type = SMTP_EV_CLOSE;
        return;
    }
    if (s->phase == SMTP_PHASE_DATA) {
        next_data(s, in, ev_out);
        return;
    }
    if (!s->chunk_open) {
        next_line(s, in, ev_out);
    }
    if (s->chunk_open) {
        next_chunk(s, in, ev_out);
    }
}

enum smtp_verb
smtp_server_peek(const struct smtp_server *s, struct bytes in)
{
    struct smtp_command cmd;
    enum refusal refusal;
    struct bytes line;
    bool auth;

    if (s->phase == SMTP_PHASE_SASL || s->phase == SMTP_PHASE_DATA ||
        s->phase == SMTP_PHASE_END || s->chunk_open || s->discarding ||
        smtp_line_next(&in, line_max(s, in, &auth), &line) != SMTP_LINE_OK) {
        return SMTP_VERB_COUNT;
    }
    if (smtp_command_parse(line, &cmd) != SMTP_OK) {
        return SMTP_VERB_UNKNOWN;
    }
    if (cmd.verb != SMTP_VERB_RCPT) {
        return cmd.verb;
    }
    refusal = smtp_check_line(s, line, &cmd);
    return refusal == NOTHING_REFUSED ? SMTP_VERB_RCPT : SMTP_VERB_UNKNOWN;
}

static bool
is_2yz(int code)
{
    return code / 100 == 2;
}

static void
answered_auth(struct smtp_server *s, int code)
{
    s->authenticated = is_2yz(code);
    enter(s, code == 334 ? SMTP_PHASE_SASL : SMTP_PHASE_READY);
}

/* The final reply: the transaction is empty whatever it says (4.1.1.4). */
static void
answered_end(struct smtp_server *s, int code)
{
    if (is_2yz(code)) {
        s->errors = 0;
        s->junk = 0;
    }
    reset_transaction(s);
}

static void
answered_data(struct smtp_server *s, int code)
{
    if (code == 354) {
        smtp_data_decoder_init(&s->decoder, smtp_message_max(s),
                               s->conf.normalize);
        enter(s, SMTP_PHASE_DATA);
    }
}

static void
answered_hello(struct smtp_server *s, enum smtp_verb verb, int code)
{
    if (is_2yz(code)) {
        s->esmtp = verb == SMTP_VERB_EHLO;
        reset_transaction(s); /* 4.1.4: as RSET */
        enter(s, SMTP_PHASE_READY);
    }
}

static void
answered_rcpt(struct smtp_server *s, int code)
{
    s->rcpt_pending--;
    if (is_2yz(code)) {
        enter(s, SMTP_PHASE_RCPT);
    }
}

static void
answered_command(struct smtp_server *s, enum smtp_verb verb, int code)
{
    switch (verb) {
    case SMTP_VERB_EHLO:
    case SMTP_VERB_HELO:
        answered_hello(s, verb, code);
        break;
    case SMTP_VERB_MAIL:
        if (is_2yz(code)) {
            enter(s, SMTP_PHASE_MAIL);
        }
        break;
    case SMTP_VERB_DATA:
        answered_data(s, code);
        break;
    case SMTP_VERB_BDAT:
        s->chunk_failed = !is_2yz(code);
        break;
    case SMTP_VERB_RSET:
        if (is_2yz(code)) {
            reset_transaction(s);
        }
        break;
    case SMTP_VERB_AUTH:
        answered_auth(s, code);
        break;
    case SMTP_VERB_XCLIENT:
        if (code == 220) {
            begin_again(s, s->tls);
        }
        break;
    case SMTP_VERB_QUIT:
        s->closing = s->closing || code == 221;
        break;
    case SMTP_VERB_COUNT: /* a refusal, in an AUTH exchange perhaps */
        if (s->phase == SMTP_PHASE_SASL) {
            enter(s, SMTP_PHASE_READY);
        }
        break;
    default:
        break;
    }
}

void
smtp_server_answered(struct smtp_server *s, int code)
{
    enum smtp_verb verb = s->pending;

    if (code == 421) {
        s->closing = true;
    }
    if (s->phase == SMTP_PHASE_END) {
        answered_end(s, code);
    } else if (s->rcpt_pending > 0) {
        answered_rcpt(s, code);
    } else if (verb != SMTP_VERB_STARTTLS || code != 220) {
        /* After 220 nothing is read until TLS is up. */
        s->pending = SMTP_VERB_UNKNOWN;
        answered_command(s, verb, code);
    }
}
