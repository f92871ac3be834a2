/*
 * cache - answers by name and type, until their TTL ends.
 *
 * Bounded twice, by entries and by octets; the one that was not used for the
 * longest time goes first. Time is an argument.
 *
 * RFC 1035 3.2.1, 2308 5 (negative), 8767 4 (a TTL has a cap), 9520 3.2
 * (failures too, for a moment).
 */
#ifndef PROXY_DNS_CACHE_H
#define PROXY_DNS_CACHE_H

#include "proxy/dns/result.h"

enum {
    CACHE_TTL_MAX_S = 3600,
    CACHE_NEGATIVE_MAX_S = 60,
    CACHE_FAILURE_S = 1,
    CACHE_ENTRIES_MAX = 10000,
    CACHE_OCTETS_MAX = 16 << 20
};

struct dns_cache;

/* seed: random, so that nobody can choose names that fall together. */
struct dns_cache *cache_new(uint64_t seed, size_t entries_max,
                            size_t octets_max);
void cache_free(struct dns_cache **c);

/* What a TTL as sent becomes, by kind of answer. */
uint32_t cache_ttl(enum dns_status status, uint32_t ttl_s);

/* Keeps a reference of its own for ttl_s; 0: does nothing. */
void cache_put(struct dns_cache *c, const struct dns_question *q,
               struct dns_result *result, uint32_t ttl_s, uint64_t now_ms);

/*
 * Caller owns the reference; NULL: not known, or over. *left_s_out is what is
 * left of its TTL, rounded up.
 */
struct dns_result *cache_get(struct dns_cache *c, const struct dns_question *q,
                             uint64_t now_ms, uint32_t *left_s_out);

size_t cache_count(const struct dns_cache *c);

/* Hashes for tables of questions in flight and of names already asked. */
uint64_t cache_hash_name(uint64_t seed, const char *name);
uint64_t cache_hash(uint64_t seed, const struct dns_question *q);
bool cache_same(const struct dns_question *a, const struct dns_question *b);

#endif
