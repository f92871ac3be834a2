/*
 * hash - the body hash while the body arrives; see dkim/hash.h.
 */
#include "dkim/digest.h"

#include <dkim/hash.h>

#include <stdlib.h>

struct dkim_body_hash {
    enum dkim_canon_mode mode;
    uint64_t limit;
    uint64_t octets; /* canonical, of the whole body */
    struct dkim_body_canon canon;
    struct dkim_digest digest; /* owns */
};

/* 3.7: l= counts canonical octets; those beyond it are not hashed. */
static void
put_canonical(void *ctx, struct bytes text)
{
    struct dkim_body_hash *h = ctx;
    uint64_t left = h->limit > h->octets ? h->limit - h->octets : 0;

    h->octets += text.len;
    if (left < text.len) {
        text.len = (size_t)left;
    }
    dkim_digest_put(&h->digest, text);
}

static void
restart(struct dkim_body_hash *h)
{
    struct dkim_sink sink = { put_canonical, h };

    h->octets = 0;
    dkim_body_canon_init(&h->canon, h->mode, sink);
}

struct dkim_body_hash *
dkim_body_hash_new(enum dkim_canon_mode mode, enum dkim_hash_alg alg,
                   uint64_t limit)
{
    struct dkim_body_hash *h = malloc(sizeof(*h));

    if (h == NULL) {
        return NULL;
    }
    h->mode = mode;
    h->limit = limit;
    if (!dkim_digest_init(&h->digest, alg)) {
        dkim_body_hash_free(&h);
        return NULL;
    }
    restart(h);
    return h;
}

void
dkim_body_hash_reset(struct dkim_body_hash *h)
{
    dkim_digest_reset(&h->digest);
    restart(h);
}

void
dkim_body_hash_feed(struct dkim_body_hash *h, struct bytes body)
{
    dkim_body_canon_feed(&h->canon, body);
}

size_t
dkim_body_hash_end(struct dkim_body_hash *h, uint8_t *out)
{
    dkim_body_canon_end(&h->canon);
    return dkim_digest_end(&h->digest, out);
}

uint64_t
dkim_body_hash_octets(const struct dkim_body_hash *h)
{
    return h->octets;
}

void
dkim_body_hash_free(struct dkim_body_hash **h)
{
    if (*h != NULL) {
        dkim_digest_free(&(*h)->digest);
        free(*h);
        *h = NULL;
    }
}
