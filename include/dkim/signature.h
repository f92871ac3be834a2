/*
 * signature - a DKIM-Signature field's tags, parsed and judged by themselves.
 *
 * RFC 6376 3.5; 8301; 8463; 8616 (d= and s= are A-labels).
 */
#ifndef DKIM_SIGNATURE_H
#define DKIM_SIGNATURE_H

#include <base/bytes.h>

#include <dkim/address.h>
#include <dkim/hash.h>
#include <dkim/sign.h>

enum {
    DKIM_NAMES_MAX = 256,   /* of h= */
    DKIM_B_OCTETS_MAX = 512 /* RSA with 4096 bits */
};

enum dkim_sig_err {
    DKIM_SIG_OK,
    DKIM_SIG_SYNTAX,
    DKIM_SIG_DUPLICATE,
    DKIM_SIG_TOO_MANY_TAGS,
    DKIM_SIG_MISSING,   /* a required tag */
    DKIM_SIG_VERSION,   /* v= is not 1 */
    DKIM_SIG_ALGORITHM, /* a= is unknown */
    DKIM_SIG_B,
    DKIM_SIG_BH,
    DKIM_SIG_CANON, /* c= is unknown */
    DKIM_SIG_DOMAIN,
    DKIM_SIG_SELECTOR,
    DKIM_SIG_HEADERS,  /* h= is not a list of names */
    DKIM_SIG_TOO_MANY, /* names in h= */
    DKIM_SIG_NO_FROM,
    DKIM_SIG_IDENTITY,         /* i= is malformed */
    DKIM_SIG_IDENTITY_OUTSIDE, /* i= is not within d= */
    DKIM_SIG_LENGTH,
    DKIM_SIG_QUERY, /* q= has no dns/txt */
    DKIM_SIG_TIME,
    DKIM_SIG_EXPIRES,
    DKIM_SIG_EXPIRES_FIRST, /* x= is not after t= */
    DKIM_SIG_ERRS
};

/* Views borrow the field. */
struct dkim_signature {
    enum dkim_alg alg;
    bool alg_known;
    enum dkim_canon_mode header_canon;
    enum dkim_canon_mode body_canon;
    char domain[DKIM_DOMAIN_MAX + 1];
    char selector[DKIM_DOMAIN_MAX + 1];
    struct bytes names;    /* h= */
    struct bytes identity; /* i= as written, or empty */
    struct bytes b_text;   /* b= as written */
    bool identity_below;   /* i= is in a subdomain of d= */
    uint8_t b[DKIM_B_OCTETS_MAX];
    size_t b_len;
    uint8_t bh[DKIM_HASH_OCTETS_MAX];
    size_t bh_len;
    bool has_length, has_time, has_expires;
    uint64_t length;    /* l=, canonical octets */
    uint64_t time_s;    /* t= */
    uint64_t expires_s; /* x= */
};

/* One sentence, without a full stop; "" for OK. */
const char *dkim_sig_err_text(enum dkim_sig_err err);

/*
 * value: what is behind the colon of the field. *sig_out is filled as far as
 * the tags go also when the result is an error, so that the signature can be
 * reported; what could not be parsed is zero or empty.
 */
enum dkim_sig_err dkim_signature_parse(struct bytes value,
                                       struct dkim_signature *sig_out);

/*
 * The tags that ARC fields have in common with a DKIM-Signature, each on its
 * own: value is the tag's value without white space around it.
 */
enum dkim_sig_err dkim_signature_alg(struct dkim_signature *sig,
                                     struct bytes value);
enum dkim_sig_err dkim_signature_b(struct dkim_signature *sig,
                                   struct bytes value);
enum dkim_sig_err dkim_signature_bh(struct dkim_signature *sig,
                                    struct bytes value);
enum dkim_sig_err dkim_signature_canon(struct dkim_signature *sig,
                                       struct bytes value);
enum dkim_sig_err dkim_signature_domain(struct dkim_signature *sig,
                                        struct bytes value);
enum dkim_sig_err dkim_signature_selector(struct dkim_signature *sig,
                                          struct bytes value);
enum dkim_sig_err dkim_signature_names(struct dkim_signature *sig,
                                       struct bytes value);
enum dkim_sig_err dkim_signature_time(struct dkim_signature *sig,
                                      struct bytes value);

enum dkim_hash_alg dkim_alg_hash(enum dkim_alg alg);

#endif
