/*
 * session_upstream - the envelope goes up, the replies come down.
 *
 * MAIL waits for the first RCPT and leaves with it in one write; its refusal
 * is given at RCPT. Replies are matched in order to what was sent. A link that
 * is lost before DATA is replaced once and the envelope replayed.
 *
 * RFC 5321 3.3, 4.2; 2920 3.1.
 */
#include "proxy/session_forward.h"
#include "proxy/session_own.h"
#include "proxy/session_state.h"

#include <smtp/client.h>
#include <smtp/xclient.h>

#include <proxy/clock.h>
#include <proxy/net/tls_peer.h>
#include <stdlib.h>

enum {
    NOOP_MS = 60 * 1000,
    ADDED_OCTETS = 4096 /* our fields, for SIZE= */
};

static void on_link(struct conn *conn, enum conn_event event, void *arg);

static const struct smtp_caps *
caps(const struct transaction *tx)
{
    return upstream_link_caps(tx->link);
}

/* --- getting a link ------------------------------------------------------- */

/* RFC 8689 4.2.1: under TLS, and who it is was shown. */
static bool
is_known(const struct transaction *tx)
{
    const SSL *ssl = conn_ssl(upstream_link_conn(tx->link));
    const char *how = tls_how_upstream(ssl, upstream_settings(tx->upstream));

    return strcmp(how, "none") != 0 && strcmp(how, "unverified") != 0;
}

static bool
wants(const struct smtp_params *params, enum smtp_param one,
      enum smtp_param other)
{
    return (params->present & (1u << one | 1u << other)) != 0;
}

/* What the parameters of MAIL need and this upstream does not have; it may be
 * another one than when EHLO was answered. NULL: nothing. */
static const struct refusal *
mail_refusal(const struct transaction *tx)
{
    static const struct refusal utf8 = {
        550, "5.6.7", "The upstream does not take SMTPUTF8 messages"
    };
    static const struct refusal requiretls = {
        550, "5.7.30", "The upstream does not support REQUIRETLS"
    };
    static const struct refusal dsn = {
        555, "5.5.4", "The upstream does not take RET and ENVID any more"
    };
    static const struct refusal big = { 552, "5.3.4",
                                        "Too big for the upstream" };
    const struct smtp_params *p = &tx->from.params;
    unsigned offers = caps(tx)->offers;
    uint64_t size = caps(tx)->size;

    if (wants(p, SMTP_PARAM_SMTPUTF8, SMTP_PARAM_SMTPUTF8) &&
        (offers & SMTP_CAP_SMTPUTF8) == 0) {
        return &utf8;
    }
    if (wants(p, SMTP_PARAM_REQUIRETLS, SMTP_PARAM_REQUIRETLS) &&
        ((offers & SMTP_CAP_REQUIRETLS) == 0 || !is_known(tx))) {
        return &requiretls;
    }
    if (wants(p, SMTP_PARAM_RET, SMTP_PARAM_ENVID) &&
        (offers & SMTP_CAP_DSN) == 0) {
        return &dsn;
    }
    return (offers & SMTP_CAP_SIZE) != 0 && size > 0 && p->size > size ? &big
                                                                       : NULL;
}

static bool
refuse_mail(struct session *s)
{
    const struct refusal *no = mail_refusal(s->tx);

    if (no == NULL) {
        return false;
    }
    session_finish(s, no->code, no->enhanced, no->text, OUTCOME_REFUSED);
    return true;
}

/* A second link has to have what the client was promised with the first. */
static bool
can_replay(const struct transaction *tx)
{
    unsigned offers = caps(tx)->offers;

    if (mail_refusal(tx) != NULL ||
        (tx->eight_bit && (offers & SMTP_CAP_8BITMIME) == 0)) {
        return false;
    }
    for (size_t i = 0; i < tx->rcpt_count; i++) {
        if (tx->rcpts[i].state != RCPT_REFUSED &&
            wants(&tx->rcpts[i].path.params, SMTP_PARAM_NOTIFY,
                  SMTP_PARAM_ORCPT) &&
            (offers & SMTP_CAP_DSN) == 0) {
            return false;
        }
    }
    return true;
}

/* How the upstream was spoken to and known, for the log. */
static void
note_tls(struct transaction *tx)
{
    const SSL *ssl = conn_ssl(upstream_link_conn(tx->link));
    char text[128];

    tls_describe_peer(ssl,
                      tls_how_upstream(ssl, upstream_settings(tx->upstream)),
                      text, sizeof(text));
    free(tx->up_tls);
    tx->up_tls = strdup(text);
}

