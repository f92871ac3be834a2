/*
 * queue - start-time fair queueing with limits; see queue.h.
 *
 * Keys that have jobs stand in one of two heaps, fast and slow, ordered by
 * their clocks. A key that comes back from an idle time starts at the present
 * virtual time: nobody saves up turns. When a job is taken its key is charged
 * an estimate, so that other threads see it at once, and when it is done the
 * difference to the truth.
 */
#include <proxy/keeper/queue.h>
#include <stdlib.h>

struct heap {
    struct queue_key **keys;
    size_t count;
    size_t cap;
};

struct queue {
    struct heap fast;
    struct heap slow;
    struct queue_jobs checks;
    size_t checks_waiting;
    unsigned checks_running;
    unsigned checks_max;
    unsigned slow_running;
    unsigned heavy_max;  /* slow keys and checks together */
    bool check_was_last; /* of the heavy jobs */
    uint64_t now_ns;     /* virtual time */
};

/* --- a heap of keys, least clock first ----------------------------------- */

static void
heap_set(struct heap *h, size_t place, struct queue_key *key)
{
    h->keys[place] = key;
    key->place = place;
}

static void
heap_up(struct heap *h, struct queue_key *key)
{
    size_t place = key->place;

    while (place > 0) {
        struct queue_key *above = h->keys[(place - 1) / 2];

        if (above->clock_ns <= key->clock_ns) {
            break;
        }
        heap_set(h, place, above);
        place = (place - 1) / 2;
    }
    heap_set(h, place, key);
}

static void
heap_down(struct heap *h, struct queue_key *key)
{
    size_t place = key->place;

    for (;;) {
        size_t below = 2 * place + 1;

        if (below + 1 < h->count &&
            h->keys[below + 1]->clock_ns < h->keys[below]->clock_ns) {
            below++;
        }
        if (below >= h->count || h->keys[below]->clock_ns >= key->clock_ns) {
            break;
        }
        heap_set(h, place, h->keys[below]);
        place = below;
    }
    heap_set(h, place, key);
}

static bool
heap_add(struct heap *h, struct queue_key *key)
{
    if (h->count == h->cap) {
        size_t cap = h->cap == 0 ? 64 : 2 * h->cap;
        struct queue_key **keys = realloc(h->keys, cap * sizeof(*keys));

        if (keys == NULL) {
            return false;
        }
        h->keys = keys;
        h->cap = cap;
    }
    heap_set(h, h->count++, key);
    heap_up(h, key);
    return true;
}

static void
heap_remove(struct heap *h, struct queue_key *key)
{
    struct queue_key *last = h->keys[--h->count];

    if (last != key) {
        heap_set(h, key->place, last);
        heap_down(h, last);
        heap_up(h, last);
    }
}

static struct heap *
heap_of(struct queue *q, const struct queue_key *key)
{
    return key->slow ? &q->slow : &q->fast;
}

static const struct queue_key *
heap_least(const struct heap *h)
{
    return h->count == 0 ? NULL : h->keys[0];
}

/* --- the queue ------------------------------------------------------------ */

struct queue *
queue_new(unsigned threads)
{
    struct queue *q = calloc(1, sizeof(*q));

    if (q != NULL) {
        threads = threads < 2 ? 2 : threads;
        TAILQ_INIT(&q->checks);
        q->checks_max = threads / 2;
        q->heavy_max = threads - 1;
    }
    return q;
}

void
queue_free(struct queue **q)
{
    if (*q != NULL) {
        free((*q)->fast.keys);
        free((*q)->slow.keys);
        free(*q);
        *q = NULL;
    }
}

void
queue_key_init(struct queue_key *key, bool slow, uint64_t estimate_ns)
{
    *key = (struct queue_key){ .estimate_ns = estimate_ns, .slow = slow };
    TAILQ_INIT(&key->jobs);
}

