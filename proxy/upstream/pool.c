/*
 * pool - the connections of an upstream: kept, lent, waited for.
 *
 * A kept link belongs to on_idle(): any word from the other side, its close
 * and the idle time's end all mean the same: this link is not used again. Who
 * may not have a connection yet is served in turn when one is given back or
 * has ended, from an event of its own.
 */
#include "proxy/upstream/link.h"

#include <event2/event.h>

#include <proxy/clock.h>
#include <proxy/log/log.h>
#include <proxy/worker.h>
#include <stdlib.h>

enum {
    IDLE_LINKS_MAX = 100,
    RESET_MS = 30 * 1000
};

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

/* --- how many there may be ------------------------------------------------ */

static bool
is_full(const struct upstream *u)
{
    return u->connections_max > 0 && u->connections >= u->connections_max;
}

static const struct upstream_wait *
first_queued(const struct upstream *u)
{
    const struct upstream_wait *wait = u->waits;

    while (wait != NULL && wait->dial != NULL) {
        wait = wait->next;
    }
    return wait;
}

/* Something has changed for who waits in the queue. */
static void
serve_soon(struct upstream *u)
{
    static const struct timeval now = { 0, 0 };

    if (first_queued(u) != NULL) {
        (void)event_add(u->serve, &now);
    }
}

static void
uncount(struct upstream *u)
{
    u->connections--;
    serve_soon(u);
}

void
upstream_link_free(struct upstream_link **lp)
{
    struct upstream_link *link = *lp;

    if (link == NULL) {
        return;
    }
    *lp = NULL;
    conn_free(&link->conn);
    if (link->counted) {
        uncount(link->upstream);
    }
    free(link->name);
    free(link->key);
    free(link);
}

/* Takes link off the list; false: it is not on it. */
static bool
list_remove(struct upstream_link **list, struct upstream_link *link)
{
    for (; *list != NULL; list = &(*list)->next) {
        if (*list == link) {
            *list = link->next;
            link->next = NULL;
            return true;
        }
    }
    return false;
}

/* --- the ones that are kept ---------------------------------------------- */

static void
idle_remove(struct upstream_link *link)
{
    struct upstream *u = link->upstream;

    u->idle_count -= list_remove(&u->idle, link);
}

static void
say_quit(struct upstream_link *link)
{
    conn_write(link->conn, BYTES_LIT("QUIT\r\n"));
}

static void
on_idle(struct conn *conn, enum conn_event event, void *arg)
{
    struct upstream_link *link = arg;

    (void)conn;
    if (event == CONN_DRAINED) {
        return;
    }
    if (event == CONN_TIMEOUT) {
        say_quit(link);
    }
    idle_remove(link);
    upstream_link_free(&link);
}

/* The one that was not used for the longest time. */
static void
drop_oldest(struct upstream *u)
{
    struct upstream_link *link = u->idle;

    while (link->next != NULL) {
        link = link->next;
    }
    say_quit(link);
    idle_remove(link);
    upstream_link_free(&link);
}

static bool
is_worn(const struct upstream_link *link)
{
    const struct upstream_conf *conf = link->upstream->conf;
    uint64_t age = clock_ms() - link->made_ms;

    return link->own || link->uses >= conf->reuse_messages ||
           (link->caps.mail_max > 0 && /* RFC 9422 4.1 */
            link->uses >= link->caps.mail_max) ||
           age >= (uint64_t)conf->reuse_age_s * 1000 || conf->reuse_idle_s == 0;
}

static void
keep(struct upstream_link *link)
{
    struct upstream *u = link->upstream;

    if (is_worn(link)) {
        say_quit(link);
        upstream_link_free(&link);
        return;
    }
    if (u->idle_count >= IDLE_LINKS_MAX) {
        drop_oldest(u);
    }
    conn_set_owner(link->conn, on_idle, link);
    conn_set_deadline(link->conn, u->conf->reuse_idle_s * 1000);
    link->next = u->idle;
    u->idle = link;
    u->idle_count++;
    serve_soon(u);
}

