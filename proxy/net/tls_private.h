/*
 * tls_private - what tls_server.c and tls.c share. Nobody else includes it.
 */
#ifndef PROXY_NET_TLS_PRIVATE_H
#define PROXY_NET_TLS_PRIVATE_H

#include "proxy/net/tls.h"

/* What OpenSSL says about its last failure, for the end of a sentence. */
const char *tls_reason(void);

/* What both sides have: versions, ciphers, no renegotiation. */
bool tls_set_common(SSL_CTX *ctx, enum conf_tls_version min);

#endif
