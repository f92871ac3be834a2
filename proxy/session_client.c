/*
 * session_client - what the client says, one command at a time.
 *
 * A command is taken only when the one before it is answered; RCPTs alone may
 * be several, because their answers come from the upstream in order. A line
 * that has to wait stays unread in the connection.
 *
 * RFC 5321 4.1; 2920 (pipelining); 3207; 6409.
 */
#include "proxy/session_log.h"
#include "proxy/session_login.h"
#include "proxy/session_own.h"
#include "proxy/session_state.h"

#include <proxy/limits.h>
#include <proxy/listener.h>
#include <proxy/route.h>
#include <proxy/stats/stats.h>
#include <stdlib.h>
#include <time.h>

enum {
    OUT_MAX = 64 * 1024,   /* replies waiting for a client that does not read */
    SIZE_HEADROOM = 16384, /* for the fields that we add */
    LINE_MAX_OCTETS = 2048,
    AUTH_LINE_MAX_OCTETS = 12288
};

/* --- what is allowed ------------------------------------------------------ */

static unsigned
xclient_caps(const struct session *s)
{
    return s->peer.may_xclient ? (unsigned)SMTP_CAP_XCLIENT | SMTP_CAP_XFORWARD
                               : 0;
}

/* What the upstream has and this client may use. */
static void
upstream_offers(const struct session *s, struct smtp_caps *caps)
{
    route_caps(s->worker, s->conf, session_user(s), caps);
    if (!s->server.tls) {
        caps->offers &= ~(unsigned)SMTP_CAP_REQUIRETLS; /* RFC 8689 2 */
    }
}

void
session_set_rules(struct session *s)
{
    const struct limits_conf *limits = &s->worker->conf->limits;
    const struct listen_conf *conf = s->conf;
    struct smtp_caps caps;

    upstream_offers(s, &caps);
    s->server.conf = (struct smtp_server_conf){
        .line_max = LINE_MAX_OCTETS,
        .auth_line_max = AUTH_LINE_MAX_OCTETS,
        .errors_max = s->worker->stressed ? 1 : limits->errors,
        .junk_max = s->worker->stressed ? 1 : limits->junk_commands,
        .message_max = conf->max_message_size,
        /* Inbound, what is verified are the octets as received. */
        .normalize = conf->normalize && conf->mode == CONF_OUTBOUND,
        .starttls = conf->tls == CONF_TLS_STARTTLS && !s->server.tls,
        .auth = conf->auth != CONF_AUTH_NONE,
        .auth_needs_tls = conf->require_tls,
        .mail_needs_tls = conf->require_tls,
        .mail_needs_auth =
            conf->mode == CONF_OUTBOUND && s->identity == SESSION_NOBODY,
        .chunking = conf->chunking,
        .smtputf8 = (caps.offers & SMTP_CAP_SMTPUTF8) != 0,
        .offers = caps.offers | xclient_caps(s),
    };
}

/* --- names ---------------------------------------------------------------- */

char *
session_clean_name(struct bytes name)
{
    char *copy;

    if (name.len == 0 || name.len > 255) {
        return NULL;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];

        if (!byte_is_alpha(c) && !byte_is_digit(c) &&
            memchr(".-_:[]", c, 6) == NULL) {
            return NULL;
        }
    }
    copy = malloc(name.len + 1);
    if (copy != NULL) {
        (void)bytes_copy(name, copy, name.len + 1);
    }
    return copy;
}

/* What XCLIENT said stays: the name in EHLO is that of its sender. */
static void
set_helo(struct session *s, struct bytes name)
{
    if (!s->peer.helo_told) {
        free(s->helo);
        s->helo = session_clean_name(name);
    }
}

/* --- the greeting --------------------------------------------------------- */

void
session_greet(struct session *s)
{
    char text[300];

    snprintf(text, sizeof(text), "%s ESMTP Sealpost",
             s->worker->conf->server.hostname);
    smtp_reply_put(&s->out, 220, "", text);
    s->greeted = true;
    session_expect(s, SESSION_COMMAND_S);
}

