/*
 * queue - which job a keeper thread takes next.
 *
 * Signatures wait in a queue for each key and keys take turns by virtual
 * time: a key's clock advances by what its signatures cost, and the key whose
 * clock is least is served. A user with an RSA-4096 key (17 times the cost of
 * RSA-2048) so pays for himself; with one queue for all he would cut everyone
 * else to a twentieth.
 *
 * Limits, of T threads (at least 2):
 *   slow keys (RSA > 2048)      on at most T-1
 *   password checks             on at most T/2, QUEUE_CHECKS_MAX waiting
 *   both together               on at most T-1: one is always for fast keys
 *
 * Signatures go first; a check that waited QUEUE_CHECK_PATIENCE_MS goes
 * before them, in turns with slow keys, so that a flood of either does not
 * starve the other.
 *
 * No locks, no clock: the caller has both. Jobs and keys are the caller's,
 * who embeds the structs, and stay in place while they are queued.
 */
#ifndef PROXY_KEEPER_QUEUE_H
#define PROXY_KEEPER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
    QUEUE_CHECKS_MAX = 100,
    QUEUE_KEY_MAX = 512, /* signatures waiting for one key */
    QUEUE_CHECK_PATIENCE_MS = 500
};

struct queue_job {
    TAILQ_ENTRY(queue_job) link; /* fields private */
    struct queue_key *key;       /* NULL: a password check */
    uint64_t charged_ns;
    uint64_t since_ms;
};

TAILQ_HEAD(queue_jobs, queue_job);

struct queue_key {
    struct queue_jobs jobs; /* fields private */
    size_t waiting;
    size_t place; /* in its heap */
    uint64_t clock_ns;
    uint64_t estimate_ns;
    bool slow;
};

struct queue;

/* NULL: no memory. threads less than 2 counts as 2. */
struct queue *queue_new(unsigned threads);
/* Jobs that still wait are forgotten, not freed. */
void queue_free(struct queue **q);

/* estimate_ns: what its first signature probably costs. */
void queue_key_init(struct queue_key *key, bool slow, uint64_t estimate_ns);

/* False: too many wait, or no memory; the job is not taken. */
bool queue_put(struct queue *q, struct queue_key *key, struct queue_job *job);
bool queue_put_check(struct queue *q, struct queue_job *job, uint64_t now_ms);

/* The next job, which counts as running until queue_done(). NULL: none that
 * the limits allow now. */
struct queue_job *queue_take(struct queue *q, uint64_t now_ms);
/* Would queue_take() give one? */
bool queue_ready(const struct queue *q);
/* cost_ns: what it really took. */
void queue_done(struct queue *q, struct queue_job *job, uint64_t cost_ns);

/* All jobs that wait, one after the other, for the end; NULL: no more. */
struct queue_job *queue_drain(struct queue *q);

#endif
