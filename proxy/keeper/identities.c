/*
 * identities - a chained table by name; see identities.h.
 *
 * It grows with the users that exist (names are of users.conf, not of peers),
 * and is swept when users.conf is loaded anew.
 */
#include <base/namehash.h>

#include <proxy/keeper/identities.h>
#include <stdlib.h>

enum {
    BUCKETS = 1024
};

struct identities {
    struct identity *buckets[BUCKETS];
    size_t count;
};

struct identities *
identities_new(void)
{
    return calloc(1, sizeof(struct identities));
}

void
identities_free(struct identities **ids)
{
    if (*ids == NULL) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        struct identity *id = (*ids)->buckets[i];

        while (id != NULL) {
            struct identity *next = id->next;

            free(id);
            id = next;
        }
    }
    free(*ids);
    *ids = NULL;
}

struct identity *
identities_get(struct identities *ids, struct bytes name, bool asserted)
{
    struct identity **bucket =
        &ids->buckets[name_hash(NAME_HASH_FIRST, name) % BUCKETS];
    struct identity *id;

    for (id = *bucket; id != NULL; id = id->next) {
        if (id->asserted == asserted && bytes_is_ci(name, id->name)) {
            return identities_hold(id);
        }
    }
    id = calloc(1, sizeof(*id));
    if (id == NULL || !bytes_copy(name, id->name, sizeof(id->name))) {
        free(id);
        return NULL;
    }
    for (char *c = id->name; *c != '\0'; c++) {
        *c = (char)byte_lower((uint8_t)*c);
    }
    id->asserted = asserted;
    id->refs = 1;
    id->next = *bucket;
    *bucket = id;
    ids->count++;
    return id;
}

struct identity *
identities_hold(struct identity *identity)
{
    identity->refs++;
    return identity;
}

void
identities_drop(struct identity **identity)
{
    if (*identity != NULL) {
        (*identity)->refs--;
        *identity = NULL;
    }
}

void
identities_sweep(struct identities *ids,
                 bool (*gone)(const char *name, void *arg), void *arg)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct identity **link = &ids->buckets[i];

        while (*link != NULL) {
            struct identity *id = *link;

            if (id->refs == 0 && gone(id->name, arg)) {
                *link = id->next;
                free(id);
                ids->count--;
            } else {
                link = &id->next;
            }
        }
    }
}

void
identities_each(struct identities *ids,
                void (*each)(struct identity *identity, void *arg), void *arg)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct identity *id = ids->buckets[i]; id != NULL; id = id->next) {
            each(id, arg);
        }
    }
}

size_t
identities_count(const struct identities *ids)
{
    return ids->count;
}
