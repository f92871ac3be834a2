/*
 * tls_tickets - session tickets of listeners, which all workers understand.
 *
 * The master makes one secret and gives it to every worker that it starts
 * (process/control.h), so that a client whose next connection another worker
 * accepts still resumes. A listener's ticket keys are derived from the secret
 * and from all that a session of it stands for: its name, what it asks of
 * clients, the authorities that it believes. So a ticket is worth nothing at
 * another listener, nor here after any of that has changed: it is a full
 * handshake then, without an error. A newer secret makes tickets, the one
 * before it opens those that it made. Neither is ever written to disk.
 *
 * Early data is never offered. RFC 5077, RFC 8446 2.2, 4.6.1.
 */
#ifndef PROXY_NET_TLS_TICKETS_H
#define PROXY_NET_TLS_TICKETS_H

#include <base/bytes.h>

#include <openssl/ssl.h>

#include <proxy/config/conf.h>

enum {
    TLS_TICKET_SECRET_OCTETS = 32,
    TLS_TICKET_SECRETS = 2,         /* the newest, and the one before it */
    TLS_TICKETS_RENEW_S = 12 * 3600 /* more than a ticket's life, 2 h */
};

struct tls_ticket_secrets {
    uint8_t list[TLS_TICKET_SECRETS][TLS_TICKET_SECRET_OCTETS]; /* newest
                                                                   first */
    size_t count; /* 0: none yet */
};

/* A new one in front. False: no random octets, s is as it was. */
bool tls_tickets_renew(struct tls_ticket_secrets *s);

/* A sealed memfd with them; the caller closes it. -1: errno says why. */
int tls_tickets_pack(const struct tls_ticket_secrets *s);
/* fd stays the caller's. False: that is no such memfd; *out is untouched. */
bool tls_tickets_unpack(int fd, struct tls_ticket_secrets *out);

/*
 * ctx (of tls_server_new()) makes and opens tickets by these secrets from now
 * on; before, it has keys of its own that nobody else knows. False: no memory,
 * nothing has changed.
 */
bool tls_tickets_share(SSL_CTX *ctx, const struct tls_ticket_secrets *s);

/* Private to proxy/net: with all else of conf set in ctx. */
bool tls_tickets_begin(SSL_CTX *ctx, const struct listen_conf *conf);

#endif
