/*
 * signer - the holder of the private key, and messages with any signature.
 *
 * Whatever fails stops the program.
 */
#ifndef TESTS_SIGNER_H
#define TESTS_SIGNER_H

#include <base/buf.h>
#include <base/bytes.h>

#include <dkim/sign.h>

#include <openssl/evp.h>

/* A PEM file of tests/vectors; the caller frees it with EVP_PKEY_free(). */
EVP_PKEY *signer_key(const char *name);
/* The text of its key record; the caller frees it. */
struct buf signer_record(EVP_PKEY *key);
/* The signature of a header hash, as it stands in b= before base64. */
void signer_sign(EVP_PKEY *key, enum dkim_alg alg, struct bytes digest,
                 struct buf *out);

/* A signature whose tags are free text, for what dkim_sign never writes. */
struct craft {
    const char *tags; /* the whole value with "{bh}" for bh= and b= empty */
    enum dkim_alg alg;
    enum dkim_canon_mode header, body;
    uint64_t limit; /* of the body hash; 0: all */
    EVP_PKEY *key;
};

/*
 * Puts "DKIM-Signature:" with these tags over message (header, blank line,
 * body) and the message behind it. The caller frees it.
 */
struct buf signer_craft(const struct craft *c, struct bytes message);

/* The same with dkim_sign itself, as the product does. */
struct buf signer_product(const struct dkim_sign_params *params, EVP_PKEY *key,
                          struct bytes message);

#endif
