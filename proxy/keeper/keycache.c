/*
 * keycache - parsed keys by name, least recently used out; see keycache.h.
 *
 * EVP_PKEY is shared by the threads (measured: no lock trouble); what belongs
 * to one thread alone is the context that it signs with, made at its first
 * signature with this key and kept as long as the key.
 */
#include <base/namehash.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <proxy/keeper/keycache.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    BUCKETS = 4096,
    FAULT_MS = 5000,
    /* First guesses of a signature's cost; the queue measures. */
    COST_ED25519_NS = 40 * 1000,
    COST_RSA_2048_NS = 250 * 1000,
    COST_RSA_BIG_NS = 4 * 1000 * 1000,
    RSA_FAST_BITS = 2048,
    /* Which signatures are checked: the first ones of a loaded key, then one
     * of so many. Checking costs RSA a thirtieth of signing, Ed25519 twice. */
    CHECK_FIRST = 100,
    CHECK_RSA_EVERY = 64,
    CHECK_ED25519_EVERY = 256
};

struct loaded_key {
    EVP_PKEY *key;
    EVP_PKEY *public_key; /* of the note, not of key */
    uint8_t p[KEEPER_PUBLIC_MAX];
    size_t p_len;
    atomic_uint signatures; /* since it was loaded */
    enum dkim_alg alg;
    struct timespec changed; /* its file, before it was read */
    unsigned refs;
    unsigned threads;
    union context {
        EVP_PKEY_CTX *rsa;
        EVP_MD_CTX *ed25519;
    } contexts[]; /* [thread]; each touched by its thread alone */
};

TAILQ_HEAD(key_ages, key_entry);

struct keycache {
    struct keycache_conf conf;
    struct key_ages ages; /* the one unused longest first */
    size_t loaded;
    struct key_entry *buckets[BUCKETS];
};

/* --- parsed keys ---------------------------------------------------------- */

static void
free_context(enum dkim_alg alg, union context *context)
{
    if (alg == DKIM_ALG_RSA_SHA256) {
        EVP_PKEY_CTX_free(context->rsa);
    } else {
        EVP_MD_CTX_free(context->ed25519);
    }
}

void
keycache_release(struct loaded_key **kp)
{
    struct loaded_key *k = *kp;

    *kp = NULL;
    if (k == NULL || --k->refs > 0) {
        return;
    }
    for (unsigned i = 0; i < k->threads; i++) {
        free_context(k->alg, &k->contexts[i]);
    }
    EVP_PKEY_free(k->key); /* clears the private numbers */
    EVP_PKEY_free(k->public_key);
    free(k);
}

/* Zero when it can't be told: then it differs from every other time. */
static struct timespec
file_changed(const struct keycache *c, const char *domain, const char *selector)
{
    struct timespec changed = { 0, 0 };
    struct buf path = BUF_INIT;
    struct stat st;

    keystore_path(&c->conf.store, domain, selector, ".pem", &path);
    if (buf_str(&path) != NULL && stat(buf_str(&path), &st) == 0) {
        changed = st.st_ctim;
    }
    buf_free(&path);
    return changed;
}

enum key_err
keycache_load(const struct keycache *c, const struct key_entry *entry,
              struct loaded_key **key_out)
{
    struct loaded_key *k =
        calloc(1, sizeof(*k) + c->conf.threads * sizeof(k->contexts[0]));
    struct keystore_pair pair;
    enum key_err err;

    if (k == NULL) {
        return KEY_ERR_NO_MEMORY;
    }
    k->refs = 1;
    k->threads = c->conf.threads;
    k->changed = file_changed(c, entry->domain, entry->selector);
    err = keystore_pair(&c->conf.store, entry->domain, entry->selector, &pair);
    if (err != KEY_OK) {
        free(k);
        return err;
    }
    k->key = pair.private_key;
    k->public_key = pair.public_key;
    k->alg = pair.alg;
    memcpy(k->p, pair.p, pair.p_len);
    k->p_len = pair.p_len;
    atomic_init(&k->signatures, 0);
    *key_out = k;
    return KEY_OK;
}

