/*
 * tallies - what all workers count by name for a while: failed logins.
 */
#ifndef PROXY_STATS_TALLIES_H
#define PROXY_STATS_TALLIES_H

#include <proxy/stats/stats.h>

enum stats_tally_kind {
    STATS_FAILED_ADDRESS, /* logins, see proxy/failures.h */
    STATS_FAILED_USER,
    STATS_FAILED_PAIR, /* the user from this address */
    STATS_LOGGED_IN    /* the same: she has been there */
};
enum {
    STATS_TALLIES_MAX = 16384 /* of all kinds; a power of two */
};

/*
 * A tally counts for all workers, and is forgotten life_ms after it was added
 * to last; when there is no room those go first that have counted least. It
 * ends at 2^20 - 1. now_ms is CLOCK_MONOTONIC's.
 */
unsigned stats_tally(const struct stats *s, enum stats_tally_kind kind,
                     struct bytes name, uint64_t now_ms);
void stats_tally_add(struct stats *s, enum stats_tally_kind kind,
                     struct bytes name, uint64_t life_ms, uint64_t now_ms);
void stats_tally_end(struct stats *s, enum stats_tally_kind kind,
                     struct bytes name);

#endif
