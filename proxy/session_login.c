/*
 * session_login - how an AUTH command ends; see session_login.h.
 *
 * A failure is told late, and later with each one (proxy/failures.h). Nobody
 * learns why: a name that nobody has, a wrong password, a locked user and one
 * who has failed too often get the same words after the same time.
 */
#include "proxy/session_login.h"

#include "proxy/session_log.h"
#include "proxy/session_own.h"
#include "proxy/session_state.h"

#include <base/wipe.h>

#include <smtp/caps.h>

#include <proxy/auth/dovecot.h>
#include <proxy/clock.h>
#include <proxy/failures.h>
#include <proxy/limits.h>
#include <proxy/listener.h>
#include <proxy/log/log.h>
#include <proxy/stats/stats.h>
#include <stdlib.h>

void
session_auth_forget(struct session *s)
{
    if (s->login == NULL) {
        return;
    }
    if (s->login->has_handle) {
        keeper_release(s->worker->keeper, &s->login->handle);
    }
    if (s->login->timer != NULL) {
        event_free(s->login->timer);
    }
    upstream_cancel(&s->login->wait);
    dovecot_cancel(&s->login->dovecot);
    wipe(s->login, sizeof(*s->login));
    free(s->login);
    s->login = NULL;
}

void
session_auth_logout(struct session *s)
{
    if (s->counted_user) {
        limits_user_left(s->worker, s->user);
        s->counted_user = false;
    }
}

void
session_log_login(const struct session *s, const char *user, const char *mech,
                  const char *result, const char *reason)
{
    bool ok = strcmp(result, "ok") == 0;
    struct log_line l;

    log_begin(&l, ok ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
              ok ? "login" : "login-failed");
    log_text(&l, "id", s->id);
    log_text(&l, "client", s->address);
    log_text(&l, "user", user);
    log_text(&l, "mech", mech);
    log_text(&l, "listener", s->conf->name);
    log_text(&l, "result", result);
    if (reason[0] != '\0') {
        log_text(&l, "reason", reason);
    }
    log_end(&l);
}

static void
log_login(const struct session *s, const char *result, const char *reason)
{
    const struct session_login *login = s->login;

    session_log_login(s, login->user,
                      smtp_mech_name((enum smtp_mech)login->sasl.mech), result,
                      reason);
}

/* Who is counted. An address that speaks for many is not. */
static struct failures_who
who_is(const struct session *s)
{
    bool counts =
        !s->peer.anonymous && !s->peer.may_xclient &&
        !conf_networks_has(&s->conf->trusted_networks, &s->peer.address.any);

    return (struct failures_who){ counts ? &s->peer.address : NULL,
                                  s->login->user };
}

bool
session_login_locked(const struct session *s)
{
    struct failures_who who = who_is(s);

    return failures_locked(s->worker->failures, &who, clock_ms());
}

void
session_become(struct session *s, enum session_identity identity,
               const char *user, const struct keeper_handle *handle)
{
    const struct view *view = keeper_client_view(s->worker->keeper);

    if (s->has_handle) {
        keeper_release(s->worker->keeper, &s->handle);
    }
    free(s->user);
    s->user = strdup(user);
    s->dead = s->dead || s->user == NULL;
    s->identity = identity;
    s->handle = *handle;
    s->has_handle = true;
    s->handle_life = keeper_client_life(s->worker->keeper);
    s->view_epoch = view == NULL ? 0 : view_epoch(view);
    session_set_rules(s);
}

/* The keeper has loaded users.conf anew, and our view is on its way: what this
 * user may send, and where to, is not known yet. */
static bool
is_ahead_of_view(const struct session *s, const char *user)
{
    const struct view *view = keeper_client_view(s->worker->keeper);

    return view == NULL || view_user(view, bytes_str(user)) == NULL;
}

void
session_login_right(struct session *s, const struct keeper_handle *handle)
{
    const char *user = s->login->user;
    struct failures_who who = who_is(s);

    if (is_ahead_of_view(s, user)) {
        keeper_release(s->worker->keeper, handle);
        session_login_later(s, "new-user",
                            "This account is being set up, try again later");
        return;
    }
    if (session_login_locked(s)) {
        keeper_release(s->worker->keeper, handle);
        session_login_wrong(s, "too-many-failures");
        return;
    }
    if (!limits_user(s->worker, user)) {
        keeper_release(s->worker->keeper, handle);
        log_login(s, "too-many-connections", "");
        session_auth_forget(s);
        session_bye(s, "4.7.0", "Too many connections of this user");
        return;
    }
    session_become(s, SESSION_AUTHENTICATED, user, handle);
    s->counted_user = s->user != NULL;
    if (s->peer.counted[0] != '\0') {
        listener_session_authenticated(s->worker, s->peer.counted);
        s->peer.counted[0] = '\0';
    }
    failures_forget(s->worker->failures, &who, clock_ms());
    stats_count(s->worker->stats, STATS_LOGINS, 1);
    log_login(s, "ok", "");
    session_auth_forget(s);
    session_reply(s, 235, "2.7.0", "Authentication succeeded");
}

