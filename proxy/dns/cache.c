/*
 * cache - answers until their TTL ends; see cache.h.
 *
 * A table of lists, and one list of all entries in the order of use. An
 * entry whose time is over goes when it is asked for or when it is the
 * oldest: nothing walks through all of them.
 */
#include "proxy/dns/cache.h"

#include <stdlib.h>
#include <sys/queue.h>

enum {
    BUCKETS = 4096
};

struct entry {
    LIST_ENTRY(entry) same; /* of its bucket */
    TAILQ_ENTRY(entry) use;
    struct dns_question q;
    struct dns_result *result; /* owns a reference */
    uint64_t until_ms;
};

LIST_HEAD(bucket, entry);
TAILQ_HEAD(uses, entry);

struct dns_cache {
    struct bucket buckets[BUCKETS];
    struct uses uses; /* first: used last */
    uint64_t seed;
    size_t count;
    size_t octets;
    size_t entries_max;
    size_t octets_max;
};

struct dns_cache *
cache_new(uint64_t seed, size_t entries_max, size_t octets_max)
{
    struct dns_cache *c = calloc(1, sizeof(*c));

    if (c != NULL) {
        TAILQ_INIT(&c->uses);
        c->seed = seed;
        c->entries_max = entries_max;
        c->octets_max = octets_max;
    }
    return c;
}

static size_t
entry_octets(const struct entry *e)
{
    return sizeof(*e) + e->result->octets;
}

static void
drop(struct dns_cache *c, struct entry *e)
{
    LIST_REMOVE(e, same);
    TAILQ_REMOVE(&c->uses, e, use);
    c->count--;
    c->octets -= entry_octets(e);
    result_unref(&e->result);
    free(e);
}

void
cache_free(struct dns_cache **c)
{
    if (*c == NULL) {
        return;
    }
    while (!TAILQ_EMPTY(&(*c)->uses)) {
        drop(*c, TAILQ_FIRST(&(*c)->uses));
    }
    free(*c);
    *c = NULL;
}

static uint32_t
at_most(uint32_t ttl_s, uint32_t max_s)
{
    return ttl_s < max_s ? ttl_s : max_s;
}

uint32_t
cache_ttl(enum dns_status status, uint32_t ttl_s)
{
    switch (status) {
    case DNS_OK:
        return at_most(ttl_s, CACHE_TTL_MAX_S);
    case DNS_NXDOMAIN:
    case DNS_NODATA:
        return at_most(ttl_s, CACHE_NEGATIVE_MAX_S);
    case DNS_TEMPFAIL:
        break;
    }
    return CACHE_FAILURE_S;
}

uint64_t
cache_hash_name(uint64_t seed, const char *name)
{
    uint64_t h = seed;

    for (const char *c = name; *c != '\0'; c++) {
        h = (h ^ byte_lower((uint8_t)*c)) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h ^ h >> 32;
}

uint64_t
cache_hash(uint64_t seed, const struct dns_question *q)
{
    return cache_hash_name(seed ^ (uint64_t)q->type, q->name);
}

bool
cache_same(const struct dns_question *a, const struct dns_question *b)
{
    return a->type == b->type &&
           bytes_eq_ci(bytes_str(a->name), bytes_str(b->name));
}

static struct bucket *
bucket_of(struct dns_cache *c, const struct dns_question *q)
{
    return &c->buckets[cache_hash(c->seed, q) % BUCKETS];
}

static struct entry *
find(struct dns_cache *c, const struct dns_question *q)
{
    struct entry *e;

    LIST_FOREACH (e, bucket_of(c, q), same) {
        if (cache_same(&e->q, q)) {
            return e;
        }
    }
    return NULL;
}

void
cache_put(struct dns_cache *c, const struct dns_question *q,
          struct dns_result *result, uint32_t ttl_s, uint64_t now_ms)
{
    struct entry *e = find(c, q);

    if (e != NULL) {
        drop(c, e);
    }
    if (ttl_s == 0 || (e = calloc(1, sizeof(*e))) == NULL) {
        return;
    }
    e->q = *q;
    e->result = result_ref(result);
    e->until_ms = now_ms + (uint64_t)ttl_s * 1000;
    LIST_INSERT_HEAD(bucket_of(c, q), e, same);
    TAILQ_INSERT_HEAD(&c->uses, e, use);
    c->count++;
    c->octets += entry_octets(e);
    while (c->count > c->entries_max || c->octets > c->octets_max) {
        drop(c, TAILQ_LAST(&c->uses, uses));
    }
}

struct dns_result *
cache_get(struct dns_cache *c, const struct dns_question *q, uint64_t now_ms,
          uint32_t *left_s_out)
{
    struct entry *e = find(c, q);

    if (e == NULL) {
        return NULL;
    }
    if (e->until_ms <= now_ms) {
        drop(c, e);
        return NULL;
    }
    TAILQ_REMOVE(&c->uses, e, use);
    TAILQ_INSERT_HEAD(&c->uses, e, use);
    *left_s_out = (uint32_t)((e->until_ms - now_ms + 999) / 1000);
    return result_ref(e->result);
}

size_t
cache_count(const struct dns_cache *c)
{
    return c->count;
}
