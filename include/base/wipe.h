/*
 * wipe - secrets leave memory, and are compared in constant time.
 */
#ifndef BASE_WIPE_H
#define BASE_WIPE_H

#include <base/bytes.h>

/* Zeroes n octets in a way that the compiler keeps. ptr may be NULL with 0. */
static inline void
wipe(void *ptr, size_t n)
{
    volatile uint8_t *p = ptr;

    while (n-- > 0) {
        *p++ = 0;
    }
}

/* Equality whose time depends on the lengths alone. */
static inline bool
bytes_eq_secret(struct bytes a, struct bytes b)
{
    volatile uint8_t diff = 0;

    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        diff = (uint8_t)(diff | (a.ptr[i] ^ b.ptr[i]));
    }
    return diff == 0;
}

#endif
