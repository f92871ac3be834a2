/*
 * session_forward - what an upstream is told of the client, and for whom a
 * connection to it is. Private to session*.c.
 */
#ifndef PROXY_SESSION_FORWARD_H
#define PROXY_SESSION_FORWARD_H

#include <base/buf.h>

#include <proxy/upstream/upstream.h>

struct session;

/* Lent by session, view and *client. client is filled for XCLIENT. */
void session_fill_wish(const struct session *s, struct upstream_wish *wish,
                       struct smtp_xattrs *client);
/* The client, where XCLIENT may be said; its login is not known yet. */
void session_fill_client(const struct session *s,
                         const struct upstream_conf *conf,
                         struct upstream_wish *wish,
                         struct smtp_xattrs *client);
/* XFORWARD, before MAIL of each message, where it is to be said. Nobody's
 * answer to it stops mail: it is for the upstream's log. */
void session_put_forward(struct session *s, struct buf *out);

#endif
