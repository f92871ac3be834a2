/*
 * keysign - one digest signed with a private key; see keysign.h.
 */
#include "proxy/keys/keysign.h"

#include <openssl/rsa.h>

static size_t
sign_rsa(EVP_PKEY *key, const uint8_t *digest, uint8_t *out)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    size_t len = KEYSIGN_OCTETS_MAX;
    bool good = ctx != NULL && EVP_PKEY_sign_init(ctx) > 0 &&
                EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0 &&
                EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0 &&
                EVP_PKEY_sign(ctx, out, &len, digest, DKIM_SHA256_OCTETS) > 0;

    EVP_PKEY_CTX_free(ctx);
    return good ? len : 0;
}

static size_t
sign_ed25519(EVP_PKEY *key, const uint8_t *digest, uint8_t *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = KEYSIGN_OCTETS_MAX;
    bool good = ctx != NULL &&
                EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(ctx, out, &len, digest, DKIM_SHA256_OCTETS) == 1;

    EVP_MD_CTX_free(ctx);
    return good ? len : 0;
}

size_t
keysign(EVP_PKEY *key, enum dkim_alg alg, const uint8_t *digest, uint8_t *out)
{
    return alg == DKIM_ALG_ED25519_SHA256 ? sign_ed25519(key, digest, out)
                                          : sign_rsa(key, digest, out);
}