static EVP_PKEY_CTX *
new_rsa_context(EVP_PKEY *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

    if (ctx != NULL &&
        (EVP_PKEY_sign_init(ctx) <= 0 ||
         EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) <= 0 ||
         EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) <= 0)) {
        EVP_PKEY_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

/* RFC 6376 3.3.2: RSASSA-PKCS1-v1_5 over the digest as it is. */
static size_t
sign_rsa(struct loaded_key *key, EVP_PKEY_CTX **ctx, const uint8_t *digest,
         uint8_t *out)
{
    size_t len = KEEPER_SIGNATURE_MAX;

    if (*ctx == NULL) {
        *ctx = new_rsa_context(key->key);
    }
    return *ctx != NULL && EVP_PKEY_sign(*ctx, out, &len, digest,
                                         KEEPER_DIGEST_OCTETS) == 1
               ? len
               : 0;
}

/* RFC 8463 3: PureEdDSA, with the digest as its message. */
static size_t
sign_ed25519(struct loaded_key *key, EVP_MD_CTX **ctx, const uint8_t *digest,
             uint8_t *out)
{
    size_t len = KEEPER_SIGNATURE_MAX;

    if (*ctx == NULL) {
        *ctx = EVP_MD_CTX_new();
    }
    return *ctx != NULL && EVP_MD_CTX_reset(*ctx) == 1 &&
                   EVP_DigestSignInit(*ctx, NULL, NULL, NULL, key->key) == 1 &&
                   EVP_DigestSign(*ctx, out, &len, digest,
                                  KEEPER_DIGEST_OCTETS) == 1
               ? len
               : 0;
}

size_t
keycache_sign(struct loaded_key *key, unsigned thread, enum dkim_alg alg,
              const uint8_t *digest, uint8_t *signature_out)
{
    union context *context = &key->contexts[thread];

    if (key->alg != alg) {
        return 0;
    }
    if (alg == DKIM_ALG_RSA_SHA256) {
        return sign_rsa(key, &context->rsa, digest, signature_out);
    }
    return sign_ed25519(key, &context->ed25519, digest, signature_out);
}

bool
keycache_due(struct loaded_key *key)
{
    unsigned n = atomic_fetch_add(&key->signatures, 1);
    unsigned every = key->alg == DKIM_ALG_ED25519_SHA256 ? CHECK_ED25519_EVERY
                                                         : CHECK_RSA_EVERY;

    return n < CHECK_FIRST || n % every == 0;
}

enum dkim_key_err
keycache_check(const struct loaded_key *key, const uint8_t *digest,
               struct bytes signature)
{
    return dkim_key_verify(key->public_key, key->alg,
                           bytes_make(digest, KEEPER_DIGEST_OCTETS), signature);
}

struct bytes
keycache_public(const struct loaded_key *key)
{
    return bytes_make(key->p, key->p_len);
}

/* --- entries -------------------------------------------------------------- */

struct keycache *
keycache_new(const struct keycache_conf *conf)
{
    struct keycache *c = calloc(1, sizeof(*c));

    if (c != NULL) {
        c->conf = *conf;
        TAILQ_INIT(&c->ages);
    }
    return c;
}

static struct key_entry **
bucket_of(struct keycache *c, const char *domain, const char *selector)
{
    uint32_t hash = name_hash(name_hash(NAME_HASH_FIRST, bytes_str(domain)),
                              bytes_str(selector));

    return &c->buckets[hash % BUCKETS];
}

static struct key_entry *
new_entry(const struct view_key *key)
{
    struct key_entry *e = calloc(1, sizeof(*e));
    uint64_t cost_ns = COST_RSA_2048_NS;
    bool slow = false;

    if (e == NULL ||
        !bytes_copy(bytes_str(key->domain), e->domain, sizeof(e->domain)) ||
        !bytes_copy(bytes_str(key->selector), e->selector,
                    sizeof(e->selector))) {
        free(e);
        return NULL;
    }
    if (key->alg == DKIM_ALG_ED25519_SHA256) {
        cost_ns = COST_ED25519_NS;
    } else if (key->bits > RSA_FAST_BITS) {
        cost_ns = COST_RSA_BIG_NS;
        slow = true;
    }
    queue_key_init(&e->queue, slow, cost_ns);
    return e;
}

struct key_entry *
keycache_get(struct keycache *c, const struct view_key *key)
{
    struct key_entry **bucket = bucket_of(c, key->domain, key->selector);
    struct key_entry *e = *bucket;

    while (e != NULL && (strcmp(e->domain, key->domain) != 0 ||
                         strcmp(e->selector, key->selector) != 0)) {
        e = e->next;
    }
    if (e == NULL) {
        e = new_entry(key);
        if (e == NULL) {
            return NULL;
        }
        e->next = *bucket;
        *bucket = e;
    }
    e->refs++;
    return e;
}

static void
unload(struct keycache *c, struct key_entry *e)
{
    if (e->loaded != NULL) {
        TAILQ_REMOVE(&c->ages, e, age);
        c->loaded--;
        keycache_release(&e->loaded);
    }
}

/* An entry that nobody uses and that holds nothing. */
static void
remove_if_idle(struct keycache *c, struct key_entry *e)
{
    struct key_entry **link = bucket_of(c, e->domain, e->selector);

    if (e->refs > 0 || e->loaded != NULL) {
        return;
    }
    while (*link != e) {
        link = &(*link)->next;
    }
    *link = e->next;
    free(e);
}

void
keycache_put(struct keycache *c, struct key_entry **entry)
{
    struct key_entry *e = *entry;

    *entry = NULL;
    if (e != NULL) {
        e->refs--;
        remove_if_idle(c, e);
    }
}

void
keycache_forget(struct keycache *c)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct key_entry *e = c->buckets[i];

        while (e != NULL) {
            struct key_entry *next = e->next;

            e->fault_until_ms = 0;
            unload(c, e);
            remove_if_idle(c, e);
            e = next;
        }
    }
}

