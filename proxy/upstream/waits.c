/*
 * waits - who asks an upstream for a connection; see pool.h.
 *
 * A kept one, a new one, or a place in the queue: who may not have a
 * connection yet is served in turn when one is given back or has ended, from
 * an event of its own.
 */
#include "proxy/upstream/pool.h"

#include <event2/event.h>

#include <proxy/log/log.h>
#include <proxy/worker.h>
#include <stdlib.h>

struct upstream_wait {
    struct upstream *upstream;
    struct upstream_wait *next;
    upstream_callback *cb;
    void *arg;
    struct login_wish wish;
    char *key;           /* owns; see login_key() */
    struct dial *dial;   /* NULL: waits in the queue */
    struct event *timer; /* owns; of the queue, NULL: never waited */
};

static const struct upstream_wait *
first_queued(const struct upstream *u)
{
    const struct upstream_wait *wait = u->waits;

    while (wait != NULL && wait->dial != NULL) {
        wait = wait->next;
    }
    return wait;
}

void
waits_serve_soon(struct upstream *u)
{
    static const struct timeval now = { 0, 0 };

    if (first_queued(u) != NULL) {
        (void)event_add(u->serve, &now);
    }
}

/* --- the end of a wait ---------------------------------------------------- */

/* One that is in no list, or in none any more. */
static void
wait_unlisted_free(struct upstream_wait *wait)
{
    if (wait->dial != NULL) {
        dial_cancel(&wait->dial);
        pool_uncount(wait->upstream);
    }
    if (wait->timer != NULL) {
        event_free(wait->timer);
    }
    login_wish_free(&wait->wish);
    free(wait->key);
    free(wait);
}

static void
wait_free(struct upstream_wait **wp)
{
    struct upstream_wait *wait = *wp;
    struct upstream_wait **at = &wait->upstream->waits;

    while (*at != NULL && *at != wait) {
        at = &(*at)->next;
    }
    if (*at == wait) {
        *at = wait->next;
    }
    wait_unlisted_free(wait);
    *wp = NULL;
}

/* The end of a wait, with or without a link. */
static void
answer(struct upstream_wait *wait, struct upstream_link *link,
       const char *error)
{
    upstream_callback *cb = wait->cb;
    void *cb_arg = wait->arg;

    wait_free(&wait);
    cb(link, error, cb_arg);
}

/* --- a new one ------------------------------------------------------------ */

static void
on_dialled(struct upstream_link *link, const char *error, void *arg)
{
    struct upstream_wait *wait = arg;

    wait->dial = NULL; /* it has ended by itself */
    if (link == NULL) {
        pool_uncount(wait->upstream);
    } else {
        link->counted = true;
        link->own = wait->wish.secret != NULL;
        link->key = wait->key;
        wait->key = NULL;
    }
    answer(wait, link, error);
}

/* False: no memory. */
static bool
begin_dial(struct upstream_wait *wait)
{
    wait->dial = dial_start(wait->upstream, &wait->wish, on_dialled, wait);
    if (wait->dial == NULL) {
        return false;
    }
    wait->upstream->connections++;
    if (wait->timer != NULL) {
        (void)event_del(wait->timer); /* a try has a time of its own */
    }
    return true;
}

/* --- the queue ------------------------------------------------------------ */

/* One of the queue; false: nothing can be done for it now. */
static bool
serve_one(struct upstream_wait *wait)
{
    struct upstream *u = wait->upstream;
    struct upstream_link *link =
        wait->wish.secret != NULL ? NULL : pool_take(u, wait->key);

    if (link != NULL) {
        answer(wait, link, "");
    } else if (!pool_make_room(u)) {
        return false;
    } else if (!begin_dial(wait)) {
        answer(wait, NULL, "no memory");
    }
    return true;
}

static void
on_serve(evutil_socket_t fd, short what, void *arg)
{
    struct upstream *u = arg;
    const struct upstream_wait *wait;

    (void)fd;
    (void)what;
    do {
        wait = first_queued(u);
    } while (wait != NULL &&
             serve_one((struct upstream_wait *)(uintptr_t)wait));
}

static void
on_queue_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct upstream_wait *wait = arg;
    const struct upstream *u = wait->upstream;
    struct log_line l;

    (void)fd;
    (void)what;
    log_begin(&l, LOG_LEVEL_WARN, "upstream-busy");
    log_text(&l, "upstream", u->conf->name);
    log_number(&l, "connections", u->connections);
    log_format(&l, "waited", "%us", u->conf->queue_timeout_s);
    log_end(&l);
    answer(wait, NULL, "all connections are in use; max_connections");
}

static bool
join_queue(struct upstream_wait *wait)
{
    struct timeval in = { wait->upstream->conf->queue_timeout_s, 0 };

    wait->timer =
        event_new(wait->upstream->worker->base, -1, 0, on_queue_timeout, wait);
    return wait->timer != NULL && event_add(wait->timer, &in) == 0;
}

/* --- asking --------------------------------------------------------------- */

struct upstream_link *
upstream_take(struct upstream *u, const struct upstream_wish *wish)
{
    struct upstream_link *link = NULL;
    struct buf key = BUF_INIT;
    const char *text;

    if ((wish != NULL && wish->secret != NULL) || first_queued(u) != NULL) {
        return NULL; /* others came first */
    }
    login_key(wish, &key);
    text = buf_str(&key);
    if (text != NULL) {
        link = pool_take(u, text);
    }
    buf_free(&key);
    return link;
}

static struct upstream_wait *
wait_new(struct upstream *u, const struct upstream_wish *wish)
{
    struct upstream_wait *wait = calloc(1, sizeof(*wait));
    struct upstream_wait **tail = &u->waits;
    struct buf key = BUF_INIT;

    if (wait == NULL) {
        return NULL;
    }
    wait->upstream = u;
    login_key(wish, &key);
    wait->key = (char *)(uintptr_t)buf_str(&key); /* taken */
    if (wait->key == NULL || !login_wish_copy(wish, &wait->wish)) {
        wait_free(&wait);
        return NULL;
    }
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *tail = wait;
    return wait;
}

struct upstream_wait *
upstream_get(struct upstream *u, const struct upstream_wish *wish,
             upstream_callback *cb, void *arg)
{
    bool others = first_queued(u) != NULL;
    struct upstream_wait *wait = wait_new(u, wish);

    if (wait == NULL) {
        return NULL;
    }
    wait->cb = cb;
    wait->arg = arg;
    if (others || !pool_make_room(u) ? !join_queue(wait) : !begin_dial(wait)) {
        wait_free(&wait);
    }
    return wait;
}

void
upstream_cancel(struct upstream_wait **wait)
{
    if (*wait != NULL) {
        wait_free(wait);
    }
}

/* --- making and unmaking it ----------------------------------------------- */

bool
upstream_pool_open(struct upstream *u)
{
    u->serve = event_new(u->worker->base, -1, 0, on_serve, u);
    return u->serve != NULL;
}

void
upstream_pool_close(struct upstream *u)
{
    while (u->waits != NULL) {
        struct upstream_wait *wait = u->waits;

        u->waits = wait->next;
        wait_unlisted_free(wait);
    }
    pool_close(u);
    if (u->serve != NULL) {
        event_free(u->serve);
    }
}
