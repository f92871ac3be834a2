/*
 * session_dovecot - Dovecot judges: the client's lines to it and back.
 *
 * What the client says is not understood here, so that every mechanism that
 * Dovecot has works; it is read along only to know who tries, for the log and
 * for who has failed too often. The user is whom Dovecot names.
 */
#include "proxy/session_login.h"
#include "proxy/session_state.h"

#include <base/base64.h>
#include <base/wipe.h>

#include <smtp/caps.h>

#include <assert.h>
#include <proxy/auth/dovecot.h>
#include <proxy/listener.h>

enum {
    RAW_MAX = DOVECOT_LINE_MAX / 4 * 3,
    TOKENS = SMTP_MECH_OAUTHBEARER | SMTP_MECH_XOAUTH2
};

static struct dovecot *
judge_of(const struct session *s)
{
    return s->worker->dovecots[s->listener->index];
}

unsigned
session_dovecot_mechs(const struct session *s)
{
    return dovecot_mechs(judge_of(s)) | SMTP_MECH_EXTERNAL; /* that is ours */
}

/* --- answers -------------------------------------------------------------- */

static void
challenge(struct session *s, struct bytes base64)
{
    char text[DOVECOT_LINE_MAX + 1];

    if (!bytes_copy(base64, text, sizeof(text))) {
        text[0] = '\0';
    }
    smtp_reply_put(&s->out, 334, "", text);
    smtp_server_answered(&s->server, 334);
    s->owed = OWED_NOTHING;
    /* A token that was refused: Dovecot has told why. */
    s->login->explained = base64.len > 0 && (s->login->sasl.mech & TOKENS) != 0;
}

/* The name that counts, which may be another than the client's. */
static void
take_name(struct session_login *login, struct bytes name)
{
    (void)bytes_copy(name, login->user, sizeof(login->user));
    for (char *c = login->user; *c != '\0'; c++) {
        *c = (char)byte_lower((uint8_t)*c);
    }
}

static void
on_answer(enum dovecot_verdict verdict, struct bytes text, void *arg)
{
    struct session *s = arg;
    char reason[DOVECOT_REASON_MAX + 16];

    (void)snprintf(reason, sizeof(reason), "dovecot: %.*s", BYTES_ARG(text));
    if (verdict == DOVECOT_CHALLENGE) {
        challenge(s, text);
        session_run(s);
        return;
    }
    s->login->dovecot = NULL;
    s->owed = OWED_NOTHING;
    if (verdict == DOVECOT_RIGHT) {
        take_name(s->login, text);
        session_login_assert(s);
    } else if (verdict == DOVECOT_WRONG) {
        session_login_wrong(s, reason);
    } else {
        session_login_later(s, reason,
                            "Passwords can't be checked now, try again later");
    }
    session_run(s);
}

/* --- the client's lines --------------------------------------------------- */

/* Dovecot would take what is no base64 for our mistake. */
static bool
is_base64(struct bytes text)
{
    uint8_t raw[RAW_MAX];
    size_t len;
    bool good = base64_decode(text, false, raw, sizeof(raw), &len);

    wipe(raw, sizeof(raw));
    return good || text.len > DOVECOT_LINE_MAX; /* then it is told as that */
}

/* Who tries, as far as it can be seen. */
static void
read_along(struct session_login *login, enum smtp_sasl_result result)
{
    assert(login != NULL);
    if (result == SMTP_SASL_DONE || result == SMTP_SASL_MORE ||
        result == SMTP_SASL_STEP) {
        take_name(login, bytes_str(login->sasl.user));
    }
    wipe(login->sasl.secret, sizeof(login->sasl.secret));
}

/* True: it ends here. */
static bool
ends(struct session *s, struct bytes line, bool initial)
{
    if (!initial && bytes_is(line, "*")) {
        session_auth_forget(s);
        session_reply(s, 501, "5.7.0", "Authentication cancelled");
    } else if (!(initial && bytes_is(line, "=")) && !is_base64(line)) {
        session_auth_forget(s);
        session_reply(s, 501, "5.5.2", "Not base64");
    } else if (session_login_locked(s)) {
        dovecot_cancel(&s->login->dovecot);
        session_login_wrong(s, "too-many-failures");
    } else {
        return false;
    }
    return true;
}

static unsigned
port_of(const struct sockaddr *address)
{
    const union net_address *a = (const void *)address;

    return address->sa_family == AF_INET6  ? ntohs(a->in6.sin6_port)
           : address->sa_family == AF_INET ? ntohs(a->in.sin_port)
                                           : 0;
}

static void
ask(struct session *s, const struct smtp_command *cmd)
{
    const struct sockaddr *local = conn_local(s->client);
    struct session_login *login = s->login;
    char address[INET6_ADDRSTRLEN];
    const char *why;
    struct dovecot_asked asked = {
        .mech = smtp_mech_name((enum smtp_mech)login->sasl.mech),
        .secured = s->server.tls,
        .session = s->id,
        .remote_address = s->peer.anonymous ? "" : s->address,
        .remote_port = port_of(&s->peer.address.any),
        .local_address = address,
        .local_port = port_of(local),
        .has_initial = cmd->has_initial,
        .initial =
            bytes_is(cmd->initial, "=") ? bytes_make(NULL, 0) : cmd->initial,
    };

    net_address_text(local, address);
    login->dovecot = dovecot_ask(judge_of(s), &asked, on_answer, s, &why);
    if (login->dovecot == NULL) {
        session_login_later(s, why,
                            "Passwords can't be checked now, try again later");
        return;
    }
    s->owed = OWED_AUTH;
}

void
session_dovecot_begin(struct session *s, const struct smtp_command *cmd)
{
    const char *prompt = "";

    read_along(s->login, smtp_sasl_start(&s->login->sasl, cmd->has_initial,
                                         cmd->initial, &prompt));
    if (cmd->has_initial && ends(s, cmd->initial, true)) {
        return;
    }
    ask(s, cmd);
}

void
session_dovecot_line(struct session *s, struct bytes line)
{
    const char *prompt = "";

    read_along(s->login, smtp_sasl_line(&s->login->sasl, line, &prompt));
    if (ends(s, line, false)) {
        return;
    }
    if (dovecot_go_on(s->login->dovecot, line)) {
        s->owed = OWED_AUTH;
    } else {
        dovecot_cancel(&s->login->dovecot);
        session_login_wrong(s, "longer than Dovecot reads");
    }
}