void
session_tls_started(struct session *s)
{
    smtp_server_tls_started(&s->server);
    tls_identify_client(conn_ssl(s->client), s->conf, (int64_t)time(NULL),
                        &s->certificate);
    set_helo(s, bytes_make(NULL, 0));
    session_forget_forwarded(s);
    session_set_rules(s);
    if (s->greeted) {
        session_expect(s, SESSION_COMMAND_S);
    } else {
        session_greet(s);
    }
    session_certified(s);
}

/* --- commands ------------------------------------------------------------- */

static void
offer(struct session *s, struct smtp_caps *caps)
{
    const struct smtp_server_conf *may = &s->server.conf;

    if (may->starttls) {
        caps->offers |= SMTP_CAP_STARTTLS;
    }
    if (may->chunking) {
        caps->offers |= SMTP_CAP_CHUNKING;
    }
    caps->offers |= xclient_caps(s);
    if (may->auth && s->identity != SESSION_AUTHENTICATED &&
        (s->server.tls || !may->auth_needs_tls)) {
        caps->offers |= SMTP_CAP_AUTH;
        caps->mechs = session_login_mechs(s);
    }
    if (caps->size == 0 || caps->size > s->conf->max_message_size) {
        caps->size = s->conf->max_message_size;
    } else if (caps->size > SIZE_HEADROOM) {
        caps->size -= SIZE_HEADROOM;
    }
}

static void
on_hello(struct session *s, const struct smtp_command *cmd)
{
    const char *hostname = s->worker->conf->server.hostname;
    struct smtp_caps caps;

    if (s->tx != NULL) {
        session_end(s, OUTCOME_ABORTED);
    }
    session_forget_forwarded(s);
    set_helo(s, cmd->name);
    session_set_rules(s);
    if (cmd->verb == SMTP_VERB_HELO) {
        smtp_reply_put(&s->out, 250, "", hostname);
    } else {
        upstream_offers(s, &caps);
        offer(s, &caps);
        smtp_caps_put(&s->out, hostname, "", &caps);
    }
    smtp_server_answered(&s->server, 250);
}

static void
on_mail(struct session *s, const struct smtp_command *cmd)
{
    if (!session_begin(s, cmd)) {
        return;
    }
    session_dial(s, true);
}

static void
on_data(struct session *s, const struct smtp_command *cmd)
{
    (void)cmd;
    if (s->tx->dead != NULL) {
        session_reply(s, 451, "4.4.2", s->tx->dead);
    } else if (!session_message_begin(s)) {
        session_reply(s, 452, "4.3.1", "Out of memory, try again later");
    } else {
        smtp_reply_put(&s->out, 354, "", "End data with <CR><LF>.<CR><LF>");
        smtp_server_answered(&s->server, 354);
    }
}

static void
on_bdat(struct session *s, const struct smtp_command *cmd)
{
    session_message_chunk(s, cmd->chunk);
}

static void
on_rset(struct session *s, const struct smtp_command *cmd)
{
    (void)cmd;
    if (s->tx != NULL) {
        session_end(s, OUTCOME_ABORTED);
    }
    session_forget_forwarded(s);
    session_reply(s, 250, "2.0.0", "Ok");
}

static void
on_noop(struct session *s, const struct smtp_command *cmd)
{
    (void)cmd;
    session_reply(s, 250, "2.0.0", "Ok");
}

static void
on_vrfy(struct session *s, const struct smtp_command *cmd)
{
    (void)cmd;
    session_reply(s, 252, "2.5.2", "Not verified, send mail and see");
}

static void
on_help(struct session *s, const struct smtp_command *cmd)
{
    (void)cmd;
    session_reply(s, 214, "2.0.0", "This is an SMTP relay, see RFC 5321");
}

static void
on_quit(struct session *s, const struct smtp_command *cmd)
{
    (void)cmd;
    session_reply(s, 221, "2.0.0", "Bye");
    s->closing = true;
}

