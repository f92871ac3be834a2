/*
 * session - see proxy/session.h.
 *
 * Callbacks note facts and call session_run(); only its last lines free.
 */
#include "proxy/session_log.h"
#include "proxy/session_own.h"
#include "proxy/session_state.h"

#include <proxy/limits.h>
#include <proxy/listener.h>
#include <proxy/net/tls.h>
#include <proxy/stats/stats.h>
#include <stdlib.h>
#include <time.h>

enum {
    STEPS_A_TURN = 100,
    SESSIONS_A_TURN = 50,      /* when all have something to do at once */
    OCTETS_A_TURN = 64 * 1024, /* as many as are read in one */
    STOP_BEFORE_DOT_S = 30,
    TEXT_MAX = 480 /* octets of a reply's text */
};

void
session_make_id(struct worker *w, char *out)
{
    static const char digits[] = "0123456789abcdefghijkmnpqrstuvwxyz";
    enum {
        BASE = sizeof(digits) - 1,
        LENGTH = 12
    };
    struct timespec now;
    uint64_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    n = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    w->ids = n > w->ids ? n : w->ids + 1;
    n = w->ids * 64 + w->slot % 64;
    out[LENGTH] = '\0';
    for (int i = LENGTH - 1; i >= 0; i--) {
        out[i] = digits[n % BASE];
        n /= BASE;
    }
}

const struct view_user *
session_user(const struct session *s)
{
    const struct view *view = keeper_client_view(s->worker->keeper);

    return s->user == NULL || view == NULL
               ? NULL
               : view_user(view, bytes_str(s->user));
}

bool
session_expelled(const struct session *s)
{
    const struct view *view = keeper_client_view(s->worker->keeper);
    const struct view_user *user;

    if (s->identity != SESSION_AUTHENTICATED || view == NULL ||
        view_epoch(view) == s->view_epoch) {
        return false;
    }
    user = session_user(s);
    return user == NULL || user->locked;
}

/* In stress nobody may wait for long. */
static unsigned
patience(const struct session *s, unsigned seconds)
{
    return s->worker->stressed && seconds > LIMITS_STRESS_S ? LIMITS_STRESS_S
                                                            : seconds;
}

void
session_expect(struct session *s, unsigned seconds)
{
    if (s->client != NULL) {
        conn_set_deadline(s->client, patience(s, seconds) * 1000);
    }
}

void
session_stress_all(struct worker *w)
{
    for (struct session *s = w->sessions; s != NULL; s = s->next) {
        if (s->tx == NULL && s->owed == OWED_NOTHING && s->greeted &&
            !s->closing) {
            session_set_rules(s);
            session_expect(s, SESSION_COMMAND_S);
        }
    }
}

bool
session_may_handshake(struct session *s)
{
    bool spared = s->identity != SESSION_NOBODY || s->peer.may_xclient;

    if (limits_handshake(s->worker, s->address, spared)) {
        return true;
    }
    listener_log_refusal(s->listener, s->id, s->address,
                         "handshakes_per_minute");
    return false;
}

/* --- replies -------------------------------------------------------------- */

void
session_answer(struct session *s, int code, const char *enhanced,
               const char *text)
{
    const char *id = s->tx == NULL ? s->id : s->tx->id;
    char line[TEXT_MAX + 32];

    snprintf(line, sizeof(line), "%.*s [%s]", TEXT_MAX, text, id);
    smtp_reply_put(&s->out, code, enhanced, line);
    smtp_server_answered(&s->server, code);
    s->mail_refused =
        s->mail_refused || (code >= 400 && s->verb == SMTP_VERB_MAIL);
}

void
session_reply(struct session *s, int code, const char *enhanced,
              const char *text)
{
    session_answer(s, code, enhanced, text);
    if (code >= 400) {
        session_log_refused(s, code, enhanced, text);
    }
}

/* Also without a command to answer. */
void
session_bye(struct session *s, const char *enhanced, const char *text)
{
    char line[TEXT_MAX + 32];

    snprintf(line, sizeof(line), "%.*s [%s]", TEXT_MAX, text, s->id);
    smtp_reply_put(&s->out, 421, enhanced, line);
    s->closing = true;
    session_expect(s, SESSION_LAST_WORD_S);
}

