/*
 * keyrecord - a public key in DNS: found, parsed, judged and used.
 *
 * RFC 6376 3.6, 6.1.2; 8301 (sizes); 8463 (Ed25519: the raw 32 octets).
 */
#ifndef DKIM_KEYRECORD_H
#define DKIM_KEYRECORD_H

#include <base/bytes.h>

#include <dkim/dns.h>
#include <dkim/hash.h>
#include <dkim/sign.h>
#include <dkim/verify.h>

#include <openssl/evp.h>

enum {
    DKIM_KEY_RECORD_MAX = 4096, /* octets of one TXT record */
    DKIM_KEY_OCTETS_MAX = DKIM_KEY_RECORD_MAX / 4 * 3,
    DKIM_RSA_BITS_MIN = 1024, /* 8301 3.2 */
    DKIM_RSA_BITS_GOOD = 2048,
    DKIM_RSA_BITS_MAX = 4096,
    DKIM_KEY_NAMES_MAX = 64 /* elements of h=, s=, t= that are looked at */
};

enum dkim_key_err {
    DKIM_KEY_OK,
    DKIM_KEY_TEMPFAIL,
    DKIM_KEY_NONE,    /* no record at that name */
    DKIM_KEY_SEVERAL, /* more than one */
    DKIM_KEY_SYNTAX,
    DKIM_KEY_DUPLICATE,
    DKIM_KEY_VERSION, /* v= is not DKIM1, or not first */
    DKIM_KEY_NO_P,
    DKIM_KEY_REVOKED, /* p= is empty */
    DKIM_KEY_BASE64,
    DKIM_KEY_TYPE,     /* k= is unknown */
    DKIM_KEY_MISMATCH, /* k= is not for a= */
    DKIM_KEY_HASH,     /* h= does not list the hash of a= */
    DKIM_KEY_SERVICE,  /* s= does not list email */
    DKIM_KEY_FORMAT,   /* p= is not such a key */
    DKIM_KEY_EXPONENT, /* RSA: neither 3 nor 65537 */
    DKIM_KEY_SHORT,    /* RSA under 1024 bits */
    DKIM_KEY_LONG,     /* RSA over 4096 bits; nothing was computed */
    DKIM_KEY_BAD_SIGNATURE,
    DKIM_KEY_ERRS
};

enum dkim_key_type {
    DKIM_KEY_RSA,
    DKIM_KEY_ED25519
};

struct dkim_key_record {
    enum dkim_key_type type;
    bool sha1, sha256; /* h= allows it */
    bool email;        /* s= allows it */
    bool testing;      /* t=y */
    bool strict;       /* t=s: the domain of i= must be d= itself */
    uint8_t p[DKIM_KEY_OCTETS_MAX];
    size_t p_len;
};

/* One sentence, without a full stop; "" for OK. */
const char *dkim_key_err_text(enum dkim_key_err err);
/* What a signature's verdict is when its key ends so; PASS for OK. */
enum dkim_verdict dkim_key_err_verdict(enum dkim_key_err err);

/* SELECTOR._domainkey.DOMAIN. False: longer than a name may be. */
bool dkim_key_question(const char *selector, const char *domain,
                       struct dns_question *q_out);

/* The text of one TXT record. */
enum dkim_key_err dkim_key_parse(struct bytes record,
                                 struct dkim_key_record *key_out);

/*
 * The one key record of an answer: TXT records that neither start with
 * v=DKIM1 nor have a p= are passed over; then there must be exactly one.
 */
enum dkim_key_err dkim_key_from_answer(const struct dns_answer *answer,
                                       struct dkim_key_record *key_out);

/*
 * The key itself, when it may verify signatures of alg. legacy: RSA under
 * 1024 bits too. bits_out is set as soon as the size is known.
 * OWNERSHIP: the caller frees *pkey_out with EVP_PKEY_free().
 */
enum dkim_key_err dkim_key_load(const struct dkim_key_record *key,
                                enum dkim_alg alg, bool legacy,
                                EVP_PKEY **pkey_out, unsigned *bits_out);

/*
 * Whether signature is that of the header hash digest: OK or BAD_SIGNATURE;
 * TEMPFAIL when libcrypto could not try.
 * RSA: RSASSA-PKCS1-v1_5 over digest; Ed25519: PureEdDSA over its octets.
 */
enum dkim_key_err dkim_key_verify(EVP_PKEY *pkey, enum dkim_alg alg,
                                  struct bytes digest, struct bytes signature);

#endif
