/*
 * wire - one nonblocking connection, plain or TLS, for load and sink.
 */
#ifndef TESTS_BENCH_WIRE_H
#define TESTS_BENCH_WIRE_H

#include <openssl/ssl.h>

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct wire {
    int fd;
    SSL *ssl; /* NULL: plain */
    bool shaking;
    bool wants_write; /* EPOLLOUT is what the last call waits for */
};

/* As client: nothing is verified, sessions are kept in *session_slot and used
 * again. As server: certificate and key in one PEM file. NULL: said on stderr.
 */
SSL_CTX *wire_client(void);
SSL_CTX *wire_server(const char *pem);

/* From now on the wire is TLS; the handshake goes on in wire_shake(). */
bool wire_tls(struct wire *w, SSL_CTX *context, SSL_SESSION *resume,
              bool server);
/* 1: done, 0: later, -1: failed. */
int wire_shake(struct wire *w);

/* Octets; 0: later; -1: the end. */
ssize_t wire_send(struct wire *w, const void *octets, size_t count);
ssize_t wire_recv(struct wire *w, void *octets, size_t count);
void wire_close(struct wire *w);

#endif