void
session_relay(struct session *s, const struct smtp_reply *reply, int code)
{
    smtp_reply_relay(reply, code, &s->out);
    smtp_server_answered(&s->server, code);
}

static void
flush_replies(struct session *s)
{
    if (s->out.len > 0 && s->client != NULL) {
        conn_write(s->client, buf_bytes(&s->out));
    }
    s->dead = s->dead || buf_failed(&s->out);
    buf_free(&s->out);
}

/* --- the end -------------------------------------------------------------- */

static void
unlink_session(struct session *s)
{
    if (s->worker->walk == s) {
        s->worker->walk = s->next;
    }
    if (s->prev != NULL) {
        s->prev->next = s->next;
    } else {
        s->worker->sessions = s->next;
    }
    if (s->next != NULL) {
        s->next->prev = s->prev;
    }
    s->worker->session_count--;
}

static void
session_free(struct session **sp)
{
    struct session *s = *sp;

    *sp = NULL;
    if (s->tx != NULL) {
        session_end(s, OUTCOME_ABORTED);
    }
    session_auth_forget(s);
    session_own_free(&s->own);
    keeper_cancel(&s->request);
    if (s->has_handle) {
        keeper_release(s->worker->keeper, &s->handle);
    }
    if (s->again != NULL) {
        event_free(s->again);
    }
    conn_free(&s->client);
    unlink_session(s);
    listener_session_ended(s->worker,
                           s->peer.counted[0] == '\0' ? NULL : s->peer.counted);
    buf_free(&s->out);
    free(s->helo);
    session_forget_forwarded(s);
    session_auth_logout(s);
    free(s->user);
    free(s);
}

/* QUIT, or a 421 of ours, in the middle of a transaction. */
static void
end_unfinished(struct session *s)
{
    if (s->closing && s->tx != NULL && !session_dot_left(s)) {
        session_end(s, OUTCOME_ABORTED);
    }
}

/* A transaction whose dot has left outlives its client: its outcome is owed
 * to the log, and an upstream that may still accept it must be heard. */
static bool
finished(const struct session *s)
{
    bool waits = s->tx != NULL && session_dot_left(s);

    if (s->dead) {
        return true;
    }
    if (s->client_gone) {
        return !waits;
    }
    return s->closing && s->tx == NULL && conn_pending(s->client) == 0;
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    session_run(arg);
}

static void
run_again(struct session *s)
{
    static const struct timeval now = { 0, 0 };

    if (s->again == NULL) {
        s->again = event_new(s->worker->base, -1, 0, on_again, s);
    }
    if (s->again == NULL || event_add(s->again, &now) != 0) {
        s->dead = true;
    }
}

/* A peer that takes all at once must not have the loop for its own. */
static bool
had_its_turn(const struct session *s, unsigned steps)
{
    return steps == STEPS_A_TURN ||
           (s->tx != NULL && s->tx->turn_octets >= OCTETS_A_TURN);
}

void
session_run(struct session *s)
{
    unsigned steps = 0;

    if (s->running) {
        return;
    }
    s->running = true;
    if (s->tx != NULL) {
        s->tx->turn_octets = 0;
    }
    while (!s->dead && (session_step_upstream(s) || session_step_message(s) ||
                        session_step_client(s) || session_step_envelope(s))) {
        if (had_its_turn(s, ++steps)) {
            run_again(s); /* others want their turn too */
            break;
        }
    }
    end_unfinished(s);
    flush_replies(s);
    s->running = false;
    if (finished(s)) {
        session_free(&s);
    }
}

/* --- the client's connection ---------------------------------------------- */

static bool
in_handshake(const struct session *s)
{
    return conn_ssl(s->client) != NULL && !s->server.tls;
}

static void
on_timeout(struct session *s)
{
    if (in_handshake(s) || s->closing) {
        s->client_gone = true;
    } else if (s->owed == OWED_NOTHING) {
        session_timed_out(s);
    }
}

