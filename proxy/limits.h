/*
 * limits - how much a client, a network, a user and all together may have.
 *
 * The numbers are of [limits], what is counted is in proxy/stats: all workers
 * count together, those of a generation that drains too. Each refusal has a
 * counter that `sealpost status` shows.
 */
#ifndef PROXY_LIMITS_H
#define PROXY_LIMITS_H

#include <proxy/worker.h>

struct view_user;

/* What a connection would be too much for. */
enum limits_over {
    LIMITS_OVER_NONE,
    LIMITS_OVER_CONNECTIONS,
    LIMITS_OVER_IP,
    LIMITS_OVER_NETWORK,
    LIMITS_OVER_USER,
    LIMITS_OVER_MEMORY,     /* there is no room to count it */
    LIMITS_OVER_DESCRIPTORS /* told by who accepts */
};

/* A connection comes and goes. NONE: it may come in. */
enum limits_over limits_connected(struct worker *w);
void limits_disconnected(struct worker *w);

/* The same for a client's address, as text; spared: it is only counted. */
enum limits_over limits_address(struct worker *w, const char *address,
                                bool spared);
void limits_address_left(struct worker *w, const char *address);

/* A session has logged in. False: its user has too many. */
bool limits_user(struct worker *w, const char *user);
void limits_user_left(struct worker *w, const char *user);

/* A TLS handshake begins. False: the address had too many lately. */
bool limits_handshake(struct worker *w, const char *address, bool spared);

/*
 * One more message, or recipient, of a user (NULL: nobody, no limit).
 * logged_in: those of [limits] hold for users who have none of their own.
 * False: *wait_s_out says in how many seconds it will do.
 */
bool limits_message(struct worker *w, const struct view_user *user,
                    bool logged_in, unsigned *wait_s_out);
bool limits_recipient(struct worker *w, const struct view_user *user,
                      bool logged_in, unsigned *wait_s_out);

/*
 * How long a client may be silent while it sends content. Each octet buys time
 * at `rate`, never more than most_ms: who sends at least as fast on an average
 * has that long for a pause, who sends an octet now and then is cut after it
 * (Postfix: smtpd_min_data_rate).
 */
struct limits_pace {
    uint64_t most_ms;
    uint64_t rate; /* octets a second; 0: only silence counts */
};
/* After spent_ms and so many octets; was_ms: the result before. At least 1. */
uint64_t limits_patience(const struct limits_pace *pace, uint64_t was_ms,
                         uint64_t spent_ms, size_t octets);

/*
 * Stress: connections run out. Timers are LIMITS_STRESS_S then, one error or
 * one junk command ends a session, as with Postfix's stress-adaptive defaults.
 */
enum {
    LIMITS_STRESS_S = 10
};
/* Looks whether it begins or is over; also when others have come or gone. */
void limits_judge_stress(struct worker *w);

#endif
