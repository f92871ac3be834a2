/*
 * conn_events - a connection's part that runs from the event loop.
 *
 * Each event ends in settle(): there, and nowhere else, the events that the
 * connection waits for are set anew. Work that may not be done inside a call
 * of the owner (telling of a failed write, reading what TLS holds already,
 * giving memory back) is due at the loop's next turn.
 */
#include "proxy/net/conn_private.h"

#include <errno.h>
#include <stdlib.h>

/* --- the loop's next turn ----------------------------------------------- */

void
conn_loop_schedule(struct conn_loop *loop)
{
    static const struct timeval now = { 0, 0 };

    if (!event_pending(&loop->due_event, EV_TIMEOUT, NULL)) {
        event_add(&loop->due_event, &now);
    }
}

static void
make_due(struct conn *c)
{
    if (!c->due && !c->dead) {
        c->due = true;
        c->next_due = c->loop->due;
        c->loop->due = c;
        conn_loop_schedule(c->loop);
    }
}

void
conn_loop_bury(struct conn_loop *loop)
{
    struct conn **link = &loop->dead;

    while (*link != NULL) {
        struct conn *c = *link;

        if (c->due) {
            link = &c->next_dead; /* still in a list: next turn */
            continue;
        }
        *link = c->next_dead;
        queue_clear(&c->unread);
        queue_clear(&c->pending);
        free(c);
    }
}

/* --- what a connection waits for ---------------------------------------- */

static bool
wants_octets(const struct conn *c)
{
    return c->want_input && !c->eof && conn_unread(c) < CONN_INPUT_MAX;
}

static bool
watch_read(const struct conn *c)
{
    switch (c->phase) {
    case CONN_PHASE_PLAIN:
        return wants_octets(c);
    case CONN_PHASE_HANDSHAKE:
        return !c->read_wants_write;
    case CONN_PHASE_TLS:
        return c->write_wants_read || (wants_octets(c) && !c->read_wants_write);
    default:
        return false;
    }
}

static bool
watch_write(const struct conn *c)
{
    switch (c->phase) {
    case CONN_PHASE_CONNECTING:
        return true;
    case CONN_PHASE_PLAIN:
    case CONN_PHASE_TLS_SOON:
        return c->pending.len > 0;
    case CONN_PHASE_HANDSHAKE:
        return c->read_wants_write;
    case CONN_PHASE_TLS:
        return c->read_wants_write ||
               (c->pending.len > 0 && !c->write_wants_read);
    default:
        return false;
    }
}

static void
watch(struct event *event, bool *added, bool wanted)
{
    if (wanted && !*added) {
        *added = event_add(event, NULL) == 0;
    } else if (!wanted && *added) {
        event_del(event);
        *added = false;
    }
}

static void
settle(struct conn *c)
{
    bool was_reading = c->reading;

    if (c->dead) {
        return;
    }
    watch(&c->read_event, &c->reading, watch_read(c));
    watch(&c->write_event, &c->writing, watch_write(c));
    if (c->tell_gone ||
        (!was_reading && c->reading && c->phase == CONN_PHASE_TLS &&
         transport_has_input(&c->transport))) {
        make_due(c);
    }
}

/* After a call of the owner: at once, unless the event's end does it. */
void
conn_changed(struct conn *c)
{
    if (!c->busy) {
        settle(c);
    }
}

void
conn_fail(struct conn *c, const char *error)
{
    if (c->phase != CONN_PHASE_OVER) {
        c->phase = CONN_PHASE_OVER;
        c->transport.error = error;
        c->tell_gone = true;
        event_del(&c->deadline);
    }
}

static void
tell(struct conn *c, enum conn_event event)
{
    if (!c->dead) {
        c->callback(c, event, c->arg);
    }
}

/* --- writing ------------------------------------------------------------ */

/* Tries the socket once. Returns how many octets have left. */
size_t
conn_send(struct conn *c, const struct bytes *runs, size_t count)
{
    size_t n;

    c->write_wants_read = false;
    switch (transport_write(&c->transport, runs, count, c->loop->scratch, &n)) {
    case TRANSPORT_WANT_READ:
        c->write_wants_read = true;
        break;
    case TRANSPORT_FAILED:
        conn_fail(c, c->transport.error);
        break;
    default:
        break;
    }
    return n;
}

void
conn_flush(struct conn *c)
{
    struct bytes run = queue_bytes(&c->pending);
    size_t n;

    if (c->phase == CONN_PHASE_TLS_SOON) {
        run = bytes_take(run, c->plain);
    }
    if (run.len > 0) {
        n = conn_send(c, &run, 1);
        queue_take(&c->pending, n);
        c->plain -= c->phase == CONN_PHASE_TLS_SOON ? n : 0;
    }
}

/* --- reading ------------------------------------------------------------ */

/* Shows the owner n octets of loop->input, and keeps what it leaves. */
static void
deliver(struct conn *c, size_t n)
{
    struct bytes fresh = bytes_make(c->loop->input, n);

    if (c->unread.len > 0) {
        if (!queue_put(&c->unread, fresh)) {
            conn_fail(c, transport_error_text(ENOMEM));
            return;
        }
    } else {
        c->view = fresh;
    }
    tell(c, CONN_INPUT);
    if (c->view.len > 0 && !c->dead && !queue_put(&c->unread, c->view)) {
        conn_fail(c, transport_error_text(ENOMEM));
    }
    c->view = bytes_make(NULL, 0);
}