void
session_link_held(struct session *s, struct upstream_link *link)
{
    struct transaction *tx = s->tx;

    tx->link = link;
    tx->up = UP_READY;
    tx->mail_sent = tx->mail_replied = tx->noop_sent = false;
    tx->forward_sent = tx->forward_replied = false;
    tx->link_ended = false;
    tx->rcpt_sent = tx->rcpt_replied = 0;
    free(tx->up_name);
    tx->up_name = strdup(upstream_link_name(link));
    note_tls(tx);
    conn_set_owner(upstream_link_conn(link), on_link, s);
    if (tx->message == MESSAGE_ARRIVING) {
        session_link_keep(s);
    }
    if (s->server.phase != SMTP_PHASE_READY) { /* a replay */
        if (!can_replay(tx)) {
            session_give_up(s, "The upstream lacks an extension that it had");
        }
        return;
    }
    s->owed = OWED_NOTHING;
    session_stop_timer(s);
    if (!refuse_mail(s)) {
        session_reply(s, 250, "2.1.0", "Sender ok");
        session_expect(s, SESSION_COMMAND_S);
    }
}

void
session_link_failed(struct session *s)
{
    static const char why[] =
        "No upstream connection is to be had now, try again later";

    if (s->owed == OWED_MAIL || s->server.phase == SMTP_PHASE_READY) {
        session_finish(s, 451, "4.4.1", why, OUTCOME_REFUSED);
    } else {
        session_give_up(s, why);
    }
}

void
session_link_awaited(struct session *s)
{
    struct transaction *tx = s->tx;

    tx->up = UP_DIALLING;
    if (tx->message == MESSAGE_NONE && s->server.phase == SMTP_PHASE_READY) {
        s->owed = OWED_MAIL;
        session_set_timer(s, (uint64_t)s->conf->reply_deadline_s * 1000);
    }
}

static void
on_dialled(struct upstream_link *link, const char *error, void *arg)
{
    struct session *s = arg;

    s->tx->wait = NULL;
    if (link != NULL) {
        session_link_held(s, link);
    } else {
        session_count_unreachable(s);
        free(s->tx->unreachable);
        s->tx->unreachable = strdup(error);
        session_link_failed(s);
    }
    session_run(s);
}

void
session_dial(struct session *s, bool kept)
{
    struct transaction *tx = s->tx;
    struct smtp_xattrs client;
    struct upstream_wish wish;

    if (session_own_carries(s)) {
        session_own_take(s);
        return;
    }
    session_fill_wish(s, &wish, &client);
    if (kept) {
        tx->link = upstream_take(tx->upstream, &wish);
    }
    if (tx->link != NULL) {
        session_link_held(s, tx->link);
        return;
    }
    tx->wait = upstream_get(tx->upstream, &wish, on_dialled, s);
    session_link_awaited(s);
    if (tx->wait == NULL) {
        session_link_failed(s);
    }
}

/* --- losing it ------------------------------------------------------------ */

void
session_give_up(struct session *s, const char *why)
{
    struct transaction *tx = s->tx;

    upstream_cancel(&tx->wait);
    upstream_drop(&tx->link);
    tx->up = UP_LOST;
    tx->replayed = true;
    tx->dead = why;
    if (s->owed == OWED_END) {
        session_finish(s, 451, "4.4.2", why, OUTCOME_REFUSED);
    }
}

void
session_link_lost(struct session *s, const char *why)
{
    struct transaction *tx = s->tx;

    if (session_dot_left(s)) {
        session_finish(s, 451, "4.4.2",
                       "The upstream went away before it confirmed",
                       OUTCOME_UNKNOWN);
        return;
    }
    if (tx->replayed || tx->up >= UP_DATA) {
        session_give_up(s, why);
        return;
    }
    upstream_drop(&tx->link);
    tx->up = UP_LOST;
    tx->replayed = true;
}

/* A lost envelope is built up again when something waits for it. */
static bool
replay(struct session *s)
{
    struct transaction *tx = s->tx;

    if (tx->up != UP_LOST || tx->dead != NULL ||
        (tx->rcpt_answered == tx->rcpt_count && tx->message != MESSAGE_READY)) {
        return false;
    }
    for (size_t i = 0; i < tx->rcpt_count; i++) {
        if (tx->rcpts[i].state == RCPT_SENT) {
            tx->rcpts[i].state = RCPT_NEW;
        }
    }
    session_dial(s, false);
    return true;
}

/* --- sending -------------------------------------------------------------- */

bool
session_replies_open(const struct transaction *tx)
{
    return (tx->mail_sent && !tx->mail_replied) || tx->noop_sent ||
           (tx->forward_sent && !tx->forward_replied) ||
           tx->rcpt_replied < tx->rcpt_sent;
}

static bool
may_send(const struct transaction *tx)
{
    return (caps(tx)->offers & SMTP_CAP_PIPELINING) != 0 ||
           !session_replies_open(tx);
}

void
session_skip_refused(const struct transaction *tx, size_t *at, size_t end)
{
    while (*at < end && tx->rcpts[*at].state == RCPT_REFUSED) {
        (*at)++;
    }
}

static void
put_mail(struct transaction *tx, struct buf *out)
{
    struct smtp_params params = tx->from.params;

    if (!smtp_mail_put(out, caps(tx), tx->from.mailbox, &params, params.size)) {
        tx->dead = "The sender address can't be passed on";
    }
    tx->mail_sent = true;
    tx->up = UP_ENVELOPE;
}

