/*
 * passwords - crypt(3), and what was right not long ago; see passwords.h.
 *
 * A success is remembered by its HMAC alone, on the shelf that the HMAC
 * itself names: neither user nor secret can be read from the table. A shelf
 * has several places, or two users would make each other be hashed anew.
 */
#include <base/wipe.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <crypt.h>
#include <errno.h>
#include <proxy/keeper/passwords.h>
#include <proxy/keeper/protocol.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    MAC_OCTETS = 32,
    SHELF = 8 /* places */
};

struct success {
    uint8_t mac[MAC_OCTETS];
    uint64_t until_s; /* 0: free */
};

struct passwords {
    uint8_t *key; /* MAC_OCTETS in OpenSSL's locked memory */
    char *dummy;  /* a setting for when no user has a password */
    pthread_mutex_t lock;
    struct success successes[PASSWORDS_REMEMBERED_MAX];
};

struct passwords *
passwords_new(void)
{
    struct passwords *p = calloc(1, sizeof(*p));

    if (p == NULL) {
        return NULL;
    }
    (void)pthread_mutex_init(&p->lock, NULL);
    p->key = OPENSSL_secure_malloc(MAC_OCTETS);
    p->dummy = crypt_gensalt_ra("$y$", 0, NULL, 0);
    if (p->key == NULL || p->dummy == NULL ||
        RAND_priv_bytes(p->key, MAC_OCTETS) != 1) {
        passwords_free(&p);
    }
    return p;
}

void
passwords_free(struct passwords **p)
{
    if (*p != NULL) {
        OPENSSL_secure_clear_free((*p)->key, MAC_OCTETS);
        free((*p)->dummy);
        (void)pthread_mutex_destroy(&(*p)->lock);
        wipe(*p, sizeof(**p));
        free(*p);
        *p = NULL;
    }
}

/* HMAC of (epoch, name in lower case, secret); false: libcrypto failed. */
static bool
mac_of(const struct passwords *p, uint64_t epoch, struct bytes user,
       struct bytes secret, uint8_t *mac_out)
{
    uint8_t text[sizeof(epoch) + 2 + KEEPER_USER_MAX + KEEPER_SECRET_MAX];
    size_t n = 0;
    bool ok;

    memcpy(text, &epoch, sizeof(epoch));
    n = sizeof(epoch);
    text[n++] = (uint8_t)(user.len >> 8);
    text[n++] = (uint8_t)user.len;
    for (size_t i = 0; i < user.len; i++) {
        text[n++] = byte_lower(user.ptr[i]);
    }
    if (secret.len > 0) {
        memcpy(text + n, secret.ptr, secret.len);
        n += secret.len;
    }
    ok = HMAC(EVP_sha256(), p->key, MAC_OCTETS, text, n, mac_out, NULL) != NULL;
    wipe(text, n);
    return ok;
}

/* Where mac stands on its shelf, or else the place to put it: the oldest. */
static struct success *
place_of(struct passwords *p, const uint8_t *mac, bool *there_out)
{
    size_t n = (size_t)mac[0] << 8 | mac[1];
    struct success *shelf =
        &p->successes[n % (PASSWORDS_REMEMBERED_MAX / SHELF) * SHELF];
    struct success *place = shelf;

    for (size_t i = 0; i < SHELF; i++) {
        if (bytes_eq_secret(bytes_make(mac, MAC_OCTETS),
                            bytes_make(shelf[i].mac, MAC_OCTETS))) {
            *there_out = true;
            return &shelf[i];
        }
        if (shelf[i].until_s < place->until_s) {
            place = &shelf[i];
        }
    }
    *there_out = false;
    return place;
}

bool
passwords_known(struct passwords *p, const struct keeper_data *data,
                struct bytes user, struct bytes secret, uint64_t now_s)
{
    uint8_t mac[MAC_OCTETS];
    struct success *s;
    bool known;

    if (!mac_of(p, data->loaded, user, secret, mac)) {
        return false;
    }
    (void)pthread_mutex_lock(&p->lock);
    s = place_of(p, mac, &known);
    known = known && now_s < s->until_s;
    (void)pthread_mutex_unlock(&p->lock);
    return known;
}

static void
remember(struct passwords *p, const struct keeper_data *data, struct bytes user,
         struct bytes secret, uint64_t now_s)
{
    uint8_t mac[MAC_OCTETS];

    if (mac_of(p, data->loaded, user, secret, mac)) {
        struct success *s;
        bool there;

        (void)pthread_mutex_lock(&p->lock);
        s = place_of(p, mac, &there);
        memcpy(s->mac, mac, MAC_OCTETS);
        s->until_s = now_s + PASSWORDS_REMEMBER_S;
        (void)pthread_mutex_unlock(&p->lock);
    }
}

/*
 * The setting that a name without a password is hashed with: that of some
 * user, chosen by a keyed hash, so that the mix of costs is that of the real
 * users and the same name always costs the same.
 */
static const char *
dummy_for(const struct passwords *p, const struct userfile *users,
          struct bytes user)
{
    uint8_t mac[MAC_OCTETS];
    uint64_t n;

    if (users->count == 0 || !mac_of(p, 0, user, bytes_make(NULL, 0), mac)) {
        return p->dummy;
    }
    memcpy(&n, mac, sizeof(n));
    for (size_t i = 0; i < users->count; i++) {
        const char *hash = users->secrets[(n + i) % users->count].password;

        if (hash[0] != '\0') {
            return hash;
        }
    }
    return p->dummy;
}

/* Hashes the secret with hash's setting; *right_out: the result is hash. */
static enum keeper_status
try_hash(const char *hash, struct bytes secret, bool *right_out)
{
    char text[KEEPER_SECRET_MAX + 1];
    void *scratch = NULL;
    int scratch_len = 0;
    enum keeper_status status = KEEPER_OK;
    const char *result = NULL;

    (void)bytes_copy(secret, text, sizeof(text));
    errno = 0;
    result = crypt_ra(text, hash, &scratch, &scratch_len);
    if (result == NULL || result[0] == '*') {
        /* ERANGE: longer than 511 octets, so nobody's. */
        status = errno == ERANGE ? KEEPER_DENIED : KEEPER_FAILED;
    } else {
        *right_out = bytes_eq_secret(bytes_str(result), bytes_str(hash));
    }
    wipe(text, sizeof(text));
    wipe(scratch, (size_t)scratch_len);
    free(scratch);
    return status;
}

enum keeper_status
passwords_check(struct passwords *p, const struct keeper_data *data,
                struct bytes user, struct bytes secret, uint64_t now_s)
{
    const struct userfile *users = data->users;
    const char *hash = "";
    enum keeper_status status;
    bool right = false;
    size_t index = 0;
    bool real;

    if (userfile_find(users, user, &index)) {
        hash = users->secrets[index].password;
    }
    real = hash[0] != '\0';
    status = try_hash(real ? hash : dummy_for(p, users, user), secret, &right);
    if (status != KEEPER_OK) {
        return status;
    }
    if (!real || !right) {
        return KEEPER_DENIED;
    }
    if (users->users[index].locked) {
        return KEEPER_LOCKED;
    }
    remember(p, data, user, secret, now_s);
    return KEEPER_OK;
}
