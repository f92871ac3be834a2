/*
 * keyfile - one private key in a PEM file: what may be loaded, and why not.
 *
 * A key that others could have read, or that is not what it should be, is
 * refused with its own word: type, owner and mode when the file is looked at,
 * contents when it is parsed. Every key proves itself before it is given out:
 * it signs a probe and its public half verifies it.
 *
 * Accepted: one PEM block, PKCS#8 or PKCS#1, RSA of 2048 (1024 with
 * short_keys) to 4096 bits or Ed25519, nothing before or behind it.
 * RFC 8301 3.2, 8463, 7468.
 */
#ifndef PROXY_KEYS_KEYFILE_H
#define PROXY_KEYS_KEYFILE_H

#include <base/buf.h>
#include <base/bytes.h>

#include <dkim/sign.h>

#include <openssl/evp.h>

#include <sys/types.h>

enum {
    KEYFILE_OCTETS_MAX = 16 * 1024, /* RSA-4096 in PKCS#8 is 3272 */
    KEYFILE_RSA_BITS_MIN = 2048,
    KEYFILE_RSA_BITS_SHORT = 1024, /* with allow_short_keys */
    KEYFILE_RSA_BITS_MAX = 4096
};

enum key_err {
    KEY_OK,
    KEY_ERR_MISSING,   /* no such file */
    KEY_ERR_OPEN,      /* exists, cannot be opened or read */
    KEY_ERR_TYPE,      /* a symlink, directory, FIFO, device */
    KEY_ERR_OWNER,     /* not ours, root's or the key account's */
    KEY_ERR_MODE,      /* group or others may read or write it */
    KEY_ERR_SIZE,      /* over KEYFILE_OCTETS_MAX */
    KEY_ERR_FORMAT,    /* not one whole PEM private key */
    KEY_ERR_JUNK,      /* octets before or behind the PEM block */
    KEY_ERR_LINE_ENDS, /* CR in the file */
    KEY_ERR_ENCRYPTED, /* needs a pass phrase */
    KEY_ERR_PUBLIC,    /* a public key or a certificate */
    KEY_ERR_KIND,      /* EC, DSA, RSA-PSS, X25519 ... */
    KEY_ERR_WEAK,      /* RSA under the limit */
    KEY_ERR_BIG,       /* RSA over 4096 bits */
    KEY_ERR_EXPONENT,  /* RSA: neither 3 nor 65537 */
    KEY_ERR_PROBE,     /* a signature that it made does not verify */
    KEY_ERR_MISMATCH,  /* not the key that its .conf names */
    KEY_ERR_EXISTS,    /* the store has a key of this name */
    KEY_ERR_NAME,      /* not a domain or selector */
    KEY_ERR_LONG,      /* the two make no name in DNS */
    KEY_ERR_STATE,     /* a retiring or revoked key does not become active */
    KEY_ERR_WRITE,     /* could not be written; errno says why */
    KEY_ERR_NO_MEMORY,
    KEY_ERRS
};

/* One sentence with the mend, without a full stop. */
const char *key_err_text(enum key_err err);

struct keyfile_rules {
    uid_t owner;     /* besides root and the caller; (uid_t)-1: no other */
    bool short_keys; /* [sign] allow_short_keys */
};

/* Type, owner, mode and size by lstat() alone: nothing is opened. */
enum key_err keyfile_check(const char *path, const struct keyfile_rules *rules);

/*
 * Checks the open file and parses it. No terminal is ever asked. The caller
 * owns *key_out and frees it with EVP_PKEY_free(). alg_out may be NULL.
 * Cost: one signature and its check.
 */
enum key_err keyfile_load(const char *path, const struct keyfile_rules *rules,
                          EVP_PKEY **key_out, enum dkim_alg *alg_out);

/* The same from memory; pem need not end in NUL and is not kept. */
enum key_err keyfile_parse(struct bytes pem, bool short_keys,
                           EVP_PKEY **key_out, enum dkim_alg *alg_out);

/* Any file or descriptor a user names (`key import`): contents only. */
enum key_err keyfile_read(int fd, struct buf *out);

/*
 * Do all parts of the key belong together? KEY_ERR_PROBE when not. OpenSSL
 * signs around a damaged prime as long as the exponent is whole, so a key is
 * asked once, when it comes into the store. Cost: some 50 ms for RSA.
 */
enum key_err keyfile_prove(EVP_PKEY *key);

/* PKCS#8 PEM appended to out, which the caller wipes. */
enum key_err keyfile_put(EVP_PKEY *key, struct buf *out);

/*
 * What p= of the key record holds, in base64, appended: SubjectPublicKeyInfo
 * for RSA (RFC 6376 3.6.1), the 32 raw octets for Ed25519 (RFC 8463 4.2).
 */
enum key_err keyfile_put_public(EVP_PKEY *key, struct buf *out);

/* A new key. bits is for RSA; 0: 2048. */
enum key_err keyfile_generate(enum dkim_alg alg, unsigned bits, bool short_keys,
                              EVP_PKEY **key_out);

#endif
