/*
 * tls_dane - what an upstream's TLSA records say of its certificate.
 *
 * Only usages 2 (DANE-TA) and 3 (DANE-EE) count between mail servers (RFC 7672
 * 3.1); of the others, and of what this OpenSSL does not know, a record is of
 * no use. Whether the records may be believed is the caller's business.
 *
 * RFC 6698, 7671, 7672.
 */
#ifndef PROXY_NET_TLS_DANE_H
#define PROXY_NET_TLS_DANE_H

#include <base/bytes.h>

#include <openssl/ssl.h>

/*
 * A connection that succeeds only when the peer's certificate is that of one
 * of the records (RDATA as in DNS). base: the name that they stand under, which
 * is asked for by SNI; host: the configured one. *usable_out: how many records
 * are of use; none: the result is NULL. NULL also: no memory.
 */
SSL *tls_dane_ssl(SSL_CTX *ctx, const char *base, const char *host,
                  const struct bytes *records, size_t count,
                  size_t *usable_out);

#endif
