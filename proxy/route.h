/*
 * route - which upstream a message goes to, and what may be offered for it.
 */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include <smtp/caps.h>

#include <proxy/users/view.h>
#include <proxy/worker.h>

/*
 * The user's own upstream, else the one whose `sender_domains` have the
 * envelope sender's domain (outbound only: inbound the sender is anybody's
 * word), else the listener's. user may be NULL; sender: the domain of MAIL
 * FROM, as it was written, empty for <>.
 */
struct upstream *route_upstream(const struct worker *w,
                                const struct listen_conf *listener,
                                const struct view_user *user,
                                struct bytes sender);

/*
 * What every upstream that this listener's users can reach offers, of that
 * what we can pass on; user: only what she can reach, NULL: anybody. LIMITS
 * are ours, or an upstream's smaller ones; MAILMAX is the pool's business.
 * REQUIRETLS only when each of them is known by its certificate. Never known:
 * PIPELINING, SIZE, 8BITMIME, ENHANCEDSTATUSCODES. AUTH and STARTTLS are the
 * caller's.
 */
void route_caps(const struct worker *w, const struct listen_conf *listener,
                const struct view_user *user, struct smtp_caps *caps_out);

#endif