void
keycache_free(struct keycache **c)
{
    if (*c != NULL) {
        keycache_forget(*c);
        free(*c);
        *c = NULL;
    }
}

struct keycache_file *
keycache_files(const struct keycache *c, size_t *count_out)
{
    struct keycache_file *files = calloc(c->loaded + 1, sizeof(*files));
    const struct key_entry *e;

    *count_out = 0;
    if (files == NULL) {
        return NULL;
    }
    TAILQ_FOREACH (e, &c->ages, age) {
        struct keycache_file *f = &files[(*count_out)++];

        memcpy(f->domain, e->domain, sizeof(f->domain));
        memcpy(f->selector, e->selector, sizeof(f->selector));
        f->changed = e->loaded->changed;
    }
    return files;
}

enum key_err
keycache_probe(const struct keycache *c, const struct keycache_file *file)
{
    struct timespec now = file_changed(c, file->domain, file->selector);
    EVP_PKEY *key = NULL;
    enum dkim_alg alg;
    enum key_err err;

    if (now.tv_sec != 0 && now.tv_sec == file->changed.tv_sec &&
        now.tv_nsec == file->changed.tv_nsec) {
        return KEY_OK;
    }
    err = keystore_private(&c->conf.store, file->domain, file->selector, &key,
                           &alg);
    if (err == KEY_OK) {
        EVP_PKEY_free(key);
    }
    return err;
}

struct loaded_key *
keycache_hold(struct keycache *c, struct key_entry *entry)
{
    if (entry->loaded != NULL) {
        entry->loaded->refs++;
        TAILQ_REMOVE(&c->ages, entry, age);
        TAILQ_INSERT_TAIL(&c->ages, entry, age);
    }
    return entry->loaded;
}

enum key_err
keycache_fault(const struct key_entry *entry, uint64_t now_ms)
{
    return now_ms < entry->fault_until_ms ? entry->fault : KEY_OK;
}

void
keycache_store(struct keycache *c, struct key_entry *entry,
               struct loaded_key *key, enum key_err fault, uint64_t now_ms)
{
    entry->fault = fault;
    entry->fault_until_ms = fault == KEY_OK ? 0 : now_ms + FAULT_MS;
    if (key == NULL || entry->loaded != NULL) {
        return; /* another thread was first: its key serves as well */
    }
    if (c->loaded >= c->conf.loaded_max) {
        struct key_entry *oldest = TAILQ_FIRST(&c->ages);

        unload(c, oldest);
        remove_if_idle(c, oldest);
    }
    key->refs++;
    entry->loaded = key;
    c->loaded++;
    TAILQ_INSERT_TAIL(&c->ages, entry, age);
}
