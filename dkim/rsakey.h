/*
 * rsakey - an RSA public key from the octets of p=.
 *
 * libcrypto's d2i_PUBKEY() looks through every decoder that it has and takes
 * five times as long as the verification that follows; an RSA key is two
 * numbers, whose frame is read here. DER, strictly: RFC 6376 3.6.1.
 */
#ifndef DKIM_RSAKEY_H
#define DKIM_RSAKEY_H

#include <base/bytes.h>

#include <openssl/evp.h>

/* Octets of a number, most significant first, without zeros before. */
struct dkim_rsa {
    struct bytes n, e; /* borrowed from der */
};

/* A SubjectPublicKeyInfo, or the RSAPublicKey in it alone; nothing behind it.
 * The numbers may be anything, zero too. False: not that. */
bool dkim_rsa_parse(struct bytes der, struct dkim_rsa *key_out);

/* 0 for the number zero. */
unsigned dkim_rsa_bits(struct bytes number);
bool dkim_rsa_odd(struct bytes number);

/* The key as libcrypto wants it. NULL: no memory, or no such key. */
EVP_PKEY *dkim_rsa_make(const struct dkim_rsa *key);

#endif
