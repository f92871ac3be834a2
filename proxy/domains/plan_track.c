/*
 * plan_track - what stands in a track: which key signs, which is next, how it
 * is seen; see plan_private.h.
 */
#include "proxy/domains/plan_private.h"

bool
plan_is_active(const struct plan_key *k)
{
    return k->key->view.state == VIEW_KEY_ACTIVE;
}

bool
plan_is_proved(const struct plan_key *k)
{
    return k->key->view.state == VIEW_KEY_PUBLISHED &&
           k->key->view.proved_s != 0;
}

bool
plan_is_next(const struct plan_key *k)
{
    return k->key->view.state == VIEW_KEY_NEW ||
           k->key->view.state == VIEW_KEY_PUBLISHED;
}

bool
plan_is_condemned(const struct plan_key *k)
{
    return k->key->life.fault == KEY_FAULT_CONDEMNED;
}

uint64_t
plan_after(uint64_t time_s, uint64_t more_s)
{
    return time_s == 0 ? 0 : time_s + more_s;
}

unsigned
plan_retire_s(const struct plan_rules *rules)
{
    unsigned least_s = rules->expire_s + PLAN_EXPIRE_MORE_S;

    return rules->rotate->retire_s > least_s ? rules->rotate->retire_s
                                             : least_s;
}

size_t
plan_active(const struct plan_track *track)
{
    size_t best = track->count;

    for (size_t i = 0; i < track->count; i++) {
        /* Of two, the later in the list, as whoever signs decides. */
        if (plan_is_active(track->keys + i) &&
            (best == track->count ||
             track->keys[i].key->view.activated_s >=
                 track->keys[best].key->view.activated_s)) {
            best = i;
        }
    }
    return best;
}

/* In a delegated domain its slots come first: that is where it goes. */
static bool
goes_before(const struct plan_track *track, const struct plan_key *a,
            const struct plan_key *b)
{
    if (track->delegated && a->ours != b->ours) {
        return a->ours;
    }
    return a->key->view.proved_s > b->key->view.proved_s;
}

size_t
plan_candidate(const struct plan_track *track)
{
    size_t best = track->count;

    for (size_t i = 0; i < track->count; i++) {
        const struct plan_key *k = track->keys + i;

        if (plan_is_proved(k) && !plan_is_condemned(k) &&
            (best == track->count ||
             goes_before(track, k, track->keys + best))) {
            best = i;
        }
    }
    return best;
}

size_t
plan_upcoming(const struct plan_track *track)
{
    for (size_t i = 0; i < track->count; i++) {
        if (plan_is_next(track->keys + i) &&
            (track->keys[i].ours || !track->delegated)) {
            return i;
        }
    }
    return track->count;
}

void
plan_sight(const struct planning *p, size_t key, struct sight *sight_out)
{
    const struct plan_key *k = p->track->keys + key;
    const struct sight_rules rules = {
        .resolvers_only = p->rules->rotate->prove == CONF_PROVE_RESOLVER,
        .delegated = k->ours,
        .now_s = p->rules->now_s,
    };

    sight_judge(k->seen, k->key->life.silent, k->key->life.silent_count, &rules,
                sight_out);
}
