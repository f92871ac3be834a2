/*
 * session_certificate - a client that its certificate alone logs in.
 *
 * Where auth_mechanisms has `external` the client must say AUTH EXTERNAL.
 * Elsewhere the handshake is enough, as with Postfix's
 * permit_tls_clientcerts: MTAs and machines that know no EXTERNAL show their
 * certificate and send. What they may do is what trusted_user may for a
 * trusted network; AUTH is still offered, and who uses it is that user.
 *
 * The keeper is asked before the first command is read, so that no right is
 * ever lent that it does not grant.
 */
#include "proxy/session_login.h"
#include "proxy/session_state.h"

#include <smtp/caps.h>

#include <proxy/listener.h>

static void
log_certified(const struct session *s, const char *result, const char *reason)
{
    session_log_login(s, s->certificate.user, "certificate", result, reason);
}

static void
on_verdict(const struct keeper_reply *reply, void *arg)
{
    struct session *s = arg;

    s->request = NULL;
    s->owed = OWED_NOTHING;
    if (reply->status == KEEPER_OK) {
        session_become(s, SESSION_TRUSTED, s->certificate.user, &reply->handle);
        log_certified(s, "ok", "");
    } else {
        log_certified(s, "denied",
                      reply->status == KEEPER_DENIED
                          ? reply->text
                          : keeper_status_text(reply->status));
        if (reply->status != KEEPER_DENIED && reply->status != KEEPER_LOCKED) {
            session_bye(s, "4.3.0", "Nobody can be known now");
        }
    }
    session_run(s);
}

void
session_certified(struct session *s)
{
    if (s->certificate.user == NULL ||
        (s->conf->auth_mechanisms & SMTP_MECH_EXTERNAL) != 0) {
        return;
    }
    keeper_cancel(&s->request); /* of a trusted network, in clear */
    s->request = keeper_assert(s->worker->keeper, s->listener->index,
                               s->certificate.user, on_verdict, s);
    if (s->request == NULL) {
        session_bye(s, "4.3.0", "Out of memory, try again later");
        return;
    }
    s->owed = OWED_AUTH;
}
