/*
 * session_auth - AUTH: lines from the client, questions to the keeper.
 *
 * Secrets live in s->login from the first line to the judge's question and
 * are wiped there. A message that can't be credentials costs the same as a
 * wrong password: the keeper is asked all the same.
 *
 * RFC 4954 4, 6.
 */
#include "proxy/session_login.h"
#include "proxy/session_own.h"
#include "proxy/session_state.h"

#include <base/base64.h>
#include <base/wipe.h>

#include <smtp/caps.h>

#include <proxy/clock.h>
#include <proxy/listener.h>
#include <proxy/log/log.h>
#include <stdlib.h>

enum {
    SCRAM = SMTP_MECH_SCRAM_SHA_256 | SMTP_MECH_SCRAM_SHA_256_PLUS
};

unsigned
session_login_mechs(struct session *s)
{
    unsigned mechs = s->conf->auth_mechanisms;
    uint8_t binding[CONN_CHANNEL_BINDING_OCTETS];

    if ((mechs & SMTP_MECH_SCRAM_SHA_256_PLUS) != 0 &&
        !conn_channel_binding(s->client, binding)) {
        mechs &= ~(unsigned)SMTP_MECH_SCRAM_SHA_256_PLUS;
    }
    if (s->conf->auth_backend.judge == CONF_JUDGE_UPSTREAM) {
        mechs &= session_own_mechs(s);
    } else if (s->conf->auth_backend.judge == CONF_JUDGE_DOVECOT) {
        mechs &= session_dovecot_mechs(s);
    }
    if (s->certificate.user == NULL) {
        mechs &= ~(unsigned)SMTP_MECH_EXTERNAL;
    }
    return mechs;
}

/* --- passwords ------------------------------------------------------------ */

static void
on_verdict(const struct keeper_reply *reply, void *arg)
{
    struct session *s = arg;

    s->request = NULL;
    s->owed = OWED_NOTHING;
    if (reply->status == KEEPER_OK) {
        session_login_right(s, &reply->handle);
    } else {
        session_login_refused(s, reply->status, reply->text);
    }
    session_run(s);
}

/* Nobody's name: the keeper takes none that is empty, and no file can hold
 * this one. */
static const char nobody[] = " ";

static void
ask(struct session *s, bool possible)
{
    struct smtp_sasl *sasl = &s->login->sasl;

    if (session_login_locked(s)) {
        session_login_wrong(s, "too-many-failures");
        return;
    }

    s->request =
        keeper_auth(s->worker->keeper, possible ? s->login->user : nobody,
                    possible ? sasl->secret : "x", on_verdict, s);
    wipe(sasl->secret, sizeof(sasl->secret));
    if (s->request == NULL) {
        session_login_later(s, "no-memory", "Out of memory, try again later");
        return;
    }
    s->owed = OWED_AUTH;
}

/* --- certificates --------------------------------------------------------- */

/*
 * RFC 4422 A.1: the client is who its certificate says, and may say so, too.
 * Whether that user's certificate counts on this listener is judged once more,
 * by the keeper.
 */
static void
ask_certified(struct session *s)
{
    const char *user = s->certificate.user;

    if (s->login->user[0] != '\0' && strcmp(s->login->user, user) != 0) {
        session_login_wrong(s, "authzid");
        return;
    }
    (void)bytes_copy(bytes_str(user), s->login->user, sizeof(s->login->user));
    s->request = keeper_assert(s->worker->keeper, s->listener->index, user,
                               on_verdict, s);
    if (s->request == NULL) {
        session_login_later(s, "no-memory", "Out of memory, try again later");
        return;
    }
    s->owed = OWED_AUTH;
}

/* --- the exchange --------------------------------------------------------- */

/* User names are compared without case; the log shows one spelling. */
static void
set_name(struct session_login *login)
{
    for (size_t i = 0; i < sizeof(login->user); i++) {
        login->user[i] = (char)byte_lower((uint8_t)login->sasl.user[i]);
    }
}

static void
challenge(struct session *s, const char *base64)
{
    smtp_reply_put(&s->out, 334, "", base64);
    smtp_server_answered(&s->server, 334);
}

