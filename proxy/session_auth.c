/*
 * session_auth - AUTH: frames from the client, the verdict from the keeper.
 *
 * Secrets live in s->sasl from the first line to the request's end and are
 * wiped there. A message that can't be credentials costs the same as a wrong
 * password: the keeper is asked all the same.
 *
 * RFC 4954 4, 6.
 */
#include "proxy/session_state.h"

#include <base/wipe.h>

#include <proxy/listener.h>
#include <proxy/log/log.h>
#include <stdlib.h>

void
session_auth_forget(struct session *s)
{
    if (s->sasl != NULL) {
        wipe(s->sasl, sizeof(*s->sasl));
        free(s->sasl);
        s->sasl = NULL;
    }
}

static unsigned
sessions_of(const struct session *s, const char *user)
{
    unsigned n = 0;

    for (const struct session *at = s->worker->sessions; at != NULL;
         at = at->next) {
        n += at->identity == SESSION_AUTHENTICATED && at->user != NULL &&
             strcmp(at->user, user) == 0;
    }
    return n;
}

static void
log_login(const struct session *s, const char *user, const char *result)
{
    struct log_line l;
    bool ok = strcmp(result, "ok") == 0;

    log_begin(&l, ok ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
              ok ? "login" : "login-failed");
    log_text(&l, "id", s->id);
    log_text(&l, "client", s->address);
    log_text(&l, "user", user);
    log_text(&l, "listener", s->conf->name);
    log_text(&l, "result", result);
    log_end(&l);
}

static void
accept_login(struct session *s, const struct keeper_handle *handle)
{
    unsigned max = s->worker->conf->limits.connections_per_user;

    if (max > 0 && sessions_of(s, s->sasl->user) >= max) {
        keeper_release(s->worker->keeper, handle);
        log_login(s, s->sasl->user, "too-many-connections");
        session_bye(s, "4.7.0", "Too many connections of this user");
        return;
    }
    if (s->has_handle) {
        keeper_release(s->worker->keeper, &s->handle);
    }
    free(s->user);
    s->user = strdup(s->sasl->user);
    s->dead = s->user == NULL;
    s->identity = SESSION_AUTHENTICATED;
    s->handle = *handle;
    s->has_handle = true;
    s->handle_life = keeper_client_life(s->worker->keeper);
    session_set_rules(s);
    if (s->peer.counted[0] != '\0') {
        listener_session_authenticated(s->worker, s->listener, s->peer.counted);
        s->peer.counted[0] = '\0';
    }
    log_login(s, s->sasl->user, "ok");
    session_reply(s, 235, "2.7.0", "Authentication succeeded");
}

static void
refuse_login(struct session *s)
{
    log_login(s, s->sasl->user, "denied");
    if (++s->auth_failures >= s->worker->conf->limits.auth_failures) {
        session_bye(s, "4.7.0", "Too many failed logins");
    } else {
        session_reply(s, 535, "5.7.8", "Wrong user name or password");
    }
}

static void
on_verdict(const struct keeper_reply *reply, void *arg)
{
    struct session *s = arg;

    s->request = NULL;
    s->owed = OWED_NOTHING;
    if (reply->status == KEEPER_OK) {
        accept_login(s, &reply->handle);
    } else if (reply->status == KEEPER_DENIED ||
               reply->status == KEEPER_LOCKED) {
        refuse_login(s);
    } else {
        log_login(s, s->sasl->user, keeper_status_text(reply->status));
        session_reply(s, 454, "4.7.0",
                      "Passwords can't be checked now, try again later");
    }
    session_auth_forget(s);
    session_run(s);
}

/* User names are compared without case; the log shows one spelling. */
static void
lower(char *text)
{
    for (; *text != '\0'; text++) {
        *text = (char)byte_lower((uint8_t)*text);
    }
}

/* Nobody's name: the keeper takes none that is empty, and no file can hold
 * this one. */
static const char nobody[] = " ";

static void
ask(struct session *s, bool possible)
{
    lower(s->sasl->user);
    s->request =
        keeper_auth(s->worker->keeper, possible ? s->sasl->user : nobody,
                    possible ? s->sasl->secret : "x", on_verdict, s);
    if (s->request == NULL) {
        session_auth_forget(s);
        session_reply(s, 454, "4.7.0", "Out of memory, try again later");
        return;
    }
    wipe(s->sasl->secret, sizeof(s->sasl->secret));
    s->owed = OWED_AUTH;
}

static void
on_sasl(struct session *s, enum smtp_sasl_result result, const char *prompt)
{
    switch (result) {
    case SMTP_SASL_MORE:
        smtp_reply_put(&s->out, 334, "", prompt);
        smtp_server_answered(&s->server, 334);
        break;
    case SMTP_SASL_DONE:
        ask(s, true);
        break;
    case SMTP_SASL_CANCEL:
        session_auth_forget(s);
        session_reply(s, 501, "5.7.0", "Authentication cancelled");
        break;
    case SMTP_SASL_BASE64:
        session_auth_forget(s);
        session_reply(s, 501, "5.5.2", "Not base64");
        break;
    case SMTP_SASL_INVALID:
    default:
        ask(s, false);
        break;
    }
}

void
session_auth_command(struct session *s, const struct smtp_command *cmd)
{
    unsigned mech = smtp_mech_parse(cmd->name) & s->conf->auth_mechanisms;
    const char *prompt = "";

    if (mech == 0) {
        session_reply(s, 504, "5.5.4", "Mechanism not offered");
        return;
    }
    s->sasl = calloc(1, sizeof(*s->sasl));
    if (s->sasl == NULL) {
        session_reply(s, 454, "4.7.0", "Out of memory, try again later");
        return;
    }
    smtp_sasl_init(s->sasl, mech);
    on_sasl(s,
            smtp_sasl_start(s->sasl, cmd->has_initial, cmd->initial, &prompt),
            prompt);
}

void
session_auth_line(struct session *s, struct bytes line)
{
    const char *prompt = "";

    on_sasl(s, smtp_sasl_line(s->sasl, line, &prompt), prompt);
}

/* --- trusted networks ----------------------------------------------------- */

static void
on_asserted(const struct keeper_reply *reply, void *arg)
{
    struct session *s = arg;

    s->request = NULL;
    if (reply->status == KEEPER_OK) {
        s->handle = reply->handle;
        s->has_handle = true;
        s->handle_life = keeper_client_life(s->worker->keeper);
    } else {
        log_event(LOG_LEVEL_ERROR, "assert-failed",
                  "listener=%s status=%s %s: no signature for trusted networks",
                  s->conf->name, keeper_status_text(reply->status),
                  reply->text);
    }
    session_run(s);
}

void
session_assert(struct session *s)
{
    if (s->identity != SESSION_TRUSTED || s->has_handle || s->request != NULL) {
        return;
    }
    s->request = keeper_assert(s->worker->keeper, s->listener->index, "",
                               on_asserted, s);
}
