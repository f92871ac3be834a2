/*
 * selfcheck - a field that was just made, judged as a receiver will.
 *
 * The signer's work once more from the other side: the field is parsed, its
 * h= looked up in the header, canonicalized and verified by the public key
 * that was published. No DNS, no clock; the body is known by its hash.
 * RFC 6376 6.1.
 */
#ifndef DKIM_SELFCHECK_H
#define DKIM_SELFCHECK_H

#include <base/bytes.h>

#include <dkim/header.h>
#include <dkim/sign.h>

/*
 * header     the message's fields as they will be sent, without this one
 * field      the whole DKIM-Signature field, with its last CRLF
 * body_hash  of the body in the field's canonicalization
 * p          what p= of the key record stands for
 *
 * Returns "" when it verifies, else a static sentence that says why not. RSA
 * under 2048 bits is as good as any here. Cost: one verification and one pass
 * over the signed fields.
 */
const char *dkim_selfcheck(const struct dkim_header *header, struct bytes field,
                           struct bytes body_hash, enum dkim_alg alg,
                           struct bytes p);

#endif
