/*
 * dovecot - one connection to Dovecot's auth service, for many logins.
 *
 * Dovecot judges (passwd-file, LDAP, SQL, PAM, OAuth2: whatever it has); we
 * carry what the client says, in base64, and what comes back. A line to a
 * Dovecot that is away is made anew, later each time, and at once when
 * somebody wants to log in and a second has passed.
 *
 * OWNERSHIP
 *   dovecot_ask()  the request is the caller's until its last callback (all
 *                  but CHALLENGE) or dovecot_cancel().
 */
#ifndef PROXY_AUTH_DOVECOT_H
#define PROXY_AUTH_DOVECOT_H

#include <event2/event.h>

#include <proxy/auth/dovecot_line.h>
#include <proxy/net/conn.h>

struct dovecot;
struct dovecot_request;

enum {
    DOVECOT_REQUESTS_MAX = 1000, /* at once; beyond: come later */
    DOVECOT_PATIENCE_S = 60,     /* for an answer */
    DOVECOT_BACK_OFF_MAX_S = 30
};

/* base, loop and path are borrowed. NULL: no memory. Connects at once. */
struct dovecot *dovecot_new(struct event_base *base, struct conn_loop *loop,
                            const char *path);
/* What still waits gets no callback. *d is NULL afterwards; NULL is fine. */
void dovecot_free(struct dovecot **d);

/* enum smtp_mech, of the last handshake; ~0u: there was none yet. */
unsigned dovecot_mechs(const struct dovecot *d);

enum dovecot_verdict {
    DOVECOT_RIGHT,     /* text is the user's name */
    DOVECOT_WRONG,     /* text is a reason for the log */
    DOVECOT_LATER,     /* the same; nothing was judged */
    DOVECOT_CHALLENGE, /* text is base64 for the client: dovecot_go_on() */
};

/* text is lent for the call. */
typedef void dovecot_callback(enum dovecot_verdict verdict, struct bytes text,
                              void *arg);

/*
 * asked: without its id, borrowed for the call. The callback comes from the
 * loop, never from inside a call. NULL: Dovecot is away, too many wait, the
 * line is too long for it, or no memory; *why_out is a sentence for the log.
 */
struct dovecot_request *dovecot_ask(struct dovecot *d,
                                    const struct dovecot_asked *asked,
                                    dovecot_callback *cb, void *arg,
                                    const char **why_out);
/* The client's answer to a challenge. False: too long for Dovecot; cancel. */
bool dovecot_go_on(struct dovecot_request *r, struct bytes base64);
/* No callback after this. *r is NULL afterwards; NULL is fine. */
void dovecot_cancel(struct dovecot_request **r);

#endif
