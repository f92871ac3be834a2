/*
 * session_login - how an AUTH command ends; see session_login.h.
 *
 * A failure is told late, and later with each one (proxy/failures.h). Nobody
 * learns why: a name that nobody has, a wrong password, a locked user and one
 * who has failed too often get the same words after the same time.
 */
#include "proxy/session_login.h"

#include "proxy/session_state.h"

#include <base/wipe.h>

#include <smtp/caps.h>

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

/* What fail2ban reads (etc/fail2ban): its filter knows this line. */
static void
log_login(const struct session *s, const char *result, const char *reason)
{
    const struct session_login *login = s->login;
    bool ok = strcmp(result, "ok") == 0;
    struct log_line l;

    log_begin(&l, ok ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
              ok ? "login" : "login-failed");
    log_text(&l, "id", s->id);
    log_text(&l, "client", s->address);
    log_text(&l, "user", login->sasl.user);
    log_text(&l, "mech", smtp_mech_name((enum smtp_mech)login->sasl.mech));
    log_text(&l, "listener", s->conf->name);
    log_text(&l, "result", result);
    if (reason[0] != '\0') {
        log_text(&l, "reason", reason);
    }
    log_end(&l);
}

/* Who is counted. An address that speaks for many is not. */
static struct failures_who
who_is(const struct session *s)
{
    bool counts =
        !s->peer.anonymous && !s->peer.may_xclient &&
        !conf_networks_has(&s->conf->trusted_networks, &s->peer.address.any);

    return (struct failures_who){ counts ? &s->peer.address : NULL,
                                  s->login->sasl.user };
}

bool
session_login_locked(const struct session *s)
{
    struct failures_who who = who_is(s);

    return failures_locked(s->worker->failures, &who, session_now_ms());
}

void
session_login_right(struct session *s, const struct keeper_handle *handle)
{
    const char *user = s->login->sasl.user;
    struct failures_who who = who_is(s);

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
    if (s->has_handle) {
        keeper_release(s->worker->keeper, &s->handle);
    }
    free(s->user);
    s->user = strdup(user);
    s->dead = s->user == NULL;
    s->counted_user = s->user != NULL;
    s->identity = SESSION_AUTHENTICATED;
    s->handle = *handle;
    s->has_handle = true;
    s->handle_life = keeper_client_life(s->worker->keeper);
    session_set_rules(s);
    if (s->peer.counted[0] != '\0') {
        listener_session_authenticated(s->worker, s->listener, s->peer.counted);
        s->peer.counted[0] = '\0';
    }
    failures_forget(s->worker->failures, &who, session_now_ms());
    stats_count(s->worker->stats, STATS_LOGINS, 1);
    log_login(s, "ok", "");
    session_auth_forget(s);
    session_reply(s, 235, "2.7.0", "Authentication succeeded");
}

/* The answer to a failure. */
static void
tell_wrong(struct session *s)
{
    stats_count(s->worker->stats, STATS_LOGINS_DENIED, 1);
    s->owed = OWED_NOTHING;
    session_auth_forget(s);
    if (++s->auth_failures >= s->worker->conf->limits.auth_failures) {
        stats_count(s->worker->stats, STATS_OVER_AUTH_FAILURES, 1);
        session_bye(s, "4.7.0", "Too many failed logins");
    } else {
        session_reply(s, 535, "5.7.8", "Wrong user name or password");
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

/* False: no memory for a timer, or no need of one. */
static bool
delay(struct session *s, uint64_t ms)
{
    struct timeval in = { (time_t)(ms / 1000),
                          (suseconds_t)(ms % 1000 * 1000) };

    if (ms == 0) {
        return false;
    }
    s->login->timer = event_new(s->worker->base, -1, 0, on_delay, s);
    return s->login->timer != NULL && event_add(s->login->timer, &in) == 0;
}

void
session_login_wrong(struct session *s, const char *reason)
{
    struct failures_who who = who_is(s);
    uint64_t now_ms = session_now_ms();
    uint64_t waited_ms = now_ms - s->login->heard_ms;
    uint64_t delay_ms;

    log_login(s, "denied", reason);
    if (!session_login_locked(s)) {
        failures_add(s->worker->failures, &who, now_ms);
    }
    delay_ms = failures_delay_ms(s->worker->failures, &who, now_ms);
    /* Counted from the client's word: how long the judge took says nothing. */
    if (delay(s, delay_ms > waited_ms ? delay_ms - waited_ms : 0)) {
        s->owed = OWED_AUTH;
    } else {
        tell_wrong(s);
    }
}

void
session_login_later(struct session *s, const char *reason, const char *text)
{
    log_login(s, "later", reason);
    session_auth_forget(s);
    session_reply(s, 454, "4.7.0", text);
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
