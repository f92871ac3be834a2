/*
 * tls - see tls.h.
 *
 * The cipher list for TLS 1.2 is RFC 9325 4.2: forward secrecy and AEAD only.
 * Certificates and keys are read by the process that serves with them, at its
 * start and at each reload of data.
 */
#include "proxy/net/tls_pair.h"
#include "proxy/net/tls_private.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>

static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:"
                              "DHE+CHACHA20:!aNULL:!PSK";

const char *
tls_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text == NULL ? "unknown reason" : text;
}

bool
tls_set_common(SSL_CTX *ctx, enum conf_tls_version min)
{
    int version = min == CONF_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;

    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    return SSL_CTX_set_min_proto_version(ctx, version) == 1 &&
           SSL_CTX_set_cipher_list(ctx, ciphers) == 1;
}

/* --- the upstream's side -------------------------------------------------- */

static bool
use_authorities(SSL_CTX *ctx, const struct upstream_conf *conf,
                struct buf *error)
{
    if (conf->ca_file[0] == '\0') {
        if (SSL_CTX_set_default_verify_paths(ctx) == 1) {
            return true;
        }
        buf_printf(error,
                   "cannot use the system's CA bundle (%s); install "
                   "ca-certificates or set ca_file",
                   tls_reason());
        return false;
    }
    if (SSL_CTX_load_verify_file(ctx, conf->ca_file) == 1) {
        return true;
    }
    buf_printf(error,
               "cannot use ca_file %s (%s); it must be PEM certificates, "
               "readable by the service's user",
               conf->ca_file, tls_reason());
    return false;
}

/* What we show to an upstream that asks who we are. */
static bool
use_own(SSL_CTX *ctx, const struct upstream_conf *conf, struct buf *error)
{
    struct tls_pair pair;
    bool good;

    if (!tls_pair_load(conf->certificate, conf->private_key, &pair, error)) {
        return false;
    }
    good =
        SSL_CTX_use_cert_and_key(ctx, pair.cert, pair.key, pair.chain, 1) == 1;
    if (!good) {
        buf_printf(error, "certificate %s is of no use (%s); another key",
                   conf->certificate, tls_reason());
    }
    tls_pair_free(&pair);
    return good;
}

SSL_CTX *
tls_client_new(const struct upstream_conf *conf, struct buf *error)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    ERR_clear_error();
    if (ctx == NULL || !tls_set_common(ctx, conf->tls_min_version)) {
        buf_printf(error, "cannot set TLS up: %s", tls_reason());
        goto fail;
    }
    if (conf->certificate != NULL && conf->certificate[0] != '\0' &&
        !use_own(ctx, conf, error)) {
        goto fail;
    }
    if (conf->tls_verify) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        if (!use_authorities(ctx, conf, error)) {
            goto fail;
        }
    }
    return ctx;
fail:
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return NULL;
}

static bool
is_address(const char *host)
{
    uint8_t addr[16];

    return inet_pton(AF_INET, host, addr) == 1 ||
           inet_pton(AF_INET6, host, addr) == 1;
}

/* RFC 6125 6.4: the name that was configured, never one that DNS told. */
static bool
set_name(SSL *ssl, const struct upstream_conf *conf, const char *host)
{
    bool address = is_address(host);

    if (!address && SSL_set_tlsext_host_name(ssl, host) != 1) {
        return false;
    }
    if (!conf->tls_verify) {
        return true;
    }
    if (address) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1;
}

SSL *
tls_client_ssl(SSL_CTX *ctx, const struct upstream_conf *conf, const char *host)
{
    SSL *ssl = SSL_new(ctx);

    if (ssl != NULL && !set_name(ssl, conf, host)) {
        SSL_free(ssl);
        ssl = NULL;
    }
    ERR_clear_error();
    return ssl;
}

void
tls_describe(const SSL *ssl, char *out, size_t cap)
{
    if (ssl == NULL) {
        (void)snprintf(out, cap, "-");
    } else {
        (void)snprintf(out, cap, "%s/%s", SSL_get_version(ssl),
                       SSL_get_cipher_name(ssl));
    }
}
