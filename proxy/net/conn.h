/*
 * conn - one TCP connection on a libevent event, plain or TLS.
 *
 * Thin on purpose (a bufferevent costs 45 system calls a message against 17):
 * octets are received into one large buffer that all connections of a worker
 * share; only what the owner leaves unread is kept, in memory of the
 * connection's own. Writing tries the socket at once and keeps only the rest.
 *
 * The owner's callback notes the event and runs its own machine; it may call
 * any conn_*() function, conn_free() too: the memory is given back at the end
 * of the loop's turn, and no callback comes after conn_free().
 *
 * After CONN_GONE the connection stays valid (input may still be unread)
 * until conn_free().
 */
#ifndef PROXY_NET_CONN_H
#define PROXY_NET_CONN_H

#include <base/bytes.h>

#include <event2/event.h>
#include <openssl/ssl.h>

#include <sys/socket.h>

struct conn;

/* What all connections of one worker share. */
struct conn_loop;
struct conn_loop *conn_loop_new(struct event_base *base);
void conn_loop_free(struct conn_loop **loop);

enum conn_event {
    CONN_CONNECTED, /* connect() is done (never for accepted ones) */
    CONN_TLS_DONE,  /* handshake done, verification passed or not asked */
    CONN_INPUT,     /* conn_input() has more than before */
    CONN_DRAINED,   /* everything written has left */
    CONN_EOF,       /* the peer will send no more; input may be left */
    CONN_GONE,      /* error or reset; conn_error() says what */
    CONN_TIMEOUT    /* the deadline passed */
};

typedef void conn_callback(struct conn *conn, enum conn_event event, void *arg);

enum {
    CONN_INPUT_MAX = 64 * 1024
}; /* unread octets kept; then no reading */
enum {
    CONN_CHANNEL_BINDING_OCTETS = 32
}; /* RFC 9266 2 */

/* Takes fd (accepted, nonblocking set here). NULL: no memory, fd closed. */
struct conn *conn_accepted(struct conn_loop *loop, int fd, conn_callback *cb,
                           void *arg);
/* Starts to connect; CONN_CONNECTED or CONN_GONE comes later, never from
 * inside this call. NULL: errno says why. */
struct conn *conn_connect(struct conn_loop *loop, const struct sockaddr *addr,
                          socklen_t len, conn_callback *cb, void *arg);

/* A new owner (an upstream connection leaves the pool). */
void conn_set_owner(struct conn *conn, conn_callback *cb, void *arg);

/* Unread octets; valid until the callback returns or conn_consume(). */
struct bytes conn_input(const struct conn *conn);
void conn_consume(struct conn *conn, size_t n);
/* false: stop reading from the socket (back-pressure); EOF is not seen then. */
void conn_want_input(struct conn *conn, bool want);

/* Sends or keeps a copy of what the socket does not take now. Failure comes
 * as CONN_GONE, later. */
void conn_write(struct conn *conn, struct bytes octets);
/* Several runs in one system call (one TLS record run). */
void conn_writev(struct conn *conn, const struct bytes *runs, size_t count);
/* Octets accepted by conn_write() that have not left yet. */
size_t conn_pending(const struct conn *conn);

/* Octets that left but that the peer's host has not acknowledged; what it
 * sends carries the acknowledgement of all that it had then. */
size_t conn_unacknowledged(const struct conn *conn);

/*
 * TLS. All unread plain octets are dropped first (RFC 3207 4). A server may
 * call it while its 220 is still pending: the handshake waits for the drain.
 * ssl is taken. CONN_TLS_DONE or CONN_GONE follows.
 */
void conn_tls_accept(struct conn *conn, SSL *ssl);
void conn_tls_connect(struct conn *conn, SSL *ssl);
/* NULL when plain; from conn_tls_accept() or _connect() on it is not. */
const SSL *conn_ssl(const struct conn *conn);
/*
 * The tls-exporter channel binding (RFC 9266 2). False, out untouched: there
 * is none, because the connection is plain, still in its handshake, or older
 * than TLS 1.3 (RFC 9266 4.2 wants more there than a peer can be held to).
 */
bool conn_channel_binding(struct conn *conn,
                          uint8_t out[CONN_CHANNEL_BINDING_OCTETS]);

/* One deadline, ms from now, monotonic; 0: none. Replaces the last one. */
void conn_set_deadline(struct conn *conn, unsigned ms);

const struct sockaddr *conn_peer(const struct conn *conn);
const struct sockaddr *conn_local(const struct conn *conn);
/* One static sentence for CONN_GONE: "connection reset", "certificate has
 * expired" ... */
const char *conn_error(const struct conn *conn);

/* Closes with what is pending sent if the socket takes it; TLS close_notify
 * is tried once. *conn is NULL afterwards; NULL is fine. */
void conn_free(struct conn **conn);
/* The same, but nothing that is pending leaves any more. */
void conn_abort(struct conn **conn);

#endif
