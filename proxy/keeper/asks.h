/*
 * asks - requests on their way into the client's line; private to client.c and
 * asks.c.
 */
#ifndef PROXY_KEEPER_ASKS_H
#define PROXY_KEEPER_ASKS_H

#include <proxy/keeper/client.h>
#include <proxy/keeper/protocol.h>

/* NULL: no memory, or a field out of its range. */
struct keeper_request *client_ask(struct keeper_client *k,
                                  const struct keeper_ask *ask,
                                  keeper_callback *cb, void *arg);
/* What needs no reply, and is lost with the keeper. */
void client_tell(struct keeper_client *k, const struct keeper_ask *ask);

#endif
