/*
 * tls_dane - see tls_dane.h.
 *
 * OpenSSL does the matching (SSL_dane_enable(3)); a DANE-EE record says all
 * that there is to say, so neither names nor dates are looked at (RFC 7672
 * 3.1.1), a DANE-TA one vouches for a chain that must name the host (3.1.2).
 */
#include "proxy/net/tls_dane.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

enum {
    USAGE_TA = 2,
    USAGE_EE = 3,
    HEAD_OCTETS = 3 /* usage, selector, matching type */
};

static bool
add_record(SSL *ssl, struct bytes record)
{
    if (record.len <= HEAD_OCTETS ||
        (record.ptr[0] != USAGE_TA && record.ptr[0] != USAGE_EE)) {
        return false;
    }
    return SSL_dane_tlsa_add(ssl, record.ptr[0], record.ptr[1], record.ptr[2],
                             record.ptr + HEAD_OCTETS,
                             record.len - HEAD_OCTETS) > 0;
}

SSL *
tls_dane_ssl(SSL_CTX *ctx, const char *base, const char *host,
             const struct bytes *records, size_t count, size_t *usable_out)
{
    SSL *ssl = SSL_new(ctx);
    size_t usable = 0;

    if (ssl != NULL && SSL_dane_enable(ssl, base) > 0 &&
        SSL_add1_host(ssl, host) == 1) {
        (void)SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        for (size_t i = 0; i < count; i++) {
            usable += add_record(ssl, records[i]);
        }
    }
    ERR_clear_error();
    *usable_out = usable;
    if (usable == 0) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}
