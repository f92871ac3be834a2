/*
 * lock - one daemon a state directory: STATE_DIR/lock, held with flock().
 *
 * Its first line is the holder's pid, for people and scripts; the lock alone
 * decides, so that a file left behind means nothing. A holder that ends leaves
 * it empty: `kill $(head -1 lock)` then tells so, and hits nobody else.
 */
#ifndef PROXY_PROCESS_LOCK_H
#define PROXY_PROCESS_LOCK_H

#include <base/buf.h>

/* The descriptor holds the lock until it is closed. -1: *error says why, and
 * names the pid of the one who holds it. */
int lock_take(const char *state_dir, struct buf *error);
/* Gives the lock back and closes its descriptor. */
void lock_release(int fd);

#endif
