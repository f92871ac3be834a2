/*
 * client - a worker's line to the keeper; see client.h and protocol.h. What is
 * asked over it is in asks.c.
 *
 * A request waits in `waiting` until the socket and one of the
 * KEEPER_IN_FLIGHT_MAX slots take it; then its slot stands in the id of the
 * packet, and the slot finds it again when the reply comes. A request of a
 * keeper that is gone moves to `gone`, which a timer of 0 ms answers: no
 * callback ever comes from inside a call.
 */
#include <base/wipe.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <proxy/keeper/asks.h>
#include <proxy/keeper/inbox.h>
#include <proxy/keeper/views.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum request_state {
    REQUEST_WAITING,
    REQUEST_SENT,
    REQUEST_GONE
};

struct keeper_request {
    TAILQ_ENTRY(keeper_request) link; /* WAITING, GONE */
    struct keeper_client *client;
    enum request_state state;
    enum keeper_op op;
    uint32_t id;         /* SENT */
    keeper_callback *cb; /* NULL: cancelled, or nobody waits */
    void *arg;
    size_t len;
    uint8_t packet[]; /* wiped when sent */
};

TAILQ_HEAD(request_list, keeper_request);

struct keeper_client {
    struct event_base *base; /* borrowed */
    keeper_view_callback *cb;
    void *arg;
    int fd; /* -1: no keeper */
    struct event *readable;
    struct event *writable;
    struct event *deferred;
    struct views *views;
    uint64_t life;
    bool tell_gone; /* the owner has still to hear of it */
    struct request_list waiting;
    struct request_list gone;
    struct keeper_request *slots[KEEPER_IN_FLIGHT_MAX];
    uint16_t free_slots[KEEPER_IN_FLIGHT_MAX];
    size_t free_count;
    uint32_t turn; /* makes ids differ when a slot is used again */
    struct inbox inbox;
};

static void
request_free(struct keeper_request *r)
{
    wipe(r->packet, r->len);
    free(r);
}

static void
defer(struct keeper_client *k)
{
    static const struct timeval at_once = { 0, 0 };

    (void)event_add(k->deferred, &at_once);
}

static void
to_gone(struct keeper_client *k, struct keeper_request *r)
{
    if (r->cb == NULL) {
        request_free(r);
        return;
    }
    wipe(r->packet, r->len);
    r->state = REQUEST_GONE;
    TAILQ_INSERT_TAIL(&k->gone, r, link);
    defer(k);
}

static bool
wants_reply(const struct keeper_request *r)
{
    return r->op != KEEPER_OP_RELEASE && r->op != KEEPER_OP_VIEW &&
           r->op != KEEPER_OP_SEEN && r->op != KEEPER_OP_FROM;
}

static void
free_all_slots(struct keeper_client *k)
{
    for (size_t i = 0; i < KEEPER_IN_FLIGHT_MAX; i++) {
        k->free_slots[i] = (uint16_t)i;
    }
    k->free_count = KEEPER_IN_FLIGHT_MAX;
}

static void
free_event(struct event **ev)
{
    if (*ev != NULL) {
        event_free(*ev);
        *ev = NULL;
    }
}

static void
disconnect(struct keeper_client *k)
{
    struct keeper_request *r;

    free_event(&k->readable);
    free_event(&k->writable);
    close(k->fd);
    k->fd = -1;
    k->life++;
    views_forget(k->views);
    for (size_t i = 0; i < KEEPER_IN_FLIGHT_MAX; i++) {
        r = k->slots[i];
        k->slots[i] = NULL;
        if (r != NULL) {
            to_gone(k, r);
        }
    }
    free_all_slots(k);
    while ((r = TAILQ_FIRST(&k->waiting)) != NULL) {
        TAILQ_REMOVE(&k->waiting, r, link);
        to_gone(k, r);
    }
}

/* The keeper died, or speaks nonsense, which is the same to us. */
static void
lose(struct keeper_client *k)
{
    disconnect(k);
    k->tell_gone = true;
    defer(k);
}

static void
take_slot(struct keeper_client *k, struct keeper_request *r)
{
    uint16_t slot = k->free_slots[k->free_count - 1];

    k->turn = k->turn % (UINT32_MAX / KEEPER_IN_FLIGHT_MAX) + 1;
    r->id = k->turn * KEEPER_IN_FLIGHT_MAX + slot;
    for (int i = 0; i < 4; i++) {
        r->packet[4 + i] = (uint8_t)(r->id >> (24 - 8 * i));
    }
}

