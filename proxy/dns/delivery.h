/*
 * delivery - answers on their way to who asked.
 *
 * Private to resolver.c. Callbacks are called from an event of its own, a
 * bounded number a turn of the loop.
 */
#ifndef PROXY_DNS_DELIVERY_H
#define PROXY_DNS_DELIVERY_H

#include "proxy/dns/resolver.h"
#include "proxy/dns/result.h"

#include <event2/event.h>

#include <sys/queue.h>

struct question;

/* One who asked. */
struct dns_query {
    TAILQ_ENTRY(dns_query) link; /* of its question, or of ready */
    struct resolver *r;
    struct question *question; /* NULL: in ready */
    struct dns_result *result; /* owns a reference; NULL: TEMPFAIL */
    uint32_t ttl_s;
    bool authenticated;
    dns_callback *cb;
    void *arg;
};

TAILQ_HEAD(query_list, dns_query);

/* Frees all of them; nobody is called. */
void queries_drop(struct query_list *list);

struct delivery {
    struct query_list ready;
    struct event *event; /* owns */
};

/* False: no memory; delivery_close() all the same. */
bool delivery_open(struct delivery *d, struct event_base *base);
void delivery_close(struct delivery *d);

/*
 * Takes the query, which stands in no list; its callback is called soon.
 * result is shared; NULL: a temporary failure.
 */
void delivery_add(struct delivery *d, struct dns_query *query,
                  struct dns_result *result, uint32_t ttl_s);

#endif
