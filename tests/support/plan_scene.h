/*
 * plan_scene - a domain's keys at one moment, for the plan of what is next.
 *
 * NOW is that moment. drawn.h says how surveys are written; WELL is the one of
 * a key that everybody sees.
 */
#ifndef TESTS_SUPPORT_PLAN_SCENE_H
#define TESTS_SUPPORT_PLAN_SCENE_H

#include "drawn.h"
#include "proxy/domains/plan.h"

enum {
    HOUR = 3600,
    DAY = 86400
};
#define NOW  ((uint64_t)1800000000)
#define WELL "OC OC TK TK RK RK"

/* Times are ages: seconds before NOW; 0: never. */
struct aged {
    const char *selector; /* NULL: no such key */
    enum view_key_state state;
    unsigned published, seen, wait, proved, activated, retired, revoked;
    enum key_fault fault;
    const char *dns; /* NULL: not asked */
    bool theirs;
    unsigned bits;
};

/* One domain, and the step that is to follow. */
struct kase {
    const char *name;
    struct aged keys[4];
    bool own, unmanaged, fixed, now;
    const char *pause;
    enum plan_step step;
    const char *selector; /* of the step; NULL: none */
    uint64_t when_s;      /* WAIT; compared when `timed` */
    bool timed;
};

/* Keys as they mostly are: a, which signs; b, which follows; c, which went
 * before. */
#define NEXT(dns_)                                                             \
    {                                                                          \
        "b", VIEW_KEY_PUBLISHED, 9 * DAY, 9 * DAY, 4 * HOUR, 8 * DAY, 0, 0, 0, \
            KEY_FAULT_NONE, dns_, false, 0                                     \
    }
#define ACTIVE(age, dns_)                                                     \
    {                                                                         \
        "a", VIEW_KEY_ACTIVE, 99 * DAY, 99 * DAY, 4 * HOUR, 99 * DAY, age, 0, \
            0, KEY_FAULT_NONE, dns_, false, 0                                 \
    }
#define RETIRING(age, dns_)                                             \
    {                                                                   \
        "c", VIEW_KEY_RETIRING, 99 * DAY, 99 * DAY, 4 * HOUR, 99 * DAY, \
            98 * DAY, age, 0, KEY_FAULT_NONE, dns_, false, 0            \
    }
#define REVOKED(age, dns_)                                                \
    {                                                                     \
        "c", VIEW_KEY_REVOKED, 99 * DAY, 99 * DAY, 4 * HOUR, 0, 98 * DAY, \
            50 * DAY, age, KEY_FAULT_NONE, dns_, false, 0                 \
    }
#define CONDEMNED(state_, dns_)                                          \
    {                                                                    \
        "a", state_, 9 * DAY, 9 * DAY, 4 * HOUR, 9 * DAY, 8 * DAY, 0, 0, \
            KEY_FAULT_CONDEMNED, dns_, false, 0                          \
    }
/* With a record of the owner's instead of a slot. */
#define OWN_ACTIVE(age)                                            \
    {                                                              \
        .selector = "a", .state = VIEW_KEY_ACTIVE, .theirs = true, \
        .proved = DAY, .activated = age, .dns = "OK RK"            \
    }
#define OWN_PROVED(name)                                               \
    {                                                                  \
        .selector = name, .state = VIEW_KEY_PUBLISHED, .theirs = true, \
        .published = DAY, .seen = DAY, .wait = HOUR, .proved = HOUR,   \
        .dns = "OK RK"                                                 \
    }

/* All that plan_next() is given, in one place. */
struct scene {
    struct keystore_key keys[4];
    struct plan_key plan_keys[4];
    struct drawn drawn[4];
    struct plan_track track;
    struct rotate_conf rotate;
    struct plan_rules rules;
};

/* Makes s of what c says. s->track points into s, which is not to be moved. */
void plan_scene_set(const struct kase *c, struct scene *s);

#endif
