/*
 * session_transaction - MAIL to the end of it, whichever way it ends.
 *
 * Every exit goes through session_end(): it gives back the upstream link, the
 * spool, the keeper's requests, and writes the message's one log line.
 */
#include "proxy/session_log.h"
#include "proxy/session_own.h"
#include "proxy/session_received.h"
#include "proxy/session_state.h"

#include <proxy/check.h>
#include <proxy/clock.h>
#include <proxy/idn.h>
#include <proxy/limits.h>
#include <proxy/route.h>
#include <stdlib.h>

/* --- the envelope --------------------------------------------------------- */

static struct bytes
keep_octets(uint8_t **at, struct bytes b)
{
    struct bytes copy = bytes_make(*at, b.len);

    if (b.len > 0) {
        memcpy(*at, b.ptr, b.len);
        *at += b.len;
    }
    return copy;
}

/* Copies what the views of a command point to. */
static bool
path_copy(const struct smtp_command *cmd, struct mail_path *out)
{
    const struct smtp_path *path = &cmd->path;
    size_t octets = path->mailbox.len + path->local.len + path->domain.len;
    uint8_t *at;

    for (int i = 0; i < SMTP_PARAM_COUNT; i++) {
        octets += cmd->params.value[i].len;
    }
    at = malloc(octets + 1);
    if (at == NULL) {
        return false;
    }
    out->memory = at;
    out->mailbox = keep_octets(&at, path->mailbox);
    out->local = keep_octets(&at, path->local);
    out->domain = keep_octets(&at, path->domain);
    out->params = cmd->params;
    for (int i = 0; i < SMTP_PARAM_COUNT; i++) {
        out->params.value[i] = keep_octets(&at, cmd->params.value[i]);
    }
    return true;
}

/* `envelope_from = match`: the reverse-path is the user's, or empty. */
static bool
may_send_as(const struct session *s, const struct smtp_path *path)
{
    const struct view_user *user = session_user(s);
    char local[256], domain[DKIM_DOMAIN_MAX + 1];

    if (!s->conf->envelope_from_match || path->mailbox.len == 0) {
        return true;
    }
    return user != NULL && bytes_copy(path->local, local, sizeof(local)) &&
           idn_domain(path->domain, domain) &&
           users_from_covers(user, local, domain);
}

static void on_timer(evutil_socket_t fd, short what, void *arg);

static struct transaction *
transaction_new(struct session *s, const struct smtp_command *cmd)
{
    struct transaction *tx = calloc(1, sizeof(*tx));

    if (tx == NULL) {
        return NULL;
    }
    tx->timer = event_new(s->worker->base, -1, 0, on_timer, s);
    if (tx->timer == NULL || !path_copy(cmd, &tx->from)) {
        if (tx->timer != NULL) {
            event_free(tx->timer);
        }
        free(tx);
        return NULL;
    }
    session_make_id(s->worker, tx->id);
    tx->upstream =
        route_upstream(s->worker, s->conf, session_user(s), cmd->path.domain);
    return tx;
}

/* By what SIZE says, before 50 MB have come for nothing. */
static bool
has_room(struct session *s, uint64_t octets)
{
    enum spool_result result =
        spool_room(&s->worker->conf->spool, s->worker->spool_octets, octets);

    if (result == SPOOL_OK) {
        return true;
    }
    session_answer(s, 452, "4.3.1",
                   "No room for a message of this size, try again later");
    session_log_spool(s, result, "less than 1.5 times its SIZE is free");
    return false;
}

/* Told before anything is begun; the log names the user. */
static bool
within_rate(struct session *s)
{
    const struct view_user *user = session_user(s);
    char text[100];
    unsigned wait_s;

    if (limits_message(s->worker, user, s->identity == SESSION_AUTHENTICATED,
                       &wait_s)) {
        return true;
    }
    snprintf(text, sizeof(text),
             "Sending limit reached, try again in %u seconds", wait_s);
    session_answer(s, 450, "4.7.1", text);
    session_log_rate(s, user->name, wait_s);
    return false;
}

bool
session_begin(struct session *s, const struct smtp_command *cmd)
{
    if (!has_room(s, cmd->params.size) || !within_rate(s)) {
        return false;
    }
    if (!may_send_as(s, &cmd->path)) {
        session_answer(s, 553, "5.7.1",
                       "This sender address is not yours; use one of those "
                       "that your account may send from");
        session_log_sender(s, cmd->path.mailbox);
        return false;
    }
    s->tx = transaction_new(s, cmd);
    if (s->tx == NULL) {
        session_reply(s, 452, "4.3.1", "Out of memory, try again later");
        return false;
    }
    session_count_begin(s);
    session_assert(s);
    return true;
}

