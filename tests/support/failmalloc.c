/*
 * failmalloc - memory that ends; see failmalloc.h.
 */
#include "failmalloc.h"

#include <stdint.h>

size_t failmalloc_left = SIZE_MAX;
bool failmalloc_once;
const bool *failmalloc_while;

static bool failed; /* since failmalloc_left was more than 0 */

void *__real_malloc(size_t octets);
void *__real_calloc(size_t count, size_t octets);
void *__real_realloc(void *old, size_t octets);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t octets);
void *__wrap_malloc(size_t octets);
void *__wrap_calloc(size_t count, size_t octets);
void *__wrap_realloc(void *old, size_t octets);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t octets);

bool
failmalloc_fails(void)
{
    bool fail = failmalloc_left == 0 && !(failmalloc_once && failed);

    if (failmalloc_while != NULL && !*failmalloc_while) {
        return false;
    }
    if (failed != (failmalloc_left == 0)) { /* threads only read it */
        failed = !failed;
    }
    if (failmalloc_left != 0 && failmalloc_left != SIZE_MAX) {
        failmalloc_left--;
    }
    return fail;
}

void *
__wrap_malloc(size_t octets)
{
    return failmalloc_fails() ? NULL : __real_malloc(octets);
}

void *
__wrap_calloc(size_t count, size_t octets)
{
    return failmalloc_fails() ? NULL : __real_calloc(count, octets);
}

void *
__wrap_realloc(void *old, size_t octets)
{
    return failmalloc_fails() ? NULL : __real_realloc(old, octets);
}

char *
__wrap_strdup(const char *text)
{
    return failmalloc_fails() ? NULL : __real_strdup(text);
}

char *
__wrap_strndup(const char *text, size_t octets)
{
    return failmalloc_fails() ? NULL : __real_strndup(text, octets);
}
