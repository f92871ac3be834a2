/*
 * balance - see proxy/upstream/balance.h.
 *
 * Smooth weighted round robin: each turn everybody's counter grows by its
 * weight, the highest one is taken and loses the sum of all. Weights count
 * in hundredths, so that a slow start has steps.
 */
#include "proxy/upstream/balance.h"

enum {
    WHOLE = 100,
    SLOWEST = 10, /* hundredths of its weight, from the first moment on */
    DOUBLINGS_MAX = 16
};

bool
balance_is_down(const struct balance_target *t, uint64_t now_ms)
{
    return t->check_down || t->down_until_ms > now_ms;
}

static int64_t
share(const struct balance_target *t, const struct balance_conf *conf,
      uint64_t now_ms)
{
    uint64_t since = now_ms - t->back_ms;
    uint64_t part = WHOLE;

    if (t->back_ms > 0 && now_ms >= t->back_ms && since < conf->slow_start_ms) {
        part = since * WHOLE / conf->slow_start_ms;
        part = part < SLOWEST ? SLOWEST : part;
    }
    return (int64_t)(t->weight * part);
}

static bool
takes_part(const struct balance_target *t, uint64_t now_ms)
{
    return t->weight > 0 && !balance_is_down(t, now_ms);
}

/* Behind the first one: those with the highest counters first. */
static size_t
order_weighted(const struct balance_target *targets, size_t count,
               const struct balance_conf *conf, uint64_t now_ms, size_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        size_t at = n;
        int64_t mine;

        if (!takes_part(&targets[i], now_ms)) {
            continue;
        }
        mine = targets[i].current + share(&targets[i], conf, now_ms);
        while (at > 0 && targets[out[at - 1]].current +
                                 share(&targets[out[at - 1]], conf, now_ms) <
                             mine) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = i;
        n++;
    }
    return n;
}

static size_t
order_down(const struct balance_target *targets, size_t count, uint64_t now_ms,
           size_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        size_t at = n;

        if (!balance_is_down(&targets[i], now_ms)) {
            continue;
        }
        while (at > 0 &&
               targets[out[at - 1]].down_until_ms > targets[i].down_until_ms) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = i;
        n++;
    }
    return n;
}

void
balance_order(const struct balance_target *targets, size_t count,
              const struct balance_conf *conf, uint64_t now_ms, size_t *out)
{
    size_t n = order_weighted(targets, count, conf, now_ms, out);

    for (size_t i = 0; i < count; i++) {
        if (targets[i].weight == 0 && !balance_is_down(&targets[i], now_ms)) {
            out[n++] = i;
        }
    }
    (void)order_down(targets, count, now_ms, out + n);
}

void
balance_chosen(struct balance_target *targets, size_t count,
               const struct balance_conf *conf, uint64_t now_ms, size_t chosen)
{
    int64_t total = 0;

    if (!takes_part(&targets[chosen], now_ms)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (takes_part(&targets[i], now_ms)) {
            int64_t mine = share(&targets[i], conf, now_ms);

            targets[i].current += mine;
            total += mine;
        }
    }
    targets[chosen].current -= total;
}

static void
come_back(struct balance_target *t, uint64_t now_ms)
{
    t->failures = 0;
    t->down_until_ms = 0;
    t->check_down = false;
    t->current = 0;
    t->back_ms = now_ms;
}

bool
balance_good(struct balance_target *t, uint64_t now_ms)
{
    if (t->failures == 0 && !t->check_down) {
        return false;
    }
    come_back(t, now_ms);
    t->checks = 0;
    return true;
}

bool
balance_failed(struct balance_target *t, const struct balance_conf *conf,
               uint64_t now_ms)
{
    unsigned doublings =
        t->failures < DOUBLINGS_MAX ? t->failures : DOUBLINGS_MAX;
    uint64_t away = conf->fail_timeout_ms << doublings;
    bool was_up = t->failures == 0 && !t->check_down;

    if (away > BALANCE_BACK_OFF_MAX_MS) {
        away = BALANCE_BACK_OFF_MAX_MS;
    }
    if (away < conf->fail_timeout_ms) {
        away = conf->fail_timeout_ms; /* longer than the longest back-off */
    }
    t->failures++;
    t->down_until_ms = now_ms + away;
    return was_up;
}

bool
balance_checked(struct balance_target *t, const struct balance_conf *conf,
                bool good, uint64_t now_ms)
{
    bool is_down = t->check_down || t->failures > 0;

    if (good != is_down) {
        t->checks = 0; /* as it was */
        return false;
    }
    t->checks++;
    if (t->checks < (good ? conf->rise : conf->fall)) {
        return false;
    }
    t->checks = 0;
    if (good) {
        come_back(t, now_ms);
    } else {
        t->check_down = true;
    }
    return true;
}
