/*
 * failures - see proxy/failures.h.
 */
#include "proxy/failures.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>

enum {
    WAYS = 8, /* places that one hash may take */
    SETS = FAILURES_ENTRIES / WAYS,
    KEY_OCTETS = 32,
    V6_PREFIX_OCTETS = 8,
    DOUBLINGS_MAX = 16,
    NAME_MAX_OCTETS = 256
};

enum kind {
    KIND_ADDRESS,
    KIND_USER,
    KIND_PAIR, /* the user from this address */
    KIND_KNOWN /* the same: she has logged in from there */
};

struct entry {
    uint64_t hash;
    uint64_t until_ms; /* then it is forgotten; 0: free */
    unsigned count;
};

struct failures {
    const struct limits_conf *conf;
    uint8_t key[KEY_OCTETS];
    struct entry sets[SETS][WAYS];
};

struct failures *
failures_new(const struct limits_conf *conf)
{
    struct failures *f = calloc(1, sizeof(*f));

    if (f != NULL) {
        f->conf = conf;
        if (RAND_bytes(f->key, sizeof(f->key)) != 1) {
            failures_free(&f);
        }
    }
    return f;
}

void
failures_free(struct failures **f)
{
    free(*f);
    *f = NULL;
}

/* --- the table ------------------------------------------------------------ */

/* An IPv4 address, or a /64, which is what one subscriber has. */
static size_t
put_address(const union net_address *address, uint8_t *out)
{
    const struct in6_addr *v6 = &address->in6.sin6_addr;

    if (address->any.sa_family == AF_INET) {
        memcpy(out, &address->in.sin_addr, 4);
        return 4;
    }
    if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(v6)) {
        memcpy(out, v6->s6_addr + 12, 4);
        return 4;
    }
    if (address->any.sa_family == AF_INET6) {
        memcpy(out, v6->s6_addr, V6_PREFIX_OCTETS);
        return V6_PREFIX_OCTETS;
    }
    return 0;
}

/* 0: there is nothing to count by. */
static uint64_t
hash_of(const struct failures *f, enum kind kind,
        const struct failures_who *who)
{
    uint8_t text[2 + V6_PREFIX_OCTETS + NAME_MAX_OCTETS];
    uint8_t mac[EVP_MAX_MD_SIZE];
    size_t user_len = kind == KIND_ADDRESS ? 0 : strlen(who->user);
    uint64_t hash = 0;
    size_t n = 2;

    if ((kind != KIND_USER && who->address == NULL) ||
        (kind != KIND_ADDRESS && user_len == 0) || user_len > NAME_MAX_OCTETS) {
        return 0;
    }
    if (kind != KIND_USER) {
        n += put_address(who->address, text + n);
    }
    text[0] = (uint8_t)kind;
    text[1] = (uint8_t)n;
    if (user_len > 0) {
        memcpy(text + n, who->user, user_len);
    }
    if (HMAC(EVP_sha256(), f->key, KEY_OCTETS, text, n + user_len, mac, NULL) !=
        NULL) {
        memcpy(&hash, mac, sizeof(hash));
    }
    return hash;
}

static const struct entry *
find(const struct failures *f, uint64_t hash, uint64_t now_ms)
{
    const struct entry *set = f->sets[hash % SETS];

    for (size_t i = 0; hash != 0 && i < WAYS; i++) {
        if (set[i].hash == hash && set[i].until_ms > now_ms) {
            return &set[i];
        }
    }
    return NULL;
}

/* Its entry, or the place of what is of the least use. */
static struct entry *
place(struct failures *f, uint64_t hash, uint64_t now_ms)
{
    struct entry *set = f->sets[hash % SETS];
    struct entry *least = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        struct entry *e = &set[i];

        if (e->until_ms <= now_ms) {
            e->count = 0;
            e->until_ms = 0;
            e->hash = 0;
        }
        if (e->hash == hash) {
            return e;
        }
        if (e->count < least->count ||
            (e->count == least->count && e->until_ms < least->until_ms)) {
            least = e;
        }
    }
    *least = (struct entry){ .hash = hash };
    return least;
}

static void
count(struct failures *f, enum kind kind, const struct failures_who *who,
      uint64_t life_ms, uint64_t now_ms)
{
    uint64_t hash = hash_of(f, kind, who);

    if (hash != 0) {
        struct entry *e = place(f, hash, now_ms);

        e->count += e->count < UINT32_MAX;
        e->until_ms = now_ms + life_ms;
    }
}

static void
forget(struct failures *f, enum kind kind, const struct failures_who *who,
       uint64_t now_ms)
{
    uint64_t hash = hash_of(f, kind, who);

    if (hash != 0) {
        *place(f, hash, now_ms) = (struct entry){ .hash = 0 };
    }
}

static unsigned
counted(const struct failures *f, enum kind kind,
        const struct failures_who *who, uint64_t now_ms)
{
    const struct entry *e = find(f, hash_of(f, kind, who), now_ms);

    return e == NULL ? 0 : e->count;
}

/* --- what follows from it ------------------------------------------------- */

/* Where she is known only what was done there in her name concerns her. */
static unsigned
worst(const struct failures *f, const struct failures_who *who, uint64_t now_ms)
{
    unsigned by_address = counted(f, KIND_ADDRESS, who, now_ms);
    unsigned by_user = counted(f, KIND_USER, who, now_ms);

    if (counted(f, KIND_KNOWN, who, now_ms) > 0) {
        return counted(f, KIND_PAIR, who, now_ms);
    }
    return by_address > by_user ? by_address : by_user;
}

bool
failures_locked(const struct failures *f, const struct failures_who *who,
                uint64_t now_ms)
{
    return f != NULL && f->conf->auth_lock_after > 0 &&
           worst(f, who, now_ms) >= f->conf->auth_lock_after;
}

unsigned
failures_delay_ms(const struct failures *f, const struct failures_who *who,
                  uint64_t now_ms)
{
    uint64_t delay_ms;
    unsigned n;

    if (f == NULL || f->conf->auth_delay_s == 0) {
        return 0;
    }
    n = worst(f, who, now_ms);
    n = n > DOUBLINGS_MAX ? DOUBLINGS_MAX : n;
    delay_ms = (uint64_t)f->conf->auth_delay_s * 1000 << (n > 0 ? n - 1 : 0);
    return delay_ms < FAILURES_DELAY_MAX_MS ? (unsigned)delay_ms
                                            : (unsigned)FAILURES_DELAY_MAX_MS;
}

void
failures_add(struct failures *f, const struct failures_who *who,
             uint64_t now_ms)
{
    if (f != NULL) {
        uint64_t life_ms = (uint64_t)f->conf->auth_lock_s * 1000;

        count(f, KIND_ADDRESS, who, life_ms, now_ms);
        count(f, KIND_USER, who, life_ms, now_ms);
        count(f, KIND_PAIR, who, life_ms, now_ms);
    }
}

void
failures_forget(struct failures *f, const struct failures_who *who,
                uint64_t now_ms)
{
    if (f != NULL) {
        /* Not the address: who has one account could try all others. */
        forget(f, KIND_USER, who, now_ms);
        forget(f, KIND_PAIR, who, now_ms);
        count(f, KIND_KNOWN, who, FAILURES_KNOWN_MS, now_ms);
    }
}
