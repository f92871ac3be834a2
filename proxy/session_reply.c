/*
 * session_reply - what the upstream answers, and what the client is told.
 *
 * Replies are matched in order to what was sent. A reply that nothing asked
 * for, or that comes before our dot has left, ends the link: it could be taken
 * for the answer to the next message.
 *
 * RFC 5321 3.3, 4.2; 2920 3.1.
 */
#include "proxy/session_log.h"
#include "proxy/session_state.h"

#include <proxy/log/log.h>
#include <stdlib.h>

static const char mind_changed[] =
    "The upstream has changed its mind, try again later";

/* --- replies -------------------------------------------------------------- */

static void
note_reply(struct transaction *tx, const struct smtp_reply *reply)
{
    struct bytes line = reply->text;

    line = bytes_trim(bytes_take(line, bytes_find(line, '\n')));
    free(tx->reply);
    tx->reply =
        strndup((const char *)line.ptr, line.len < 400 ? line.len : 400);
    tx->reply_code = reply->code;
}

void
session_reply_noted(struct session *s, int code, const char *enhanced,
                    const char *text)
{
    char line[512];

    snprintf(line, sizeof(line), "%d %s %.400s", code, enhanced, text);
    free(s->tx->reply);
    s->tx->reply = strdup(line);
    s->tx->reply_code = code;
    session_answer(s, code, enhanced, text);
}

static void
on_mail_reply(struct session *s, const struct smtp_reply *reply)
{
    struct transaction *tx = s->tx;

    tx->mail_replied = true;
    if (reply->code / 100 == 2) {
        return;
    }
    note_reply(tx, reply);
    tx->mail_code = reply->code < 400 ? 451 : reply->code;
    buf_put(&tx->mail_reply, reply->text);
    if (tx->rcpt_accepted > 0) {
        tx->dead = mind_changed; /* a replay: somebody was promised */
    }
}

/* The client's answers are as many as its commands, in their order. */
static void
answered(struct session *s)
{
    struct transaction *tx = s->tx;

    tx->rcpt_answered++;
    if (tx->rcpt_answered < tx->rcpt_count) {
        session_set_timer(s, (uint64_t)s->conf->reply_deadline_s * 1000);
    } else {
        session_stop_timer(s);
        session_expect(s, SESSION_COMMAND_S);
    }
}

/* 421 closes the upstream's connection, not ours. */
static int
relayed_code(const struct smtp_reply *reply)
{
    return reply->code == 421 || reply->code / 100 == 3 ? 451 : reply->code;
}

static void
on_rcpt_reply(struct session *s, const struct smtp_reply *reply)
{
    struct transaction *tx = s->tx;
    size_t i = tx->rcpt_replied++;
    struct rcpt *r = &tx->rcpts[i];
    bool again = i < tx->rcpt_answered;

    session_skip_refused(tx, &tx->rcpt_replied, tx->rcpt_sent);
    if (tx->mail_code != 0) {
        return; /* answered with MAIL's refusal */
    }
    if (again) {
        if (reply->code / 100 != 2) {
            tx->dead = mind_changed;
        }
        return;
    }
    r->state = reply->code / 100 == 2 ? RCPT_ACCEPTED : RCPT_REFUSED;
    tx->rcpt_accepted += r->state == RCPT_ACCEPTED;
    if (r->state == RCPT_REFUSED) {
        note_reply(tx, reply);
        session_log_recipient(s, r, tx->reply);
    }
    session_relay(s, reply, relayed_code(reply));
    answered(s);
}

static void
on_data_reply(struct session *s, const struct smtp_reply *reply)
{
    struct transaction *tx = s->tx;

    if (reply->code == 354) {
        tx->up = UP_CONTENT;
        return;
    }
    if (reply->code < 400) {
        session_give_up(s, "The upstream answered DATA with nonsense");
        return;
    }
    note_reply(tx, reply);
    session_relay(s, reply, relayed_code(reply));
    tx->up = UP_ENVELOPE; /* still there: RSET makes it usable */
    session_end(s, OUTCOME_REFUSED);
    session_expect(s, SESSION_COMMAND_S);
}

/* Content is on its way and the upstream speaks already. A refusal is good
 * for the client; anything else is an answer to nothing. */
static void
on_early_reply(struct session *s, const struct smtp_reply *reply)
{
    if (reply->code < 400) {
        session_give_up(s, "The upstream answered before the end of data");
        return;
    }
    note_reply(s->tx, reply);
    session_relay(s, reply, relayed_code(reply));
    upstream_drop(&s->tx->link);
    session_end(s, OUTCOME_REFUSED);
    session_expect(s, SESSION_COMMAND_S);
}

/* What the upstream says while its side has not even received the dot is no
 * answer to it. */
static bool
dot_arrived(const struct session *s)
{
    return session_dot_left(s) &&
           conn_unacknowledged(upstream_link_conn(s->tx->link)) == 0;
}

static bool
contains(struct bytes text, const char *word)
{
    size_t len = strlen(word);

    for (; text.len >= len; text = bytes_skip(text, 1)) {
        if (bytes_starts_ci(text, word)) {
            return true;
        }
    }
    return false;
}

