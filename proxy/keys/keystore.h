/*
 * keystore - the keys of a state directory and what is known about each.
 *
 *   STATE_DIR/keys/DOMAIN/SELECTOR.pem    the private key, 0600
 *   STATE_DIR/keys/DOMAIN/SELECTOR.conf   ini: state, the date of each step,
 *                                         type, bits, public, ... (keynote.h)
 *
 * Listing reads the .conf files and looks at the .pem files (type, owner,
 * mode) without opening them: 100 000 keys are listed in seconds, and only
 * the keeper, for a key that signs, ever parses one. Files are written to a
 * temporary name, synced and renamed; the .conf is renamed last, so that a
 * .conf always has its key.
 *
 * OWNERSHIP
 *   keystore_load()   caller owns the store until keystore_free()
 *   keystore_key_at() lends until then
 */
#ifndef PROXY_KEYS_KEYSTORE_H
#define PROXY_KEYS_KEYSTORE_H

#include <proxy/config/reader.h>
#include <proxy/keys/keyfile.h>
#include <proxy/users/view.h>

struct keystore_conf {
    const char *state_dir;
    uid_t uid; /* keys_user: owner of what root writes; (uid_t)-1: none */
    gid_t gid;
    bool short_keys;  /* [sign] allow_short_keys */
    unsigned readers; /* threads that list a large store; 0, 1: the caller's */
};

enum {
    KEYSTORE_SELECTOR_MAX = 63 /* octets: one DNS label, dots in it or not */
};

/* What DNS was seen to have in the place of a key's record. */
enum key_fault {
    KEY_FAULT_NONE,
    KEY_FAULT_GONE,     /* no such name or record */
    KEY_FAULT_DIFFERS,  /* another key, or one that nobody can use */
    KEY_FAULT_REVOKED,  /* p= empty, and not by us */
    KEY_FAULT_CONDEMNED /* `rotate --emergency`: it must not sign */
};

/* A server that should have shown the key and did not answer. */
struct key_silence {
    const char *server; /* as in struct seen_at */
    uint64_t since_s;
};

enum {
    KEY_SILENCES_MAX = 16,
    KEY_SERVER_MAX = 150, /* octets */
    KEY_REASON_MAX = 150  /* octets */
};

/* The steps of a key's life, in seconds since 1970; 0: not yet. Its start
 * and what signing needs stand in created_s and view. */
struct key_life {
    uint64_t published_s; /* put into the operator's zone; the owner's own
                             record: first seen */
    uint64_t seen_s;      /* since then every server has shown it */
    unsigned wait_s;      /* from seen_s until it is proved */
    uint64_t retired_s;
    uint64_t revoked_s;
    enum key_fault fault; /* view.faulty: it is one */
    uint64_t fault_s;     /* since then */
    const char *reason;   /* of the last step, one line; "" */
    const struct key_silence *silent;
    size_t silent_count; /* up to KEY_SILENCES_MAX */
};

struct keystore_key {
    struct view_key view;   /* reserved is false here: users decide that */
    uint64_t created_s;     /* seconds since 1970; 0: unknown */
    const char *public_b64; /* what stands in p= */
    const char *note;       /* "" for none */
    bool test_mode;         /* t=y in the record */
    struct key_life life;
};

struct keystore;

/* uid and gid of keys_user when we are root, else "as we run". */
void keystore_conf_init(struct keystore_conf *out,
                        const struct server_conf *server, bool short_keys);

/*
 * All keys, sorted by domain and selector. What is wrong is an error line; a
 * faulty key is left out. A directory that is missing is an empty store.
 * NULL: no memory, or the directory itself cannot be trusted or read.
 */
struct keystore *keystore_load(const struct keystore_conf *conf,
                               struct conf_errors *errors);
void keystore_free(struct keystore **s);
size_t keystore_count(const struct keystore *s);
const struct keystore_key *keystore_key_at(const struct keystore *s, size_t n);
/* NULL: no such key. */
const struct keystore_key *keystore_find(const struct keystore *s,
                                         const char *domain,
                                         const char *selector);
/* False: no memory. */
bool keystore_to_view(const struct keystore *s, struct view_builder *b);

/*
 * The private key of (domain, selector); both lower case. Checked as in
 * keyfile_load() and against the public half in the .conf. Names that are no
 * domain or selector never reach the file system.
 */
enum key_err keystore_private(const struct keystore_conf *conf,
                              const char *domain, const char *selector,
                              EVP_PKEY **key_out, enum dkim_alg *alg_out);

enum {
    KEYSTORE_PUBLIC_MAX = 640
}; /* octets; RSA-4096 takes 550 */

struct keystore_pair {
    EVP_PKEY *private_key; /* the caller frees both */
    EVP_PKEY *public_key;  /* made of p, not of the private half */
    enum dkim_alg alg;
    uint8_t p[KEYSTORE_PUBLIC_MAX]; /* what p= in the note stands for: what
                                       was published */
    size_t p_len;
};

/* The same, with the public half by which signatures can be checked. */
enum key_err keystore_pair(const struct keystore_conf *conf, const char *domain,
                           const char *selector,
                           struct keystore_pair *pair_out);

/*
 * What is known about one key, whose domain and selector key has; texts are
 * kept by s. KEY_ERR_MISSING: it is not there; KEY_ERR_FORMAT: its note is
 * faulty.
 */
struct strings;
enum key_err keystore_note(const struct keystore_conf *conf, struct strings *s,
                           struct keystore_key *key);

/* STATE_DIR/keys/DOMAIN/SELECTOR.pem, NUL-terminated in out, for messages. */
void keystore_path(const struct keystore_conf *conf, const char *domain,
                   const char *selector, const char *suffix, struct buf *out);

/* Parses every key: `sealpostd -t --all-keys`. Faults become error lines. */
void keystore_check_all(const struct keystore_conf *conf,
                        const struct keystore *s, struct conf_errors *errors);

/* --- changes: sealpost key ---------------------------------------------- */

/*
 * Adds key under domain and selector. about->view says domain, selector,
 * state, activated_s and owner; type, bits and public half are the key's own.
 * KEY_ERR_EXISTS: nothing is touched.
 */
enum key_err keystore_add(const struct keystore_conf *conf, EVP_PKEY *key,
                          const struct keystore_key *about);

/*
 * Writes the .conf of an existing key anew: state, dates, note, owner,
 * test_mode as given. A key is parsed and probed before it becomes active.
 */
enum key_err keystore_update(const struct keystore_conf *conf,
                             const struct keystore_key *about);

/* keystore_add() of a new key. bits is for RSA; 0: 2048. */
enum key_err keystore_generate(const struct keystore_conf *conf,
                               enum dkim_alg alg, unsigned bits,
                               const struct keystore_key *about);

/*
 * Takes a key and its note away for ever; the note first, so that half a
 * removal leaves nothing that signs. A key that is not there: KEY_OK.
 */
enum key_err keystore_remove(const struct keystore_conf *conf,
                             const char *domain, const char *selector);

/*
 * "sp<YYYYMM>" and the first letter a..z that is free in the domain (then aa
 * to zz). out: room for 16. False: errno; EEXIST: none is free.
 */
bool keystore_new_selector(const struct keystore_conf *conf, const char *domain,
                           uint64_t now_s, char *out);

/*
 * A selector: one or more labels of letters, digits, hyphens and underscores,
 * at most 63 octets. out: lower case, room for 64. RFC 6376 3.1.
 */
bool keystore_selector_parse(struct bytes text, char *out);

#endif
