/*
 * queue - octets that wait: appended at the end, taken from the front.
 *
 * Holds no memory while it is empty, so that an idle connection costs only
 * its own struct. Taking is O(1); appending moves what is left at most once
 * for each doubling.
 */
#ifndef PROXY_NET_QUEUE_H
#define PROXY_NET_QUEUE_H

#include <base/bytes.h>

#include <stdlib.h>

struct queue {
    uint8_t *ptr; /* fields private */
    size_t start;
    size_t len;
    size_t cap;
};

static inline struct bytes
queue_bytes(const struct queue *q)
{
    return q->len == 0 ? bytes_make(NULL, 0)
                       : bytes_make(q->ptr + q->start, q->len);
}

static inline void
queue_clear(struct queue *q)
{
    free(q->ptr);
    *q = (struct queue){ NULL, 0, 0, 0 };
}

/* Copies; b may not lie in the queue itself. False: no memory. */
static inline bool
queue_put(struct queue *q, struct bytes b)
{
    if (b.len > SIZE_MAX / 4 - q->len) {
        return false;
    }
    if (q->start + q->len + b.len > q->cap && q->start >= q->len) {
        if (q->len > 0) {
            memmove(q->ptr, q->ptr + q->start, q->len);
        }
        q->start = 0;
    }
    if (q->start + q->len + b.len > q->cap) {
        size_t cap = q->cap == 0 ? 512 : q->cap;
        uint8_t *ptr;

        while (cap < q->start + q->len + b.len) {
            cap *= 2;
        }
        ptr = realloc(q->ptr, cap);
        if (ptr == NULL) {
            return false;
        }
        q->ptr = ptr;
        q->cap = cap;
    }
    if (b.len > 0) {
        memcpy(q->ptr + q->start + q->len, b.ptr, b.len);
        q->len += b.len;
    }
    return true;
}

/* n is at most the length. */
static inline void
queue_take(struct queue *q, size_t n)
{
    q->start += n;
    q->len -= n;
    if (q->len == 0) {
        queue_clear(q);
    }
}

#endif