/* The reply to our RSET; anything but one whole 2yz drops the link. */
static void
on_reset(struct conn *conn, enum conn_event event, void *arg)
{
    struct upstream_link *link = arg;
    struct bytes in = conn_input(conn);
    struct smtp_reply reply;
    enum smtp_reply_result result;

    if (event == CONN_DRAINED) {
        return;
    }
    result =
        event == CONN_INPUT ? smtp_reply_next(&in, &reply) : SMTP_REPLY_BAD;
    if (result == SMTP_REPLY_MORE) {
        return;
    }
    (void)list_remove(&link->upstream->resetting, link);
    if (result == SMTP_REPLY_BAD || reply.code / 100 != 2 || in.len > 0) {
        upstream_link_free(&link);
        return;
    }
    conn_consume(conn, conn_input(conn).len);
    keep(link);
}

void
upstream_put(struct upstream_link **lp, bool reset)
{
    struct upstream_link *link = *lp;

    *lp = NULL;
    if (link == NULL) {
        return;
    }
    link->uses++;
    if (conn_input(link->conn).len > 0 || conn_pending(link->conn) > 0) {
        upstream_link_free(&link); /* what is left would answer the next one */
    } else if (reset) {
        conn_set_owner(link->conn, on_reset, link);
        conn_set_deadline(link->conn, RESET_MS);
        link->next = link->upstream->resetting;
        link->upstream->resetting = link;
        conn_write(link->conn, BYTES_LIT("RSET\r\n"));
    } else {
        keep(link);
    }
}

void
upstream_drop(struct upstream_link **link)
{
    if (*link != NULL) {
        conn_abort(&(*link)->conn);
        upstream_link_free(link);
    }
}

/* --- asking for one ------------------------------------------------------ */

static bool
same_key(const struct upstream_link *link, const char *key)
{
    return strcmp(link->key == NULL ? "" : link->key, key) == 0;
}

/*
 * A kept one for whom key names: to the address whose turn it is, or to any
 * when that one failed lately or when there may be no more connections.
 */
static struct upstream_link *
find_idle(struct upstream *u, const char *key)
{
    uint64_t now = clock_ms();
    size_t first;
    bool any;

    balance_order(u->balances, u->conf->addresses.count, &u->balance, now,
                  u->order);
    first = u->order[0];
    any = is_full(u) || balance_is_down(&u->balances[first], now);
    for (struct upstream_link *at = u->idle; at != NULL; at = at->next) {
        if (same_key(at, key) && (any || at->target == first) && !is_worn(at)) {
            balance_chosen(u->balances, u->conf->addresses.count, &u->balance,
                           now, first);
            return at;
        }
    }
    return NULL;
}

static struct upstream_link *
take_idle(struct upstream *u, const char *key)
{
    struct upstream_link *link = find_idle(u, key);

    if (link != NULL) {
        idle_remove(link);
        conn_set_deadline(link->conn, 0);
    }
    return link;
}

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
        link = take_idle(u, text);
    }
    buf_free(&key);
    return link;
}

/* One that is in no list, or in none any more. */
static void
wait_unlisted_free(struct upstream_wait *wait)
{
    if (wait->dial != NULL) {
        dial_cancel(&wait->dial);
        uncount(wait->upstream);
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

static void
on_dialled(struct upstream_link *link, const char *error, void *arg)
{
    struct upstream_wait *wait = arg;

    wait->dial = NULL; /* it has ended by itself */
    if (link == NULL) {
        uncount(wait->upstream);
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

/* A kept one that nobody may use now makes room. */
static bool
make_room(struct upstream *u)
{
    if (is_full(u) && u->idle != NULL) {
        drop_oldest(u);
    }
    return !is_full(u);
}

/* One of the queue; false: nothing can be done for it now. */
static bool
serve_one(struct upstream_wait *wait)
{
    struct upstream *u = wait->upstream;
    struct upstream_link *link =
        wait->wish.secret != NULL ? NULL : take_idle(u, wait->key);

    if (link != NULL) {
        answer(wait, link, "");
    } else if (!make_room(u)) {
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
    if (others || !make_room(u) ? !join_queue(wait) : !begin_dial(wait)) {
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

static void
list_free(struct upstream_link **list)
{
    while (*list != NULL) {
        struct upstream_link *link = *list;

        *list = link->next;
        upstream_link_free(&link);
    }
}

void
upstream_pool_close(struct upstream *u)
{
    while (u->waits != NULL) {
        struct upstream_wait *wait = u->waits;

        u->waits = wait->next;
        wait_unlisted_free(wait);
    }
    list_free(&u->idle);
    list_free(&u->resetting);
    if (u->serve != NULL) {
        event_free(u->serve);
    }
}
