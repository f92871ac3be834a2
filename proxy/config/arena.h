/*
 * arena - memory of one configuration: given out piece by piece, freed at once.
 *
 * A failed allocation is remembered, so that a loader asks once at its end.
 *
 * OWNERSHIP
 *   conf_arena_*()      lend until conf_arena_free()
 *   conf_arena_free()   gives all back; the arena is empty and usable
 */
#ifndef PROXY_CONFIG_ARENA_H
#define PROXY_CONFIG_ARENA_H

#include <base/buf.h>

struct conf_piece;

struct conf_arena {
    struct conf_piece *pieces; /* fields private */
    bool failed;
};

/* Zeroed, fit for any object. NULL: no memory, remembered in failed. */
void *conf_arena_new(struct conf_arena *a, size_t count, size_t octets);

/* A NUL-terminated copy; NULL: no memory. text has no NUL. */
char *conf_arena_text(struct conf_arena *a, struct bytes text);

/* The same of what was put together in b, which is freed. */
char *conf_arena_take(struct conf_arena *a, struct buf *b);

void conf_arena_free(struct conf_arena *a);

#endif
