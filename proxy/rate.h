/*
 * rate - how many messages a user may send: one token bucket a user.
 *
 * A bucket holds as many tokens as `rate` names and fills evenly over its
 * time; each message takes one. Buckets live in the worker: with several
 * workers each holds its share of the rate. A full bucket is forgotten, so
 * the table is as large as the number of users who sent lately.
 */
#ifndef PROXY_RATE_H
#define PROXY_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate;

/* shares: workers that share the rates. NULL: no memory. */
struct rate *rate_new(unsigned shares);
void rate_free(struct rate **r);

/*
 * Takes a token of user's, whose rate is count messages in per_s seconds.
 * now_ms: monotonic. False: none is left, *wait_s_out says for how long.
 * Without memory for a new bucket the message may go.
 */
bool rate_take(struct rate *r, const char *user, unsigned count, unsigned per_s,
               uint64_t now_ms, unsigned *wait_s_out);

#endif
