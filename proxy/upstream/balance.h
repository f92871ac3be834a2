/*
 * balance - which address of an [upstream] is tried next.
 *
 * Only computes: time is an argument. Three groups, in this order:
 *   1. those with a weight, in proportion to their weights (smooth weighted
 *      round robin: no bursts to one of them);
 *   2. those without one, in the order written: they stand by, or with no
 *      weights at all are tried in this order;
 *   3. those that failed lately, soonest back first: nobody is given up
 *      while there is nobody else.
 * An address that failed stays in the third group for `fail_timeout`, twice
 * as long at each further failure, at most BALANCE_BACK_OFF_MAX_MS; a health
 * check that fails holds it there until checks go well again. One that comes
 * back takes up its weight slowly.
 */
#ifndef PROXY_UPSTREAM_BALANCE_H
#define PROXY_UPSTREAM_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BALANCE_BACK_OFF_MAX_MS = 10 * 60 * 1000
};

struct balance_conf {
    uint64_t fail_timeout_ms;
    uint64_t slow_start_ms; /* 0: the whole weight at once */
    unsigned rise;          /* good checks in a row that bring it back */
    unsigned fall;          /* bad ones that take it out */
};

/* Zero is one that has never failed. Fields private but for weight. */
struct balance_target {
    unsigned weight;        /* 0: stands by */
    int64_t current;        /* of the round robin */
    unsigned failures;      /* in a row */
    uint64_t down_until_ms; /* 0: not failed */
    uint64_t back_ms;       /* when it last came back; 0: never was away */
    unsigned checks;        /* in a row that say other than check_down */
    bool check_down;        /* what the checks have found */
};

bool balance_is_down(const struct balance_target *t, uint64_t now_ms);

/* All indices, each once, in the order in which to try them; out has count. */
void balance_order(const struct balance_target *targets, size_t count,
                   const struct balance_conf *conf, uint64_t now_ms,
                   size_t *out);
/* What balance_order() put first is used: it is the next one's turn. */
void balance_chosen(struct balance_target *targets, size_t count,
                    const struct balance_conf *conf, uint64_t now_ms,
                    size_t chosen);

/* A connection was made, or not. True: it is up, or down, since now. */
bool balance_good(struct balance_target *t, uint64_t now_ms);
bool balance_failed(struct balance_target *t, const struct balance_conf *conf,
                    uint64_t now_ms);

/* A health check ended. True: it is up, or down, since now. */
bool balance_checked(struct balance_target *t, const struct balance_conf *conf,
                     bool good, uint64_t now_ms);

#endif
