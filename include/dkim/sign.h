/*
 * sign - one DKIM-Signature field, in two steps around the private key.
 *
 * dkim_sign_prepare() gives the digest that the key must sign; whoever holds
 * the key signs it; dkim_sign_finish() makes the field. No key is ever here.
 *
 * RFC 6376 3.5, 3.7, 5; 8301 (rsa-sha256 only); 8463 (ed25519-sha256: PureEdDSA
 * over the 32 octets of the SHA-256 digest).
 */
#ifndef DKIM_SIGN_H
#define DKIM_SIGN_H

#include <base/buf.h>
#include <base/bytes.h>
#include <dkim/hash.h>
#include <dkim/header.h>

enum dkim_alg {
    DKIM_ALG_RSA_SHA256,
    DKIM_ALG_ED25519_SHA256,
    DKIM_ALG_RSA_SHA1, /* never signed */
    DKIM_ALGS
};

/* "rsa-sha256" */
const char *dkim_alg_name(enum dkim_alg alg);

/*
 * Which fields go into h=. Made once from the configuration. A name ending in
 * "*" stands for all names that begin so ("content-*", "resent-*", "list-*").
 */
struct dkim_sign_headers {
    const char *const *sign;             /* NULL-terminated, lower case */
    const char *const *oversign;         /* once more than present, always */
    const char *const *oversign_present; /* once more, when present */
};

/* The defaults of product.md. */
extern const struct dkim_sign_headers dkim_sign_headers_default;

struct dkim_sign_params {
    const char *domain;   /* d=, lower case */
    const char *selector; /* s= */
    enum dkim_alg alg;
    enum dkim_canon_mode header_canon;
    enum dkim_canon_mode body_canon;
    uint64_t time_s;    /* t=, seconds since 1970; 0: no t= */
    uint64_t expires_s; /* x=, seconds since 1970; 0: no x= */
    struct bytes body_hash; /* 32 octets of the body in body_canon */
    const struct dkim_sign_headers *headers;
};

/*
 * Puts the field up to and including "b=" to field and the digest of the
 * header input to digest_out (DKIM_SHA256_OCTETS). Never l=, z= or i=; folded
 * at 78 columns between tags and between names, never inside a token.
 * False: no memory or a libcrypto failure.
 */
bool dkim_sign_prepare(const struct dkim_header *header,
                       const struct dkim_sign_params *params,
                       struct buf *field, uint8_t *digest_out);

/* Appends the signature in base64, folded, and the final CRLF. */
void dkim_sign_finish(struct buf *field, struct bytes signature);

#endif