static void
was_sent(struct keeper_client *k, struct keeper_request *r)
{
    TAILQ_REMOVE(&k->waiting, r, link);
    assert(TAILQ_FIRST(&k->waiting) != r);
    if (!wants_reply(r)) {
        request_free(r);
        return;
    }
    wipe(r->packet, r->len);
    r->state = REQUEST_SENT;
    k->free_count--;
    k->slots[r->id % KEEPER_IN_FLIGHT_MAX] = r;
}

static void
flush(struct keeper_client *k)
{
    struct keeper_request *r;

    while (k->fd >= 0 && (r = TAILQ_FIRST(&k->waiting)) != NULL) {
        if (wants_reply(r) && k->free_count == 0) {
            return; /* the next reply frees one and comes here again */
        }
        if (wants_reply(r)) {
            take_slot(k, r);
        }
        if (send(k->fd, r->packet, r->len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            was_sent(k, r);
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            (void)event_add(k->writable, NULL);
            return;
        } else if (errno != EINTR) {
            lose(k);
        }
    }
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    flush(arg);
}

static void
on_answer(struct keeper_client *k, const struct keeper_answer *answer)
{
    char text[KEEPER_TEXT_MAX + 1];
    size_t slot = answer->id % KEEPER_IN_FLIGHT_MAX;
    struct keeper_request *r = k->slots[slot];
    struct keeper_reply reply = { answer->status,    answer->handle,
                                  answer->signature, answer->public_key,
                                  answer->message,   text };

    if (r == NULL || r->id != answer->id || r->op != answer->op) {
        lose(k);
        return;
    }
    (void)bytes_copy(answer->text, text, sizeof(text));
    k->slots[slot] = NULL;
    k->free_slots[k->free_count++] = (uint16_t)slot;
    if (r->cb != NULL) {
        r->cb(&reply, r->arg);
    } else if (answer->op != KEEPER_OP_SIGN && answer->status == KEEPER_OK) {
        keeper_release(k, &answer->handle); /* nobody is left to do it */
    }
    request_free(r);
}

static void
on_packet(struct keeper_client *k, struct bytes packet, int fd)
{
    struct keeper_answer answer;

    if (!keeper_answer_decode(packet, &answer)) {
        lose(k); /* the end of the connection, too: it reads as length 0 */
    } else if (answer.op != KEEPER_OP_VIEW) {
        on_answer(k, &answer);
    } else if (answer.status == KEEPER_OK) {
        views_take(k->views, answer.epoch, fd);
    }
}

static void
on_readable(evutil_socket_t unused, short what, void *arg)
{
    struct keeper_client *k = arg;
    uint64_t life = k->life;
    int n = inbox_receive(&k->inbox, k->fd);

    (void)unused;
    (void)what;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        lose(k);
    }
    for (int i = 0; i < n; i++) {
        if (k->life == life) { /* else: what a lost keeper had said */
            on_packet(k, inbox_packet(&k->inbox, i), inbox_fd(&k->inbox, i));
        }
    }
    inbox_clear(&k->inbox, n);
    flush(k);
}

static void
on_deferred(evutil_socket_t fd, short what, void *arg)
{
    static const struct keeper_reply reply = { .status = KEEPER_GONE,
                                               .text = "" };
    struct keeper_client *k = arg;
    struct keeper_request *last = TAILQ_LAST(&k->gone, request_list);
    struct keeper_request *r;
    bool tell = k->tell_gone;

    (void)fd;
    (void)what;
    k->tell_gone = false;
    if (tell && k->fd < 0) {
        k->cb(NULL, k->arg);
    }
    /* What callbacks ask anew is answered in another turn of the loop; a
     * `last` that was cancelled meanwhile only makes this one longer. */
    while ((r = TAILQ_FIRST(&k->gone)) != NULL) {
        bool done = r == last;

        TAILQ_REMOVE(&k->gone, r, link);
        r->cb(&reply, r->arg);
        request_free(r);
        if (done) {
            break;
        }
    }
    if (TAILQ_FIRST(&k->gone) != NULL) {
        defer(k);
    }
}

/* NULL: no memory, or a field out of its range. */
static struct keeper_request *
request_new(struct keeper_client *k, const struct keeper_ask *ask,
            keeper_callback *cb, void *arg)
{
    uint8_t packet[KEEPER_REQUEST_MAX];
    size_t len = keeper_ask_encode(ask, packet);
    struct keeper_request *r = len == 0 ? NULL : malloc(sizeof(*r) + len);

    if (r != NULL) {
        *r = (struct keeper_request){
            .client = k, .op = ask->op, .cb = cb, .arg = arg, .len = len
        };
        memcpy(r->packet, packet, len);
    }
    wipe(packet, sizeof(packet));
    return r;
}

