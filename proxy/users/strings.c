/*
 * strings - memory given back together; see strings.h.
 */
#include "proxy/users/strings.h"

#include <base/wipe.h>

#include <stdalign.h>
#include <stdlib.h>

enum {
    BLOCK_OCTETS = 64 * 1024
};

struct strings_block {
    struct strings_block *next;
    size_t used;
    size_t cap;
    alignas(max_align_t) uint8_t octets[];
};

static struct strings_block *
block_new(size_t n)
{
    size_t cap = n > BLOCK_OCTETS ? n : BLOCK_OCTETS;
    struct strings_block *b;

    if (cap > SIZE_MAX - sizeof(*b)) {
        return NULL;
    }
    b = calloc(1, sizeof(*b) + cap);
    if (b != NULL) {
        b->cap = cap;
    }
    return b;
}

static void *
take(struct strings *s, size_t n, size_t align)
{
    struct strings_block *b = s->blocks;
    size_t start = b == NULL ? 0 : (b->used + align - 1) / align * align;

    if (b == NULL || start > b->cap || b->cap - start < n) {
        b = block_new(n);
        if (b == NULL) {
            return NULL;
        }
        b->next = s->blocks;
        s->blocks = b;
        start = 0;
    }
    b->used = start + n;
    return b->octets + start;
}

void *
strings_array(struct strings *s, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / 2 / size) {
        return NULL;
    }
    return take(s, count * size, alignof(max_align_t));
}

char *
strings_copy(struct strings *s, struct bytes text)
{
    char *copy = text.len == SIZE_MAX ? NULL : take(s, text.len + 1, 1);

    if (copy != NULL && text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return copy;
}

char *
strings_lower(struct strings *s, struct bytes text)
{
    char *copy = strings_copy(s, text);

    for (size_t i = 0; copy != NULL && i < text.len; i++) {
        copy[i] = (char)byte_lower((uint8_t)copy[i]);
    }
    return copy;
}

void
strings_take(struct strings *s, struct strings *from)
{
    struct strings_block **last = &from->blocks;

    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = s->blocks;
    s->blocks = from->blocks;
    from->blocks = NULL;
}

void
strings_free(struct strings *s)
{
    while (s->blocks != NULL) {
        struct strings_block *b = s->blocks;

        s->blocks = b->next;
        wipe(b->octets, b->used);
        free(b);
    }
}
