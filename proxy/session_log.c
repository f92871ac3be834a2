/*
 * session_log - what the log says of one client; see session_log.h.
 */
#include "proxy/session_log.h"

#include "proxy/session_state.h"

#include <proxy/check.h>
#include <proxy/log/log.h>
#include <proxy/net/tls.h>

static const char *const outcome_words[] = {
    [OUTCOME_DELIVERED] = "delivered",
    [OUTCOME_REFUSED] = "refused",
    [OUTCOME_UNKNOWN] = "unknown",
    [OUTCOME_ABORTED] = "aborted",
};

/* --- a message ------------------------------------------------------------ */

static void
log_recipients(const struct session *s, struct log_line *l)
{
    const struct transaction *tx = s->tx;
    enum conf_recipients how = s->worker->conf->server.log_recipients;
    struct buf text = BUF_INIT;
    size_t shown = 0;

    for (size_t i = 0; how != CONF_RCPT_COUNT && i < tx->rcpt_count; i++) {
        const struct mail_path *path = &tx->rcpts[i].path;

        if (tx->rcpts[i].state == RCPT_REFUSED || shown == 20) {
            continue;
        }
        buf_puts(&text, shown++ > 0 ? "," : "");
        buf_put(&text, how == CONF_RCPT_DOMAIN ? path->domain : path->mailbox);
    }
    if (shown > 0) {
        log_bytes(l, "to", buf_bytes(&text));
    }
    buf_free(&text);
    log_number(l, "nrcpt", tx->rcpt_accepted);
}

static void
log_signed(const struct transaction *tx, struct log_line *l)
{
    struct buf text = BUF_INIT;

    for (size_t i = 0; i < tx->decision.count; i++) {
        const struct decide_signature *sig = &tx->decision.signatures[i];

        buf_printf(&text, "%s%s/%s/%s", i > 0 ? "," : "", sig->domain,
                   sig->selector, dkim_alg_name(sig->alg));
    }
    if (tx->decision.count > 0) {
        log_bytes(l, "signed", buf_bytes(&text));
        log_text(l, "aligned", tx->decision.aligned ? "yes" : "no");
        log_text(l, "rule", tx->decision.rule);
        if (tx->decision.fault_word[0] != '\0') {
            log_text(l, "key", tx->decision.fault_word);
        }
    } else if (tx->decision.rule != NULL) {
        log_text(l, "unsigned", "yes");
        log_text(l, "reason", tx->decision.rule);
    }
    buf_free(&text);
}

static uint64_t
span(uint64_t from, uint64_t to)
{
    return from == 0 || to < from ? 0 : to - from;
}

static void
log_delays(const struct transaction *tx, struct log_line *l)
{
    uint64_t recv = span(tx->data_ms, tx->end_ms);
    uint64_t sign = span(tx->end_ms, tx->forward_ms);
    uint64_t fwd = span(tx->forward_ms, tx->done_ms);

    log_format(l, "delays", "%u.%03u/%u.%03u/%u.%03u", (unsigned)(recv / 1000),
               (unsigned)(recv % 1000), (unsigned)(sign / 1000),
               (unsigned)(sign % 1000), (unsigned)(fwd / 1000),
               (unsigned)(fwd % 1000));
}

static void
log_peer(const struct session *s, struct log_line *l)
{
    char tls[128];

    log_text(l, "client", s->address);
    log_text(l, "user", s->user == NULL ? "-" : s->user);
    log_text(l, "helo", s->helo == NULL ? "-" : s->helo);
    tls_describe_peer(s->client == NULL ? NULL : conn_ssl(s->client),
                      s->certificate.how, tls, sizeof(tls));
    log_text(l, "tls", tls);
    session_log_forwarded(s, l);
}

void
session_log_message(const struct session *s, enum outcome outcome)
{
    const struct transaction *tx = s->tx;
    struct log_line l;

    log_begin(&l, outcome == OUTCOME_UNKNOWN ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
              "message");
    log_text(&l, "id", tx->id);
    log_peer(s, &l);
    log_bytes(&l, "from", tx->from.mailbox);
    log_recipients(s, &l);
    log_number(&l, "size", tx->octets);
    if (tx->message_id != NULL) {
        log_text(&l, "msgid", tx->message_id);
    }
    log_signed(tx, &l);
    if (tx->check_done) {
        log_text(&l, "verdicts", check_verdict(tx->check)->summary);
    }
    log_text(&l, "upstream", tx->up_name == NULL ? "-" : tx->up_name);
    log_text(&l, "upstream_tls", tx->up_tls == NULL ? "-" : tx->up_tls);
    if (tx->reply != NULL) {
        log_text(&l, "reply", tx->reply);
    }
    if (tx->unreachable != NULL) {
        log_text(&l, "cause", tx->unreachable);
    } else if (tx->dead != NULL) {
        log_text(&l, "cause", tx->dead);
    }
    log_delays(tx, &l);
    log_text(&l, "outcome", outcome_words[outcome]);
    if (s->client_gone || s->client_eof) {
        log_text(&l, "client_gone", "yes"); /* and may not know the outcome */
    }
    log_end(&l);
}

