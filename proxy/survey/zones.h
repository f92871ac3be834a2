/*
 * zones - which servers are the authority for a name, and where they are.
 *
 * The zone is the nearest name, from the one that is asked about upwards,
 * that has NS records (RFC 1034 4.2.1); the resolver knows them. Each is
 * looked up once however many names lie in it.
 */
#ifndef PROXY_SURVEY_ZONES_H
#define PROXY_SURVEY_ZONES_H

#include <proxy/dns/resolver.h>
#include <sys/queue.h>

enum {
    ZONE_SERVERS_MAX = 16, /* addresses; NS records beyond are not asked */
    ZONE_NS_MAX = 13
};

struct zone_server {
    char name[DNS_NAME_MAX + 1];
    struct sockaddr_storage addr; /* with the port; family 0: the name has no
                                     address, */
    bool unknown;                 /* or the resolver did not say */
};

struct zone {
    char name[DNS_NAME_MAX + 1]; /* "": none was found */
    struct zone_server *servers; /* up to ZONE_SERVERS_MAX; of the zones */
    size_t count;
    bool failed;    /* the resolver did not say */
    bool no_memory; /* some servers may be missing */
};

struct zones;
struct zone_waiter;
typedef void zones_callback(const struct zone *zone, void *arg);

/* Who waits; belongs to the caller and must live until its call. */
struct zone_waiter {
    SLIST_ENTRY(zone_waiter) link; /* private */
    zones_callback *cb;
    void *arg;
};

/* r is borrowed; port: of every server. NULL: no memory. */
struct zones *zones_new(struct resolver *r, uint16_t port);
void zones_free(struct zones **z); /* calls nobody */

/*
 * The zone of name (lower case, no final dot) when it is known, lent until
 * zones_free(); else NULL, and the waiter is called later. Without memory
 * *failed_out is true and nobody will be called.
 */
const struct zone *zones_find(struct zones *z, const char *name,
                              struct zone_waiter *waiter, bool *failed_out);

#endif
