/*
 * listener - accepts connections of one [listen NAME] and counts them.
 */
#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H

#include <base/buf.h>

#include <openssl/ssl.h>

#include <proxy/worker.h>

struct worker_listener {
    const struct listen_conf *conf; /* borrowed */
    struct worker *worker;
    unsigned index;         /* in conf->listens */
    SSL_CTX *tls;           /* owns; NULL with tls = none; replaced at reload */
    struct event **accepts; /* owns; one a socket of this slot */
    size_t accept_count;
};

/*
 * Called by every session when it ends, once: address is the text that
 * the session was counted under (the peer's, without port; v4-mapped as IPv4);
 * NULL after listener_session_authenticated().
 */
void listener_session_ended(struct worker *w, const char *address);

/* The session's client has logged in: it counts no more against its address
 * (connections_per_ip spares authenticated clients). */
void listener_session_authenticated(struct worker *w, const char *address);

/* The log's event=refused, at most one a second: why is the limit's name, id
 * the session's that met it. */
void listener_log_refusal(struct worker_listener *l, const char *id,
                          const char *address, const char *why);

/* --- for the worker ------------------------------------------------------- */

/* Makes w->listeners and w->gate, with certificates. False: *error names the
 * file and the mend. */
bool listeners_new(struct worker *w, struct buf *error);
/* Takes a listening socket. Nothing is accepted before listeners_start(). */
bool listeners_add(struct worker *w, unsigned index, int fd);
void listeners_start(struct worker *w);
/* fd: CONTROL_TICKETS's, stays the caller's. Before listeners_new(), or while
 * they are open; what is no such fd changes nothing. */
void listeners_tickets(struct worker *w, int fd);
/* No more connections; the sockets are closed. When the last session ends the
 * loop does. */
void listeners_stop(struct worker *w);
/* Certificates again, all or nothing; sessions under way keep the old. */
bool listeners_reload(struct worker *w, struct buf *error);
size_t listeners_connections(const struct worker *w);
void listeners_free(struct worker *w);

#endif