/* --- what no message's line says ------------------------------------------ */

static void
begin(const struct session *s, struct log_line *l, enum log_level level,
      const char *event)
{
    log_begin(l, level, event);
    log_text(l, "id", s->tx == NULL ? s->id : s->tx->id);
    log_text(l, "client", s->address);
    log_text(l, "user", s->user == NULL ? "-" : s->user);
}

static void
put_recipient(const struct session *s, struct log_line *l,
              const struct mail_path *to)
{
    enum conf_recipients how = s->worker->conf->server.log_recipients;

    if (how != CONF_RCPT_COUNT) {
        log_bytes(l, "to", how == CONF_RCPT_DOMAIN ? to->domain : to->mailbox);
    }
}

static void
put_refusal(const struct session *s, struct log_line *l, const char *command)
{
    begin(s, l, LOG_LEVEL_INFO, "command-refused");
    log_text(l, "listener", s->conf->name);
    log_text(l, "helo", s->helo == NULL ? "-" : s->helo);
    log_text(l, "command", command);
}

void
session_log_refused(const struct session *s, int code, const char *enhanced,
                    const char *text)
{
    struct log_line l;

    put_refusal(s, &l,
                s->verb == SMTP_VERB_UNKNOWN ? "unknown"
                                             : smtp_verb_name(s->verb));
    log_format(&l, "reply", "%d %s %s", code, enhanced, text);
    log_end(&l);
}

void
session_log_recipient(const struct session *s, const struct rcpt *r,
                      const char *reply)
{
    struct log_line l;

    put_refusal(s, &l, "RCPT");
    log_bytes(&l, "from", s->tx->from.mailbox);
    put_recipient(s, &l, &r->path);
    if (r->refusal == NULL && s->tx->up_name != NULL) {
        log_text(&l, "upstream", s->tx->up_name);
    }
    log_text(&l, "reply", reply == NULL ? "-" : reply);
    log_end(&l);
}

void
session_log_sender(const struct session *s, struct bytes from)
{
    struct log_line l;

    begin(s, &l, LOG_LEVEL_WARN, "sender-refused");
    log_bytes(&l, "from", from);
    log_end(&l);
}

void
session_log_rate(const struct session *s, const char *user, unsigned wait_s)
{
    struct log_line l;

    log_begin(&l, LOG_LEVEL_WARN, "rate-limit");
    log_text(&l, "id", s->id);
    log_text(&l, "client", s->address);
    log_text(&l, "user", user);
    log_format(&l, "wait", "%us", wait_s);
    log_end(&l);
}

void
session_log_spool(const struct session *s, enum spool_result result,
                  const char *error)
{
    const struct spool_conf *conf = &s->worker->conf->spool;
    struct log_line l;

    if (result == SPOOL_FULL) {
        begin(s, &l, LOG_LEVEL_WARN, "spool-full");
        log_number(&l, "max_total", conf->max_total);
        log_number(&l, "in_use", s->worker->spool_octets);
    } else {
        begin(s, &l, LOG_LEVEL_ERROR, "spool-failed");
        log_text(&l, "directory", conf->directory);
        log_text(&l, "text", result == SPOOL_FAILED ? error : "out of memory");
    }
    log_end(&l);
}

void
session_log_cut(const struct session *s, const char *reason)
{
    struct log_line l;

    begin(s, &l, LOG_LEVEL_INFO, "cut");
    log_text(&l, "listener", s->conf->name);
    log_text(&l, "reason", reason);
    log_end(&l);
}

void
session_log_handshake(const struct session *s, const char *why)
{
    struct log_line l;

    log_begin(&l, LOG_LEVEL_INFO, "tls-failed");
    log_text(&l, "id", s->id);
    log_text(&l, "client", s->address);
    log_text(&l, "listener", s->conf->name);
    log_text(&l, "text", why);
    log_end(&l);
}
