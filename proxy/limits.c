/*
 * limits - see limits.h.
 */
#include "proxy/limits.h"

#include "proxy/clock.h"
#include "proxy/log/log.h"
#include "proxy/session.h"
#include "proxy/stats/stats.h"
#include "proxy/users/view.h"

#include <arpa/inet.h>

enum {
    CALM_BELOW = 10,    /* percent of connections below `stress`, to end it */
    NETWORK_OCTETS = 16 /* IPv6; IPv4 has 4 of them */
};

/* --- stress --------------------------------------------------------------- */

/* When it is over that begins beyond `on`: at fewer, but not at none. */
static uint64_t
calm_at(uint64_t on, uint64_t fewer)
{
    return on > 2 * fewer ? on - fewer : on / 2;
}

void
limits_judge_stress(struct worker *w)
{
    const struct limits_conf *limits = &w->conf->limits;
    uint64_t used, on = (uint64_t)limits->connections * limits->stress / 100;
    uint64_t calm =
        calm_at(on, (uint64_t)limits->connections * CALM_BELOW / 100);

    if (limits->stress >= 100) {
        return;
    }
    used = stats_entered(w->stats, STATS_BY_DAEMON, BYTES_LIT(""));
    if (!w->stressed && used > on) {
        w->stressed = true;
        stats_count(w->stats, STATS_STRESS, 1);
        log_event(LOG_LEVEL_WARN, "stress",
                  "%llu of %u connections are in use: timers are %d s",
                  (unsigned long long)used, limits->connections,
                  LIMITS_STRESS_S);
        session_stress_all(w);
    } else if (w->stressed && used <= calm) {
        w->stressed = false;
        log_event(LOG_LEVEL_INFO, "calm", "%llu of %u connections are in use",
                  (unsigned long long)used, limits->connections);
        session_stress_all(w);
    } else {
        return;
    }
    stats_set(w->stats, STATS_STRESSED, w->stressed);
}

/* --- connections ---------------------------------------------------------- */

static enum limits_over
judged(struct worker *w, enum stats_result result, enum stats_counter counter,
       enum limits_over over)
{
    if (result == STATS_OK) {
        return LIMITS_OVER_NONE;
    }
    stats_count(w->stats, counter, 1);
    return result == STATS_OVER ? over : LIMITS_OVER_MEMORY;
}

enum limits_over
limits_connected(struct worker *w)
{
    enum limits_over over =
        judged(w,
               stats_enter(w->stats, STATS_BY_DAEMON, BYTES_LIT(""),
                           w->conf->limits.connections),
               STATS_OVER_CONNECTIONS, LIMITS_OVER_CONNECTIONS);

    if (over == LIMITS_OVER_NONE) {
        stats_count(w->stats, STATS_CONNECTIONS, 1);
        limits_judge_stress(w);
    }
    return over;
}

void
limits_disconnected(struct worker *w)
{
    stats_leave(w->stats, STATS_BY_DAEMON, BYTES_LIT(""));
    limits_judge_stress(w);
}

/* The address with only its first bits left, network_ipv4 or network_ipv6 of
 * them; empty for what is no address. */
static struct bytes
network_of(const struct worker *w, const char *address,
           uint8_t out[NETWORK_OCTETS])
{
    const struct limits_conf *limits = &w->conf->limits;
    bool v4 = inet_pton(AF_INET, address, out) == 1;
    unsigned octets = v4 ? 4 : NETWORK_OCTETS;
    unsigned bits = v4 ? limits->network_ipv4 : limits->network_ipv6;

    if (!v4 && inet_pton(AF_INET6, address, out) != 1) {
        octets = 0;
    }
    for (unsigned i = 0; i < octets; i++) {
        unsigned kept = bits > i * 8 ? bits - i * 8 : 0;

        out[i] &= kept >= 8 ? 0xff : (uint8_t)(0xff00u >> kept);
    }
    return bytes_make(out, octets);
}

