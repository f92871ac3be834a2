/*
 * delivery - see delivery.h.
 */
#include "proxy/dns/delivery.h"

#include <stdlib.h>

enum {
    DELIVERIES_MAX = 64 /* callbacks a turn of the loop */
};

void
queries_drop(struct query_list *list)
{
    struct dns_query *query;

    while ((query = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, query, link);
        result_unref(&query->result);
        free(query);
    }
}

/* Takes the query out of its list's hands and calls; then it is gone. */
static void
deliver(struct dns_query *query)
{
    struct dns_answer answer = { .status = DNS_TEMPFAIL };

    if (query->result != NULL) {
        answer = query->result->answer;
    }
    answer.ttl_s = query->ttl_s;
    answer.authenticated = query->authenticated;
    query->cb(&answer, query->arg);
    result_unref(&query->result);
    free(query);
}

static void
on_deliver(evutil_socket_t fd, short what, void *arg)
{
    struct delivery *d = arg;
    struct dns_query *query;

    (void)fd;
    (void)what;
    for (unsigned n = 0; n < DELIVERIES_MAX; n++) {
        query = TAILQ_FIRST(&d->ready);
        if (query == NULL) {
            return;
        }
        TAILQ_REMOVE(&d->ready, query, link);
        deliver(query);
    }
    event_active(d->event, EV_TIMEOUT, 0);
}

void
delivery_add(struct delivery *d, struct dns_query *query,
             struct dns_result *result, uint32_t ttl_s)
{
    query->question = NULL;
    query->ttl_s = ttl_s;
    if (result != NULL) {
        query->result = result_ref(result);
        query->authenticated = result->answer.authenticated;
    }
    TAILQ_INSERT_TAIL(&d->ready, query, link);
    event_active(d->event, EV_TIMEOUT, 0);
}

bool
delivery_open(struct delivery *d, struct event_base *base)
{
    TAILQ_INIT(&d->ready);
    d->event = evtimer_new(base, on_deliver, d);
    return d->event != NULL;
}

void
delivery_close(struct delivery *d)
{
    queries_drop(&d->ready);
    if (d->event != NULL) {
        event_free(d->event);
    }
}
