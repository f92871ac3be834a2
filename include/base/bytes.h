/*
 * bytes - a view of octets: pointer and length, by value, never owning.
 *
 * Text from the wire is not NUL-terminated and may hold any octet; every
 * parser takes and gives struct bytes. All comparisons are ASCII and know no
 * locale.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *ptr; /* borrowed; NULL only with len 0 */
    size_t len;
};

/* A view of a string literal, without its NUL. */
#define BYTES_LIT(s) ((struct bytes){ (const uint8_t *)("" s), sizeof(s) - 1 })

/* For printf's "%.*s". Only for text that is known to be printable. */
#define BYTES_ARG(b) (int)(b).len, (const char *)(b).ptr

static inline struct bytes
bytes_make(const void *ptr, size_t len)
{
    return (struct bytes){ (const uint8_t *)ptr, len };
}

static inline struct bytes
bytes_str(const char *text)
{
    return bytes_make(text, text == NULL ? 0 : strlen(text));
}

/* Without the first n octets; n is at most b.len. */
static inline struct bytes
bytes_skip(struct bytes b, size_t n)
{
    return bytes_make(n == 0 ? b.ptr : b.ptr + n, b.len - n);
}

/* The first n octets, or all when there are fewer. */
static inline struct bytes
bytes_take(struct bytes b, size_t n)
{
    return bytes_make(b.ptr, n < b.len ? n : b.len);
}

static inline uint8_t
byte_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static inline bool
byte_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static inline bool
byte_is_alpha(uint8_t c)
{
    return byte_lower(c) >= 'a' && byte_lower(c) <= 'z';
}

static inline bool
byte_is_wsp(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static inline bool
bytes_eq(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII letters compare without case. */
static inline bool
bytes_eq_ci(struct bytes a, struct bytes b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (byte_lower(a.ptr[i]) != byte_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

static inline bool
bytes_is(struct bytes b, const char *text)
{
    return bytes_eq(b, bytes_str(text));
}

static inline bool
bytes_is_ci(struct bytes b, const char *text)
{
    return bytes_eq_ci(b, bytes_str(text));
}

static inline bool
bytes_starts_ci(struct bytes b, const char *prefix)
{
    struct bytes p = bytes_str(prefix);

    return b.len >= p.len && bytes_eq_ci(bytes_take(b, p.len), p);
}

static inline bool
bytes_ends_ci(struct bytes b, struct bytes tail)
{
    return b.len >= tail.len && bytes_eq_ci(bytes_skip(b, b.len - tail.len), tail);
}

/* Where c stands first; b.len when it does not. */
static inline size_t
bytes_find(struct bytes b, uint8_t c)
{
    const uint8_t *hit = b.len == 0 ? NULL : memchr(b.ptr, c, b.len);

    return hit == NULL ? b.len : (size_t)(hit - b.ptr);
}

/* Without SP, HTAB, CR and LF at both ends. */
static inline struct bytes
bytes_trim(struct bytes b)
{
    while (b.len > 0 && (byte_is_wsp(b.ptr[0]) || b.ptr[0] == '\r' ||
                         b.ptr[0] == '\n')) {
        b = bytes_skip(b, 1);
    }
    while (b.len > 0 &&
           (byte_is_wsp(b.ptr[b.len - 1]) || b.ptr[b.len - 1] == '\r' ||
            b.ptr[b.len - 1] == '\n')) {
        b.len--;
    }
    return b;
}

/*
 * The decimal number that b is, digits only, no sign, no space.
 * False, *out untouched: empty, not digits, or above max.
 */
static inline bool
bytes_to_u64(struct bytes b, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;

    if (b.len == 0) {
        return false;
    }
    for (size_t i = 0; i < b.len; i++) {
        uint64_t digit;

        if (!byte_is_digit(b.ptr[i])) {
            return false;
        }
        digit = (uint64_t)(b.ptr[i] - '0');
        if (n > (max - digit) / 10 || digit > max) {
            return false;
        }
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

/*
 * Copies b into dst as NUL-terminated text. False, dst empty: it does not
 * fit with its NUL, or b holds a NUL. cap is at least 1.
 */
static inline bool
bytes_copy(struct bytes b, char *dst, size_t cap)
{
    dst[0] = '\0';
    if (b.len >= cap || bytes_find(b, 0) < b.len) {
        return false;
    }
    if (b.len > 0) {
        memcpy(dst, b.ptr, b.len);
    }
    dst[b.len] = '\0';
    return true;
}

#endif
