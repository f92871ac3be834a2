/*
 * where - whom a survey asks, and how that is written.
 */
#ifndef PROXY_SURVEY_WHERE_H
#define PROXY_SURVEY_WHERE_H

#include <proxy/config/conf.h>
#include <proxy/survey/zones.h>

enum {
    WHERE_RESOLVERS_MAX = 16,
    WHERE_TEXT_MAX = 300
};

struct where_resolvers {
    struct sockaddr_storage list[WHERE_RESOLVERS_MAX]; /* with ports */
    size_t count;
    size_t own; /* the first ones are the configured resolver */
};

/* [dns] nameserver (or /etc/resolv.conf), then public_resolvers. */
void where_resolvers_set(struct where_resolvers *r, const struct dns_conf *dns);

/* A resolver for NS records and addresses: it answers although DNSSEC says
 * bogus, so that a survey of a broken zone finds its servers. */
struct resolver *where_resolver(struct event_base *base,
                                const struct dns_conf *dns);
/* One packet, one connection. */
unsigned where_try_ms(const struct dns_conf *dns);
/* Of authoritative servers. */
uint16_t where_port(const struct dns_conf *dns);

/* "192.0.2.1"; with another port than 53 "127.0.0.1#5353". text: room for
 * WHERE_TEXT_MAX. */
void where_address_text(const struct sockaddr_storage *addr, char *text);
/* "ns1.example.net [192.0.2.1]" */
void where_server_text(const struct zone_server *server, char *text);

/* Lower case, no final dot, cut at what a name may have; room for
 * DNS_NAME_MAX + 1. */
void where_lower(const char *name, char *out);
/* Where a CNAME leads may be the root, or a name whose text has escapes: no
 * host and no key has such a one. */
bool where_can_ask(const char *name);

#endif
