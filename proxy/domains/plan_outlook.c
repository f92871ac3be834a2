/*
 * plan_outlook - what comes next, and how well a track is; see plan.h.
 */
#include "proxy/domains/plan_private.h"

#include <stdio.h>

/* --- the next step of one key ------------------------------------------- */

static void
outlook(const struct planning *p, enum plan_step step, uint64_t when_s,
        const char *why)
{
    p->plan->step = step;
    p->plan->when_s = when_s;
    snprintf(p->plan->why, sizeof(p->plan->why), "%s", why);
}

static void
outlook_published(const struct planning *p, const struct keystore_key *k)
{
    if (k->life.seen_s == 0) {
        outlook(p, PLAN_PROVE, 0, "when every nameserver shows it");
    } else {
        outlook(p, PLAN_PROVE, k->life.seen_s + k->life.wait_s,
                "if every nameserver shows it still");
    }
}

static void
outlook_next(const struct planning *p, const struct plan_key *k)
{
    if (plan_is_condemned(k)) {
        outlook(p, PLAN_REVOKE, p->rules->now_s, "condemned");
    } else if (k->key->view.state == VIEW_KEY_NEW && !k->ours) {
        outlook(p, PLAN_PUBLISH, 0, "when its TXT record is in DNS");
    } else if (k->key->view.state == VIEW_KEY_NEW) {
        outlook(p, PLAN_PUBLISH, p->rules->now_s, "at the next run");
    } else if (k->key->view.proved_s == 0) {
        outlook_published(p, k->key);
    } else if (p->track->pause != NULL &&
               plan_active(p->track) < p->track->count) {
        outlook(p, PLAN_ACTIVATE, 0, p->track->pause);
    } else {
        outlook(p, PLAN_ACTIVATE, plan_due(p),
                "if every nameserver shows it then");
    }
}

static void
outlook_active(const struct planning *p, size_t key)
{
    bool turns = p->track->managed && !p->track->fixed;

    if (plan_is_condemned(p->track->keys + key)) {
        outlook(p, PLAN_RETIRE, 0, "when the next key is proved");
    } else if (key != plan_active(p->track) && !p->track->fixed) {
        outlook(p, PLAN_RETIRE, p->rules->now_s, "a newer key signs");
    } else if (!turns) {
        outlook(p, PLAN_WAIT, 0, "");
    } else {
        outlook(p, PLAN_RETIRE, plan_due(p), "when the next key signs");
    }
}

void
plan_outlook(const struct plan_track *track, const struct plan_rules *rules,
             size_t key, struct plan *plan_out)
{
    const struct planning p = { track, rules, plan_out };
    const struct plan_key *k = track->keys + key;

    *plan_out = (struct plan){ .step = PLAN_WAIT, .key = key };
    switch (k->key->view.state) {
    case VIEW_KEY_NEW:
    case VIEW_KEY_PUBLISHED:
        outlook_next(&p, k);
        break;
    case VIEW_KEY_ACTIVE:
        outlook_active(&p, key);
        break;
    case VIEW_KEY_RETIRING:
        outlook(&p, PLAN_REVOKE,
                plan_is_condemned(k)
                    ? rules->now_s
                    : plan_after(k->key->life.retired_s, plan_retire_s(rules)),
                "if the key that signs is seen");
        break;
    case VIEW_KEY_REVOKED:
        outlook(&p, track->managed ? PLAN_DELETE : PLAN_WAIT,
                plan_after(k->key->life.revoked_s, rules->rotate->revoked_s),
                "if DNS does not show it any more");
        break;
    }
}

/* --- health ------------------------------------------------------------- */

static bool
is_old(const struct plan_rules *rules, uint64_t since_s)
{
    return since_s != 0 && rules->now_s > since_s &&
           rules->now_s - since_s > PLAN_STUCK_S;
}

/* Something that should have happened has not, for days. */
static bool
is_stuck(const struct planning *p, size_t n)
{
    const struct plan_key *k = p->track->keys + n;
    const struct keystore_key *key = k->key;
    struct plan next = { .step = PLAN_WAIT };
    uint64_t since_s = 0;

    plan_outlook(p->track, p->rules, n, &next);
    if (key->view.state == VIEW_KEY_REVOKED && !k->ours) {
        return false; /* the owner's TXT may stand as long as he likes */
    }
    if (next.step == PLAN_PROVE && next.when_s == 0) {
        since_s = key->life.published_s;
    } else if (next.step == PLAN_PUBLISH) {
        since_s = key->created_s;
    } else if (next.step != PLAN_WAIT) {
        since_s = next.when_s;
    }
    return is_old(p->rules, since_s);
}

static void
say_stuck(const struct planning *p, size_t n, char *why_out)
{
    struct plan next = { .step = PLAN_WAIT };
    struct sight sight = { .fault = KEY_FAULT_NONE };

    plan_outlook(p->track, p->rules, n, &next);
    if (p->track->keys[n].seen != NULL) {
        plan_sight(p, n, &sight);
    }
    snprintf(why_out, PLAN_TEXT, "%.40s cannot go on to `%s`: %.120s",
             p->track->keys[n].key->view.selector, plan_step_name(next.step),
             sight.why[0] == '\0' ? next.why : sight.why);
}

enum plan_colour
plan_colour(const struct plan_track *track, const struct plan_rules *rules,
            char *why_out, bool *stuck_out)
{
    struct plan unused;
    const struct planning p = { track, rules, &unused };
    size_t active = plan_active(track);
    size_t stuck = track->count;
    const struct keystore_key *k;

    why_out[0] = '\0';
    for (size_t i = track->count; i > 0; i--) {
        stuck = is_stuck(&p, i - 1) ? i - 1 : stuck;
    }
    *stuck_out = stuck < track->count;
    if (*stuck_out) {
        say_stuck(&p, stuck, why_out);
    }
    if (active == track->count) {
        if (!*stuck_out) {
            snprintf(why_out, PLAN_TEXT, "no key is proved yet");
        }
        return PLAN_WAITING;
    }
    k = track->keys[active].key;
    if (k->life.fault != KEY_FAULT_NONE) {
        snprintf(why_out, PLAN_TEXT,
                 "%.40s signs and its record is at fault: "
                 "%.100s",
                 k->view.selector, k->life.reason);
        return PLAN_RED;
    }
    if (k->view.proved_s == 0 && track->keys[active].seen != NULL) {
        struct sight sight;

        plan_sight(&p, active, &sight);
        if (!sight.complete) {
            snprintf(why_out, PLAN_TEXT,
                     "%.40s signs and is not proved: "
                     "%.120s",
                     k->view.selector, sight.why);
            return PLAN_YELLOW;
        }
    }
    return *stuck_out ? PLAN_YELLOW : PLAN_GREEN;
}
