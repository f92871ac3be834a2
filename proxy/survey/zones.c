/*
 * zones - which servers are the authority for a name; see zones.h.
 *
 * A search walks up from one name until it has found NS records and then
 * looks all their names up at once; it is over when nothing is under way.
 */
#include "proxy/survey/zones.h"

#include <base/namehash.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BUCKETS = 1024
};

struct search;

struct host {
    struct search *search;
    char name[DNS_NAME_MAX + 1];
    struct dns_lookup *lookup;
};

SLIST_HEAD(waiter_list, zone_waiter);

struct search {
    SLIST_ENTRY(search) same; /* of its bucket */
    struct zones *zones;
    char start[DNS_NAME_MAX + 1]; /* the name that was asked about */
    const char *at;               /* how far up we are, inside start */
    struct dns_query *query;
    struct host *hosts; /* owns; until all are looked up: many zones are kept */
    size_t host_count;
    size_t pending;
    struct waiter_list waiters;
    bool done;
    struct zone zone;
};

SLIST_HEAD(search_list, search);

struct zones {
    struct resolver *resolver; /* borrowed */
    uint16_t port;
    struct search_list buckets[BUCKETS];
};

static void
free_hosts(struct search *s)
{
    for (size_t i = 0; i < s->host_count; i++) {
        dns_lookup_cancel(&s->hosts[i].lookup);
    }
    free(s->hosts);
    s->hosts = NULL;
    s->host_count = 0;
}

static void
finish(struct search *s)
{
    struct zone_waiter *w;

    free_hosts(s);
    s->done = true;
    while ((w = SLIST_FIRST(&s->waiters)) != NULL) {
        SLIST_REMOVE_HEAD(&s->waiters, link);
        w->cb(&s->zone, w->arg);
    }
}

/* --- addresses ------------------------------------------------------------ */

/* NULL: there are enough, or no memory. */
static struct zone_server *
add_server(struct search *s, const char *name)
{
    size_t count = s->zone.count;
    struct zone_server *list;

    if (count == ZONE_SERVERS_MAX) {
        return NULL;
    }
    list = realloc(s->zone.servers, (count + 1) * sizeof(*list));
    if (list == NULL) {
        s->zone.no_memory = true;
        return NULL;
    }
    list[count] = (struct zone_server){ .unknown = false };
    snprintf(list[count].name, sizeof(list[count].name), "%s", name);
    s->zone.servers = list;
    s->zone.count++;
    return &list[count];
}

static void
add_address(struct search *s, const char *name,
            const struct sockaddr_storage *addr)
{
    struct zone_server *server = add_server(s, name);

    if (server != NULL) {
        server->addr = *addr;
    }
}

static void
add_without_address(struct search *s, const char *name, bool unknown)
{
    struct zone_server *server = add_server(s, name);

    if (server != NULL) {
        server->unknown = unknown;
    }
}