bool
session_add_rcpt(struct session *s, const struct smtp_command *cmd)
{
    struct transaction *tx = s->tx;
    size_t cap = tx->rcpt_cap == 0 ? 1 : tx->rcpt_cap * 2;

    if (tx->rcpt_count == tx->rcpt_cap) {
        struct rcpt *more = realloc(tx->rcpts, cap * sizeof(*more));

        if (more == NULL) {
            return false;
        }
        tx->rcpts = more;
        tx->rcpt_cap = cap;
    }
    tx->rcpts[tx->rcpt_count] = (struct rcpt){ .state = RCPT_NEW };
    if (!path_copy(cmd, &tx->rcpts[tx->rcpt_count].path)) {
        return false;
    }
    if (tx->rcpt_answered == tx->rcpt_count) {
        session_set_timer(s, (uint64_t)s->conf->reply_deadline_s * 1000);
    }
    tx->rcpt_count++;
    return true;
}

/* --- deadlines ------------------------------------------------------------ */

void
session_set_timer(struct session *s, uint64_t ms)
{
    struct timeval in = { (time_t)(ms / 1000),
                          (suseconds_t)(ms % 1000 * 1000) };

    if (event_add(s->tx->timer, &in) != 0) {
        s->dead = true;
    }
}

void
session_stop_timer(struct session *s)
{
    (void)event_del(s->tx->timer);
}

/* The client's patience is nearly over. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;
    bool dot_left = session_dot_left(s);

    (void)fd;
    (void)what;
    if (s->owed == OWED_MAIL) {
        session_finish(s, 451, "4.4.1",
                       "The upstream does not answer, try again later",
                       OUTCOME_REFUSED);
    } else if (s->owed == OWED_END) {
        session_finish(s, 451, "4.4.2",
                       dot_left ? "The upstream did not confirm in time"
                                : "The upstream is too slow, try again later",
                       dot_left ? OUTCOME_UNKNOWN : OUTCOME_REFUSED);
    } else {
        session_give_up(s, "The upstream does not answer, try again later");
    }
    session_run(s);
}

/* --- the end -------------------------------------------------------------- */

static void
give_link_back(struct session *s)
{
    struct transaction *tx = s->tx;
    bool idle = tx->up == UP_READY || tx->up == UP_DONE;
    bool open = tx->up == UP_ENVELOPE && !session_replies_open(tx);
    bool usable = !tx->link_ended && (idle || open);

    if (session_own_carries(s)) {
        if (tx->up != UP_NONE && tx->up != UP_DIALLING) {
            session_own_back(s, usable, open);
        }
    } else if (tx->link != NULL && usable) {
        upstream_put(&tx->link, open);
    } else {
        upstream_drop(&tx->link);
    }
}

void
session_content_free(struct session *s)
{
    struct transaction *tx = s->tx;

    for (size_t i = 0; i < tx->signing_count; i++) {
        buf_free(&tx->signing[i].field);
    }
    session_received_free(&tx->received);
    dkim_header_free(&tx->header);
    dkim_body_hash_free(&tx->body_hash);
    spool_free(&tx->spool);
    buf_free(&tx->head);
    buf_free(&tx->added);
    buf_free(&tx->out_head);
    tx->piece = bytes_make(NULL, 0);
    session_count_spool(s);
}

static void
message_free(struct session *s)
{
    struct transaction *tx = s->tx;

    for (size_t i = 0; i < tx->signing_count; i++) {
        keeper_cancel(&tx->signing[i].request);
    }
    check_free(&tx->check); /* borrows the header */
    session_content_free(s);
    free(tx->signing);
    free(tx->message_id);
}

void
session_end(struct session *s, enum outcome outcome)
{
    struct transaction *tx = s->tx;

    tx->done_ms = clock_ms();
    if (outcome == OUTCOME_ABORTED &&
        (tx->chunk_refused ||
         (tx->rcpt_answered > 0 && tx->rcpt_accepted == 0))) {
        outcome = OUTCOME_REFUSED; /* nothing, or nobody, was left to send */
    }
    session_log_message(s, outcome);
    session_count_end(s, outcome);
    session_forget_forwarded(s);
    upstream_cancel(&tx->wait);
    give_link_back(s);
    message_free(s);
    free(tx->from.memory);
    for (size_t i = 0; i < tx->rcpt_count; i++) {
        free(tx->rcpts[i].path.memory);
    }
    free(tx->rcpts);
    buf_free(&tx->mail_reply);
    event_free(tx->timer);
    free(tx->up_name);
    free(tx->up_tls);
    free(tx->unreachable);
    free(tx->reply);
    free(tx);
    s->tx = NULL;
    if (s->owed == OWED_END || s->owed == OWED_MAIL) {
        s->owed = OWED_NOTHING;
    }
}

void
session_finish(struct session *s, int code, const char *enhanced,
               const char *text, enum outcome outcome)
{
    session_reply_noted(s, code, enhanced, text);
    session_end(s, outcome);
    session_expect(s, SESSION_COMMAND_S);
}
