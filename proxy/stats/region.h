/*
 * region - the memory that master, workers and `sealpost status` share.
 *
 * One memfd of the master: a head, then one slot for each process that may
 * write. A slot has one writer, so that nothing in it is ever locked and a
 * worker that is killed leaves nothing half held; readers add up all slots.
 * The first slot is the master's own: what workers that have ended had
 * counted is kept there. Only token buckets and tallies are written by all,
 * each by one compare-and-swap.
 *
 * Private to proxy/stats.
 */
#ifndef PROXY_STATS_REGION_H
#define PROXY_STATS_REGION_H

#include "proxy/stats/stats.h"
#include "proxy/stats/tallies.h"

#include <stdatomic.h>

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared counters need no lock");

enum {
    REGION_SLOTS = 128,    /* the master's, and workers of two generations */
    REGION_WINDOW = 16,    /* places where a key may be */
    REGION_BUCKETS = 8192, /* of each kind, a power of two */
    REGION_ROWS = 256,     /* of each kind and slot, a power of two */
    REGION_PAGE = 4096
};

/* Kinds of names, for region_hash(): each table's begin at one of these. */
enum {
    REGION_OF_COUNTS = 0, /* enum stats_count_kind */
    REGION_OF_BUCKETS = 16,
    REGION_OF_ROWS = 32,
    REGION_OF_TALLIES = 48
};

/* key 0: free. In tables of one writer a value of 0 is free, too. */
struct region_entry {
    _Atomic uint64_t key;
    _Atomic uint64_t value;
};

/* seq is odd while its name changes: a reader looks again. */
struct region_row {
    _Atomic uint64_t seq;
    char name[STATS_NAME_MAX + 1];
    _Atomic uint64_t last_s; /* 0: free */
    _Atomic uint64_t values[STATS_ROW_VALUES];
};

struct region_slot {
    _Atomic uint64_t counters[STATS_COUNTERS];
    _Atomic uint64_t gauges[STATS_GAUGES];
    struct region_row rows[STATS_ROW_KINDS][REGION_ROWS];
    struct region_entry counts[]; /* head.entries of them */
};

struct region_head {
    uint64_t magic;
    uint64_t slot_octets; /* from one slot to the next */
    uint64_t entries;     /* counts[] of a slot, a power of two */
    uint64_t octets;      /* of the whole */
    uint64_t seed[2];     /* of the hash: clients choose addresses */
    uint64_t started_s;   /* CLOCK_REALTIME */
    _Atomic uint64_t taken[REGION_SLOTS]; /* pages of others are not touched */
    struct region_entry buckets[STATS_BUCKET_KINDS][REGION_BUCKETS];
    struct region_entry tallies[STATS_TALLIES_MAX];
};

/* Another one for a program that has other counters. */
#define REGION_MAGIC                                             \
    (UINT64_C(0x7365616c73746174) ^ sizeof(struct region_slot) ^ \
     (uint64_t)sizeof(struct region_head) << 32)

struct stats {
    struct region_head *head; /* mapped */
    struct region_slot *mine; /* NULL: read only */
    int fd;                   /* owns; -1: private memory */
};

/* NULL: nobody writes there. */
struct region_slot *region_slot(const struct stats *s, unsigned index);

/* Keyed: SipHash-2-4 over the kind and the octets; never 0. */
uint64_t region_hash(const struct region_head *head, unsigned kind,
                     struct bytes name);

/* The row of this name, made when missing; the oldest one gives way. */
struct region_row *region_row(const struct region_head *head,
                              struct region_slot *slot,
                              enum stats_row_kind kind, struct bytes name,
                              uint64_t now_s);
/* A whole row; false: it is free. */
bool region_row_read(const struct region_row *row, struct stats_row *out);

/* Of one writer: adds n, which may wrap below 0 back. */
void region_add(_Atomic uint64_t *at, uint64_t n);

#endif
