/*
 * world_dial - connections to the upstream; see session_world.h.
 *
 * dial_start() and its like stand in the place of proxy/upstream/dial.c: the
 * pool above them is the real one.
 */
#include "tests/support/world_upstream_private.h"

#include <proxy/clock.h>
#include <sys/socket.h>

struct dial {
    struct dial *next;
    struct upstream *upstream;
    dial_callback *done;
    void *arg;
    struct event *later;
};

static struct session_world *
world_of(const struct upstream *u)
{
    return (struct session_world *)(void *)u->worker;
}

void
dial_cancel(struct dial **dial)
{
    struct dial *d = *dial;
    struct dial **at;

    *dial = NULL;
    if (d == NULL) {
        return;
    }
    for (at = &world_of(d->upstream)->dials; *at != d; at = &(*at)->next) {
    }
    *at = d->next;
    event_free(d->later);
    free(d);
}

static void
shrink(int fd)
{
    int octets = 4096;

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
}

static struct far *
far_new(struct session_world *w, int *near_out)
{
    struct far *f = calloc(1, sizeof(*f));
    int pair[2];

    if (f == NULL ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) {
        world_fail("no socket pair");
    }
    if (w->small_buffers) {
        shrink(pair[0]);
    }
    *f = (struct far){ .world = w, .fd = pair[1], .next = w->fars };
    w->fars = f;
    *near_out = pair[0];
    return f;
}

static void
no_owner(struct conn *conn, enum conn_event event, void *arg)
{
    (void)conn;
    (void)event;
    (void)arg;
}

static struct upstream_link *
link_new(struct upstream *u)
{
    struct session_world *w = world_of(u);
    struct upstream_link *link = calloc(1, sizeof(*link));
    bool running = session_world_running;
    int fd;

    if (link == NULL) {
        return NULL;
    }
    session_world_running = false;
    (void)far_new(w, &fd);
    session_world_running = running;
    link->conn = conn_accepted(w->worker.loop, fd, no_owner, NULL);
    link->name = strdup("far.example[192.0.2.1]:25");
    link->upstream = u;
    link->caps.offers = w->offers;
    link->made_ms = clock_ms();
    if (link->conn == NULL || link->name == NULL) {
        upstream_link_free(&link);
        return NULL;
    }
    u->caps = link->caps;
    u->caps_known = true;
    return link;
}

static void
on_dial(evutil_socket_t fd, short what, void *arg)
{
    struct dial *d = arg;
    struct session_world *w = world_of(d->upstream);
    dial_callback *done = d->done;
    struct upstream_link *link = NULL;
    void *done_arg = d->arg;

    (void)fd;
    (void)what;
    if (w->dial_hold) {
        return;
    }
    w->moved = true;
    if (w->dial_fail > 0) {
        w->dial_fail--;
    } else {
        link = link_new(d->upstream);
    }
    dial_cancel(&d);
    done(link, link == NULL ? "far.example: connection refused" : "", done_arg);
}

struct dial *
dial_start(struct upstream *u, const struct login_wish *wish,
           dial_callback *done, void *arg)
{
    static const struct timeval now = { 0, 0 };
    struct session_world *w = world_of(u);
    struct dial *d = calloc(1, sizeof(*d));

    (void)wish;
    if (d == NULL) {
        return NULL;
    }
    *d = (struct dial){ .upstream = u, .done = done, .arg = arg };
    d->later = event_new(w->worker.base, -1, 0, on_dial, d);
    if (d->later == NULL || event_add(d->later, &now) != 0) {
        if (d->later != NULL) {
            event_free(d->later);
        }
        free(d);
        return NULL;
    }
    d->next = w->dials;
    w->dials = d;
    return d;
}

/* Nobody looks after its health here. */
struct dial *
dial_check(struct upstream *u, size_t target, dial_callback *done, void *arg)
{
    (void)u;
    (void)target;
    (void)done;
    (void)arg;
    return NULL;
}

void
world_dial_release(struct session_world *w, bool hold)
{
    static const struct timeval now = { 0, 0 };

    w->dial_hold = hold;
    for (struct dial *d = w->dials; !hold && d != NULL; d = d->next) {
        (void)event_add(d->later, &now);
    }
}