static void
on_client(struct conn *conn, enum conn_event event, void *arg)
{
    struct session *s = arg;

    switch (event) {
    case CONN_TLS_DONE:
        session_tls_started(s);
        break;
    case CONN_GONE:
        s->client_gone = true;
        if (in_handshake(s)) {
            session_log_handshake(s, conn_error(conn));
        }
        break;
    case CONN_EOF:
        s->client_eof = true;
        break;
    case CONN_TIMEOUT:
        on_timeout(s);
        break;
    case CONN_CONNECTED:
    case CONN_INPUT:
    case CONN_DRAINED:
    default:
        break;
    }
    session_run(s);
}

static void
start(struct session *s)
{
    if (s->conf->tls == CONF_TLS_IMPLICIT) {
        SSL *ssl = session_may_handshake(s) ? SSL_new(s->listener->tls) : NULL;

        if (ssl == NULL) {
            s->dead = true;
            return;
        }
        session_expect(s, SESSION_HANDSHAKE_S);
        conn_tls_accept(s->client, ssl);
        return;
    }
    session_greet(s);
}

struct session *
session_new(struct worker *w, struct worker_listener *l, int fd,
            const union net_address *peer, bool anonymous)
{
    struct smtp_server_conf none = { 0 };
    struct session *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        evutil_closesocket(fd);
        return NULL;
    }
    s->worker = w;
    s->listener = l;
    s->conf = l->conf;
    s->client = conn_accepted(w->loop, fd, on_client, s);
    if (s->client == NULL) {
        free(s);
        return NULL;
    }
    s->next = w->sessions;
    if (s->next != NULL) {
        s->next->prev = s;
    }
    w->sessions = s;
    w->session_count++;
    session_make_id(w, s->id);
    session_set_peer(s, peer, anonymous);
    (void)bytes_copy(bytes_str(s->address), s->peer.counted,
                     sizeof(s->peer.counted));
    smtp_server_init(&s->server, &none);
    session_set_rules(s);
    start(s);
    session_run(s);
    return s;
}

/* --- from the worker ------------------------------------------------------ */

/* No copy of the message is anywhere but at the client. */
static void
stop_before_dot(struct session *s)
{
    if (s->tx != NULL) {
        session_end(s, OUTCOME_ABORTED);
    }
    s->owed = OWED_NOTHING;
    if (!s->closing) {
        session_bye(s, "4.3.2", "Shutting down, try again later");
    }
    session_run(s);
}

static void
on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;
    struct session *next;

    (void)fd;
    (void)what;
    for (struct session *s = w->sessions; s != NULL; s = next) {
        next = s->next;
        if (s->tx == NULL || !session_dot_left(s)) {
            stop_before_dot(s);
        }
    }
}

void
session_cut_all(struct worker *w)
{
    struct session *next;

    for (struct session *s = w->sessions; s != NULL; s = next) {
        next = s->next;
        if (s->tx != NULL && session_dot_left(s)) {
            session_finish(s, 451, "4.4.2",
                           "The upstream did not confirm before our end",
                           OUTCOME_UNKNOWN);
        }
        stop_before_dot(s);
    }
}

/* Some, and then a pause: to end 10 000 idle sessions takes 0.2 s of a CPU, for
 * which messages that are under way would wait, here and in the new workers. So
 * 5 000 a second end. */
static void
run_some(evutil_socket_t fd, short what, void *arg)
{
    static const struct timeval next_turn = { 0, 10000 };
    struct worker *w = arg;

    (void)fd;
    (void)what;
    for (unsigned n = 0; w->walk != NULL; n++) {
        struct session *s = w->walk;

        if (n >= SESSIONS_A_TURN &&
            event_base_once(w->base, -1, EV_TIMEOUT, run_some, w, &next_turn) ==
                0) {
            return;
        }
        w->walk = s->next;
        session_run(s);
    }
}

static void
run_all(struct worker *w)
{
    w->walk = w->sessions;
    run_some(-1, 0, w);
}

void
session_drain_all(struct worker *w, unsigned deadline_s)
{
    const struct timeval before_dot = {
        deadline_s < STOP_BEFORE_DOT_S ? deadline_s : STOP_BEFORE_DOT_S, 0
    };

    run_all(w);
    if (w->stopping && w->sessions != NULL) {
        (void)event_base_once(w->base, -1, EV_TIMEOUT, on_stop, w, &before_dot);
    }
}

void
session_keeper_lost(struct worker *w)
{
    run_all(w);
}
