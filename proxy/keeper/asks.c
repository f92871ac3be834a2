/*
 * asks - what a worker asks of the keeper, and tells it; see client.h.
 */
#include <proxy/keeper/asks.h>

struct keeper_request *
keeper_auth(struct keeper_client *k, const char *user, const char *secret,
            keeper_callback *cb, void *arg)
{
    struct keeper_ask ask = { .op = KEEPER_OP_AUTH,
                              .user = bytes_str(user),
                              .secret = bytes_str(secret) };

    return client_ask(k, &ask, cb, arg);
}

struct keeper_request *
keeper_scram(struct keeper_client *k, const struct keeper_scram *scram,
             const char *message, keeper_callback *cb, void *arg)
{
    struct keeper_ask ask = { .op = KEEPER_OP_SCRAM,
                              .plus = scram->plus,
                              .plus_offered = scram->binding != NULL,
                              .message = bytes_str(message) };

    if (scram->binding != NULL) {
        memcpy(ask.binding, scram->binding, sizeof(ask.binding));
    }
    return client_ask(k, &ask, cb, arg);
}

struct keeper_request *
keeper_proof(struct keeper_client *k, const struct keeper_handle *exchange,
             const char *message, keeper_callback *cb, void *arg)
{
    struct keeper_ask ask = { .op = KEEPER_OP_PROOF,
                              .handle = *exchange,
                              .message = bytes_str(message) };

    return client_ask(k, &ask, cb, arg);
}

struct keeper_request *
keeper_assert(struct keeper_client *k, unsigned listener, const char *user,
              keeper_callback *cb, void *arg)
{
    struct keeper_ask ask = { .op = KEEPER_OP_ASSERT,
                              .listener = listener,
                              .user = bytes_str(user) };

    return client_ask(k, &ask, cb, arg);
}

struct keeper_request *
keeper_sign(struct keeper_client *k, const struct keeper_handle *handle,
            const char *domain, const char *selector, enum dkim_alg alg,
            const uint8_t *digest, keeper_callback *cb, void *arg)
{
    struct keeper_ask ask = { .op = KEEPER_OP_SIGN,
                              .handle = *handle,
                              .alg = alg,
                              .domain = bytes_str(domain),
                              .selector = bytes_str(selector) };

    memcpy(ask.digest, digest, sizeof(ask.digest));
    return client_ask(k, &ask, cb, arg);
}

void
keeper_seen(struct keeper_client *k, const struct view_key *key,
            enum keeper_seen word)
{
    struct keeper_ask ask = { .op = KEEPER_OP_SEEN,
                              .domain = bytes_str(key->domain),
                              .selector = bytes_str(key->selector),
                              .word = word };

    memcpy(ask.public_hash, key->public_hash, sizeof(ask.public_hash));
    client_tell(k, &ask);
}

void
keeper_from(struct keeper_client *k, const char *domain, uint32_t count)
{
    struct keeper_ask ask = { .op = KEEPER_OP_FROM,
                              .domain = bytes_str(domain),
                              .count = count };

    client_tell(k, &ask);
}

void
keeper_release(struct keeper_client *k, const struct keeper_handle *handle)
{
    struct keeper_ask ask = { .op = KEEPER_OP_RELEASE, .handle = *handle };

    client_tell(k, &ask);
}
