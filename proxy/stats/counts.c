/*
 * counts - how many connections a name has, and token buckets; see stats.h.
 *
 * A name is a keyed hash of 64 bits: that two of a table's names have the same
 * happens once in 10^10 tables, and nobody can look for such a pair. It may
 * stand in REGION_WINDOW places behind the one it hashes to, so that a free
 * place needs no mark and looking for it has an end.
 */
#include "proxy/stats/region.h"

/* --- the hash: SipHash-2-4 (Aumasson, Bernstein 2012) --------------------- */

struct sip {
    uint64_t v[4];
};

static inline uint64_t
rotated(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void
sip_rounds(struct sip *s, unsigned rounds)
{
    uint64_t *v = s->v;

    for (unsigned i = 0; i < rounds; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotated(v[1], 13) ^ v[0];
        v[3] = rotated(v[3], 16) ^ v[2];
        v[0] = rotated(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotated(v[1], 17) ^ v[2];
        v[3] = rotated(v[3], 21) ^ v[0];
        v[2] = rotated(v[2], 32);
    }
}

static void
sip_word(struct sip *s, uint64_t word)
{
    s->v[3] ^= word;
    sip_rounds(s, 2);
    s->v[0] ^= word;
}

uint64_t
region_hash(const struct region_head *head, unsigned kind, struct bytes name)
{
    struct sip s = { { head->seed[0] ^ UINT64_C(0x736f6d6570736575),
                       head->seed[1] ^ UINT64_C(0x646f72616e646f6d),
                       head->seed[0] ^ UINT64_C(0x6c7967656e657261),
                       head->seed[1] ^ UINT64_C(0x7465646279746573) } };
    uint64_t word = kind, hash;

    sip_word(&s, word);
    word = 0;
    for (size_t i = 0; i < name.len; i++) {
        word |= (uint64_t)name.ptr[i] << i % 8 * 8;
        if (i % 8 == 7) {
            sip_word(&s, word);
            word = 0;
        }
    }
    sip_word(&s, word | (uint64_t)name.len << 56);
    s.v[2] ^= 0xff;
    sip_rounds(&s, 4);
    hash = s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
    return hash == 0 ? 1 : hash;
}

/* --- connections ---------------------------------------------------------- */

static struct region_entry *
place(const struct region_head *head, struct region_slot *slot, uint64_t key,
      unsigned i)
{
    return &slot->counts[(key + i) & (head->entries - 1)];
}

static uint64_t
in_slot(const struct region_head *head, struct region_slot *slot, uint64_t key)
{
    for (unsigned i = 0; i < REGION_WINDOW; i++) {
        struct region_entry *e = place(head, slot, key, i);

        if (atomic_load(&e->key) == key) {
            return atomic_load(&e->value);
        }
    }
    return 0;
}

static uint64_t
in_all(const struct stats *s, uint64_t key)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < REGION_SLOTS; i++) {
        struct region_slot *slot = region_slot(s, i);

        sum += slot == NULL ? 0 : in_slot(s->head, slot, key);
    }
    return sum;
}

/* This worker's entry of the key, or a free one. */
static struct region_entry *
own(struct stats *s, uint64_t key, bool make)
{
    struct region_entry *vacant = NULL;

    for (unsigned i = 0; i < REGION_WINDOW; i++) {
        struct region_entry *e = place(s->head, s->mine, key, i);

        if (atomic_load(&e->key) == key) {
            return e;
        }
        if (vacant == NULL && atomic_load(&e->value) == 0) {
            vacant = e;
        }
    }
    if (make && vacant != NULL) {
        atomic_store(&vacant->key, key);
    }
    return make ? vacant : NULL;
}

static void
leave(struct stats *s, uint64_t key)
{
    struct region_entry *e = own(s, key, false);

    if (e != NULL && atomic_load(&e->value) > 0) {
        region_add(&e->value, UINT64_MAX);
    }
}

enum stats_result
stats_enter(struct stats *s, enum stats_count_kind kind, struct bytes name,
            uint64_t max)
{
    uint64_t key =
        region_hash(s->head, REGION_OF_COUNTS + (unsigned)kind, name);
    struct region_entry *e = own(s, key, true);

    if (e == NULL) {
        return STATS_FULL;
    }
    /* First shown, then looked at: of two that come at once, one sees the
     * other at least. */
    atomic_fetch_add(&e->value, 1);
    if (in_all(s, key) <= max) {
        return STATS_OK;
    }
    leave(s, key);
    return STATS_OVER;
}

void
stats_leave(struct stats *s, enum stats_count_kind kind, struct bytes name)
{
    leave(s, region_hash(s->head, REGION_OF_COUNTS + (unsigned)kind, name));
}

uint64_t
stats_entered(const struct stats *s, enum stats_count_kind kind,
              struct bytes name)
{
    return in_all(
        s, region_hash(s->head, REGION_OF_COUNTS + (unsigned)kind, name));
}

/* --- token buckets -------------------------------------------------------- */

/*
 * A bucket is the one moment when it will be full again: taking moves it on,
 * time passes by itself. One that is full is as good as none.
 */
static struct region_entry *
bucket(struct region_entry *table, uint64_t key, uint64_t now)
{
    struct region_entry *least = NULL;
    uint64_t least_full = UINT64_MAX, was;

    for (unsigned i = 0; i < REGION_WINDOW; i++) {
        struct region_entry *e = &table[(key + i) & (REGION_BUCKETS - 1)];
        uint64_t full = atomic_load(&e->value);

        was = atomic_load(&e->key);
        if (was == key) {
            return e;
        }
        if (full < least_full) {
            least = e;
            least_full = full;
        }
    }
    /* A full one gives way, else the one that would be full first: what its
     * owner has taken is forgotten. A token that another worker takes from it
     * just now may be counted to the new owner, no more. */
    was = atomic_load(&least->key);
    if (atomic_compare_exchange_strong(&least->key, &was, key)) {
        atomic_store(&least->value, now);
        return least;
    }
    return was == key ? least : NULL;
}

bool
stats_take(struct stats *s, enum stats_bucket_kind kind, struct bytes name,
           unsigned n, unsigned count, unsigned per_s, uint64_t now_ms,
           unsigned *wait_s_out)
{
    uint64_t key =
        region_hash(s->head, REGION_OF_BUCKETS + (unsigned)kind, name);
    uint64_t window = (uint64_t)per_s * 1000000, now = now_ms * 1000;
    uint64_t cost = window / count * n, missing, full; /* in microseconds */
    struct region_entry *e = bucket(s->head->buckets[kind], key, now);

    if (e == NULL) {
        return true; /* two names fought for a place: nobody is punished */
    }
    full = atomic_load(&e->value);
    do {
        missing = full > now ? full - now : 0;
        if (missing + cost > window) {
            *wait_s_out =
                (unsigned)((missing + cost - window + 999999) / 1000000);
            return false;
        }
    } while (
        !atomic_compare_exchange_weak(&e->value, &full, now + missing + cost));
    return true;
}
