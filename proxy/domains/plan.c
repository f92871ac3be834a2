/*
 * plan - the next step in the life of keys; see plan.h.
 *
 * Each rule looks at the track and either answers with its step or notes
 * what it waits for and lets the next rule look. Their order matters: what
 * was seen is written down before anything follows from it, and a new key
 * begins to sign before the old one ends.
 */
#include "proxy/domains/plan_private.h"

#include <stdarg.h>
#include <stdio.h>

/* True: the plan is made. */
typedef bool plan_rule(const struct planning *p);

/* --- answers ------------------------------------------------------------ */

void
plan_begin(const struct planning *p, enum plan_step step, size_t key)
{
    p->plan->step = step;
    p->plan->key = key;
    p->plan->when_s = 0;
    p->plan->why[0] = '\0';
    if (key < p->track->count) {
        p->plan->after = *p->track->keys[key].key;
    }
}

__attribute__((format(printf, 2, 0))) static void
say(const struct planning *p, const char *format, va_list args)
{
    vsnprintf(p->plan->why, sizeof(p->plan->why), format, args);
}

void
plan_say(const struct planning *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(p, format, args);
    va_end(args);
    p->plan->after.life.reason = p->plan->why;
}

void
plan_wait(const struct planning *p, size_t key, uint64_t when_s,
          const char *format, ...)
{
    bool first = p->plan->why[0] == '\0';
    va_list args;

    /* What has no time waits for somebody: worth more than a date. */
    if (!first &&
        (p->plan->when_s == 0 || (when_s != 0 && when_s >= p->plan->when_s))) {
        return;
    }
    p->plan->key = key;
    p->plan->when_s = when_s;
    va_start(args, format);
    say(p, format, args);
    va_end(args);
}

/* --- the rules ---------------------------------------------------------- */

/*
 * While the record of the key that signs is at fault, one that retires may
 * stand in for it: its time begins anew when it has ended.
 */
static bool
rule_extend(const struct planning *p)
{
    size_t active = plan_active(p->track);

    if (active == p->track->count ||
        p->track->keys[active].key->life.fault == KEY_FAULT_NONE) {
        return false;
    }
    for (size_t i = 0; i < p->track->count; i++) {
        const struct keystore_key *k = p->track->keys[i].key;

        if (k->view.state == VIEW_KEY_RETIRING &&
            k->life.fault == KEY_FAULT_NONE &&
            k->life.retired_s < p->rules->now_s) {
            plan_begin(p, PLAN_NOTE, i);
            p->plan->after.life.retired_s = p->rules->now_s;
            plan_say(p, "may stand in for %.60s",
                     p->track->keys[active].key->view.selector);
            return true;
        }
    }
    return false;
}

static bool
rule_prove(const struct planning *p)
{
    for (size_t i = 0; i < p->track->count; i++) {
        const struct keystore_key *k = p->track->keys[i].key;
        uint64_t ready_s = plan_after(k->life.seen_s, k->life.wait_s);
        struct sight sight;

        if (k->view.state != VIEW_KEY_PUBLISHED || k->view.proved_s != 0 ||
            plan_is_condemned(p->track->keys + i)) {
            continue;
        }
        plan_sight(p, i, &sight);
        if (!sight.complete || ready_s == 0) {
            plan_wait(p, i, 0, "%.60s: %s", k->view.selector, sight.why);
        } else if (ready_s > p->rules->now_s) {
            plan_wait(p, i, ready_s,
                      "%.60s is seen everywhere; answers from before may be "
                      "kept until then",
                      k->view.selector);
        } else {
            plan_begin(p, PLAN_PROVE, i);
            p->plan->after.view.proved_s = p->rules->now_s;
            plan_say(p, "seen everywhere long enough");
            return true;
        }
    }
    return false;
}

uint64_t
plan_due(const struct planning *p)
{
    size_t active = plan_active(p->track);
    const struct plan_key *k = p->track->keys + active;

    if (active == p->track->count || plan_is_condemned(k)) {
        return 0;
    }
    if (p->track->now || (p->track->delegated && !k->ours)) {
        return p->rules->now_s; /* asked for; or migrating to its slots */
    }
    if (!p->track->managed) {
        return p->rules->now_s; /* who made another key wants it used */
    }
    return k->key->view.activated_s == 0
               ? p->rules->now_s
               : k->key->view.activated_s + p->rules->rotate->every_s;
}

