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

/*
 * A connection comes and goes. NULL: it may come in; else the setting, static,
 * that refuses it ("memory" when there is no room to count it).
 */
const char *limits_connected(struct worker *w);
void limits_disconnected(struct worker *w);

/* The same for a client's address, as text; spared: it is only counted. */
const char *limits_address(struct worker *w, const char *address, bool spared);
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
 * Stress: connections run out. Timers are LIMITS_STRESS_S then, one error or
 * one junk command ends a session, as with Postfix's stress-adaptive defaults.
 */
enum {
    LIMITS_STRESS_S = 10
};

#endif
