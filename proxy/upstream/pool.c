/*
 * pool - the connections of an upstream: counted, kept, lent; see pool.h.
 *
 * A kept link belongs to on_idle(): any word from the other side, its close
 * and the idle time's end all mean the same: this link is not used again.
 */
#include "proxy/upstream/pool.h"

#include <proxy/clock.h>
#include <stdlib.h>

enum {
    IDLE_LINKS_MAX = 100,
    RESET_MS = 30 * 1000
};

/* --- how many there may be ------------------------------------------------ */

bool
pool_is_full(const struct upstream *u)
{
    return u->connections_max > 0 && u->connections >= u->connections_max;
}

void
pool_uncount(struct upstream *u)
{
    u->connections--;
    waits_serve_soon(u);
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
        pool_uncount(link->upstream);
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

/* --- the ones that are kept ----------------------------------------------- */

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
    waits_serve_soon(u);
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

/* --- one of them for somebody --------------------------------------------- */

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
    any = pool_is_full(u) || balance_is_down(&u->balances[first], now);
    for (struct upstream_link *at = u->idle; at != NULL; at = at->next) {
        if (same_key(at, key) && (any || at->target == first) && !is_worn(at)) {
            balance_chosen(u->balances, u->conf->addresses.count, &u->balance,
                           now, first);
            return at;
        }
    }
    return NULL;
}

struct upstream_link *
pool_take(struct upstream *u, const char *key)
{
    struct upstream_link *link = find_idle(u, key);

    if (link != NULL) {
        idle_remove(link);
        conn_set_deadline(link->conn, 0);
    }
    return link;
}

/* A kept one that nobody may use now makes room. */
bool
pool_make_room(struct upstream *u)
{
    if (pool_is_full(u) && u->idle != NULL) {
        drop_oldest(u);
    }
    return !pool_is_full(u);
}

/* --- the end -------------------------------------------------------------- */

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
pool_close(struct upstream *u)
{
    list_free(&u->idle);
    list_free(&u->resetting);
}
