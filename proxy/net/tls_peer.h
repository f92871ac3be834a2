/*
 * tls_peer - who the other side of a TLS connection is, and how we know.
 *
 * "How" is one word, for the log: `verified` (a certification authority and
 * the name), `dane` (a TLSA record, RFC 7672), `pinned` (a fingerprint in the
 * configuration), `unverified` (a certificate that nobody vouches for), `none`
 * (no certificate was shown).
 */
#ifndef PROXY_NET_TLS_PEER_H
#define PROXY_NET_TLS_PEER_H

#include <openssl/ssl.h>

#include <proxy/config/conf.h>

/* Is it the fingerprint of cert, or of its public key? */
bool tls_fingerprint_is(X509 *cert, const struct conf_fingerprint *fingerprint);

struct tls_identity {
    const char *user; /* of tls_client_users, lent by conf; NULL: none */
    const char *how;  /* static */
};

/*
 * The user whose certificate the client has shown: the first element of
 * tls_client_users that fits. A subject counts when tls_client_ca vouches for
 * it; neither counts outside of the certificate's days. now_s: seconds since
 * 1970. After the handshake.
 */
void tls_identify_client(const SSL *ssl, const struct listen_conf *conf,
                         int64_t now_s, struct tls_identity *identity_out);

/* How an upstream was known. After the handshake. */
const char *tls_how_upstream(const SSL *ssl, const struct upstream_conf *conf);

/* "TLSv1.3/TLS_AES_256_GCM_SHA384/verified"; "-" for ssl NULL. */
void tls_describe_peer(const SSL *ssl, const char *how, char *out, size_t cap);

#endif
