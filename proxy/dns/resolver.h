/*
 * resolver - DNS over UDP and TCP on the event loop, with a cache.
 *
 * One question goes out once however many wait for it. An answer always comes
 * through the callback, never from inside dns_ask(), within the budget that
 * the configuration sets.
 *
 * RFC 1035, 2308 (negative TTL), 5452 (id, port, 0x20), 6891 (EDNS0 1232),
 * 7766 (TCP).
 */
#ifndef PROXY_DNS_RESOLVER_H
#define PROXY_DNS_RESOLVER_H

#include <dkim/dns.h>

#include <event2/event.h>

#include <proxy/config/conf.h>
#include <sys/socket.h>

struct resolver;
struct dns_query;

/* conf is borrowed. NULL: no memory. */
struct resolver *resolver_new(struct event_base *base,
                              const struct dns_conf *conf);
void resolver_free(struct resolver **r); /* cancels what is under way */

/* answer and what it points to are lent for the call. */
typedef void dns_callback(const struct dns_answer *answer, void *arg);

/* NULL: no memory. The query is gone when its callback has been called. */
struct dns_query *dns_ask(struct resolver *r, const struct dns_question *q,
                          dns_callback *cb, void *arg);
/* No callback after this. *query becomes NULL; NULL is fine. */
void dns_cancel(struct dns_query **query);

/*
 * Addresses of a host for connecting: a numeric one, /etc/hosts, then AAAA
 * and A. count 0: error says which, "" never.
 */
struct dns_addresses {
    const struct sockaddr_storage *list; /* port set; lent for the call */
    size_t count;
    /* Every one of them with AD from a resolver that we trust, or from
     * /etc/hosts, or the host was an address. */
    bool authenticated;
    bool unknown; /* count 0: nobody answered, and there may be some */
    const char *error;
};
typedef void dns_addresses_callback(const struct dns_addresses *found,
                                    void *arg);
struct dns_lookup;
struct dns_lookup *dns_lookup(struct resolver *r, const char *host,
                              uint16_t port, dns_addresses_callback *cb,
                              void *arg);
void dns_lookup_cancel(struct dns_lookup **lookup);

#endif
