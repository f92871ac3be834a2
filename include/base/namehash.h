/*
 * namehash - names for a table: FNV-1a, ASCII letters without case.
 *
 * Not for names that a stranger chooses: who knows it fills one bucket.
 */
#ifndef BASE_NAMEHASH_H
#define BASE_NAMEHASH_H

#include <base/bytes.h>

/* before: of the name in front of this one, or NAME_HASH_FIRST. */
#define NAME_HASH_FIRST 2166136261u

static inline uint32_t
name_hash(uint32_t before, struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        before = (before ^ byte_lower(name.ptr[i])) * 16777619u;
    }
    return before;
}

#endif
