/*
 * addresses - see addresses.h.
 */
#include "proxy/process/addresses.h"

#include <base/bytes.h>

#include <stdlib.h>
#include <sys/random.h>

enum {
    BUCKETS = 1024
}; /* a power of two */

struct entry {
    struct entry *next;
    unsigned count; /* never 0 */
    char address[48];
};

struct addresses {
    uint64_t key;
    struct entry *buckets[BUCKETS];
};

struct addresses *
addresses_new(void)
{
    struct addresses *a = calloc(1, sizeof(*a));

    if (a != NULL && getrandom(&a->key, sizeof(a->key), 0) < 0) {
        a->key = (uint64_t)(uintptr_t)a;
    }
    return a;
}

void
addresses_free(struct addresses **a)
{
    if (*a == NULL) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        while ((*a)->buckets[i] != NULL) {
            struct entry *e = (*a)->buckets[i];

            (*a)->buckets[i] = e->next;
            free(e);
        }
    }
    free(*a);
    *a = NULL;
}

/* Where the entry's pointer is, or would be. */
static struct entry **
find(const struct addresses *a, const char *address)
{
    uint64_t hash = a->key;
    struct entry **link;

    for (const char *c = address; *c != '\0'; c++) {
        hash = (hash ^ (uint8_t)*c) * 0x100000001b3u; /* FNV-1a, keyed */
    }
    hash ^= hash >> 32;
    link = (struct entry **)(uintptr_t)&a->buckets[hash % BUCKETS];
    while (*link != NULL && strcmp((*link)->address, address) != 0) {
        link = &(*link)->next;
    }
    return link;
}

unsigned
addresses_count(const struct addresses *a, const char *address)
{
    const struct entry *e = *find(a, address);

    return e == NULL ? 0 : e->count;
}

bool
addresses_add(struct addresses *a, const char *address)
{
    struct entry **link = find(a, address);

    if (*link == NULL) {
        struct entry *e = calloc(1, sizeof(*e));

        if (e == NULL ||
            !bytes_copy(bytes_str(address), e->address, sizeof(e->address))) {
            free(e);
            return false;
        }
        *link = e;
    }
    (*link)->count++;
    return true;
}

void
addresses_remove(struct addresses *a, const char *address)
{
    struct entry **link = find(a, address);
    struct entry *e = *link;

    if (e != NULL && --e->count == 0) {
        *link = e->next;
        free(e);
    }
}
