/*
 * conn - see conn.h. This file has the owner's calls, conn_events.c what
 * runs from the loop.
 */
#include "proxy/net/conn.h"

#include "proxy/net/conn_private.h"

#include <openssl/err.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct conn_loop *
conn_loop_new(struct event_base *base)
{
    struct conn_loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL) {
        return NULL;
    }
    loop->input = malloc(CONN_INPUT_ROOM);
    if (loop->input == NULL) {
        free(loop);
        return NULL;
    }
    loop->base = base;
    conn_loop_events_assign(loop);
    /* SSL_write() can't be told MSG_NOSIGNAL. */
    (void)signal(SIGPIPE, SIG_IGN);
    return loop;
}

void
conn_loop_free(struct conn_loop **loop)
{
    struct conn_loop *l = *loop;

    if (l == NULL) {
        return;
    }
    event_del(&l->due_event);
    for (struct conn *c = l->due; c != NULL; c = c->next_due) {
        c->due = false;
    }
    conn_loop_bury(l);
    free(l->input);
    free(l);
    *loop = NULL;
}

/* Takes fd; closed when there is no memory. */
static struct conn *
conn_new(struct conn_loop *loop, int fd, conn_callback *cb, void *arg)
{
    struct conn *c = calloc(1, sizeof(*c));
    int yes = 1;

    if (c == NULL) {
        (void)close(fd);
        errno = ENOMEM;
        return NULL;
    }
    c->loop = loop;
    c->callback = cb;
    c->arg = arg;
    c->transport.fd = fd;
    c->want_input = true;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    conn_events_assign(c);
    return c;
}

struct conn *
conn_accepted(struct conn_loop *loop, int fd, conn_callback *cb, void *arg)
{
    struct conn *c = conn_new(loop, fd, cb, arg);
    socklen_t len = sizeof(union conn_address);

    if (c == NULL) {
        return NULL;
    }
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    (void)getpeername(fd, &c->peer.any, &len);
    len = sizeof(union conn_address);
    (void)getsockname(fd, &c->local.any, &len);
    c->phase = CONN_PHASE_PLAIN;
    conn_changed(c);
    return c;
}

struct conn *
conn_connect(struct conn_loop *loop, const struct sockaddr *addr, socklen_t len,
             conn_callback *cb, void *arg)
{
    int fd =
        socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct conn *c;
    int error;

    if (fd < 0) {
        return NULL;
    }
    if (connect(fd, addr, len) != 0 && errno != EINPROGRESS) {
        error = errno;
        (void)close(fd);
        errno = error;
        return NULL;
    }
    c = conn_new(loop, fd, cb, arg);
    if (c == NULL) {
        return NULL;
    }
    memcpy(&c->peer, addr, len < sizeof(c->peer) ? len : sizeof(c->peer));
    c->phase = CONN_PHASE_CONNECTING; /* connected at once: writable at once */
    conn_changed(c);
    return c;
}

void
conn_set_owner(struct conn *conn, conn_callback *cb, void *arg)
{
    conn->callback = cb;
    conn->arg = arg;
}

struct bytes
conn_input(const struct conn *conn)
{
    return conn->view.len > 0 ? conn->view : queue_bytes(&conn->unread);
}

void
conn_consume(struct conn *conn, size_t n)
{
    assert(n <= conn_unread(conn));
    if (conn->view.len > 0) {
        conn->view = bytes_skip(conn->view, n);
    } else if (n > 0) {
        queue_take(&conn->unread, n);
    }
    conn_changed(conn);
}

void
conn_want_input(struct conn *conn, bool want)
{
    conn->want_input = want;
    conn_changed(conn);
}

/* Keeps what is left of the runs after the first `done` octets. */
static void
keep(struct conn *c, const struct bytes *runs, size_t count, size_t done)
{
    for (size_t i = 0; i < count; i++) {
        size_t skip = done < runs[i].len ? done : runs[i].len;

        done -= skip;
        if (!queue_put(&c->pending, bytes_skip(runs[i], skip))) {
            conn_fail(c, transport_error_text(ENOMEM));
            return;
        }
    }
}

void
conn_writev(struct conn *conn, const struct bytes *runs, size_t count)
{
    size_t done = 0;

    if (conn->phase == CONN_PHASE_OVER) {
        return;
    }
    if ((conn->phase == CONN_PHASE_PLAIN || conn->phase == CONN_PHASE_TLS) &&
        conn->pending.len == 0) {
        done = conn_send(conn, runs, count);
    }
    if (conn->phase != CONN_PHASE_OVER) {
        keep(conn, runs, count, done);
    }
    conn_changed(conn);
}

