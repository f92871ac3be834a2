/*
 * record - one key record as text: what it says, and how it was spoilt.
 *
 * Pure. The parser (dkim/keyrecord.h) only says that a verifier cannot use a
 * record; here is looked for what the person who published it did.
 */
#ifndef PROXY_SURVEY_RECORD_H
#define PROXY_SURVEY_RECORD_H

#include <base/buf.h>

#include <dkim/keyrecord.h>

#include <proxy/dns/raw.h>

enum {
    RECORD_STRINGS_MAX = 6 /* that are tried in another order */
};

/* OWNERSHIP: owns its buffers until record_free(). */
struct record {
    struct bytes strings; /* as in RDATA; borrowed */
    size_t string_count;
    struct buf text; /* the strings joined */
    struct buf p;    /* what stands in p=, without quotes, blanks
                        and line breaks */
    bool quotes, blanks, line_breaks; /* in p=; quotes also elsewhere */
    enum dkim_key_err err;            /* of text */
    struct dkim_key_record key;       /* err OK */
    unsigned bits;                    /* RSA, as far as it can be loaded */
    enum dkim_key_err load_err;       /* of key; err OK */
};

/* data: of a RAW_TYPE_TXT. False: no memory. */
bool record_read(struct bytes data, struct record *record_out);
void record_free(struct record *r);

/* It says v=DKIM1, or has a p= as key records have. */
bool record_is_key(struct bytes text);

/* Is what stands in p= (or anywhere in it) a private key? ours_b64: our
 * public key, "" for none; ed25519: its kind. */
bool record_is_private(const struct record *r, const char *ours_b64,
                       bool ed25519);

/* The strings in another order are our key (or, with ours_b64 "", a key,
 * where as they stand they are none). */
bool record_is_shuffled(const struct record *r, const char *ours_b64,
                        bool ed25519);

/* p= is the beginning of ours_b64; with "" a key that ends too early. */
bool record_is_cut(const struct record *r, const char *ours_b64);

/* The value of a tag, "" when there is none; no grammar is enforced. */
struct bytes record_tag(struct bytes text, const char *name);

#endif
