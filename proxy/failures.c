/*
 * failures - see proxy/failures.h.
 */
#include "proxy/failures.h"

#include <proxy/stats/tallies.h>
#include <stdlib.h>
#include <string.h>

enum {
    V6_PREFIX_OCTETS = 8,
    DOUBLINGS_MAX = 16,
    NAME_MAX_OCTETS = 256,
    TEXT_MAX = 1 + V6_PREFIX_OCTETS + NAME_MAX_OCTETS
};

struct failures {
    const struct limits_conf *conf;
    struct stats *stats; /* borrowed */
};

struct failures *
failures_new(const struct limits_conf *conf, struct stats *stats)
{
    struct failures *f = calloc(1, sizeof(*f));

    if (f != NULL) {
        f->conf = conf;
        f->stats = stats;
    }
    return f;
}

void
failures_free(struct failures **f)
{
    free(*f);
    *f = NULL;
}

/* --- what is counted ------------------------------------------------------ */

/* An IPv4 address, or a /64, which is what one subscriber has. */
static size_t
put_address(const union net_address *address, uint8_t *out)
{
    const struct in6_addr *v6 = &address->in6.sin6_addr;

    if (address->any.sa_family == AF_INET) {
        memcpy(out, &address->in.sin_addr, 4);
        return 4;
    }
    if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(v6)) {
        memcpy(out, v6->s6_addr + 12, 4);
        return 4;
    }
    if (address->any.sa_family == AF_INET6) {
        memcpy(out, v6->s6_addr, V6_PREFIX_OCTETS);
        return V6_PREFIX_OCTETS;
    }
    return 0;
}

/* Empty: there is nothing to count by. room has TEXT_MAX octets. */
static struct bytes
name_of(enum stats_tally_kind kind, const struct failures_who *who,
        uint8_t *room)
{
    size_t user_len = kind == STATS_FAILED_ADDRESS ? 0 : strlen(who->user);
    size_t n = 1;

    if ((kind != STATS_FAILED_USER && who->address == NULL) ||
        (kind != STATS_FAILED_ADDRESS && user_len == 0) ||
        user_len > NAME_MAX_OCTETS) {
        return bytes_make(NULL, 0);
    }
    if (kind != STATS_FAILED_USER) {
        n += put_address(who->address, room + n);
    }
    room[0] = (uint8_t)n; /* where the address ends */
    if (user_len > 0) {
        memcpy(room + n, who->user, user_len);
    }
    return bytes_make(room, n + user_len);
}

static void
count(struct failures *f, enum stats_tally_kind kind,
      const struct failures_who *who, uint64_t life_ms, uint64_t now_ms)
{
    uint8_t room[TEXT_MAX];
    struct bytes name = name_of(kind, who, room);

    if (name.len > 0) {
        stats_tally_add(f->stats, kind, name, life_ms, now_ms);
    }
}

static void
forget(struct failures *f, enum stats_tally_kind kind,
       const struct failures_who *who)
{
    uint8_t room[TEXT_MAX];
    struct bytes name = name_of(kind, who, room);

    if (name.len > 0) {
        stats_tally_end(f->stats, kind, name);
    }
}

static unsigned
counted(const struct failures *f, enum stats_tally_kind kind,
        const struct failures_who *who, uint64_t now_ms)
{
    uint8_t room[TEXT_MAX];
    struct bytes name = name_of(kind, who, room);

    return name.len == 0 ? 0 : stats_tally(f->stats, kind, name, now_ms);
}

/* --- what follows from it ------------------------------------------------- */

/* Where she is known only what was done there in her name concerns her. */
static unsigned
worst(const struct failures *f, const struct failures_who *who, uint64_t now_ms)
{
    unsigned by_address = counted(f, STATS_FAILED_ADDRESS, who, now_ms);
    unsigned by_user = counted(f, STATS_FAILED_USER, who, now_ms);

    if (counted(f, STATS_LOGGED_IN, who, now_ms) > 0) {
        return counted(f, STATS_FAILED_PAIR, who, now_ms);
    }
    return by_address > by_user ? by_address : by_user;
}

bool
failures_locked(const struct failures *f, const struct failures_who *who,
                uint64_t now_ms)
{
    return f != NULL && f->conf->auth_lock_after > 0 &&
           worst(f, who, now_ms) >= f->conf->auth_lock_after;
}

unsigned
failures_delay_ms(const struct failures *f, const struct failures_who *who,
                  uint64_t now_ms)
{
    uint64_t delay_ms;
    unsigned n;

    if (f == NULL || f->conf->auth_delay_s == 0) {
        return 0;
    }
    n = worst(f, who, now_ms);
    n = n > DOUBLINGS_MAX ? DOUBLINGS_MAX : n;
    delay_ms = (uint64_t)f->conf->auth_delay_s * 1000 << (n > 0 ? n - 1 : 0);
    return delay_ms < FAILURES_DELAY_MAX_MS ? (unsigned)delay_ms
                                            : (unsigned)FAILURES_DELAY_MAX_MS;
}

void
failures_add(struct failures *f, const struct failures_who *who,
             uint64_t now_ms)
{
    if (f != NULL) {
        uint64_t life_ms = (uint64_t)f->conf->auth_lock_s * 1000;

        count(f, STATS_FAILED_ADDRESS, who, life_ms, now_ms);
        count(f, STATS_FAILED_USER, who, life_ms, now_ms);
        count(f, STATS_FAILED_PAIR, who, life_ms, now_ms);
    }
}

void
failures_forget(struct failures *f, const struct failures_who *who,
                uint64_t now_ms)
{
    if (f != NULL) {
        /* Not the address: who has one account could try all others. */
        forget(f, STATS_FAILED_USER, who);
        forget(f, STATS_FAILED_PAIR, who);
        count(f, STATS_LOGGED_IN, who, FAILURES_KNOWN_MS, now_ms);
    }
}
