/*
 * sink - what the two halves of `sealpost sink` share: the listener in sink.c
 * and its sessions in sinksession.c.
 */
#ifndef PROXY_CLI_SINK_H
#define PROXY_CLI_SINK_H

#include <openssl/ssl.h>

#include <proxy/cli/maildir.h>
#include <proxy/net/conn.h>

struct sink_session;

struct sink {
    struct conn_loop *loop;
    struct maildir maildir;
    SSL_CTX *tls;     /* NULL: no STARTTLS */
    const char *user; /* NULL: no AUTH; borrowed */
    const char *password;
    const char *hostname; /* borrowed */
    struct sink_session *sessions;
};

/* Takes fd. */
void sink_session_start(struct sink *sink, int fd);
/* Ends all of them; what is not delivered is dropped. */
void sink_sessions_end(struct sink *sink);

#endif
