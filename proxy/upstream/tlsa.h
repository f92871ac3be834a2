/*
 * tlsa - the TLSA records of an upstream, as far as DNSSEC vouches for them.
 *
 * A host that is an alias has them under the name at the end of its chain,
 * else under its own (RFC 7672 2.2.2); every answer on the way must come
 * authenticated from a resolver that we trust. Nothing less will do: `tls =
 * dane` is a demand, so what RFC 7672 2.2 would deliver without is a failure.
 *
 * Private to proxy/upstream.
 */
#ifndef PROXY_UPSTREAM_TLSA_H
#define PROXY_UPSTREAM_TLSA_H

#include <base/buf.h>

#include <proxy/dns/resolver.h>

enum {
    TLSA_RECORDS_MAX = 32, /* of a name; more are not looked at */
    TLSA_HOPS_MAX = 8,     /* as the resolver's own */
    TLSA_ERROR_MAX = 400
};

struct tlsa;
/* t->count and t->error say how it ended. */
typedef void tlsa_callback(struct tlsa *t, void *arg);

struct tlsa {
    struct bytes records[TLSA_RECORDS_MAX]; /* RDATA, views into data */
    size_t count;                           /* 0: error says why */
    char base[DNS_NAME_MAX + 1];            /* the name they are for */
    char error[TLSA_ERROR_MAX];             /* with the mend; "" for none */
    /* private */
    struct buf data;
    struct resolver *resolver;
    struct dns_query *query;
    char host[DNS_NAME_MAX + 1];
    uint16_t port;
    unsigned hops;
    tlsa_callback *cb;
    void *arg;
};

/*
 * host: a name. The callback comes once, never from inside the call; the
 * records live until tlsa_free(). NULL: no memory, or no name.
 */
struct tlsa *tlsa_lookup(struct resolver *r, const char *host, uint16_t port,
                         tlsa_callback *cb, void *arg);
/* No callback after this. *t is NULL afterwards; NULL is fine. */
void tlsa_free(struct tlsa **t);

#endif