/* The new one signs later than any other: even a clock that went back does
 * not leave the choice to chance. */
static uint64_t
activation_time(const struct planning *p)
{
    uint64_t time_s = p->rules->now_s;

    for (size_t i = 0; i < p->track->count; i++) {
        const struct plan_key *k = p->track->keys + i;

        if (plan_is_active(k) && k->key->view.activated_s >= time_s) {
            time_s = k->key->view.activated_s + 1;
        }
    }
    return time_s;
}

static bool
rule_activate(const struct planning *p)
{
    size_t active = plan_active(p->track);
    size_t next = plan_candidate(p->track);
    uint64_t due_s = plan_due(p);
    bool emergency =
        active < p->track->count && plan_is_condemned(p->track->keys + active);
    struct sight sight;

    if (next == p->track->count) {
        if (emergency) {
            plan_wait(p, active, 0,
                      "%.60s is condemned and signs until another is proved",
                      p->track->keys[active].key->view.selector);
        }
        return false;
    }
    if (due_s > p->rules->now_s) {
        plan_wait(p, next, due_s, "it is the next key's turn then");
        return false;
    }
    if (active < p->track->count && p->track->pause != NULL && !emergency) {
        plan_wait(p, next, 0, "%s", p->track->pause);
        return false;
    }
    plan_sight(p, next, &sight);
    /* Proved beforehand is enough when the one that signs must not. */
    if (!sight.complete && (!emergency || sight.contrary)) {
        plan_wait(p, next, 0, "%.60s: %s",
                  p->track->keys[next].key->view.selector, sight.why);
        return false;
    }
    plan_begin(p, PLAN_ACTIVATE, next);
    p->plan->after.view.state = VIEW_KEY_ACTIVE;
    p->plan->after.view.activated_s = activation_time(p);
    plan_say(p, "%s",
             emergency                  ? "the key before it is condemned"
             : active < p->track->count ? "it was its turn"
                                        : "proved, and no other key signs");
    return true;
}

/* Somebody may have activated by hand what DNS does not show. */
static bool
is_trusted(const struct planning *p, size_t n)
{
    struct sight sight;

    plan_sight(p, n, &sight);
    return p->track->keys[n].key->view.proved_s != 0 || sight.complete;
}

static bool
rule_retire(const struct planning *p)
{
    size_t active = plan_active(p->track);

    for (size_t i = 0; i < p->track->count; i++) {
        const struct plan_key *k = p->track->keys + i;

        if (i == active || !plan_is_active(k) || p->track->fixed) {
            continue;
        }
        if (!is_trusted(p, active)) {
            plan_wait(p, active, 0, "%.60s signs and is not proved",
                      p->track->keys[active].key->view.selector);
            continue;
        }
        plan_begin(p, PLAN_RETIRE, i);
        p->plan->after.view.state = VIEW_KEY_RETIRING;
        p->plan->after.life.retired_s = p->rules->now_s;
        if (plan_is_condemned(k)) {
            p->plan->after.view.proved_s = 0; /* it must not stand in */
        }
        plan_say(p, "%.60s signs in its place",
                 p->track->keys[active].key->view.selector);
        return true;
    }
    return false;
}

static bool
rule_publish(const struct planning *p)
{
    for (size_t i = 0; i < p->track->count; i++) {
        const struct plan_key *k = p->track->keys + i;

        if (k->key->view.state != VIEW_KEY_NEW) {
            continue;
        }
        if (!k->ours) {
            plan_wait(p, i, 0, "%.60s: its TXT record is not in DNS yet",
                      k->key->view.selector);
            continue;
        }
        plan_begin(p, PLAN_PUBLISH, i);
        p->plan->after.view.state = VIEW_KEY_PUBLISHED;
        p->plan->after.life.published_s = p->rules->now_s;
        plan_say(p, "put into the zone");
        return true;
    }
    return false;
}

