/*
 * session_login - an AUTH command under way. Private to session*.c.
 *
 *   session_auth.c    the exchange with the client
 *   session_login.c   its end
 *   session_scram.c   SCRAM with the keeper
 *   session_own.c     the upstream judges
 *   session_dovecot.c Dovecot judges
 *
 * Who judges asks for the end with one of session_login_right(), _assert(),
 * _wrong() and _later(); all but the first two answer the client.
 */
#ifndef PROXY_SESSION_LOGIN_H
#define PROXY_SESSION_LOGIN_H

#include "proxy/session_state.h"

#include <base/bytes.h>

#include <smtp/sasl.h>

#include <event2/event.h>

#include <proxy/keeper/client.h>
#include <proxy/upstream/upstream.h>

struct dovecot_request;
struct smtp_command;

/* Owns secrets: wiped as a whole. */
struct session_login {
    struct smtp_sasl sasl;
    char user[SMTP_SASL_USER_MAX + 1]; /* sasl's in lower case: our name */
    /* SCRAM: the exchange; when proved, what its user may do. */
    struct keeper_handle handle;
    bool has_handle;
    bool proved;
    uint64_t heard_ms;   /* the client's last line */
    struct event *timer; /* owns; a failure is told then, or a deadline */
    bool told;           /* of the failure, but the client has to answer */
    bool explained;      /* the same, by who judged */
    struct dovecot_request *dovecot; /* Dovecot judges */
    struct upstream_wait *wait;      /* the upstream judges */
    struct upstream_refusal refusal;
};

/* What fail2ban reads (etc/fail2ban): its filter knows this line. result: "ok",
 * or a word for what else came of it; reason may be "". */
void session_log_login(const struct session *s, const char *user,
                       const char *mech, const char *result,
                       const char *reason);
/* Whose session this is from now on, and with which rights: handle is taken. */
void session_become(struct session *s, enum session_identity identity,
                    const char *user, const struct keeper_handle *handle);

/* What may be offered on this connection now: enum smtp_mech. */
unsigned session_login_mechs(struct session *s);

/* The client goes on with this, in base64, behind 334. */
void session_login_challenge(struct session *s, struct bytes message);

/* cb is called ms from now, instead of what was to come. False: no memory. */
bool session_login_timer(struct session *s, uint64_t ms, event_callback_fn cb);

/* Somebody else has found the credentials right: what do we know of the user?
 */
void session_login_assert(struct session *s);
/* The user of s->login is who it says. handle is taken. */
void session_login_right(struct session *s, const struct keeper_handle *handle);
/* Too many failures by this address or for this user. */
bool session_login_locked(const struct session *s);
/* reason: a word for the log, lent for the call. The client learns nothing of
 * it. */
void session_login_wrong(struct session *s, const char *reason);
/* The client has answered what told it of a failure: the last word. */
void session_login_over(struct session *s);
/* Nobody can judge now: 454 with text. */
void session_login_later(struct session *s, const char *reason,
                         const char *text);
/* What the keeper says is no handle: one of the two above. */
void session_login_refused(struct session *s, enum keeper_status status,
                           const char *reason);

/* session_dovecot.c: enum smtp_mech that Dovecot has, and EXTERNAL. */
unsigned session_dovecot_mechs(const struct session *s);
/* AUTH, and each line behind it. */
void session_dovecot_begin(struct session *s, const struct smtp_command *cmd);
void session_dovecot_line(struct session *s, struct bytes line);

/* session_scram.c: s->login->sasl has a message of the client. */
void session_scram_step(struct session *s);

#endif
