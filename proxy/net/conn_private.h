/*
 * conn_private - what conn.c (the owner's calls) and conn_events.c (the
 * loop's) share. Nobody else includes it.
 */
#ifndef PROXY_NET_CONN_PRIVATE_H
#define PROXY_NET_CONN_PRIVATE_H

#include "proxy/net/conn.h"
#include "proxy/net/queue.h"
#include "proxy/net/transport.h"

#include <event2/event_struct.h>

#include <netinet/in.h>

/* One recv(), and about what one connection reads in a turn of the loop: all
 * of it is hashed and spooled before anybody else has a turn. */
enum {
    CONN_INPUT_ROOM = CONN_INPUT_MAX
};

enum conn_phase {
    CONN_PHASE_CONNECTING,
    CONN_PHASE_PLAIN,
    CONN_PHASE_TLS_SOON, /* plain output is still leaving */
    CONN_PHASE_HANDSHAKE,
    CONN_PHASE_TLS,
    CONN_PHASE_OVER /* failed; CONN_GONE is told or due */
};

union conn_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

struct conn_loop {
    struct event_base *base; /* borrowed */
    struct event due_event;
    struct conn *due;  /* linked by next_due */
    struct conn *dead; /* linked by next_dead */
    uint8_t *input;    /* owns CONN_INPUT_ROOM */
    uint8_t scratch[TRANSPORT_RECORD_MAX];
};

struct conn {
    struct conn_loop *loop; /* borrowed */
    conn_callback *callback;
    void *arg;
    struct transport transport; /* owns its fd and ssl */
    SSL *soon;                  /* owned; until the handshake starts */
    struct event read_event, write_event, deadline;
    struct queue unread;
    struct queue pending;
    size_t plain;      /* TLS_SOON: octets of pending that leave in clear */
    struct bytes view; /* in loop->input, while the callback runs */
    struct conn *next_due, *next_dead;
    union conn_address peer, local;
    enum conn_phase phase;
    bool want_input;
    bool eof;
    bool busy;             /* inside an event: its end settles */
    bool due;              /* in loop->due */
    bool dead;             /* conn_free() was called */
    bool tell_gone;        /* CONN_GONE was not told yet */
    bool reading;          /* read_event is added */
    bool writing;          /* write_event is added */
    bool read_wants_write; /* TLS crosses the directions */
    bool write_wants_read;
};

static inline size_t
conn_unread(const struct conn *c)
{
    return c->view.len > 0 ? c->view.len : c->unread.len;
}

/* Prepares (does not add) the three events of a new connection. */
void conn_events_assign(struct conn *c);
void conn_loop_events_assign(struct conn_loop *loop);

/* The owner changed something: watch for the right events. */
void conn_changed(struct conn *c);
/* The connection is over; CONN_GONE follows. error: static. */
void conn_fail(struct conn *c, const char *error);
/* Tries the socket once; returns how many octets have left. */
size_t conn_send(struct conn *c, const struct bytes *runs, size_t count);
void conn_flush(struct conn *c);
/* From plain to TLS with c->soon; nothing in clear is left to send. */
void conn_handshake_begin(struct conn *c);
/* Something must be done at the loop's next turn. */
void conn_loop_schedule(struct conn_loop *loop);
/* Gives the memory of dead connections back. */
void conn_loop_bury(struct conn_loop *loop);

#endif