/* By name, and IPv4 first: the same order in each report. */
static int
compare(const void *left, const void *right)
{
    const struct zone_server *a = left;
    const struct zone_server *b = right;
    int by_name = strcmp(a->name, b->name);

    if (by_name != 0) {
        return by_name;
    }
    if (a->addr.ss_family != b->addr.ss_family) {
        return a->addr.ss_family == AF_INET ? -1 : 1;
    }
    return memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static void
host_done(struct search *s)
{
    if (--s->pending == 0 && s->zone.count > 0) {
        qsort(s->zone.servers, s->zone.count, sizeof(s->zone.servers[0]),
              compare);
    }
    if (s->pending == 0) {
        finish(s);
    }
}

static void
on_addresses(const struct dns_addresses *found, void *arg)
{
    struct host *h = arg;

    h->lookup = NULL;
    for (size_t i = 0; i < found->count; i++) {
        add_address(h->search, h->name, &found->list[i]);
    }
    if (found->count == 0) {
        add_without_address(h->search, h->name, found->unknown);
    }
    host_done(h->search);
}

static void
look_up_hosts(struct search *s)
{
    s->pending = s->host_count + 1; /* ours: no end while we still start */
    for (size_t i = 0; i < s->host_count; i++) {
        struct host *h = &s->hosts[i];

        h->search = s;
        h->lookup = dns_lookup(s->zones->resolver, h->name, s->zones->port,
                               on_addresses, h);
        if (h->lookup == NULL) {
            s->zone.no_memory = true;
            s->pending--;
        }
    }
    host_done(s);
}

/* --- the zone ------------------------------------------------------------- */

static bool ask_at(struct search *s);

static void
take_hosts(struct search *s, const struct dns_answer *answer)
{
    snprintf(s->zone.name, sizeof(s->zone.name), "%s", s->at);
    s->hosts = calloc(ZONE_NS_MAX, sizeof(*s->hosts));
    if (s->hosts == NULL) {
        s->zone.no_memory = true;
        finish(s);
        return;
    }
    for (size_t i = 0; i < answer->count && s->host_count < ZONE_NS_MAX; i++) {
        if (bytes_copy(answer->records[i].data, s->hosts[s->host_count].name,
                       sizeof(s->hosts[0].name))) {
            s->host_count++;
        }
    }
    look_up_hosts(s);
}

/* One label less; false: the next would be the root. */
static bool
go_up(struct search *s)
{
    const char *dot = strchr(s->at, '.');

    if (dot == NULL) {
        return false;
    }
    s->at = dot + 1;
    return true;
}

static void
on_ns(const struct dns_answer *answer, void *arg)
{
    struct search *s = arg;

    s->query = NULL;
    if (answer->status == DNS_OK) {
        take_hosts(s, answer);
        return;
    }
    /* One failure may be the fault of that name alone (a CNAME there that
     * leads astray): what is above may still be told. */
    s->zone.failed = s->zone.failed || answer->status == DNS_TEMPFAIL;
    if (!go_up(s) || !ask_at(s)) {
        finish(s);
    }
}

static bool
ask_at(struct search *s)
{
    struct dns_question q = { .type = DNS_NS };

    snprintf(q.name, sizeof(q.name), "%s", s->at);
    s->query = dns_ask(s->zones->resolver, &q, on_ns, s);
    if (s->query == NULL) {
        s->zone.no_memory = true;
    }
    return s->query != NULL;
}

static struct search_list *
bucket_of(struct zones *z, const char *name)
{
    return &z->buckets[name_hash(NAME_HASH_FIRST, bytes_str(name)) % BUCKETS];
}

static struct search *
find_search(struct zones *z, const char *name)
{
    struct search *s;

    SLIST_FOREACH (s, bucket_of(z, name), same) {
        if (strcmp(s->start, name) == 0) {
            return s;
        }
    }
    return NULL;
}

static struct search *
new_search(struct zones *z, const char *name)
{
    struct search *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    s->zones = z;
    snprintf(s->start, sizeof(s->start), "%s", name);
    s->at = s->start;
    SLIST_INIT(&s->waiters);
    if (!ask_at(s)) {
        free(s);
        return NULL;
    }
    SLIST_INSERT_HEAD(bucket_of(z, name), s, same);
    return s;
}

const struct zone *
zones_find(struct zones *z, const char *name, struct zone_waiter *waiter,
           bool *failed_out)
{
    struct search *s = find_search(z, name);

    if (s == NULL) {
        s = new_search(z, name);
    }
    *failed_out = s == NULL;
    if (s == NULL) {
        return NULL;
    }
    if (s->done) {
        return &s->zone;
    }
    SLIST_INSERT_HEAD(&s->waiters, waiter, link);
    return NULL;
}

struct zones *
zones_new(struct resolver *r, uint16_t port)
{
    struct zones *z = calloc(1, sizeof(*z));

    if (z != NULL) {
        z->resolver = r;
        z->port = port;
    }
    return z;
}

static void
search_free(struct search *s)
{
    dns_cancel(&s->query);
    free_hosts(s);
    free(s->zone.servers);
    free(s);
}

void
zones_free(struct zones **z)
{
    struct search *s;

    if (*z == NULL) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        while ((s = SLIST_FIRST(&(*z)->buckets[i])) != NULL) {
            SLIST_REMOVE_HEAD(&(*z)->buckets[i], same);
            search_free(s);
        }
    }
    free(*z);
    *z = NULL;
}
