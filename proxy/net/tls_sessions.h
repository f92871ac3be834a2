/*
 * tls_sessions - sessions with upstreams, kept so that the next connection
 * resumes: a handshake without certificates, signatures and their checks.
 *
 * They belong to one SSL_CTX of tls_client_new(), so to one [upstream] as its
 * settings and files were then: authorities, pins, our own certificate. Inside
 * it a session is offered only to the socket address, the configured host
 * and, with tls = dane, the TLSA records that it was made with. What the full
 * handshake has found true of the peer therefore is what this one would have
 * to find; only the days of its certificate are looked at again. A new SSL_CTX
 * begins with none.
 *
 * A session of TLS 1.3 is offered once (RFC 8446 C.4), one of TLS 1.2 again
 * and again. Early data is never sent.
 * RFC 5077, RFC 8446 2.2, 4.6.1.
 */
#ifndef PROXY_NET_TLS_SESSIONS_H
#define PROXY_NET_TLS_SESSIONS_H

#include <base/bytes.h>

#include <openssl/ssl.h>

#include <sys/socket.h>

enum {
    TLS_SESSIONS_MAX = 64,          /* of one context */
    TLS_SESSIONS_PEER_MAX = 8,      /* for one place */
    TLS_SESSIONS_LIFE_S = 2 * 3600, /* from the last full handshake on */
    TLS_SESSIONS_RECORDS_MAX = 32   /* of TLSA; with more nothing is kept */
};

/* Where a connection leads, and what its peer is known by. Borrowed for the
 * call. */
struct tls_place {
    const struct sockaddr *address; /* IPv4 or IPv6, with the port */
    const char *host;               /* as configured */
    const struct bytes *records;    /* TLSA, in any order; with tls = dane */
    size_t record_count;
};

/* ctx can keep sessions from now on. False: no memory. */
bool tls_sessions_begin(SSL_CTX *ctx);

/*
 * Before the handshake of ssl, which is of a context as above: its sessions
 * are kept as the place's; resume: the newest one of the place is offered.
 * now_s is CLOCK_REALTIME's. Without memory the handshake is a full one.
 */
void tls_sessions_use(SSL *ssl, const struct tls_place *place, bool resume,
                      int64_t now_s);

/* Sessions of ssl's place are of no use: the connection has failed early.
 * NULL is fine. */
void tls_sessions_forget(const SSL *ssl);

#endif