/* Amazon SES says so to a message with two of them. */
static void
explain_refusal(const struct session *s, const struct smtp_reply *reply)
{
    const struct transaction *tx = s->tx;
    const struct upstream_conf *conf = upstream_settings(tx->upstream);
    const char *mend;
    struct log_line l;

    if (reply->code / 100 != 5 ||
        !contains(reply->text, "Duplicate header 'DKIM-Signature'")) {
        return;
    }
    if (tx->decision.count > 1) {
        mend = "signatures = rsa (preset = ses), and no [sign] also";
    } else if (tx->decision.count == 1) {
        mend = "already_signed = skip-aligned (preset = ses), or "
               "existing_signatures = strip";
    } else {
        mend = "existing_signatures = strip";
    }
    log_begin(&l, LOG_LEVEL_WARN, "duplicate-signature");
    log_text(&l, "id", tx->id);
    log_text(&l, "upstream", conf->name);
    log_text(&l, "mend", mend);
    log_end(&l);
}

static void
on_final_reply(struct session *s, const struct smtp_reply *reply)
{
    struct transaction *tx = s->tx;
    bool good = reply->code / 100 == 2;
    bool alone = conn_input(upstream_link_conn(tx->link)).len == 0;

    if (!dot_arrived(s)) {
        on_early_reply(s, reply);
        return;
    }
    if (reply->code / 100 == 3 || !alone) {
        session_finish(s, 451, "4.4.2",
                       "The upstream answered the end of data with nonsense",
                       OUTCOME_UNKNOWN);
        return;
    }
    note_reply(tx, reply);
    explain_refusal(s, reply);
    session_relay(s, reply, relayed_code(reply));
    tx->up = reply->code == 421 ? UP_DOT : UP_DONE;
    session_end(s, good ? OUTCOME_DELIVERED : OUTCOME_REFUSED);
    session_expect(s, SESSION_COMMAND_S);
}

static void
on_reply(struct session *s, const struct smtp_reply *reply)
{
    struct transaction *tx = s->tx;

    if (tx->up == UP_DATA) {
        on_data_reply(s, reply);
    } else if (tx->up == UP_CONTENT) {
        on_early_reply(s, reply);
    } else if (tx->up == UP_DOT) {
        on_final_reply(s, reply);
    } else if (tx->forward_sent && !tx->forward_replied) {
        tx->forward_replied = true;
    } else if (tx->mail_sent && !tx->mail_replied) {
        on_mail_reply(s, reply);
    } else if (tx->rcpt_replied < tx->rcpt_sent) {
        on_rcpt_reply(s, reply);
    } else if (tx->noop_sent) {
        tx->noop_sent = false;
    } else {
        session_link_lost(s, "The upstream answered what was not asked");
    }
}

/* The link may be given back while its reply is looked at, so the reply is
 * copied and the connection's input freed of it first. */
static void
take_reply(struct session *s, struct conn *conn, size_t octets)
{
    struct bytes in = bytes_take(conn_input(conn), octets);
    struct smtp_reply reply;
    struct buf copy = BUF_INIT;

    buf_put(&copy, in);
    conn_consume(conn, octets);
    in = buf_bytes(&copy);
    if (smtp_reply_next(&in, &reply) == SMTP_REPLY_OK) {
        on_reply(s, &reply);
    } else {
        s->dead = true;
    }
    buf_free(&copy);
}

static bool
read_reply(struct session *s)
{
    struct transaction *tx = s->tx;
    struct conn *conn;
    enum smtp_reply_result result;
    struct bytes in, rest;
    struct smtp_reply reply;

    if (tx->link == NULL) {
        return false;
    }
    conn = upstream_link_conn(tx->link);
    in = rest = conn_input(conn);
    result = smtp_reply_next(&rest, &reply);
    if (result == SMTP_REPLY_OK) {
        take_reply(s, conn, in.len - rest.len);
    } else if (result == SMTP_REPLY_BAD || in.len >= CONN_INPUT_MAX) {
        session_link_lost(s, "The upstream does not speak SMTP");
    } else if (tx->link_ended) {
        session_link_lost(s, "The upstream closed the connection");
    } else {
        return false;
    }
    return true;
}

/* --- answers that need no upstream ---------------------------------------- */

static void
relay_mail_refusal(struct session *s)
{
    struct bytes in = buf_bytes(&s->tx->mail_reply);
    struct smtp_reply reply;

    if (smtp_reply_next(&in, &reply) == SMTP_REPLY_OK) {
        note_reply(s->tx, &reply);
        session_relay(s, &reply, relayed_code(&reply));
    } else {
        session_answer(s, 451, "4.3.0", "The upstream refused the sender");
    }
}

static bool
answer_rcpts(struct session *s)
{
    const struct refusal *no;
    struct transaction *tx = s->tx;
    struct rcpt *r;

    if (tx->rcpt_answered == tx->rcpt_count) {
        return false;
    }
    r = &tx->rcpts[tx->rcpt_answered];
    no = r->refusal;
    if (no != NULL) {
        session_reply_noted(s, no->code, no->enhanced, no->text);
    } else if (tx->dead != NULL) {
        session_reply_noted(s, 451, "4.4.2", tx->dead);
    } else if (tx->mail_code != 0) {
        relay_mail_refusal(s);
    } else {
        return false;
    }
    session_log_recipient(s, r, tx->reply);
    r->state = RCPT_REFUSED;
    answered(s);
    return true;
}

/* A whole message and a dead transaction: the client must be told. */
static bool
answer_end(struct session *s)
{
    if (s->tx->dead == NULL || s->owed != OWED_END) {
        return false;
    }
    session_give_up(s, s->tx->dead);
    return true;
}

bool
session_step_reply(struct session *s)
{
    return answer_rcpts(s) || read_reply(s) || answer_end(s);
}
