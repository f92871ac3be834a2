/*
 * plan_scene - see plan_scene.h.
 */
#include "tests/support/plan_scene.h"

#include <string.h>

/* An age that was made negative is a date in the future. */
static uint64_t
date_of(unsigned age)
{
    return age == 0 ? 0 : (uint64_t)((int64_t)NOW - (int32_t)age);
}

static void
set_key(const struct aged *a, struct keystore_key *k)
{
    *k = (struct keystore_key){ .created_s = NOW - 99 * DAY, .note = "" };
    k->view.domain = "a.example";
    k->view.selector = a->selector;
    k->view.owner = "";
    k->view.alg = DKIM_ALG_RSA_SHA256;
    k->view.bits = a->bits == 0 ? 2048 : a->bits;
    k->view.state = a->state;
    k->view.proved_s = date_of(a->proved);
    k->view.activated_s = date_of(a->activated);
    k->life = (struct key_life){ .published_s = date_of(a->published),
                                 .seen_s = date_of(a->seen),
                                 .wait_s = a->wait,
                                 .retired_s = date_of(a->retired),
                                 .revoked_s = date_of(a->revoked),
                                 .fault = a->fault,
                                 .reason = "" };
}

void
plan_scene_set(const struct kase *c, struct scene *s)
{
    static const char *const tokens[] = { "a", "b", "c" };

    memset(s, 0, sizeof(*s));
    s->rotate = (struct rotate_conf){ .every_s = 90 * DAY,
                                      .retire_s = 30 * DAY,
                                      .revoked_s = 7 * DAY };
    s->rules = (struct plan_rules){ &s->rotate, 7 * DAY, NOW };
    s->track = (struct plan_track){ .domain = "a.example",
                                    .alg = DKIM_ALG_RSA_SHA256,
                                    .owner = "",
                                    .delegated = !c->own,
                                    .managed = !c->unmanaged,
                                    .fixed = c->fixed,
                                    .now = c->now,
                                    .pause = c->pause,
                                    .keys = s->plan_keys };
    for (; s->track.count < 4 && c->keys[s->track.count].selector != NULL;
         s->track.count++) {
        const struct aged *a = c->keys + s->track.count;
        struct plan_key *k = s->plan_keys + s->track.count;

        set_key(a, s->keys + s->track.count);
        k->key = s->keys + s->track.count;
        k->ours = !a->theirs;
        if (a->dns != NULL) {
            draw(a->dns, 5 * HOUR, s->drawn + s->track.count);
            k->seen = &s->drawn[s->track.count].seen;
        }
    }
    for (size_t i = 0; !c->own && i < PLAN_SLOTS; i++) {
        s->track.slots[s->track.slot_count++].token = tokens[i];
    }
}
