/*
 * digest - a hash that takes many small pieces cheaply.
 *
 * A call into libcrypto costs more than the hash of a word of text, so short
 * pieces are gathered before they go there. Private to dkim/.
 */
#ifndef DKIM_DIGEST_H
#define DKIM_DIGEST_H

#include <base/bytes.h>

#include <dkim/canon.h>
#include <dkim/hash.h>

#include <openssl/evp.h>

enum {
    DKIM_DIGEST_GATHER = 512
};

/* Fields private; owns ctx. */
struct dkim_digest {
    EVP_MD_CTX *ctx;
    size_t gathered;
    bool failed;
    uint8_t buf[DKIM_DIGEST_GATHER];
};

/* False: no memory; free it all the same. */
bool dkim_digest_init(struct dkim_digest *d, enum dkim_hash_alg alg);
/* Starts anew with the same algorithm. */
void dkim_digest_reset(struct dkim_digest *d);
void dkim_digest_put(struct dkim_digest *d, struct bytes text);
/* out: room for DKIM_HASH_OCTETS_MAX; returns the octets written; 0: failed. */
size_t dkim_digest_end(struct dkim_digest *d, uint8_t *out);
void dkim_digest_free(struct dkim_digest *d);

#endif
