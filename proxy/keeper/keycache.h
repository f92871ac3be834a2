/*
 * keycache - private keys while they are wanted, parsed once.
 *
 * An entry stands for (domain, selector); it carries the key's queue and,
 * when it was used not long ago, the parsed key. Keys are loaded by the
 * thread that first needs one, outside of any lock; beyond the limit the one
 * that was unused longest is wiped. A new epoch forgets all parsed keys, as
 * the files may have changed.
 *
 * The calls with a comment "locked" need the caller's one lock; the others
 * must be made without it.
 *
 * OWNERSHIP
 *   keycache_get()     a reference, until keycache_put()
 *   keycache_hold()    a user of the parsed key, until keycache_release()
 */
#ifndef PROXY_KEEPER_KEYCACHE_H
#define PROXY_KEEPER_KEYCACHE_H

#include <dkim/keyrecord.h>

#include <proxy/keeper/protocol.h>
#include <proxy/keeper/queue.h>
#include <proxy/keys/keystore.h>
#include <time.h>

struct keycache;
struct loaded_key;

struct key_entry {
    char domain[KEEPER_DOMAIN_MAX + 1];
    char selector[KEEPER_SELECTOR_MAX + 1];
    struct queue_key queue;
    struct loaded_key *loaded; /* private from here on */
    enum key_err fault;        /* why the last loading failed */
    uint64_t fault_until_ms;   /* no other try before */
    unsigned refs;
    struct key_entry *next;
    TAILQ_ENTRY(key_entry) age; /* while loaded */
};

struct keycache_conf {
    struct keystore_conf store;
    size_t loaded_max; /* parsed keys */
    unsigned threads;  /* numbered from 0 */
};

/* conf is copied; store.state_dir is borrowed. NULL: no memory. */
struct keycache *keycache_new(const struct keycache_conf *conf);
void keycache_free(struct keycache **c);

/* Locked. The key of the view, whose names are in range. NULL: no memory. */
struct key_entry *keycache_get(struct keycache *c, const struct view_key *key);
/* Locked. *entry is NULL afterwards. */
void keycache_put(struct keycache *c, struct key_entry **entry);
/* Locked. */
void keycache_forget(struct keycache *c);

/* The file of a parsed key, as it was when it was read. */
struct keycache_file {
    char domain[KEEPER_DOMAIN_MAX + 1];
    char selector[KEEPER_SELECTOR_MAX + 1];
    struct timespec changed;
};

/* Locked. The files of all parsed keys, *count_out of them; the caller frees
 * the array. NULL: there are none, or no memory. */
struct keycache_file *keycache_files(const struct keycache *c,
                                     size_t *count_out);
/* Unlocked. Whether the file, when it has changed, holds a good key again. */
enum key_err keycache_probe(const struct keycache *c,
                            const struct keycache_file *file);

/* Locked. One more user of the parsed key; NULL: it must be loaded. */
struct loaded_key *keycache_hold(struct keycache *c, struct key_entry *entry);
/* Locked. *key is NULL afterwards; NULL is fine. The last wipes it. */
void keycache_release(struct loaded_key **key);
/* Locked. The fault, when loading failed less than a few seconds ago. */
enum key_err keycache_fault(const struct key_entry *entry, uint64_t now_ms);
/* Unlocked. Reads, parses and probes; the caller holds *key_out once. */
enum key_err keycache_load(const struct keycache *c,
                           const struct key_entry *entry,
                           struct loaded_key **key_out);
/* Locked. What was loaded (NULL: fault) is there for the next one. */
void keycache_store(struct keycache *c, struct key_entry *entry,
                    struct loaded_key *key, enum key_err fault,
                    uint64_t now_ms);

/*
 * Unlocked. Signs the 32 octets of digest. thread: whose context is used.
 * signature_out has room for KEEPER_SIGNATURE_MAX. 0: libcrypto failed, or
 * the key is not of this algorithm.
 */
size_t keycache_sign(struct loaded_key *key, unsigned thread, enum dkim_alg alg,
                     const uint8_t *digest, uint8_t *signature_out);
/*
 * Unlocked, after each signature: is this one to be checked? The first 100 of
 * a loaded key, then now and then.
 */
bool keycache_due(struct loaded_key *key);
/* Unlocked. OK, BAD_SIGNATURE by the public half in the key's note, or
 * TEMPFAIL: it could not be tried. */
enum dkim_key_err keycache_check(const struct loaded_key *key,
                                 const uint8_t *digest, struct bytes signature);
/* What p= in the note stands for; lent while the key is held. */
struct bytes keycache_public(const struct loaded_key *key);

#endif
