/*
 * stats - what all workers count together, exactly and without a lock.
 *
 * Connections by address, network and user; token buckets; counters for
 * `sealpost status`. The memory is the master's, made before the first worker
 * and kept until it ends: a reload loses nothing, and when a worker dies its
 * share of what is there now is taken away.
 *
 * Tables are bounded. What does not fit is told (STATS_FULL) where a limit
 * depends on it; a row for the status gives way to a newer one.
 */
#ifndef PROXY_STATS_STATS_H
#define PROXY_STATS_STATS_H

#include <base/bytes.h>

#include <sys/types.h>

enum {
    STATS_NAME_MAX = 63,
    STATS_NO_SLOT = 0 /* the master's own is nobody else's */
};

/* Only grow. To add one: a name in stats_counter_name(), too. */
enum stats_counter {
    STATS_CONNECTIONS,
    STATS_HANDSHAKES,
    STATS_LOGINS,
    STATS_LOGINS_DENIED,
    STATS_DELIVERED,
    STATS_REFUSED_MAIL, /* 5yz: ours or the upstream's */
    STATS_DEFERRED,     /* 4yz */
    STATS_UNKNOWN,
    STATS_ABORTED,
    STATS_RECIPIENTS, /* of delivered messages */
    STATS_OCTETS,     /* of delivered messages, as received */
    STATS_SIGNED,
    STATS_SELF_VERIFY_FAILED, /* signatures of ours that do not verify */
    STATS_UPSTREAM_FAILED,    /* no connection was to be had */
    /* refusals by limit */
    STATS_OVER_CONNECTIONS,
    STATS_OVER_IP,
    STATS_OVER_NETWORK,
    STATS_OVER_USER,
    STATS_OVER_HANDSHAKES,
    STATS_OVER_RATE,
    STATS_OVER_RECIPIENT_RATE,
    STATS_OVER_RECIPIENTS,
    STATS_OVER_ERRORS,
    STATS_OVER_JUNK,
    STATS_OVER_AUTH_FAILURES,
    STATS_TOO_SLOW, /* min_data_rate */
    STATS_TIMEOUTS,
    STATS_STRESS, /* times it began */
    STATS_COUNTERS
};

/* What is there now, of living workers. */
enum stats_gauge {
    STATS_SESSIONS,
    STATS_SESSIONS_MAX, /* [limits] connections, as the daemon has it */
    STATS_TRANSACTIONS,
    STATS_SPOOL_OCTETS,
    STATS_KEYS,
    STATS_KEYS_FAULTY, /* of those that are active */
    STATS_USERS,
    STATS_STRESSED, /* 1: timers are short */
    STATS_GAUGES
};

enum stats_count_kind {
    STATS_BY_DAEMON, /* under one name */
    STATS_BY_IP,
    STATS_BY_NETWORK,
    STATS_BY_USER
};

enum stats_bucket_kind {
    STATS_BUCKET_MESSAGES,   /* of a user */
    STATS_BUCKET_RECIPIENTS, /* of a user */
    STATS_BUCKET_HANDSHAKES, /* of an address */
    STATS_BUCKET_KINDS
};

enum stats_row_kind {
    STATS_ROW_USER,
    STATS_ROW_DOMAIN,
    STATS_ROW_UPSTREAM,
    STATS_ROW_KINDS
};

enum stats_row_value {
    STATS_ROW_DELIVERED,
    STATS_ROW_REFUSED,
    STATS_ROW_DEFERRED,
    STATS_ROW_RECIPIENTS,
    STATS_ROW_OCTETS,
    STATS_ROW_FAILURES, /* upstreams: no connection was to be had */
    STATS_ROW_VALUES
};

struct stats_row {
    char name[STATS_NAME_MAX + 1];
    uint64_t last_s; /* CLOCK_REALTIME */
    uint64_t values[STATS_ROW_VALUES];
};

struct stats;

/* --- the master ----------------------------------------------------------- */

/*
 * Shared memory for workers that hold at most so many connections each. NULL:
 * errno says why. stats_free() ends it.
 */
struct stats *stats_new(unsigned connections);
/* Of the shared memory, lent; -1: it is private. */
int stats_fd(const struct stats *s);
/* A descriptor that can only be read by; the caller closes it. -1: errno. */
int stats_read_fd(const struct stats *s);
/* For a worker to be started; STATS_NO_SLOT: all are taken. */
unsigned stats_slot_take(struct stats *s);
/* Its worker has ended, however: what it had counted is kept, what it had
 * open is no more. STATS_NO_SLOT is fine. */
void stats_slot_release(struct stats *s, unsigned slot);

/* --- a worker ------------------------------------------------------------- */

/*
 * Takes fd (also on failure). STATS_NO_SLOT or fd -1: memory of its own for
 * so many connections, as if there were no other worker. NULL: errno.
 */
struct stats *stats_join(int fd, unsigned slot, unsigned connections);
void stats_free(struct stats **s);

void stats_count(struct stats *s, enum stats_counter counter, uint64_t n);
void stats_set(struct stats *s, enum stats_gauge gauge, uint64_t value);

enum stats_result {
    STATS_OK,
    STATS_OVER,
    STATS_FULL
};
/*
 * One more connection of this name, unless all workers together have max then
 * already. Two that come at once may both be OVER, never both OK.
 */
enum stats_result stats_enter(struct stats *s, enum stats_count_kind kind,
                              struct bytes name, uint64_t max);
/* One less; only after STATS_OK. */
void stats_leave(struct stats *s, enum stats_count_kind kind,
                 struct bytes name);
/* Of all workers. */
uint64_t stats_entered(const struct stats *s, enum stats_count_kind kind,
                       struct bytes name);

/*
 * Takes n tokens of the bucket that holds at most `count` and fills in per_s
 * seconds. count > 0, per_s > 0. now_ms is CLOCK_MONOTONIC's. False: nothing
 * was taken, *wait_s_out says in how many seconds it will do.
 */
bool stats_take(struct stats *s, enum stats_bucket_kind kind, struct bytes name,
                unsigned n, unsigned count, unsigned per_s, uint64_t now_ms,
                unsigned *wait_s_out);

/* For the status. Longer names are cut. now_s is CLOCK_REALTIME's; a row keeps
 * the latest. */
void stats_note(struct stats *s, enum stats_row_kind kind, struct bytes name,
                enum stats_row_value value, uint64_t n, uint64_t now_s);

/* --- the reader ----------------------------------------------------------- */

/* Takes fd. NULL: it is not what stats_read_fd() gave. */
struct stats *stats_open(int fd);
uint64_t stats_started_s(const struct stats *s);
uint64_t stats_counter(const struct stats *s, enum stats_counter counter);
uint64_t stats_gauge(const struct stats *s, enum stats_gauge gauge);
unsigned stats_workers(const struct stats *s);
/* "delivered", "over_ip": for people and JSON; static. */
const char *stats_counter_name(enum stats_counter counter);
const char *stats_gauge_name(enum stats_gauge gauge);
/* The rows of all slots, one a name, the busiest first. rows_out holds max.
 * Returns how many there are. */
size_t stats_rows(const struct stats *s, enum stats_row_kind kind,
                  struct stats_row *rows_out, size_t max);

#endif
