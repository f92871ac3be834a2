/*
 * headerhash - the header input of a signature, canonicalized and hashed.
 *
 * Made for DKIM-Signature, ARC-Message-Signature and ARC-Seal alike: say which
 * fields go in, in their order, and last the signature's own field.
 *
 * RFC 6376 3.5 (b=), 3.7, 5.4.2; 8617 5.1.
 */
#ifndef DKIM_HEADERHASH_H
#define DKIM_HEADERHASH_H

#include <base/bytes.h>

#include <dkim/hash.h>
#include <dkim/header.h>

struct dkim_header_hash;

/* NULL: no memory. The caller frees it with dkim_header_hash_free(). */
struct dkim_header_hash *dkim_header_hash_new(enum dkim_canon_mode mode,
                                              enum dkim_hash_alg alg);
/* One whole field, with the CRLF that ends it. */
void dkim_header_hash_field(struct dkim_header_hash *h, struct bytes raw);
/*
 * The fields that an h= value names: the n-th mention of a name is the n-th
 * field of that name from the bottom, or nothing (5.4.2). except: a field of
 * header that is never taken (the signature itself), or NULL.
 */
void dkim_header_hash_names(struct dkim_header_hash *h,
                            const struct dkim_header *header,
                            struct bytes names,
                            const struct dkim_field *except);
/*
 * The signature's own field, last: without its final CRLF, the value of b=
 * taken out. False: not a tag list with b=; nothing was hashed.
 */
bool dkim_header_hash_signature(struct dkim_header_hash *h, struct bytes raw);
/* out: room for DKIM_HASH_OCTETS_MAX; returns the octets written; 0: failed. */
size_t dkim_header_hash_end(struct dkim_header_hash *h, uint8_t *out);
void dkim_header_hash_free(struct dkim_header_hash **h);

#endif
