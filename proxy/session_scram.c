/*
 * session_scram - SCRAM-SHA-256: messages to the keeper and back.
 *
 * The worker sees neither password nor stored key. It adds what only it can
 * know: the channel binding of this TLS connection (RFC 9266), and whether
 * SCRAM-SHA-256-PLUS was offered on it, so that the keeper sees when somebody
 * in the middle has taken it out of the offer (RFC 5802 6).
 */
#include "proxy/session_login.h"
#include "proxy/session_state.h"

#include <base/wipe.h>

static bool
is_first(const struct session_login *login)
{
    return !login->has_handle;
}

/* The keeper's message goes out; with a proof that was right, the client's
 * empty line is still to come. */
static void
on_message(const struct keeper_reply *reply, void *arg)
{
    struct session *s = arg;
    struct session_login *login = s->login;

    s->request = NULL;
    s->owed = OWED_NOTHING;
    if (reply->status == KEEPER_OK) {
        login->proved = login->has_handle;
        login->handle = reply->handle;
        login->has_handle = true;
        session_login_challenge(s, reply->message);
    } else {
        login->has_handle = false; /* an exchange is used up by its proof */
        session_login_refused(s, reply->status, reply->text);
    }
    session_run(s);
}

static struct keeper_request *
ask(struct session *s, unsigned offered)
{
    struct session_login *login = s->login;
    uint8_t binding[CONN_CHANNEL_BINDING_OCTETS];
    struct keeper_scram scram = { .plus = login->sasl.mech ==
                                          SMTP_MECH_SCRAM_SHA_256_PLUS };

    if (!is_first(login)) {
        return keeper_proof(s->worker->keeper, &login->handle,
                            login->sasl.secret, on_message, s);
    }
    if ((offered & SMTP_MECH_SCRAM_SHA_256_PLUS) != 0 &&
        conn_channel_binding(s->client, binding)) {
        scram.binding = binding;
    }
    return keeper_scram(s->worker->keeper, &scram, login->sasl.secret,
                        on_message, s);
}

void
session_scram_step(struct session *s)
{
    s->request = ask(s, session_login_mechs(s));
    wipe(s->login->sasl.secret, sizeof(s->login->sasl.secret));
    if (s->request == NULL) {
        session_login_later(s, "no-memory", "Out of memory, try again later");
        return;
    }
    s->owed = OWED_AUTH;
}
