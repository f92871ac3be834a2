/*
 * tls - see tls.h.
 *
 * The cipher list for TLS 1.2 is RFC 9325 4.2: forward secrecy and AEAD only.
 * Certificates and keys are read here, by the process that serves with them,
 * at its start and at each reload of data.
 */
#include "proxy/net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sys/stat.h>

static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:"
                              "DHE+CHACHA20:!aNULL:!PSK";

/* What OpenSSL says about its last failure, for the end of a sentence. */
static const char *
reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text == NULL ? "unknown reason" : text;
}

/* Passwords for keys are not asked for: nobody sits there. */
static int
no_password(char *room, int size, int writing, void *arg)
{
    (void)room;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static bool
set_common(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, ciphers) == 1;
}

static bool
use_certificate(SSL_CTX *ctx, const struct listen_conf *conf, struct buf *error)
{
    const char *file = conf->certificate;
    FILE *f = fopen(file, "re");

    if (f == NULL) {
        buf_printf(error,
                   "cannot read certificate %s: %s; it must be readable by "
                   "the service's user",
                   file, strerror(errno));
        return false;
    }
    fclose(f);
    if (SSL_CTX_use_certificate_chain_file(ctx, file) != 1) {
        buf_printf(error,
                   "certificate %s is of no use (%s); it must be PEM, the "
                   "server's own certificate first, then the chain",
                   file, reason());
        return false;
    }
    return true;
}

static EVP_PKEY *
read_key(const char *file, struct buf *error)
{
    FILE *f = fopen(file, "re");
    struct stat st;
    EVP_PKEY *key;

    if (f == NULL) {
        buf_printf(error,
                   "cannot read private_key %s: %s; give it to the service's "
                   "group: chgrp sealpost %s && chmod 640 %s",
                   file, strerror(errno), file, file);
        return NULL;
    }
    if (fstat(fileno(f), &st) != 0 || (st.st_mode & S_IRWXO) != 0) {
        buf_printf(error, "private_key %s is open to everybody; chmod o= %s",
                   file, file);
        fclose(f);
        return NULL;
    }
    key = PEM_read_PrivateKey(f, NULL, no_password, NULL);
    fclose(f);
    if (key == NULL) {
        buf_printf(error,
                   "private_key %s is no PEM private key without a password "
                   "(%s); openssl pkey -in %s writes one",
                   file, reason(), file);
    }
    return key;
}

static bool
use_key(SSL_CTX *ctx, const struct listen_conf *conf, struct buf *error)
{
    EVP_PKEY *key = read_key(conf->private_key, error);
    bool ok;

    if (key == NULL) {
        return false;
    }
    ok = SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
         SSL_CTX_check_private_key(ctx) == 1;
    if (!ok) {
        buf_printf(error,
                   "private_key %s does not belong to the first certificate "
                   "in %s (%s); the server's own certificate comes first",
                   conf->private_key, conf->certificate, reason());
    }
    EVP_PKEY_free(key);
    return ok;
}

/*
 * A ticket of one listener is worth nothing at another one: each has its own
 * ticket keys, and its name is the session id context.
 */
static bool
set_server(SSL_CTX *ctx, const struct listen_conf *conf)
{
    struct bytes id = bytes_take(bytes_str(conf->name), SSL_MAX_SID_CTX_LENGTH);

    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_dh_auto(ctx, 1);
    return SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
           SSL_CTX_set_session_id_context(ctx, id.ptr, (unsigned)id.len) == 1;
}

SSL_CTX *
tls_server_new(const struct listen_conf *conf, struct buf *error)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    ERR_clear_error();
    if (ctx == NULL || !set_common(ctx) || !set_server(ctx, conf)) {
        buf_printf(error, "cannot set TLS up: %s", reason());
        goto fail;
    }
    if (!use_certificate(ctx, conf, error) || !use_key(ctx, conf, error)) {
        goto fail;
    }
    return ctx;
fail:
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return NULL;
}

bool
tls_certificate_valid(const SSL_CTX *ctx, const struct listen_conf *conf,
                      struct buf *error)
{
    const X509 *cert = SSL_CTX_get0_certificate(ctx);

    if (cert == NULL || X509_cmp_current_time(X509_get0_notAfter(cert)) > 0) {
        return true;
    }
    buf_printf(error, "certificate %s has expired; renew it",
               conf->certificate);
    return false;
}

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
                   reason());
        return false;
    }
    if (SSL_CTX_load_verify_file(ctx, conf->ca_file) == 1) {
        return true;
    }
    buf_printf(error,
               "cannot use ca_file %s (%s); it must be PEM certificates, "
               "readable by the service's user",
               conf->ca_file, reason());
    return false;
}

SSL_CTX *
tls_client_new(const struct upstream_conf *conf, struct buf *error)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    ERR_clear_error();
    if (ctx == NULL || !set_common(ctx)) {
        buf_printf(error, "cannot set TLS up: %s", reason());
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