static bool
may_read(const struct conn *c)
{
    return !c->dead && wants_octets(c) &&
           (c->phase == CONN_PHASE_PLAIN || c->phase == CONN_PHASE_TLS);
}

/* One read; false: nothing more to be had in this turn. Adds to *octets. */
static bool
read_once(struct conn *c, size_t *octets)
{
    enum conn_phase phase = c->phase;
    size_t cap = CONN_INPUT_ROOM - c->unread.len;
    enum transport_result result;
    size_t n;

    c->read_wants_write = false;
    result = transport_read(&c->transport, c->loop->input, cap, &n);
    *octets += n;
    if (n > 0) {
        deliver(c, n);
    }
    if (c->dead || c->phase != phase) {
        return false; /* STARTTLS: nothing of the plain stream counts now */
    }
    switch (result) {
    case TRANSPORT_DONE:
        return true;
    case TRANSPORT_END:
        c->eof = true;
        tell(c, CONN_EOF);
        return false;
    case TRANSPORT_FAILED:
        conn_fail(c, c->transport.error);
        return false;
    case TRANSPORT_WANT_WRITE:
        c->read_wants_write = true;
        return false;
    default:
        return false;
    }
}

static void
read_some(struct conn *c)
{
    bool more = true;
    size_t octets = 0;

    while (more && octets < CONN_INPUT_ROOM && may_read(c)) {
        more = read_once(c, &octets);
    }
    if (more && may_read(c) && transport_has_input(&c->transport)) {
        make_due(c);
    }
}

/* --- events of the loop ------------------------------------------------- */

static void
handshake(struct conn *c)
{
    enum transport_result result = transport_handshake(&c->transport);

    c->read_wants_write = result == TRANSPORT_WANT_WRITE;
    if (result == TRANSPORT_FAILED) {
        conn_fail(c, c->transport.error);
    } else if (result == TRANSPORT_DONE) {
        c->phase = CONN_PHASE_TLS;
        tell(c, CONN_TLS_DONE);
        if (!c->dead && c->phase == CONN_PHASE_TLS) {
            conn_flush(c); /* what was written meanwhile */
            read_some(c);  /* what came behind the handshake */
        }
    }
}

void
conn_handshake_begin(struct conn *c)
{
    SSL *ssl = c->soon;

    c->soon = NULL;
    c->transport.ssl = ssl;
    c->phase = CONN_PHASE_HANDSHAKE;
    /* The client speaks first; the server waits for it. */
    c->read_wants_write = SSL_is_server(ssl) == 0;
    SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_read_ahead(ssl, 1); /* one read for a record, not two */
    if (SSL_set_fd(ssl, c->transport.fd) != 1) {
        conn_fail(c, transport_error_text(ENOMEM));
    }
}

static void
connected(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(c->transport.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        error = errno;
    }
    if (error != 0) {
        conn_fail(c, transport_error_text(error));
        return;
    }
    len = sizeof(c->local);
    (void)getsockname(c->transport.fd, &c->local.any, &len);
    c->phase = CONN_PHASE_PLAIN;
    conn_flush(c);
    tell(c, CONN_CONNECTED);
}

static void
write_some(struct conn *c)
{
    size_t before = c->pending.len;

    conn_flush(c);
    if (c->phase == CONN_PHASE_TLS_SOON && c->plain == 0) {
        conn_handshake_begin(c);
    } else if (c->phase != CONN_PHASE_OVER && before > 0 &&
               c->pending.len == 0) {
        tell(c, CONN_DRAINED);
    }
}

/* All events end here. */
static void
finish(struct conn *c)
{
    if (c->tell_gone && !c->dead) {
        c->tell_gone = false;
        tell(c, CONN_GONE);
    }
    c->busy = false;
    settle(c);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    (void)what;
    c->busy = true;
    if (c->phase == CONN_PHASE_HANDSHAKE) {
        handshake(c);
    } else {
        if (c->write_wants_read) {
            write_some(c);
        }
        read_some(c);
    }
    finish(c);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    (void)what;
    c->busy = true;
    if (c->phase == CONN_PHASE_CONNECTING) {
        connected(c);
    } else if (c->phase == CONN_PHASE_HANDSHAKE) {
        handshake(c);
    } else {
        bool read_waits = c->read_wants_write;

        write_some(c);
        if (read_waits) {
            read_some(c);
        }
    }
    finish(c);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    (void)what;
    c->busy = true;
    tell(c, CONN_TIMEOUT);
    finish(c);
}

static void
run_due(struct conn *c)
{
    c->due = false;
    if (c->dead) {
        return;
    }
    c->busy = true;
    read_some(c);
    finish(c);
}

static void
on_due(evutil_socket_t fd, short what, void *arg)
{
    struct conn_loop *loop = arg;
    struct conn *list = loop->due;

    (void)fd;
    (void)what;
    loop->due = NULL;
    while (list != NULL) {
        struct conn *c = list;

        list = c->next_due;
        run_due(c);
    }
    conn_loop_bury(loop);
}

void
conn_events_assign(struct conn *c)
{
    struct event_base *base = c->loop->base;
    int fd = c->transport.fd;

    event_assign(&c->read_event, base, fd, EV_READ | EV_PERSIST, on_readable,
                 c);
    event_assign(&c->write_event, base, fd, EV_WRITE | EV_PERSIST, on_writable,
                 c);
    evtimer_assign(&c->deadline, base, on_deadline, c);
}

void
conn_loop_events_assign(struct conn_loop *loop)
{
    evtimer_assign(&loop->due_event, loop->base, on_due, loop);
}
