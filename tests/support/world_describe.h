/*
 * world_describe - the state that a session_world is in, as text.
 *
 * All that what follows depends on: two worlds that are told alike go on
 * alike. Each function appends to out.
 */
#ifndef TESTS_SUPPORT_WORLD_DESCRIBE_H
#define TESTS_SUPPORT_WORLD_DESCRIBE_H

#include "tests/support/session_world.h"

void world_describe(struct session_world *w, struct buf *out);

/* session_world.c: how long each timer has still to go, in seconds. */
void world_timers_describe(struct session_world *w, struct buf *out);
/* world_upstream.c: what its connections are in the middle of. */
void world_far_describe(const struct session_world *w, struct buf *out);

#endif
