/*
 * rate - see proxy/rate.h.
 *
 * Tokens are counted in milliseconds of their making: a message costs
 * per_s * 1000 / count of them, and time that passes is what fills a bucket.
 */
#include "proxy/rate.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHAINS = 1024
};

struct bucket {
    struct bucket *next;
    uint64_t full_ms; /* when it will be full again */
    char user[];
};

struct rate {
    struct bucket *chains[CHAINS];
    unsigned shares;
};

struct rate *
rate_new(unsigned shares)
{
    struct rate *r = calloc(1, sizeof(*r));

    if (r != NULL) {
        r->shares = shares == 0 ? 1 : shares;
    }
    return r;
}

void
rate_free(struct rate **rp)
{
    if (*rp == NULL) {
        return;
    }
    for (size_t i = 0; i < CHAINS; i++) {
        while ((*rp)->chains[i] != NULL) {
            struct bucket *b = (*rp)->chains[i];

            (*rp)->chains[i] = b->next;
            free(b);
        }
    }
    free(*rp);
    *rp = NULL;
}

static size_t
chain_of(const char *user)
{
    uint32_t h = 2166136261u; /* FNV-1a; users are our own, no one floods */

    for (; *user != '\0'; user++) {
        h = (h ^ (uint8_t)*user) * 16777619u;
    }
    return h % CHAINS;
}

/* The user's bucket; full ones of the same chain are forgotten on the way. */
static struct bucket *
find(struct rate *r, const char *user, uint64_t now_ms)
{
    struct bucket **at = &r->chains[chain_of(user)];
    struct bucket *b;

    while ((b = *at) != NULL) {
        if (strcmp(b->user, user) == 0) {
            return b;
        }
        if (b->full_ms <= now_ms) {
            *at = b->next;
            free(b);
        } else {
            at = &b->next;
        }
    }
    b = calloc(1, sizeof(*b) + strlen(user) + 1);
    if (b != NULL) {
        strcpy(b->user, user);
        b->next = r->chains[chain_of(user)];
        r->chains[chain_of(user)] = b;
    }
    return b;
}

bool
rate_take(struct rate *r, const char *user, unsigned count, unsigned per_s,
          uint64_t now_ms, unsigned *wait_s_out)
{
    unsigned share = (count + r->shares - 1) / r->shares;
    uint64_t window_ms = (uint64_t)per_s * 1000;
    uint64_t cost_ms = share == 0 ? window_ms : window_ms / share;
    struct bucket *b = find(r, user, now_ms);
    uint64_t missing_ms;

    if (b == NULL) {
        return true;
    }
    missing_ms = b->full_ms > now_ms ? b->full_ms - now_ms : 0;
    if (missing_ms + cost_ms > window_ms) {
        *wait_s_out =
            (unsigned)((missing_ms + cost_ms - window_ms + 999) / 1000);
        return false;
    }
    b->full_ms = now_ms + missing_ms + cost_ms;
    return true;
}
