/*
 * plan_create - when the next key is made, where, and what its note begins
 * with; see plan.h.
 */
#include "proxy/domains/plan_private.h"

#include <string.h>

/* A slot without a key; the one that was used longest ago. */
static size_t
free_slot(const struct plan_track *track)
{
    size_t best = track->slot_count;

    for (size_t s = 0; s < track->slot_count; s++) {
        bool taken = false;

        for (size_t i = 0; i < track->count; i++) {
            taken = taken || strcmp(track->keys[i].key->view.selector,
                                    track->slots[s].token) == 0;
        }
        if (!taken && (best == track->slot_count ||
                       track->slots[s].used_s < track->slots[best].used_s)) {
            best = s;
        }
    }
    return best;
}

/* What the new key's note begins with. */
static void
begin_key(const struct planning *p, size_t slot)
{
    const struct plan_track *t = p->track;
    size_t active = plan_active(t);
    struct keystore_key *k = &p->plan->after;
    struct sight sight = { .fault = KEY_FAULT_NONE };

    *k = (struct keystore_key){ .created_s = p->rules->now_s, .note = "" };
    k->view.domain = t->domain;
    k->view.selector = slot < t->slot_count ? t->slots[slot].token : "";
    k->view.alg = t->alg;
    k->view.owner = t->owner;
    k->life.wait_s = PLAN_WAIT_S;
    if (slot < t->slot_count) {
        const struct sight_rules rules = { .delegated = true };

        sight_judge(t->slots[slot].seen, NULL, 0, &rules, &sight);
        k->life.wait_s =
            t->slots[slot].used_s != 0 ? PLAN_WAIT_USED_S : PLAN_WAIT_S;
    }
    if (sight.wait_s > k->life.wait_s) {
        k->life.wait_s = sight.wait_s;
    }
    p->plan->bits = KEYFILE_RSA_BITS_MIN;
    if (t->alg == DKIM_ALG_RSA_SHA256 && active < t->count &&
        t->keys[active].key->view.bits > p->plan->bits) {
        p->plan->bits = t->keys[active].key->view.bits;
    }
}

bool
plan_create(const struct planning *p)
{
    const struct plan_track *t = p->track;
    size_t slot = t->slot_count;

    if (!t->managed || t->fixed || plan_upcoming(t) < t->count) {
        return false;
    }
    if (t->delegated) {
        slot = free_slot(t);
        if (slot == t->slot_count) {
            return false; /* when the retiring one has left its slot */
        }
    } else if (plan_due(p) > p->rules->now_s) {
        plan_wait(p, t->count, plan_due(p), "a new key is made then");
        return false;
    }
    plan_begin(p, PLAN_CREATE, t->count);
    p->plan->slot = slot;
    begin_key(p, slot);
    plan_say(p, t->delegated ? "the next key, for a free slot"
                             : "its turn has come");
    return true;
}
