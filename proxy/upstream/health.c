/*
 * health - see proxy/upstream/health.h.
 */
#include "proxy/upstream/health.h"

#include <event2/event.h>

#include <proxy/clock.h>
#include <proxy/worker.h>
#include <stdlib.h>

struct health_check {
    struct upstream *upstream;
    size_t target;
    struct event *timer;
    struct dial *dial;
    struct upstream_link *link; /* owns; asked NOOP */
};

struct health {
    struct health_check *checks; /* owns; as the upstream's targets */
    size_t count;
};

/* The check is over; the next one follows after the interval. */
static void
judge(struct health_check *c, bool good, const char *error)
{
    struct upstream *u = c->upstream;
    struct timeval in = { u->conf->health_interval_s, 0 };

    if (balance_checked(&u->balances[c->target], &u->balance, good,
                        clock_ms())) {
        upstream_log_target(u, c->target, "check", good ? NULL : error);
    }
    upstream_link_free(&c->link);
    (void)event_add(c->timer, &in);
}

static void
on_noop(struct conn *conn, enum conn_event event, void *arg)
{
    struct bytes in = conn_input(conn);
    struct health_check *c = arg;
    struct smtp_reply reply;
    enum smtp_reply_result result;

    if (event == CONN_DRAINED) {
        return;
    }
    if (event != CONN_INPUT) {
        judge(c, false,
              event == CONN_TIMEOUT ? "no answer in time"
                                    : "connection closed");
        return;
    }
    result = smtp_reply_next(&in, &reply);
    if (result == SMTP_REPLY_OK && reply.code / 100 == 2) {
        conn_write(conn, BYTES_LIT("QUIT\r\n"));
        judge(c, true, "");
    } else if (result != SMTP_REPLY_MORE) {
        judge(c, false, "NOOP was refused");
    }
}

static void
on_dialled(struct upstream_link *link, const char *error, void *arg)
{
    struct health_check *c = arg;

    c->dial = NULL;
    if (link == NULL) {
        judge(c, false, error);
        return;
    }
    c->link = link;
    conn_set_owner(link->conn, on_noop, c);
    conn_set_deadline(link->conn, c->upstream->conf->health_timeout_s * 1000);
    conn_write(link->conn, BYTES_LIT("NOOP\r\n"));
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct health_check *c = arg;

    (void)fd;
    (void)what;
    c->dial = dial_check(c->upstream, c->target, on_dialled, c);
    if (c->dial == NULL) {
        judge(c, true, ""); /* our memory says nothing about the upstream */
    }
}

static bool
check_init(struct health_check *c, struct upstream *u, size_t target)
{
    /* The first ones soon, and not all at once. */
    struct timeval in = { 0, (suseconds_t)(target % 10 * 100000) };

    c->upstream = u;
    c->target = target;
    c->timer = event_new(u->worker->base, -1, 0, on_timer, c);
    return c->timer != NULL && event_add(c->timer, &in) == 0;
}

struct health *
health_new(struct upstream *u)
{
    struct health *h = calloc(1, sizeof(*h));

    if (h == NULL) {
        return NULL;
    }
    h->checks = calloc(u->conf->addresses.count, sizeof(*h->checks));
    for (; h->checks != NULL && h->count < u->conf->addresses.count;
         h->count++) {
        if (!check_init(&h->checks[h->count], u, h->count)) {
            h->count++;
            health_free(&h);
            return NULL;
        }
    }
    if (h->checks == NULL) {
        health_free(&h);
    }
    return h;
}

void
health_free(struct health **hp)
{
    struct health *h = *hp;

    if (h == NULL) {
        return;
    }
    for (size_t i = 0; i < h->count; i++) {
        struct health_check *c = &h->checks[i];

        dial_cancel(&c->dial);
        upstream_link_free(&c->link);
        if (c->timer != NULL) {
            event_free(c->timer);
        }
    }
    free(h->checks);
    free(h);
    *hp = NULL;
}