static void
on_starttls(struct session *s, const struct smtp_command *cmd)
{
    SSL *ssl;

    (void)cmd;
    if (!session_may_handshake(s)) {
        session_answer(s, 454, "4.7.0",
                       "Too many TLS handshakes from your address, try again "
                       "later");
        return;
    }
    ssl = SSL_new(s->listener->tls);
    if (ssl == NULL) {
        session_reply(s, 454, "4.7.0", "TLS not available now");
        return;
    }
    session_reply(s, 220, "2.0.0", "Ready to start TLS");
    conn_write(s->client, buf_bytes(&s->out));
    buf_clear(&s->out);
    session_expect(s, SESSION_HANDSHAKE_S);
    conn_tls_accept(s->client, ssl);
}

static const struct {
    void (*run)(struct session *s, const struct smtp_command *cmd);
} commands[SMTP_VERB_COUNT] = {
    [SMTP_VERB_EHLO] = { on_hello },
    [SMTP_VERB_HELO] = { on_hello },
    [SMTP_VERB_MAIL] = { on_mail },
    [SMTP_VERB_RCPT] = { session_rcpt_command },
    [SMTP_VERB_DATA] = { on_data },
    [SMTP_VERB_BDAT] = { on_bdat },
    [SMTP_VERB_RSET] = { on_rset },
    [SMTP_VERB_NOOP] = { on_noop },
    [SMTP_VERB_VRFY] = { on_vrfy },
    [SMTP_VERB_HELP] = { on_help },
    [SMTP_VERB_QUIT] = { on_quit },
    [SMTP_VERB_STARTTLS] = { on_starttls },
    [SMTP_VERB_AUTH] = { session_auth_command },
    [SMTP_VERB_XCLIENT] = { session_xclient },
    [SMTP_VERB_XFORWARD] = { session_xforward },
};

static void
on_command(struct session *s, const struct smtp_command *cmd)
{
    s->verb = cmd->verb;
    s->mail_refused = false;
    if (session_expelled(s) && cmd->verb != SMTP_VERB_QUIT) {
        session_log_cut(s, "locked");
        session_bye(s, "4.7.0", "This account is locked");
    } else if (commands[cmd->verb].run != NULL) {
        commands[cmd->verb].run(s, cmd);
    } else {
        session_reply(s, 502, "5.5.1", "Command not implemented");
    }
}

/* The limit's name where there is one. */
static const char *
cut_reason(const struct smtp_event *ev)
{
    switch (ev->limit) {
    case SMTP_LIMIT_ERRORS:
        return "errors";
    case SMTP_LIMIT_JUNK:
        return "junk_commands";
    case SMTP_LIMIT_NONE:
    default:
        return ev->cmd.verb == SMTP_VERB_BDAT ? "chunk-size" : "line-too-long";
    }
}

/* A client that pipelines has sent RCPT and DATA before it hears that MAIL was
 * refused, or DATA before all its recipients were (RFC 2920 3.1). The log has
 * the reason already. */
static bool
only_follows(const struct session *s)
{
    bool data = s->verb == SMTP_VERB_DATA || s->verb == SMTP_VERB_BDAT;

    if (s->tx == NULL) {
        return s->mail_refused && (data || s->verb == SMTP_VERB_RCPT);
    }
    return data && s->tx->rcpt_answered > 0 && s->tx->rcpt_accepted == 0;
}

static void
on_refused(struct session *s, const struct smtp_event *ev)
{
    session_auth_forget(s); /* a refused line ends an AUTH exchange */
    s->verb = ev->cmd.verb;
    if (only_follows(s)) {
        session_answer(s, ev->code, ev->enhanced, ev->text);
    } else {
        session_reply(s, ev->code, ev->enhanced, ev->text);
    }
    s->closing = s->closing || ev->close;
    if (ev->close) {
        session_log_cut(s, cut_reason(ev));
    }
    if (ev->limit != SMTP_LIMIT_NONE) {
        stats_count(s->worker->stats,
                    ev->limit == SMTP_LIMIT_ERRORS ? STATS_OVER_ERRORS
                                                   : STATS_OVER_JUNK,
                    1);
    }
    if (ev->cmd.verb == SMTP_VERB_BDAT && s->tx != NULL) {
        s->tx->chunk_refused = true;
    }
}

