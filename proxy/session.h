/*
 * session - one client connection and, in a transaction, one upstream one.
 *
 * Every callback records a fact and calls session_run(). Only the steps take
 * decisions, and only session_run() frees the session, so no callback can
 * pull the floor from under another one.
 */
#ifndef PROXY_SESSION_H
#define PROXY_SESSION_H

#include <proxy/net/address.h>
#include <proxy/worker.h>

struct session;

enum {
    SESSION_ID_SIZE = 16
}; /* with its NUL */

/* A new id: unique over workers and restarts. out has SESSION_ID_SIZE. */
void session_make_id(struct worker *w, char *out);

/*
 * Greets the client on fd, which is taken. The session lives until the client
 * is gone and nothing is owed to it or to an upstream. NULL: no memory, fd is
 * closed. peer may differ from the socket's own (PROXY protocol); anonymous:
 * it is the balancer's, who speaks for it is not known, and no right comes
 * with the address.
 */
struct session *session_new(struct worker *w, struct worker_listener *l, int fd,
                            const union net_address *peer, bool anonymous);

/*
 * worker->draining or worker->stopping was set: idle sessions say 421 and
 * end, the others at their next moment outside a transaction; when stopping,
 * a transaction whose final dot has not left is given 30 s, or deadline_s when
 * that is less.
 */
void session_drain_all(struct worker *w, unsigned deadline_s);

/*
 * The deadline has come: every session gets its last word now. A message
 * whose fate only the upstream knows gets 451 4.4.2 and outcome=unknown; what
 * else is under way is aborted with 421.
 */
void session_cut_all(struct worker *w);

/* Connections run out, and who is idle has LIMITS_STRESS_S left; or they do no
 * more. */
void session_stress_all(struct worker *w);

/* Handles are void: sessions that hold one end outside a transaction. */
void session_keeper_lost(struct worker *w);

#endif