bool
queue_put(struct queue *q, struct queue_key *key, struct queue_job *job)
{
    if (key->waiting >= QUEUE_KEY_MAX) {
        return false;
    }
    if (key->waiting == 0) {
        key->clock_ns = key->clock_ns < q->now_ns ? q->now_ns : key->clock_ns;
        if (!heap_add(heap_of(q, key), key)) {
            return false;
        }
    }
    *job = (struct queue_job){ .key = key };
    TAILQ_INSERT_TAIL(&key->jobs, job, link);
    key->waiting++;
    return true;
}

bool
queue_put_check(struct queue *q, struct queue_job *job, uint64_t now_ms)
{
    if (q->checks_waiting >= QUEUE_CHECKS_MAX) {
        return false;
    }
    *job = (struct queue_job){ .since_ms = now_ms };
    TAILQ_INSERT_TAIL(&q->checks, job, link);
    q->checks_waiting++;
    return true;
}

static bool
heavy_allowed(const struct queue *q)
{
    return q->slow_running + q->checks_running < q->heavy_max;
}

static bool
check_allowed(const struct queue *q)
{
    return q->checks_waiting > 0 && q->checks_running < q->checks_max &&
           heavy_allowed(q);
}

static bool
check_is_due(const struct queue *q, uint64_t now_ms)
{
    const struct queue_job *oldest = TAILQ_FIRST(&q->checks);

    return check_allowed(q) && !(q->check_was_last && q->slow.count > 0) &&
           now_ms - oldest->since_ms >= QUEUE_CHECK_PATIENCE_MS;
}

/* The key whose turn it is; NULL: none, or only slow ones with no room. */
static const struct queue_key *
next_key(const struct queue *q)
{
    const struct queue_key *fast = heap_least(&q->fast);
    const struct queue_key *slow =
        heavy_allowed(q) ? heap_least(&q->slow) : NULL;

    if (fast == NULL || (slow != NULL && slow->clock_ns < fast->clock_ns)) {
        return slow;
    }
    return fast;
}

static struct queue_job *
take_check(struct queue *q)
{
    struct queue_job *job = TAILQ_FIRST(&q->checks);

    TAILQ_REMOVE(&q->checks, job, link);
    q->checks_waiting--;
    q->checks_running++;
    q->check_was_last = true;
    return job;
}

static struct queue_job *
take_signature(struct queue *q, struct heap *h)
{
    struct queue_key *key = h->keys[0];
    struct queue_job *job = TAILQ_FIRST(&key->jobs);

    TAILQ_REMOVE(&key->jobs, job, link);
    if (key->slow) {
        q->slow_running++;
        q->check_was_last = false;
    }
    q->now_ns = key->clock_ns > q->now_ns ? key->clock_ns : q->now_ns;
    job->charged_ns = key->estimate_ns;
    key->clock_ns += job->charged_ns;
    if (--key->waiting == 0) {
        heap_remove(h, key);
    } else {
        heap_down(h, key);
    }
    return job;
}

struct queue_job *
queue_take(struct queue *q, uint64_t now_ms)
{
    const struct queue_key *key = next_key(q);

    if (check_is_due(q, now_ms) || (key == NULL && check_allowed(q))) {
        return take_check(q);
    }
    return key == NULL ? NULL : take_signature(q, heap_of(q, key));
}

bool
queue_ready(const struct queue *q)
{
    return next_key(q) != NULL || check_allowed(q);
}

void
queue_done(struct queue *q, struct queue_job *job, uint64_t cost_ns)
{
    struct queue_key *key = job->key;

    if (key == NULL) {
        q->checks_running--;
        return;
    }
    q->slow_running -= key->slow;
    key->clock_ns += cost_ns - job->charged_ns; /* wraps to a subtraction */
    key->estimate_ns = cost_ns;
    if (key->waiting > 0) {
        heap_down(heap_of(q, key), key);
        heap_up(heap_of(q, key), key);
    }
}

struct queue_job *
queue_drain(struct queue *q)
{
    struct heap *h = q->fast.count > 0 ? &q->fast : &q->slow;
    struct queue_job *job;

    if (q->checks_waiting > 0) {
        job = take_check(q);
        q->checks_running--;
    } else if (h->count > 0) {
        job = take_signature(q, h);
        queue_done(q, job, 0);
    } else {
        job = NULL;
    }
    return job;
}
