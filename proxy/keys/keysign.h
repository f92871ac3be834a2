/*
 * keysign - one digest signed with a private key, for the commands.
 *
 * The keeper, which signs thousands a second, keeps contexts of its own.
 */
#ifndef PROXY_KEYS_KEYSIGN_H
#define PROXY_KEYS_KEYSIGN_H

#include <dkim/sign.h>

#include <openssl/evp.h>

enum {
    KEYSIGN_OCTETS_MAX = 512
}; /* RSA-4096 */

/*
 * digest: DKIM_SHA256_OCTETS. RSA: RSASSA-PKCS1-v1_5 (RFC 6376 3.3);
 * Ed25519: PureEdDSA over the digest (RFC 8463 3). Octets written to out;
 * 0: failed.
 */
size_t keysign(EVP_PKEY *key, enum dkim_alg alg, const uint8_t *digest,
               uint8_t *out);

#endif