enum limits_over
limits_address(struct worker *w, const char *address, bool spared)
{
    const struct limits_conf *limits = &w->conf->limits;
    struct bytes ip = bytes_str(address);
    uint8_t network[NETWORK_OCTETS];
    enum limits_over over =
        judged(w,
               stats_enter(w->stats, STATS_BY_IP, ip,
                           spared ? UINT64_MAX : limits->connections_per_ip),
               STATS_OVER_IP, LIMITS_OVER_IP);

    if (over != LIMITS_OVER_NONE) {
        return over;
    }
    over = judged(
        w,
        stats_enter(w->stats, STATS_BY_NETWORK, network_of(w, address, network),
                    spared ? UINT64_MAX : limits->connections_per_network),
        STATS_OVER_NETWORK, LIMITS_OVER_NETWORK);
    if (over != LIMITS_OVER_NONE) {
        stats_leave(w->stats, STATS_BY_IP, ip);
    }
    return over;
}

void
limits_address_left(struct worker *w, const char *address)
{
    uint8_t network[NETWORK_OCTETS];

    stats_leave(w->stats, STATS_BY_IP, bytes_str(address));
    stats_leave(w->stats, STATS_BY_NETWORK, network_of(w, address, network));
}

bool
limits_user(struct worker *w, const char *user)
{
    return judged(w,
                  stats_enter(w->stats, STATS_BY_USER, bytes_str(user),
                              w->conf->limits.connections_per_user),
                  STATS_OVER_USER, LIMITS_OVER_USER) == LIMITS_OVER_NONE;
}

void
limits_user_left(struct worker *w, const char *user)
{
    stats_leave(w->stats, STATS_BY_USER, bytes_str(user));
}

/* --- in time -------------------------------------------------------------- */

static bool
take(struct worker *w, enum stats_bucket_kind kind, const char *name,
     struct conf_rate rate, enum stats_counter counter, unsigned *wait_s_out)
{
    if (rate.count == 0 ||
        stats_take(w->stats, kind, bytes_str(name), 1, rate.count, rate.per_s,
                   clock_ms(), wait_s_out)) {
        return true;
    }
    stats_count(w->stats, counter, 1);
    return false;
}

bool
limits_handshake(struct worker *w, const char *address, bool spared)
{
    const struct conf_rate rate = { w->conf->limits.handshakes_per_minute, 60 };
    unsigned wait_s;

    stats_count(w->stats, STATS_HANDSHAKES, 1);
    return spared || take(w, STATS_BUCKET_HANDSHAKES, address, rate,
                          STATS_OVER_HANDSHAKES, &wait_s);
}

static struct conf_rate
rate_of(unsigned count, unsigned per_s, bool logged_in, struct conf_rate all)
{
    const struct conf_rate own = { count, per_s };
    const struct conf_rate none = { 0, 0 };

    return count > 0 ? own : logged_in ? all : none;
}

bool
limits_message(struct worker *w, const struct view_user *user, bool logged_in,
               unsigned *wait_s_out)
{
    return user == NULL || take(w, STATS_BUCKET_MESSAGES, user->name,
                                rate_of(user->rate_count, user->rate_s,
                                        logged_in, w->conf->limits.rate),
                                STATS_OVER_RATE, wait_s_out);
}

bool
limits_recipient(struct worker *w, const struct view_user *user, bool logged_in,
                 unsigned *wait_s_out)
{
    return user == NULL ||
           take(w, STATS_BUCKET_RECIPIENTS, user->name,
                rate_of(user->recipient_count, user->recipient_s, logged_in,
                        w->conf->limits.recipient_rate),
                STATS_OVER_RECIPIENT_RATE, wait_s_out);
}

/* --- content -------------------------------------------------------------- */

uint64_t
limits_patience(const struct limits_pace *pace, uint64_t was_ms,
                uint64_t spent_ms, size_t octets)
{
    uint64_t left = was_ms > spent_ms ? was_ms - spent_ms : 0;

    if (pace->rate == 0) {
        return pace->most_ms;
    }
    left += (uint64_t)octets * 1000 / pace->rate;
    left = left < pace->most_ms ? left : pace->most_ms;
    return left == 0 ? 1 : left;
}
