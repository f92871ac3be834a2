/*
 * tallies - counts that are forgotten some time after the last one; see
 * tallies.h.
 *
 * One table of all processes. An entry is its key and one number, the time
 * when it ends above the count, so that each is moved by one compare-and-swap.
 * Two that take a place at once may count a thing to the other's name, or
 * once too few: no more.
 */
#include "proxy/stats/region.h"

enum {
    COUNT_BITS = 20
};

static const uint64_t count_max = (UINT64_C(1) << COUNT_BITS) - 1;

static uint64_t
end_ms(uint64_t value)
{
    return value >> COUNT_BITS;
}

static uint64_t
key_of(const struct stats *s, enum stats_tally_kind kind, struct bytes name)
{
    return region_hash(s->head, REGION_OF_TALLIES + (unsigned)kind, name);
}

static struct region_entry *
place(const struct stats *s, uint64_t key, unsigned i)
{
    return &s->head->tallies[(key + i) & (STATS_TALLIES_MAX - 1)];
}

static struct region_entry *
find(const struct stats *s, uint64_t key)
{
    for (unsigned i = 0; i < REGION_WINDOW; i++) {
        struct region_entry *e = place(s, key, i);

        if (atomic_load(&e->key) == key) {
            return e;
        }
    }
    return NULL;
}

/* What is over, else the fewest, else what is over first. */
static bool
is_less(uint64_t a, uint64_t b, uint64_t now_ms)
{
    uint64_t count_a = end_ms(a) > now_ms ? a & count_max : 0;
    uint64_t count_b = end_ms(b) > now_ms ? b & count_max : 0;

    return count_a < count_b || (count_a == count_b && end_ms(a) < end_ms(b));
}

/* NULL: another process has just taken the place. */
static struct region_entry *
make(struct stats *s, uint64_t key, uint64_t now_ms)
{
    struct region_entry *least = place(s, key, 0);
    uint64_t was;

    for (unsigned i = 1; i < REGION_WINDOW; i++) {
        struct region_entry *e = place(s, key, i);

        if (is_less(atomic_load(&e->value), atomic_load(&least->value),
                    now_ms)) {
            least = e;
        }
    }
    was = atomic_load(&least->key);
    if (!atomic_compare_exchange_strong(&least->key, &was, key)) {
        return was == key ? least : NULL;
    }
    atomic_store(&least->value, 0);
    return least;
}

unsigned
stats_tally(const struct stats *s, enum stats_tally_kind kind,
            struct bytes name, uint64_t now_ms)
{
    const struct region_entry *e = find(s, key_of(s, kind, name));
    uint64_t value = e == NULL ? 0 : atomic_load(&e->value);

    return end_ms(value) > now_ms ? (unsigned)(value & count_max) : 0;
}

void
stats_tally_add(struct stats *s, enum stats_tally_kind kind, struct bytes name,
                uint64_t life_ms, uint64_t now_ms)
{
    uint64_t key = key_of(s, kind, name), value, next;
    struct region_entry *e = find(s, key);

    e = e == NULL ? make(s, key, now_ms) : e;
    if (e == NULL) {
        return;
    }
    value = atomic_load(&e->value);
    do {
        uint64_t count = end_ms(value) > now_ms ? value & count_max : 0;

        count += count < count_max;
        next = (now_ms + life_ms) << COUNT_BITS | count;
    } while (!atomic_compare_exchange_weak(&e->value, &value, next));
}

void
stats_tally_end(struct stats *s, enum stats_tally_kind kind, struct bytes name)
{
    struct region_entry *e = find(s, key_of(s, kind, name));

    if (e != NULL) {
        atomic_store(&e->value, 0);
    }
}
