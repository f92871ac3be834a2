/*
 * handles - an open hash table of random handles; see handles.h.
 *
 * Handles are uniformly random, so their first octets are the hash. Probing
 * is linear; removal moves the rest of a run back, so there are no marks that
 * would fill the table in a connection that lives for months.
 */
#include <base/wipe.h>

#include <errno.h>
#include <proxy/keeper/handles.h>
#include <stdlib.h>
#include <sys/random.h>

struct entry {
    struct keeper_handle handle;
    struct identity *identity; /* owned reference; NULL: free place */
};

struct handles {
    struct entry *entries;
    size_t cap; /* a power of two */
    size_t count;
};

enum {
    FIRST_CAP = 64
};

struct handles *
handles_new(void)
{
    struct handles *h = calloc(1, sizeof(*h));

    if (h != NULL) {
        h->cap = FIRST_CAP;
        h->entries = calloc(h->cap, sizeof(*h->entries));
    }
    if (h != NULL && h->entries == NULL) {
        free(h);
        h = NULL;
    }
    return h;
}

void
handles_free(struct handles **hp)
{
    struct handles *h = *hp;

    *hp = NULL;
    if (h == NULL) {
        return;
    }
    for (size_t i = 0; i < h->cap; i++) {
        identities_drop(&h->entries[i].identity);
    }
    wipe(h->entries, h->cap * sizeof(*h->entries));
    free(h->entries);
    free(h);
}

static size_t
home(const struct handles *h, const struct keeper_handle *handle)
{
    uint64_t hash;

    memcpy(&hash, handle->octets, sizeof(hash));
    return (size_t)hash & (h->cap - 1);
}

/* Its place, or the free one where it would stand. */
static size_t
place_of(const struct handles *h, const struct keeper_handle *handle)
{
    struct bytes want = bytes_make(handle->octets, sizeof(handle->octets));
    size_t i = home(h, handle);

    while (h->entries[i].identity != NULL &&
           !bytes_eq_secret(want, bytes_make(h->entries[i].handle.octets,
                                             sizeof(handle->octets)))) {
        i = (i + 1) & (h->cap - 1);
    }
    return i;
}

static bool
grow(struct handles *h)
{
    struct handles bigger = { NULL, h->cap * 2, h->count };

    bigger.entries = calloc(bigger.cap, sizeof(*bigger.entries));
    if (bigger.entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < h->cap; i++) {
        if (h->entries[i].identity != NULL) {
            bigger.entries[place_of(&bigger, &h->entries[i].handle)] =
                h->entries[i];
        }
    }
    wipe(h->entries, h->cap * sizeof(*h->entries));
    free(h->entries);
    *h = bigger;
    return true;
}

static bool
random_octets(uint8_t *out, size_t n)
{
    ssize_t got;

    do { /* up to 256 octets come whole, once the pool is there */
        got = getrandom(out, n, 0);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)n;
}

bool
handles_add(struct handles *h, struct identity *identity,
            struct keeper_handle *handle_out)
{
    struct keeper_handle handle;
    size_t i;

    if (h->count >= HANDLES_MAX || (h->count * 4 >= h->cap * 3 && !grow(h)) ||
        !random_octets(handle.octets, sizeof(handle.octets))) {
        return false;
    }
    i = place_of(h, &handle);
    if (h->entries[i].identity != NULL) {
        return false; /* 2^-112: the random source is broken */
    }
    h->entries[i] = (struct entry){ handle, identities_hold(identity) };
    h->count++;
    *handle_out = handle;
    return true;
}

struct identity *
handles_find(const struct handles *h, const struct keeper_handle *handle)
{
    return h->entries[place_of(h, handle)].identity;
}

/* Is place i on the way from an entry's home to the place where it stands? */
static bool
may_move_to(const struct handles *h, size_t i, size_t from)
{
    size_t start = home(h, &h->entries[from].handle);
    size_t mask = h->cap - 1;

    return ((from - start) & mask) >= ((from - i) & mask);
}

void
handles_remove(struct handles *h, const struct keeper_handle *handle)
{
    size_t hole = place_of(h, handle);
    size_t i = hole;

    if (h->entries[hole].identity == NULL) {
        return;
    }
    identities_drop(&h->entries[hole].identity);
    h->count--;
    for (;;) {
        i = (i + 1) & (h->cap - 1);
        if (h->entries[i].identity == NULL) {
            break;
        }
        if (may_move_to(h, hole, i)) {
            h->entries[hole] = h->entries[i];
            hole = i;
        }
    }
    wipe(&h->entries[hole], sizeof(h->entries[hole]));
}

size_t
handles_count(const struct handles *h)
{
    return h->count;
}