/* Somebody else signs, and everybody sees his key. */
static bool
has_successor(const struct planning *p)
{
    size_t active = plan_active(p->track);
    struct sight sight;

    if (active == p->track->count ||
        plan_is_condemned(p->track->keys + active)) {
        return false;
    }
    plan_sight(p, active, &sight);
    if (!sight.complete) {
        plan_wait(p, active, 0, "%.60s signs and must be seen first: %s",
                  p->track->keys[active].key->view.selector, sight.why);
    }
    return sight.complete;
}

/* May it be revoked now? What it waits for is noted. */
static bool
may_revoke(const struct planning *p, size_t n)
{
    const struct plan_key *k = p->track->keys + n;
    bool condemned = plan_is_condemned(k);
    uint64_t due_s =
        plan_after(k->key->life.retired_s, plan_retire_s(p->rules));

    if (plan_is_next(k)) {
        return condemned; /* it never signed */
    }
    if (k->key->view.state != VIEW_KEY_RETIRING) {
        return false;
    }
    if (!condemned && due_s > p->rules->now_s) {
        plan_wait(p, n, due_s, "%.60s has retired long enough then",
                  k->key->view.selector);
        return false;
    }
    return condemned || has_successor(p);
}

static bool
rule_revoke(const struct planning *p)
{
    for (size_t i = 0; i < p->track->count; i++) {
        if (may_revoke(p, i)) {
            plan_begin(p, PLAN_REVOKE, i);
            p->plan->after.view.state = VIEW_KEY_REVOKED;
            p->plan->after.view.proved_s = 0;
            p->plan->after.life.revoked_s = p->rules->now_s;
            plan_say(p, "%s",
                     plan_is_condemned(p->track->keys + i)
                         ? "condemned"
                         : "retired long enough");
            return true;
        }
    }
    return false;
}

static bool
rule_delete(const struct planning *p)
{
    for (size_t i = 0; i < p->track->count; i++) {
        const struct plan_key *k = p->track->keys + i;
        uint64_t due_s =
            plan_after(k->key->life.revoked_s, p->rules->rotate->revoked_s);
        const struct sight_rules rules = {
            .resolvers_only = p->rules->rotate->prove == CONF_PROVE_RESOLVER,
            .delegated = k->ours,
            .now_s = p->rules->now_s,
        };

        if (k->key->view.state != VIEW_KEY_REVOKED || !p->track->managed ||
            p->track->fixed) {
            continue;
        }
        if (due_s > p->rules->now_s) {
            plan_wait(p, i, due_s, "%.60s is deleted then",
                      k->key->view.selector);
        } else if (!sight_is_gone(k->seen, &rules)) {
            plan_wait(p, i, 0, "%.60s is revoked, and DNS has its key still",
                      k->key->view.selector);
        } else {
            plan_begin(p, PLAN_DELETE, i);
            plan_say(p, "revoked long enough");
            return true;
        }
    }
    return false;
}

static plan_rule *const rules_in_order[] = {
    rule_extend, plan_observe, rule_prove,  rule_activate, rule_retire,
    plan_create, rule_publish, rule_revoke, rule_delete,
};

void
plan_next(const struct plan_track *track, const struct plan_rules *rules,
          struct plan *plan_out)
{
    const struct planning p = { track, rules, plan_out };

    *plan_out = (struct plan){ .step = PLAN_WAIT, .key = track->count };
    for (size_t i = 0; i < sizeof(rules_in_order) / sizeof(rules_in_order[0]);
         i++) {
        if (rules_in_order[i](&p)) {
            return;
        }
        plan_out->step = PLAN_WAIT; /* what an observer tried */
        if (plan_out->why[0] == '\0') {
            plan_out->key = track->count;
        }
    }
}

const char *
plan_step_name(enum plan_step step)
{
    static const char *const names[] = {
        [PLAN_WAIT] = "wait",     [PLAN_NOTE] = "note",
        [PLAN_CREATE] = "create", [PLAN_PUBLISH] = "publish",
        [PLAN_PROVE] = "prove",   [PLAN_ACTIVATE] = "activate",
        [PLAN_RETIRE] = "retire", [PLAN_REVOKE] = "revoke",
        [PLAN_DELETE] = "delete",
    };

    return (unsigned)step < sizeof(names) / sizeof(names[0]) ? names[step]
                                                             : "?";
}
