/*
 * plan_private - what the parts of the planner share.
 */
#ifndef PROXY_DOMAINS_PLAN_PRIVATE_H
#define PROXY_DOMAINS_PLAN_PRIVATE_H

#include <proxy/domains/plan.h>
#include <proxy/domains/sight.h>

/* One question to the planner: what was given, and where the answer goes. */
struct planning {
    const struct plan_track *track;
    const struct plan_rules *rules;
    struct plan *plan;
};

/* The key's survey, judged with its own note of silent servers. */
void plan_sight(const struct planning *p, size_t key, struct sight *sight_out);

/* Compares what was seen with the notes; true: a PLAN_NOTE for it. */
bool plan_observe(const struct planning *p);

/* Is it time for another key? The rule behind PLAN_CREATE. */
bool plan_create(const struct planning *p);

/* Does this key sign if it is the newest? */
bool plan_is_active(const struct plan_key *k);
/* May it begin to sign, as far as the notes tell? */
bool plan_is_proved(const struct plan_key *k);
/* It is new or published: the next one. */
bool plan_is_next(const struct plan_key *k);
bool plan_is_condemned(const struct plan_key *k);

/* The next key that is proved: a slot's before the owner's own, then the one
 * proved last; count: none. */
size_t plan_candidate(const struct plan_track *track);
/* A key that is not published, proved or used yet; count: none. */
size_t plan_upcoming(const struct plan_track *track);

/* a + b, and 0 stays "never". */
uint64_t plan_after(uint64_t time_s, uint64_t more_s);

/* When the track's next key has its turn; 0: no key signs, at once. */
uint64_t plan_due(const struct planning *p);

/* Begins an answer about a key: `after` as it is now, why "". */
void plan_begin(const struct planning *p, enum plan_step step, size_t key);
__attribute__((format(printf, 2, 3))) void plan_say(const struct planning *p,
                                                    const char *format, ...);
/* WAIT, if it is earlier than the one that stands there. */
__attribute__((format(printf, 4, 5))) void plan_wait(const struct planning *p,
                                                     size_t key,
                                                     uint64_t when_s,
                                                     const char *format, ...);

#endif
