/*
 * tls - see tls.h.
 *
 * The cipher list for TLS 1.2 is RFC 9325 4.2: forward secrecy and AEAD only.
 * Certificates and keys are read by the process that serves with them, at its
 * start and at each reload of data.
 */
#include "proxy/log/log.h"
#include "proxy/net/tls_pair.h"
#include "proxy/net/tls_peer.h"
#include "proxy/net/tls_private.h"
#include "proxy/net/tls_sessions.h"

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

/* The mend for who has just got another certificate. */
static void
log_shown(X509 *cert, const char *upstream)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct buf hex = BUF_INIT;

    if (X509_digest(cert, EVP_sha256(), digest, &len) != 1) {
        return;
    }
    for (unsigned i = 0; i < len; i++) {
        buf_printf(&hex, "%s%02X", i == 0 ? "" : ":", digest[i]);
    }
    log_event(LOG_LEVEL_WARN, "tls-fingerprint",
              "[upstream %s] shows sha256:%s, which is not in "
              "tls_fingerprint; add it if you know why",
              upstream, buf_str(&hex) == NULL ? "" : buf_str(&hex));
    buf_free(&hex);
}

/*
 * In place of a chain and a name: one of the pins is the certificate's or its
 * public key's. Dates do not matter; who pins has decided (as Postfix does).
 */
static int
check_pins(X509_STORE_CTX *store, void *arg)
{
    const struct upstream_conf *conf = arg;
    X509 *cert = X509_STORE_CTX_get0_cert(store);

    for (size_t i = 0; i < conf->tls_fingerprints.count; i++) {
        if (tls_fingerprint_is(cert, &conf->tls_fingerprints.list[i])) {
            X509_STORE_CTX_set_error(store, X509_V_OK);
            return 1;
        }
    }
    log_shown(cert, conf->name);
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

/* OpenSSL gives it back untouched; only its type has no const. */
static void *
upstream_arg(const struct upstream_conf *conf)
{
    return (void *)(uintptr_t)conf;
}

SSL_CTX *
tls_client_new(const struct upstream_conf *conf, struct buf *error)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    ERR_clear_error();
    if (ctx == NULL || !tls_set_common(ctx, conf->tls_min_version) ||
        !tls_sessions_begin(ctx)) {
        buf_printf(error, "cannot set TLS up: %s", tls_reason());
        goto fail;
    }
    if (conf->certificate != NULL && conf->certificate[0] != '\0' &&
        !use_own(ctx, conf, error)) {
        goto fail;
    }
    if (conf->tls == CONF_TLS_DANE) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        if (SSL_CTX_dane_enable(ctx) <= 0) {
            buf_printf(error, "cannot set DANE up: %s", tls_reason());
            goto fail;
        }
    } else if (conf->tls_fingerprints.count > 0) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_cert_verify_callback(ctx, check_pins, upstream_arg(conf));
    } else if (conf->tls_verify) {
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
    if (!conf->tls_verify || conf->tls_fingerprints.count > 0) {
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
