/*
 * exchanges - a table whose places are part of the names; see exchanges.h.
 *
 * The first two octets of a name are its place, the other 14 are random. What
 * nobody came back for is freed when its place is looked at again.
 */
#include <base/wipe.h>

#include <openssl/rand.h>

#include <proxy/keeper/exchanges.h>
#include <stdlib.h>

struct place {
    struct keeper_handle name;
    struct scram_exchange *exchange; /* owns; NULL: free */
    uint64_t until_s;
};

struct exchanges {
    size_t next; /* where the search for a free place begins */
    struct place places[EXCHANGES_MAX];
};

struct exchanges *
exchanges_new(void)
{
    return calloc(1, sizeof(struct exchanges));
}

void
exchanges_free(struct exchanges **x)
{
    if (*x == NULL) {
        return;
    }
    for (size_t i = 0; i < EXCHANGES_MAX; i++) {
        scram_exchange_free(&(*x)->places[i].exchange);
    }
    wipe(*x, sizeof(**x));
    free(*x);
    *x = NULL;
}

/* A place that is free, or was left too long; EXCHANGES_MAX: none. */
static size_t
free_place(struct exchanges *x, uint64_t now_s)
{
    for (size_t n = 0; n < EXCHANGES_MAX; n++) {
        size_t i = (x->next + n) % EXCHANGES_MAX;

        if (x->places[i].until_s <= now_s) {
            scram_exchange_free(&x->places[i].exchange);
        }
        if (x->places[i].exchange == NULL) {
            x->next = i + 1;
            return i;
        }
    }
    return EXCHANGES_MAX;
}

bool
exchanges_add(struct exchanges *x, struct scram_exchange *e, uint64_t now_s,
              struct keeper_handle *name_out)
{
    size_t i = free_place(x, now_s);
    struct place *p = &x->places[i % EXCHANGES_MAX];

    if (i == EXCHANGES_MAX ||
        RAND_bytes(p->name.octets, sizeof(p->name.octets)) != 1) {
        return false;
    }
    p->name.octets[0] = (uint8_t)(i >> 8);
    p->name.octets[1] = (uint8_t)i;
    p->exchange = e;
    p->until_s = now_s + EXCHANGES_LIFE_S;
    *name_out = p->name;
    return true;
}

struct scram_exchange *
exchanges_take(struct exchanges *x, const struct keeper_handle *name,
               uint64_t now_s)
{
    size_t i = (size_t)name->octets[0] << 8 | name->octets[1];
    struct scram_exchange *e = NULL;
    struct place *p;

    if (x == NULL || i >= EXCHANGES_MAX) {
        return NULL;
    }
    p = &x->places[i];
    if (p->exchange != NULL && p->until_s > now_s &&
        bytes_eq_secret(bytes_make(name->octets, sizeof(name->octets)),
                        bytes_make(p->name.octets, sizeof(p->name.octets)))) {
        e = p->exchange;
        p->exchange = NULL;
    }
    return e;
}