static bool
send_envelope(struct session *s)
{
    struct transaction *tx = s->tx;
    struct buf out = BUF_INIT;
    bool sent;

    if ((tx->up != UP_READY && tx->up != UP_ENVELOPE) || tx->dead != NULL) {
        return false;
    }
    session_skip_refused(tx, &tx->rcpt_sent, tx->rcpt_count);
    if (tx->rcpt_replied < tx->rcpt_sent) {
        session_skip_refused(tx, &tx->rcpt_replied, tx->rcpt_sent);
    }
    if (tx->rcpt_sent == tx->rcpt_count || tx->mail_code != 0) {
        return false;
    }
    if (!tx->mail_sent) {
        session_put_forward(s, &out);
    }
    if (!tx->mail_sent && may_send(tx)) {
        put_mail(tx, &out);
    }
    while (tx->rcpt_sent < tx->rcpt_count && may_send(tx)) {
        struct rcpt *r = &tx->rcpts[tx->rcpt_sent];

        if (!smtp_rcpt_put(&out, caps(tx), r->path.mailbox, &r->path.params)) {
            tx->dead = "A recipient address can't be passed on";
        }
        r->state = r->state == RCPT_NEW ? RCPT_SENT : r->state;
        tx->rcpt_sent++;
        session_skip_refused(tx, &tx->rcpt_sent, tx->rcpt_count);
    }
    if (buf_failed(&out)) {
        session_give_up(s, "Out of memory, try again later");
    } else if (out.len > 0) {
        conn_write(upstream_link_conn(tx->link), buf_bytes(&out));
    }
    sent = buf_failed(&out) || out.len > 0;
    buf_free(&out);
    return sent;
}

/* The command leaves with the first octets of its chunk. */
static void
put_bdat(struct transaction *tx)
{
    int n = snprintf(tx->bdat_line, sizeof(tx->bdat_line), "BDAT %llu LAST\r\n",
                     (unsigned long long)session_content_octets(tx));

    tx->piece = bytes_make(tx->bdat_line, (size_t)n);
}

/* RFC 1870 6.1: octets with CRLF, dots not yet stuffed. What a client did not
 * declare is known now; what is too big would be refused behind its last octet,
 * or cut off again and again. */
static bool
is_too_big(const struct transaction *tx)
{
    const struct smtp_caps *c = caps(tx);

    return (c->offers & SMTP_CAP_SIZE) != 0 && c->size > 0 &&
           session_content_octets(tx) > c->size;
}

static bool
send_data(struct session *s)
{
    struct transaction *tx = s->tx;

    if (tx->message != MESSAGE_READY || tx->up != UP_ENVELOPE ||
        tx->rcpt_sent < tx->rcpt_count || session_replies_open(tx) ||
        tx->dead != NULL) {
        return false;
    }
    if (is_too_big(tx)) {
        session_finish(s, 552, "5.3.4", "Too big for the upstream",
                       OUTCOME_REFUSED);
        return true;
    }
    conn_set_deadline(upstream_link_conn(tx->link), 0);
    tx->forward_ms = clock_ms();
    tx->bdat = (caps(tx)->offers & SMTP_CAP_CHUNKING) != 0 &&
               upstream_settings(tx->upstream)->chunking;
    if (tx->bdat) {
        put_bdat(tx);
        tx->up = UP_CONTENT;
    } else {
        conn_write(upstream_link_conn(tx->link), BYTES_LIT("DATA\r\n"));
        tx->up = UP_DATA;
    }
    return true;
}

void
session_link_keep(struct session *s)
{
    if (s->tx->link != NULL && s->tx->up <= UP_ENVELOPE) {
        conn_set_deadline(upstream_link_conn(s->tx->link), NOOP_MS);
    }
}

static void
on_link_timeout(struct session *s)
{
    struct transaction *tx = s->tx;

    if (tx->noop_sent) {
        session_link_lost(s, "The upstream does not answer");
        return;
    }
    if (tx->up == UP_ENVELOPE && !session_replies_open(tx)) {
        conn_write(upstream_link_conn(tx->link), BYTES_LIT("NOOP\r\n"));
        tx->noop_sent = true;
    }
    session_link_keep(s);
}

bool
session_step_upstream(struct session *s)
{
    return s->tx != NULL && (session_step_reply(s) || replay(s) ||
                             send_data(s) || session_send_content(s));
}

bool
session_step_envelope(struct session *s)
{
    return s->tx != NULL && send_envelope(s);
}

static void
on_link(struct conn *conn, enum conn_event event, void *arg)
{
    struct session *s = arg;

    (void)conn;
    switch (event) {
    case CONN_TIMEOUT:
        on_link_timeout(s);
        break;
    case CONN_EOF:
    case CONN_GONE:
        s->tx->link_ended = true;
        break;
    case CONN_DRAINED:
        session_content_drained(s);
        break;
    case CONN_CONNECTED:
    case CONN_TLS_DONE:
    case CONN_INPUT:
    default:
        break;
    }
    session_run(s);
}
