/*
 * failmalloc - memory that ends; see failmalloc.h.
 */
#include "failmalloc.h"

#include <stdint.h>

size_t failmalloc_left = SIZE_MAX;
bool failmalloc_once;

static bool failed; /* since failmalloc_left was more than 0 */

void *__real_malloc(size_t octets);
void *__real_calloc(size_t count, size_t octets);
void *__real_realloc(void *old, size_t octets);
void *__wrap_malloc(size_t octets);
void *__wrap_calloc(size_t count, size_t octets);
void *__wrap_realloc(void *old, size_t octets);

static bool
fails(void)
{
    bool fail = failmalloc_left == 0 && !(failmalloc_once && failed);

    failed = failmalloc_left == 0;
    failmalloc_left -= failmalloc_left != 0 && failmalloc_left != SIZE_MAX;
    return fail;
}

void *
__wrap_malloc(size_t octets)
{
    return fails() ? NULL : __real_malloc(octets);
}

void *
__wrap_calloc(size_t count, size_t octets)
{
    return fails() ? NULL : __real_calloc(count, octets);
}

void *
__wrap_realloc(void *old, size_t octets)
{
    return fails() ? NULL : __real_realloc(old, octets);
}
