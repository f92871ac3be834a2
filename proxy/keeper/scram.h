/*
 * scram - SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, computed by libgsasl.
 *
 * Of libgsasl nothing but these two mechanisms is ever started, and it is
 * given stored keys, never a password. A name that has no secret, or that
 * nobody has, gets a salt made from the installation's key (keys/saltkey.h),
 * iterations and a salt's length as some user's are, and a proof that never
 * is right: asking costs the same and tells nothing.
 *
 * An exchange is one thread's at a time; struct scram is constant.
 *
 * RFC 5802, 7677; channel binding tls-exporter, RFC 9266.
 */
#ifndef PROXY_KEEPER_SCRAM_H
#define PROXY_KEEPER_SCRAM_H

#include <base/bytes.h>

#include <proxy/keeper/data.h>
#include <proxy/keeper/protocol.h>
#include <proxy/keys/saltkey.h>

struct scram;
struct scram_exchange;

/* What goes back to the client; not NUL-terminated. */
struct scram_message {
    char text[KEEPER_MESSAGE_MAX];
    size_t len;
};

/* NULL: no memory. key is copied. */
struct scram *scram_new(const uint8_t key[SALTKEY_OCTETS]);
void scram_free(struct scram **s);

/*
 * ask: op SCRAM, with client-first-message. KEEPER_OK: *exchange_out is the
 * caller's, message_out server-first-message. KEEPER_DENIED: not such a
 * message, or a channel binding that does not fit, *why_out says which.
 * KEEPER_FAILED: no memory.
 */
enum keeper_status
scram_begin(const struct scram *s, const struct keeper_data *data,
            const struct keeper_ask *ask, struct scram_exchange **exchange_out,
            struct scram_message *message_out, const char **why_out);

/*
 * message: client-final-message. data: the present one; a secret that has
 * changed meanwhile is KEEPER_BUSY. KEEPER_OK: message_out is
 * server-final-message. KEEPER_LOCKED: right, but the user is locked.
 */
enum keeper_status scram_prove(struct scram_exchange *e,
                               const struct keeper_data *data,
                               struct bytes message,
                               struct scram_message *message_out);

/* In lower case, lent. */
const char *scram_user(const struct scram_exchange *e);
/* *e is NULL afterwards; NULL is fine. */
void scram_exchange_free(struct scram_exchange **e);

#endif
