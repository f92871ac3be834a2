/*
 * keychoice - which key of a domain signs; see keychoice.h.
 */
#include "proxy/users/keychoice.h"

#include <string.h>

/* One of the domain's keys of this algorithm, whoever else may use it. owner
 * "": its own, unreserved keys; else those of that user's slots. */
static bool
is_candidate(const struct view_key *key, enum dkim_alg alg, const char *owner)
{
    return key->alg == alg && strcmp(key->owner, owner) == 0 &&
           (owner[0] != '\0' || !key->reserved);
}

/* The newest active one; two of one second: the later selector, so that all
 * processes agree. */
static const struct view_key *
newest_active(const struct view *v, const char *domain, enum dkim_alg alg,
              const char *owner)
{
    const struct view_key *best = NULL;
    size_t count;
    const struct view_key *keys = view_domain(v, domain, &count);

    for (size_t i = 0; i < count; i++) {
        if (is_candidate(keys + i, alg, owner) &&
            keys[i].state == VIEW_KEY_ACTIVE &&
            (best == NULL || keys[i].activated_s >= best->activated_s)) {
            best = keys + i;
        }
    }
    return best;
}

/* What signs when the record of the key that should is gone from DNS or
 * another: what was proved and is visible, from the best; else the last that
 * was proved goes on. */
enum rank {
    RANK_NEVER,
    RANK_FAULTY,
    RANK_PUBLISHED,
    RANK_RETIRING,
    RANK_ACTIVE
};

static enum rank
rank_of(const struct view_key *key)
{
    switch (key->state) {
    case VIEW_KEY_ACTIVE:
        return key->faulty ? RANK_FAULTY : RANK_ACTIVE;
    case VIEW_KEY_RETIRING:
        return key->faulty ? RANK_NEVER : RANK_RETIRING;
    case VIEW_KEY_PUBLISHED:
        return key->faulty || key->proved_s == 0 ? RANK_NEVER : RANK_PUBLISHED;
    case VIEW_KEY_NEW:
    case VIEW_KEY_REVOKED:
        break;
    }
    return RANK_NEVER;
}

static bool
is_newer(const struct view_key *a, const struct view_key *b)
{
    bool by_proof = rank_of(a) == RANK_PUBLISHED ||
                    (rank_of(a) == RANK_FAULTY && a->proved_s != b->proved_s);

    return by_proof ? a->proved_s >= b->proved_s
                    : a->activated_s >= b->activated_s;
}

static const struct view_key *
best_stand_in(const struct view *v, const char *domain, enum dkim_alg alg,
              const char *owner)
{
    const struct view_key *best = NULL;
    size_t count;
    const struct view_key *keys = view_domain(v, domain, &count);

    for (size_t i = 0; i < count; i++) {
        enum rank rank = rank_of(keys + i);

        if (rank != RANK_NEVER && is_candidate(keys + i, alg, owner) &&
            (best == NULL || rank > rank_of(best) ||
             (rank == rank_of(best) && is_newer(keys + i, best)))) {
            best = keys + i;
        }
    }
    return best;
}

struct keychoice
keychoice_make(const struct view *v, const char *domain, enum dkim_alg alg,
               const char *owner)
{
    const struct view_key *usual = newest_active(v, domain, alg, owner);
    struct keychoice c = { .key = usual };

    if (usual != NULL && usual->faulty) {
        c.key = best_stand_in(v, domain, alg, owner);
        c.instead = c.key != usual;
    }
    return c;
}

bool
keychoice_signs(const struct view *v, const struct view_key *key)
{
    return key->state == VIEW_KEY_ACTIVE ||
           keychoice_make(v, key->domain, key->alg, key->owner).key == key;
}