void
session_login_over(struct session *s)
{
    stats_count(s->worker->stats, STATS_LOGINS_DENIED, 1);
    session_auth_forget(s);
    if (++s->auth_failures >= s->worker->conf->limits.auth_failures) {
        stats_count(s->worker->stats, STATS_OVER_AUTH_FAILURES, 1);
        session_log_cut(s, "auth_failures");
        session_bye(s, "4.7.0", "Too many failed logins");
    } else {
        session_answer(s, 535, "5.7.8", "Wrong user name or password");
    }
}

/*
 * The answer to a failure. RFC 7628 3.2.2: who came with a token is told why
 * as a challenge, and its answer gets the last word.
 */
static void
tell_wrong(struct session *s)
{
    const unsigned tokens = (unsigned)SMTP_MECH_OAUTHBEARER | SMTP_MECH_XOAUTH2;

    s->owed = OWED_NOTHING;
    if ((s->login->sasl.mech & tokens) != 0 && !s->login->explained) {
        s->login->told = true;
        session_login_challenge(s, BYTES_LIT("{\"status\":\"invalid_token\","
                                             "\"schemes\":\"bearer\"}"));
    } else {
        session_login_over(s);
    }
}

static void
on_delay(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;

    (void)fd;
    (void)what;
    if (!s->closing) { /* else the last word was said meanwhile */
        tell_wrong(s);
    }
    session_run(s);
}

bool
session_login_timer(struct session *s, uint64_t ms, event_callback_fn cb)
{
    struct timeval in = { (time_t)(ms / 1000),
                          (suseconds_t)(ms % 1000 * 1000) };

    if (s->login->timer != NULL) {
        event_free(s->login->timer);
    }
    s->login->timer = event_new(s->worker->base, -1, 0, cb, s);
    return s->login->timer != NULL && event_add(s->login->timer, &in) == 0;
}

void
session_login_wrong(struct session *s, const char *reason)
{
    struct failures_who who = who_is(s);
    uint64_t now_ms = clock_ms();
    uint64_t waited_ms = now_ms - s->login->heard_ms;
    uint64_t delay_ms;

    log_login(s, "denied", reason);
    session_own_free(&s->own);
    if (!session_login_locked(s)) {
        failures_add(s->worker->failures, &who, now_ms);
    }
    delay_ms = failures_delay_ms(s->worker->failures, &who, now_ms);
    /* Counted from the client's word: how long the judge took says nothing. */
    if (delay_ms > waited_ms &&
        session_login_timer(s, delay_ms - waited_ms, on_delay)) {
        s->owed = OWED_AUTH;
    } else {
        tell_wrong(s);
    }
}

void
session_login_later(struct session *s, const char *reason, const char *text)
{
    log_login(s, "later", reason);
    session_own_free(&s->own);
    session_auth_forget(s);
    session_answer(s, 454, "4.7.0", text);
}

void
session_login_refused(struct session *s, enum keeper_status status,
                      const char *reason)
{
    if (status == KEEPER_DENIED) {
        session_login_wrong(s, reason[0] == '\0' ? "credentials" : reason);
    } else if (status == KEEPER_LOCKED) {
        session_login_wrong(s, "locked");
    } else {
        session_login_later(s, keeper_status_text(status),
                            "Passwords can't be checked now, try again later");
    }
}

/* --- judged elsewhere ----------------------------------------------------- */

/* RFC 5248 2.4, X.7.13: the password is not what is wrong. */
static void
refuse_unknown(struct session *s)
{
    log_login(s, "denied", "not-in-users.conf");
    session_own_free(&s->own);
    session_auth_forget(s);
    session_answer(s, 525, "5.7.13",
                   "Your password is right, but this relay does not know your "
                   "account; its administrator can add it");
}

static void
on_asserted(const struct keeper_reply *reply, void *arg)
{
    struct session *s = arg;

    s->request = NULL;
    s->owed = OWED_NOTHING;
    if (reply->status == KEEPER_OK) {
        session_login_right(s, &reply->handle);
    } else if (reply->status == KEEPER_DENIED) {
        refuse_unknown(s);
    } else {
        session_login_refused(s, reply->status, reply->text);
    }
    session_run(s);
}

void
session_login_assert(struct session *s)
{
    s->request = keeper_assert(s->worker->keeper, s->listener->index,
                               s->login->user, on_asserted, s);
    if (s->request == NULL) {
        session_login_later(s, "no-memory", "Out of memory, try again later");
        return;
    }
    s->owed = OWED_AUTH;
}