void
conn_write(struct conn *conn, struct bytes octets)
{
    conn_writev(conn, &octets, 1);
}

size_t
conn_unacknowledged(const struct conn *conn)
{
    int octets = 0;

    if (ioctl(conn->transport.fd, SIOCOUTQ, &octets) != 0 || octets < 0) {
        return 0; /* a socket that is gone; reading says so */
    }
    return (size_t)octets;
}

size_t
conn_pending(const struct conn *conn)
{
    return conn->pending.len;
}

/* --- TLS ---------------------------------------------------------------- */

static void
start_tls(struct conn *c, SSL *ssl)
{
    if (c->phase == CONN_PHASE_OVER) {
        SSL_free(ssl);
        return;
    }
    assert(c->phase == CONN_PHASE_PLAIN);
    /* RFC 3207 4.2: what came in clear was never said. */
    c->view = bytes_make(NULL, 0);
    queue_clear(&c->unread);
    c->soon = ssl;
    c->plain = c->pending.len;
    c->phase = CONN_PHASE_TLS_SOON;
    if (c->plain == 0) {
        conn_handshake_begin(c);
    }
    conn_changed(c);
}

void
conn_tls_accept(struct conn *conn, SSL *ssl)
{
    SSL_set_accept_state(ssl);
    start_tls(conn, ssl);
}

void
conn_tls_connect(struct conn *conn, SSL *ssl)
{
    SSL_set_connect_state(ssl);
    start_tls(conn, ssl);
}

const SSL *
conn_ssl(const struct conn *conn)
{
    return conn->soon != NULL ? conn->soon : conn->transport.ssl;
}

_Static_assert((int)CONN_CHANNEL_BINDING_OCTETS ==
                   (int)TRANSPORT_CHANNEL_BINDING_OCTETS,
               "one length");

bool
conn_channel_binding(struct conn *conn,
                     uint8_t out[CONN_CHANNEL_BINDING_OCTETS])
{
    return conn->phase == CONN_PHASE_TLS &&
           transport_channel_binding(&conn->transport, out);
}

void
conn_set_deadline(struct conn *conn, unsigned ms)
{
    struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

    if (ms == 0) {
        event_del(&conn->deadline);
    } else {
        event_add(&conn->deadline, &tv);
    }
}

const struct sockaddr *
conn_peer(const struct conn *conn)
{
    return &conn->peer.any;
}

const struct sockaddr *
conn_local(const struct conn *conn)
{
    return &conn->local.any;
}

const char *
conn_error(const struct conn *conn)
{
    return conn->transport.error == NULL ? "" : conn->transport.error;
}

/* --- the end ------------------------------------------------------------ */

/*
 * The last try to send. What the peer has sent is read away, for close() with
 * unread octets sends RST, which may overtake our last reply.
 */
static void
say_goodbye(struct conn *c)
{
    if (c->phase == CONN_PHASE_CONNECTING || c->phase == CONN_PHASE_OVER) {
        return;
    }
    if (c->phase == CONN_PHASE_PLAIN || c->phase == CONN_PHASE_TLS) {
        conn_flush(c);
    }
    /* RFC 8446 6.1: no close_notify behind octets that did not leave. */
    if (c->phase == CONN_PHASE_TLS && c->pending.len == 0) {
        (void)SSL_shutdown(c->transport.ssl);
        ERR_clear_error();
    }
    if (!c->eof) {
        (void)recv(c->transport.fd, c->loop->scratch, sizeof(c->loop->scratch),
                   MSG_DONTWAIT);
    }
}

void
conn_free(struct conn **conn)
{
    if (*conn != NULL) {
        say_goodbye(*conn);
        conn_abort(conn);
    }
}

void
conn_abort(struct conn **conn)
{
    struct conn *c = *conn;

    if (c == NULL) {
        return;
    }
    *conn = NULL;
    assert(!c->dead);
    c->dead = true;
    event_del(&c->read_event);
    event_del(&c->write_event);
    event_del(&c->deadline);
    SSL_free(c->transport.ssl);
    SSL_free(c->soon);
    (void)close(c->transport.fd);
    c->transport.ssl = NULL;
    c->soon = NULL;
    c->transport.fd = -1;
    c->next_dead = c->loop->dead;
    c->loop->dead = c;
    conn_loop_schedule(c->loop);
}