static void
submit(struct keeper_client *k, struct keeper_request *r)
{
    if (k->fd < 0) {
        to_gone(k, r);
    } else {
        TAILQ_INSERT_TAIL(&k->waiting, r, link);
        flush(k);
    }
}

/* What has a callback lives on until the loop runs, whatever happened. */
struct keeper_request *
client_ask(struct keeper_client *k, const struct keeper_ask *ask,
           keeper_callback *cb, void *arg)
{
    struct keeper_request *r = request_new(k, ask, cb, arg);

    if (r != NULL) {
        assert(r->cb != NULL && wants_reply(r));
        submit(k, r);
    }
    return r;
}

void
client_tell(struct keeper_client *k, const struct keeper_ask *ask)
{
    struct keeper_request *r = request_new(k, ask, NULL, NULL);

    if (r != NULL) {
        submit(k, r);
    }
}

void
keeper_cancel(struct keeper_request **request)
{
    struct keeper_request *r = *request;

    *request = NULL;
    if (r == NULL) {
        return;
    }
    r->cb = NULL;
    if (r->state == REQUEST_SENT) {
        return; /* its reply frees it */
    }
    TAILQ_REMOVE(r->state == REQUEST_GONE ? &r->client->gone
                                          : &r->client->waiting,
                 r, link);
    request_free(r);
}

/* False: no memory, fd closed. */
static bool
connect_to(struct keeper_client *k, int fd)
{
    struct keeper_ask ask = { .op = KEEPER_OP_VIEW };
    struct keeper_request *r = request_new(k, &ask, NULL, NULL);

    k->fd = fd;
    k->readable = event_new(k->base, fd, EV_READ | EV_PERSIST, on_readable, k);
    k->writable = event_new(k->base, fd, EV_WRITE, on_writable, k);
    if (k->readable == NULL || k->writable == NULL ||
        event_add(k->readable, NULL) != 0 || r == NULL) {
        free(r);
        disconnect(k);
        return false;
    }
    submit(k, r);
    return true;
}

/* Also when its end has not been read yet. */
static bool
is_connected(const struct keeper_client *k)
{
    struct pollfd hangup = { .fd = k->fd };

    return k->fd >= 0 && poll(&hangup, 1, 0) == 0;
}

void
keeper_client_reconnect(struct keeper_client *k, int fd)
{
    if (is_connected(k)) {
        close(fd);
        return;
    }
    if (k->fd >= 0) {
        disconnect(k);
    }
    if (!connect_to(k, fd)) {
        k->tell_gone = true;
        defer(k);
    }
}

struct keeper_client *
keeper_client_new(struct event_base *base, int fd, keeper_view_callback *cb,
                  void *arg)
{
    struct keeper_client *k = calloc(1, sizeof(*k));

    if (k != NULL) {
        k->base = base;
        k->cb = cb;
        k->arg = arg;
        k->fd = -1;
        TAILQ_INIT(&k->waiting);
        TAILQ_INIT(&k->gone);
        free_all_slots(k);
        k->deferred = evtimer_new(base, on_deferred, k);
        k->views = views_new(base, cb, arg);
    }
    if (k == NULL || k->deferred == NULL || k->views == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        keeper_client_free(&k);
        return NULL;
    }
    if (fd >= 0 && !connect_to(k, fd)) {
        keeper_client_free(&k);
    }
    return k;
}

const struct view *
keeper_client_view(const struct keeper_client *k)
{
    return views_current(k->views);
}

uint64_t
keeper_client_life(const struct keeper_client *k)
{
    return k->life;
}

void
keeper_client_free(struct keeper_client **kp)
{
    struct keeper_client *k = *kp;
    struct keeper_request *r;

    *kp = NULL;
    if (k == NULL) {
        return;
    }
    if (k->fd >= 0) {
        disconnect(k);
    }
    while ((r = TAILQ_FIRST(&k->gone)) != NULL) {
        TAILQ_REMOVE(&k->gone, r, link);
        request_free(r);
    }
    free_event(&k->deferred);
    views_free(&k->views);
    wipe(&k->inbox, sizeof(k->inbox));
    free(k);
}
