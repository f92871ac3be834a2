/*
 * tail - the last line of what a program says, whatever it says.
 *
 * Bounded: of a longer line its beginning is kept.
 */
#ifndef PROXY_SPAWN_TAIL_H
#define PROXY_SPAWN_TAIL_H

#include <proxy/spawn/spawn.h>

/* Zero is empty; fields private. */
struct spawn_tail {
    char line[SPAWN_LINE_MAX]; /* under way, no NUL */
    size_t len;
    char last[SPAWN_LINE_MAX]; /* the last whole one that is not blank */
};

/* The next octets, split anywhere. */
void spawn_tail_put(struct spawn_tail *t, struct bytes text);

/* out: room for SPAWN_LINE_MAX, untouched when it is false: nothing said. */
bool spawn_tail_line(struct spawn_tail *t, char *out);

#endif
