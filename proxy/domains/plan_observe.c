/*
 * plan_observe - what DNS showed, compared with the notes; see plan.h.
 *
 * Observing the same sight twice changes nothing: that ends the executor's
 * loop, and makes a second runner harmless.
 */
#include "proxy/domains/plan_private.h"

#include <string.h>

/* The clock had been ahead: what lies in the future begins now, or it would
 * be waited for until then. */
static bool
bring_back(uint64_t *time_s, uint64_t now_s)
{
    bool ahead = *time_s > now_s && *time_s - now_s > PLAN_CLOCK_SLACK_S;

    if (ahead) {
        *time_s = now_s;
    }
    return ahead;
}

static bool
redate(const struct planning *p, size_t n)
{
    struct keystore_key *k = &p->plan->after;
    uint64_t now_s = p->rules->now_s;
    uint64_t *const dates[] = { &k->life.published_s, &k->life.seen_s,
                                &k->view.proved_s,    &k->view.activated_s,
                                &k->life.retired_s,   &k->life.revoked_s,
                                &k->life.fault_s,     &k->created_s };
    bool ahead = false;

    plan_begin(p, PLAN_NOTE, n);
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        ahead = bring_back(dates[i], now_s) || ahead;
    }
    for (size_t i = 0; i < k->life.silent_count; i++) {
        p->plan->silent[i] = k->life.silent[i];
        ahead = bring_back(&p->plan->silent[i].since_s, now_s) || ahead;
    }
    k->life.silent = p->plan->silent;
    if (ahead) {
        plan_say(p, "the clock went back: its dates begin anew");
    }
    return ahead;
}

static bool
same_silences(const struct key_life *life, const struct key_silence *s,
              size_t count)
{
    if (life->silent_count != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (life->silent[i].since_s != s[i].since_s ||
            strncmp(life->silent[i].server, s[i].server, KEY_SERVER_MAX) != 0) {
            return false;
        }
    }
    return true;
}

static bool
note_silences(const struct planning *p, const struct plan_key *k)
{
    const struct key_life *life = &k->key->life;
    const struct sight_rules rules = {
        .resolvers_only = p->rules->rotate->prove == CONF_PROVE_RESOLVER,
        .delegated = k->ours,
        .now_s = p->rules->now_s,
    };
    size_t count = sight_silences(k->seen, life->silent, life->silent_count,
                                  &rules, p->plan->silent);

    if (same_silences(life, p->plan->silent, count)) {
        return false;
    }
    p->plan->after.life.silent = p->plan->silent;
    p->plan->after.life.silent_count = count;
    return true;
}

/* The next key: since when it has been seen everywhere, how long to wait. */
static bool
observe_next(const struct planning *p, size_t n)
{
    const struct plan_key *k = p->track->keys + n;
    struct key_life *life = &p->plan->after.life;
    bool changed;
    struct sight sight;

    plan_sight(p, n, &sight);
    changed = note_silences(p, k);
    if (sight.wait_s > life->wait_s) {
        life->wait_s = sight.wait_s;
        changed = true;
    }
    if (!k->ours && k->key->view.state == VIEW_KEY_NEW && sight.some) {
        p->plan->after.view.state = VIEW_KEY_PUBLISHED;
        life->published_s = p->rules->now_s;
        plan_say(p, "its record was seen in DNS");
        changed = true;
    }
    if (p->plan->after.view.state != VIEW_KEY_PUBLISHED) {
        return changed;
    }
    if (sight.complete && life->seen_s == 0) {
        life->seen_s = p->rules->now_s;
        plan_say(p, "seen everywhere");
        return true;
    }
    if (sight.contrary &&
        (life->seen_s != 0 || p->plan->after.view.proved_s != 0)) {
        life->seen_s = 0; /* the wait begins again */
        p->plan->after.view.proved_s = 0;
        plan_say(p, "not seen everywhere any more: %s", sight.why);
        return true;
    }
    return changed;
}

/* What retires waits until everybody sees the key that signs: a server that
 * is silent is left out after a day. */
static bool
is_waited_for(const struct plan_track *t, const struct plan_key *k)
{
    bool waited = plan_is_active(k) && k->key->life.silent_count > 0;

    for (size_t i = 0; plan_is_active(k) && !waited && i < t->count; i++) {
        waited = t->keys[i].key->view.state == VIEW_KEY_RETIRING;
    }
    return waited;
}

/* A key that signs, or may have to again: is its record still there? */
static bool
observe_used(const struct planning *p, size_t n)
{
    const struct plan_key *k = p->track->keys + n;
    struct key_life *life = &p->plan->after.life;
    struct sight sight;
    bool changed;

    plan_sight(p, n, &sight);
    if (plan_is_condemned(k)) {
        return false;
    }
    changed = is_waited_for(p->track, k) && note_silences(p, k);
    if (sight.fault == k->key->life.fault ||
        (sight.fault == KEY_FAULT_NONE && !sight.some)) {
        return changed; /* as before, or nobody answered */
    }
    if (life->fault == KEY_FAULT_NONE) {
        life->fault_s = p->rules->now_s;
    }
    life->fault = sight.fault;
    if (sight.fault == KEY_FAULT_NONE) {
        life->fault_s = 0;
        plan_say(p, "its record is in DNS again");
    } else {
        plan_say(p, "%s", sight.why);
    }
    p->plan->after.view.faulty = life->fault != KEY_FAULT_NONE;
    return true;
}

static bool
observe_one(const struct planning *p, size_t n)
{
    enum view_key_state state = p->track->keys[n].key->view.state;

    if (redate(p, n)) {
        return true;
    }
    if (p->track->keys[n].seen == NULL) {
        return false;
    }
    plan_begin(p, PLAN_NOTE, n);
    if (state == VIEW_KEY_NEW || state == VIEW_KEY_PUBLISHED) {
        return observe_next(p, n);
    }
    if (state == VIEW_KEY_ACTIVE || state == VIEW_KEY_RETIRING) {
        return observe_used(p, n);
    }
    return false;
}

bool
plan_observe(const struct planning *p)
{
    for (size_t i = 0; i < p->track->count; i++) {
        if (observe_one(p, i)) {
            return true;
        }
    }
    return false;
}