void
session_login_challenge(struct session *s, struct bytes message)
{
    char text[BASE64_LEN(SMTP_SASL_SECRET_MAX) + 1] = "";

    if (message.len <= SMTP_SASL_SECRET_MAX) {
        text[base64_encode(message, text)] = '\0';
    }
    challenge(s, text);
}

static void
ask_upstream(struct session *s)
{
    if (session_login_locked(s)) {
        session_login_wrong(s, "too-many-failures");
    } else {
        session_own_login(s);
    }
}

/* Credentials are whole, or the client has taken our proof. */
static void
on_done(struct session *s)
{
    struct session_login *login = s->login;

    if (login->proved) {
        login->has_handle = false; /* it goes to the session */
        session_login_right(s, &login->handle);
    } else if (login->sasl.mech == SMTP_MECH_EXTERNAL) {
        ask_certified(s);
    } else if (s->conf->auth_backend.judge == CONF_JUDGE_UPSTREAM) {
        ask_upstream(s);
    } else {
        ask(s, true);
    }
}

static void
on_sasl(struct session *s, enum smtp_sasl_result result, const char *prompt)
{
    bool password = (s->login->sasl.mech & (SCRAM | SMTP_MECH_EXTERNAL)) == 0;

    set_name(s->login);
    switch (result) {
    case SMTP_SASL_MORE:
        challenge(s, prompt);
        break;
    case SMTP_SASL_DONE:
        on_done(s);
        break;
    case SMTP_SASL_STEP:
        session_scram_step(s);
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
        if (password && s->conf->auth_backend.judge == CONF_JUDGE_USERS) {
            ask(s, false);
        } else {
            session_login_wrong(s, "malformed");
        }
        break;
    }
}

/* Certificates are ours to judge, whoever judges passwords. */
static bool
by_dovecot(const struct session *s)
{
    return s->conf->auth_backend.judge == CONF_JUDGE_DOVECOT &&
           s->login->sasl.mech != SMTP_MECH_EXTERNAL;
}

void
session_auth_command(struct session *s, const struct smtp_command *cmd)
{
    unsigned mech = smtp_mech_parse(cmd->name) & session_login_mechs(s);
    const char *prompt = "";

    if (mech == 0) {
        session_reply(s, 504, "5.5.4", "Mechanism not offered");
        return;
    }
    s->login = calloc(1, sizeof(*s->login));
    if (s->login == NULL) {
        session_reply(s, 454, "4.7.0", "Out of memory, try again later");
        return;
    }
    s->login->heard_ms = clock_ms();
    smtp_sasl_init(&s->login->sasl, mech);
    if (by_dovecot(s)) {
        session_dovecot_begin(s, cmd);
        return;
    }
    on_sasl(s,
            smtp_sasl_start(&s->login->sasl, cmd->has_initial, cmd->initial,
                            &prompt),
            prompt);
}

void
session_auth_line(struct session *s, struct bytes line)
{
    const char *prompt = "";

    s->login->heard_ms = clock_ms();
    if (s->login->told) {
        session_login_over(s);
        return;
    }
    if (by_dovecot(s)) {
        session_dovecot_line(s, line);
        return;
    }
    on_sasl(s, smtp_sasl_line(&s->login->sasl, line, &prompt), prompt);
}

/* --- trusted networks ----------------------------------------------------- */

static void
log_unasserted(const struct session *s, const struct keeper_reply *reply)
{
    struct log_line l;

    log_begin(&l, LOG_LEVEL_ERROR, "assert-failed");
    log_text(&l, "id", s->id);
    log_text(&l, "listener", s->conf->name);
    log_format(&l, "text", "%s: %s; no signature for trusted networks",
               keeper_status_text(reply->status), reply->text);
    log_end(&l);
}

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
        log_unasserted(s, reply);
    }
    session_run(s);
}

void
session_assert(struct session *s)
{
    if (s->identity != SESSION_TRUSTED || s->has_handle || s->request != NULL ||
        s->conf->mode == CONF_INBOUND) { /* nothing will be signed */
        return;
    }
    s->request = keeper_assert(s->worker->keeper, s->listener->index, "",
                               on_asserted, s);
}
