/*
 * arena - memory of one configuration; see proxy/config/arena.h.
 */
#include "arena.h"

#include <stdlib.h>

struct conf_piece {
    struct conf_piece *next;
    max_align_t data[];
};

void *
conf_arena_new(struct conf_arena *a, size_t count, size_t octets)
{
    struct conf_piece *piece = NULL;

    if (octets == 0 || count <= (SIZE_MAX - sizeof(*piece)) / octets) {
        piece = calloc(1, sizeof(*piece) + count * octets);
    }
    if (piece == NULL) {
        a->failed = true;
        return NULL;
    }
    piece->next = a->pieces;
    a->pieces = piece;
    return piece->data;
}

char *
conf_arena_text(struct conf_arena *a, struct bytes text)
{
    char *copy = conf_arena_new(a, text.len + 1, 1);

    if (copy != NULL && text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return copy;
}

char *
conf_arena_take(struct conf_arena *a, struct buf *b)
{
    char *copy = NULL;

    if (buf_failed(b)) {
        a->failed = true;
    } else {
        copy = conf_arena_text(a, buf_bytes(b));
    }
    buf_free(b);
    return copy;
}

void
conf_arena_free(struct conf_arena *a)
{
    while (a->pieces != NULL) {
        struct conf_piece *next = a->pieces->next;

        free(a->pieces);
        a->pieces = next;
    }
    a->failed = false;
}
