/*
 * buf - a growable run of octets, for text that is being put together.
 *
 * A failed allocation is remembered: later puts do nothing, and the one who
 * takes the result asks buf_failed() once, at the end.
 *
 * OWNERSHIP
 *   struct buf b = BUF_INIT;   owns nothing yet
 *   buf_put*()                 copy
 *   buf_bytes()                lends until the next buf_*() call
 *   buf_free()                 gives the memory back; b is empty and usable
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <base/bytes.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct buf {
    uint8_t *ptr; /* fields private */
    size_t len;
    size_t cap;
    bool failed;
};

#define BUF_INIT { NULL, 0, 0, false }

/* Room for n more octets; false: no memory, now or before. */
static inline bool
buf_reserve(struct buf *b, size_t n)
{
    size_t cap = b->cap == 0 ? 128 : b->cap;
    uint8_t *ptr;

    if (b->failed || n > SIZE_MAX / 4 - b->len) {
        b->failed = true;
        return false;
    }
    if (b->cap - b->len >= n) {
        return true;
    }
    while (cap < b->len + n) {
        cap *= 2;
    }
    ptr = realloc(b->ptr, cap);
    if (ptr == NULL) {
        b->failed = true;
        return false;
    }
    b->ptr = ptr;
    b->cap = cap;
    return true;
}

static inline void
buf_put(struct buf *b, struct bytes text)
{
    if (text.len > 0 && buf_reserve(b, text.len)) {
        memcpy(b->ptr + b->len, text.ptr, text.len);
        b->len += text.len;
    }
}

static inline void
buf_puts(struct buf *b, const char *text)
{
    buf_put(b, bytes_str(text));
}

static inline void
buf_putc(struct buf *b, char c)
{
    buf_put(b, bytes_make(&c, 1));
}

/* In decimal; printf costs ten times as much. */
static inline void
buf_put_number(struct buf *b, uint64_t n)
{
    uint8_t digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (uint8_t)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    buf_put(b, bytes_make(digits + at, sizeof(digits) - at));
}

/* printf into the buffer; no limit but memory. */
__attribute__((format(printf, 2, 3))) static inline void
buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    int n;

    if (!buf_reserve(b, 64)) { /* most texts fit: then once is enough */
        return;
    }
    va_start(args, format);
    n = vsnprintf((char *)b->ptr + b->len, b->cap - b->len, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n >= b->cap - b->len &&
        buf_reserve(b, (size_t)n + 1)) {
        va_start(args, format);
        (void)vsnprintf((char *)b->ptr + b->len, (size_t)n + 1, format, args);
        va_end(args);
    }
    b->failed = b->failed || n < 0;
    b->len += b->failed ? 0 : (size_t)n;
}

static inline struct bytes
buf_bytes(const struct buf *b)
{
    return bytes_make(b->ptr, b->len);
}

static inline bool
buf_failed(const struct buf *b)
{
    return b->failed;
}

/* NUL-terminated, or NULL when memory failed. Lent like buf_bytes(). */
static inline const char *
buf_str(struct buf *b)
{
    if (!buf_reserve(b, 1)) {
        return NULL;
    }
    b->ptr[b->len] = '\0';
    return (const char *)b->ptr;
}

/* Drops the first n octets; n is at most the length. */
static inline void
buf_consume(struct buf *b, size_t n)
{
    if (n > 0 && n <= b->len) {
        memmove(b->ptr, b->ptr + n, b->len - n);
        b->len -= n;
    }
}

static inline void
buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

static inline void
buf_free(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf)BUF_INIT;
}

#endif
