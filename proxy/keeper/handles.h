/*
 * handles - what a connection may do: random names for identities.
 *
 * A successful AUTH or ASSERT gives the worker 16 random octets; a signing
 * request shows them. They mean nothing on another connection, can't be
 * guessed, and die with the connection.
 *
 * OWNERSHIP
 *   handles_add()   takes a reference of the identity (identities.h)
 *   handles_free()  gives all references back
 * No locks: the caller has one.
 */
#ifndef PROXY_KEEPER_HANDLES_H
#define PROXY_KEEPER_HANDLES_H

#include <proxy/keeper/client.h>
#include <proxy/keeper/identities.h>

enum {
    HANDLES_MAX = 65536
}; /* of one connection */

struct handles;

/* NULL: no memory. */
struct handles *handles_new(void);
void handles_free(struct handles **h);

/* False: HANDLES_MAX are out, no memory, or no random octets. */
bool handles_add(struct handles *h, struct identity *identity,
                 struct keeper_handle *handle_out);
/* NULL: not a handle of this connection. Lent until it is removed. */
struct identity *handles_find(const struct handles *h,
                              const struct keeper_handle *handle);
/* One that does not exist is fine. */
void handles_remove(struct handles *h, const struct keeper_handle *handle);
size_t handles_count(const struct handles *h);

#endif