/* --- the step ------------------------------------------------------------- */

/* A worker that goes away, or whose keeper did, ends its sessions between
 * transactions. */
static bool
say_goodbye(struct session *s)
{
    bool void_handle = s->has_handle &&
                       s->handle_life != keeper_client_life(s->worker->keeper);

    if (s->tx != NULL || !s->greeted || s->owed != OWED_NOTHING) {
        return false;
    }
    if (s->worker->draining || s->worker->stopping) {
        session_bye(s, "4.3.2", "Restarting, please reconnect");
        return true;
    }
    if (session_own_lost(s)) {
        session_log_cut(s, "upstream-lost");
        session_bye(s, "4.4.2",
                    "The upstream has gone, please reconnect and log in again");
        return true;
    }
    if (void_handle) {
        s->has_handle = false;
        session_log_cut(s, "keeper-lost");
        session_bye(s, "4.3.0", "Please reconnect and log in again");
        return true;
    }
    return false;
}

static bool
in_content(const struct session *s)
{
    return s->server.phase == SMTP_PHASE_DATA || s->server.chunk_open;
}

static void
on_event(struct session *s, const struct smtp_event *ev)
{
    if (!in_content(s)) {
        session_expect(s, SESSION_COMMAND_S);
    }
    switch (ev->type) {
    case SMTP_EV_COMMAND:
        on_command(s, &ev->cmd);
        break;
    case SMTP_EV_REFUSED:
        on_refused(s, ev);
        break;
    case SMTP_EV_SASL:
        session_auth_line(s, ev->data);
        break;
    case SMTP_EV_DATA:
        session_message_data(s, ev->data);
        break;
    case SMTP_EV_END:
        session_message_whole(s, ev->faults);
        break;
    case SMTP_EV_CLOSE:
        session_log_cut(s, "not-smtp");
        s->client_gone = true;
        break;
    case SMTP_EV_MORE:
    default:
        break;
    }
    if (s->owed != OWED_NOTHING ||
        (s->tx != NULL && s->tx->rcpt_answered < s->tx->rcpt_count)) {
        session_expect(s, 0);
    }
}

static bool
may_listen(const struct session *s)
{
    return !s->client_gone && !s->closing && s->greeted &&
           s->owed == OWED_NOTHING && s->client != NULL &&
           (conn_ssl(s->client) == NULL || s->server.tls) &&
           conn_pending(s->client) + s->out.len < OUT_MAX;
}

bool
session_step_client(struct session *s)
{
    bool rcpts_open = s->tx != NULL && s->tx->rcpt_answered < s->tx->rcpt_count;
    struct bytes in, rest;
    struct smtp_event ev;

    if (!may_listen(s)) {
        return false;
    }
    if (say_goodbye(s)) {
        return true;
    }
    in = rest = conn_input(s->client);
    if (rcpts_open &&
        (smtp_server_peek(&s->server, in) != SMTP_VERB_RCPT ||
         s->tx->rcpt_count >= s->worker->conf->limits.recipients)) {
        return false;
    }
    smtp_server_next(&s->server, &rest, &ev);
    if (ev.type != SMTP_EV_MORE) {
        on_event(s, &ev);
    } else if (s->client_eof) {
        s->closing = true; /* no whole command can come any more */
        session_expect(s, SESSION_LAST_WORD_S);
        return false;
    }
    if (conn_ssl(s->client) == NULL || s->server.tls) {
        conn_consume(s->client, in.len - rest.len);
    }
    return ev.type != SMTP_EV_MORE;
}
