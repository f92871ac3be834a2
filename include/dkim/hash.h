/*
 * hash - the body hash of RFC 6376 3.7, while the body arrives.
 *
 * Each octet is looked at once: canonicalized in runs and hashed in place.
 */
#ifndef DKIM_HASH_H
#define DKIM_HASH_H

#include <base/bytes.h>

enum dkim_canon_mode {
    DKIM_CANON_SIMPLE, /* 3.4.1, 3.4.3 */
    DKIM_CANON_RELAXED /* 3.4.2, 3.4.4 */
};

enum dkim_hash_alg {
    DKIM_HASH_SHA256,
    DKIM_HASH_SHA1 /* only to judge old mail; RFC 8301 */
};

enum {
    DKIM_SHA256_OCTETS = 32,
    DKIM_HASH_OCTETS_MAX = 32
};

struct dkim_body_hash;

/*
 * limit: canonical octets hashed at most (l=), UINT64_MAX for all.
 * NULL: no memory. The caller frees it with dkim_body_hash_free().
 */
struct dkim_body_hash *dkim_body_hash_new(enum dkim_canon_mode mode,
                                          enum dkim_hash_alg alg,
                                          uint64_t limit);
/* Ready for the next message, without giving memory back. */
void dkim_body_hash_reset(struct dkim_body_hash *h);
void dkim_body_hash_feed(struct dkim_body_hash *h, struct bytes body);
/* out: room for DKIM_HASH_OCTETS_MAX; returns the octets written; 0: failed. */
size_t dkim_body_hash_end(struct dkim_body_hash *h, uint8_t *out);
/* Canonical octets of the whole body, those beyond limit included. */
uint64_t dkim_body_hash_octets(const struct dkim_body_hash *h);
void dkim_body_hash_free(struct dkim_body_hash **h);

#endif
