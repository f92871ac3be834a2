/*
 * handshake - from a socket address to a link that is ready for MAIL.
 *
 * Private to proxy/upstream: connect, TLS, greeting, EHLO or LHLO, XCLIENT and
 * AUTH, with one deadline for each step.
 */
#ifndef PROXY_UPSTREAM_HANDSHAKE_H
#define PROXY_UPSTREAM_HANDSHAKE_H

#include "proxy/upstream/link.h"
#include "proxy/upstream/tlsa.h"

struct handshake;

/* All borrowed until the end. */
struct handshake_to {
    struct upstream *upstream;
    size_t target;
    const struct sockaddr *address;
    const struct tlsa *tlsa;       /* with tls = dane */
    const struct login_wish *wish; /* NULL: a check, nobody logs in */
    unsigned step_ms;              /* how long the other side may be silent */
};

/* Whom a failure is about. */
enum handshake_blame {
    HANDSHAKE_SERVER, /* another address may do */
    HANDSHAKE_WISH    /* a user's own login or client: no address will do */
};

/*
 * link NULL: error says why, in one sentence that names the connection, lent
 * for the call.
 */
typedef void handshake_callback(struct upstream_link *link, const char *error,
                                enum handshake_blame blame, void *arg);

/*
 * Ends with done(), never from inside the call. NULL: it can't begin, error
 * says why and *blame_out what it is about: credentials that can't be read are
 * no server's fault.
 */
struct handshake *handshake_start(const struct handshake_to *to,
                                  handshake_callback *done, void *arg,
                                  struct buf *error,
                                  enum handshake_blame *blame_out);
/* No callback after this. *h is NULL afterwards; NULL is fine. */
void handshake_cancel(struct handshake **h);

#endif
