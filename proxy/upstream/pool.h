/*
 * pool - what pool.c (the connections) and waits.c (who asks for one) have of
 * each other. Private to proxy/upstream.
 */
#ifndef PROXY_UPSTREAM_POOL_H
#define PROXY_UPSTREAM_POOL_H

#include "proxy/upstream/link.h"

/* --- pool.c --------------------------------------------------------------- */

/* There may be no more connections. */
bool pool_is_full(const struct upstream *u);
/* One is over; who waits is served soon. */
void pool_uncount(struct upstream *u);

/* A kept one for whom key names (login_key()), now the caller's. NULL: none
 * that would do. */
struct upstream_link *pool_take(struct upstream *u, const char *key);
/* A kept one ends when there may be no more. False: nor is there one. */
bool pool_make_room(struct upstream *u);
/* Frees all that are kept. */
void pool_close(struct upstream *u);

/* --- waits.c -------------------------------------------------------------- */

/* Something has changed for who waits in the queue. */
void waits_serve_soon(struct upstream *u);

#endif
