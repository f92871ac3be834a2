/*
 * tls - SSL_CTX objects for listeners and upstreams.
 *
 * TLS 1.2 and up, no compression, no renegotiation, buffers released when
 * idle, session id context per listener. RFC 8314, 8996, 9325.
 */
#ifndef PROXY_NET_TLS_H
#define PROXY_NET_TLS_H

#include <base/buf.h>

#include <openssl/ssl.h>

#include <proxy/config/conf.h>

/* NULL: *error has one sentence that names the file and the mend. */
SSL_CTX *tls_server_new(const struct listen_conf *conf, struct buf *error);
SSL_CTX *tls_client_new(const struct upstream_conf *conf, struct buf *error);
/* False: a certificate has expired, as *error says. ctx: of the above. */
bool tls_certificates_valid(const SSL_CTX *ctx, const struct listen_conf *conf,
                            struct buf *error);

/* For one connection to host (SNI and name check); with tls = dane:
 * tls_dane.h's. NULL: no memory. */
SSL *tls_client_ssl(SSL_CTX *ctx, const struct upstream_conf *conf,
                    const char *host);

/* "TLSv1.3/TLS_AES_256_GCM_SHA384"; "-" for NULL. Lent while ssl lives. */
void tls_describe(const SSL *ssl, char *out, size_t cap);

#endif
