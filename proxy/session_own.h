/*
 * session_own - the upstream connection that a client has logged in to.
 * Private to session*.c.
 *
 * With auth_backend = upstream the client's own credentials go to the
 * upstream, its verdict is the identity, and mail goes over that very
 * connection. It belongs to one session from AUTH to the end: never kept for
 * others, never replaced when it is lost, because nothing is left here to log
 * in with.
 */
#ifndef PROXY_SESSION_OWN_H
#define PROXY_SESSION_OWN_H

#include <proxy/upstream/upstream.h>

struct session;
struct session_own;

/* What the upstream offers to log in with: enum smtp_mech; all of ours when
 * it was never reached, or when it had none of the listener's. */
unsigned session_own_mechs(const struct session *s);
/* s->login has credentials: they go to the upstream and are wiped. */
void session_own_login(struct session *s);
/* It was lost: the session ends at its next moment outside a transaction. */
bool session_own_lost(const struct session *s);

/* Does mail of this transaction go over it? */
bool session_own_carries(const struct session *s);
/* In the place of a connection of the pool. */
void session_own_take(struct session *s);
/* The transaction's link comes back; usable: after a RSET, if reset. */
void session_own_back(struct session *s, bool usable, bool reset);

/* session_upstream.c: a connection for the transaction is there, is awaited,
 * is not to be had. */
void session_link_held(struct session *s, struct upstream_link *link);
void session_link_awaited(struct session *s);
void session_link_failed(struct session *s);

/* Says QUIT when it can be said. NULL is fine. */
void session_own_free(struct session_own **own);

#endif
