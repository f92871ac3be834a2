/*
 * tls_server - the SSL_CTX of a listener; see tls.h.
 *
 * One context for all names, so that tickets and limits are one: which
 * certificate a client gets is decided in its handshake (tls_pair.h). The
 * context owns the pairs, and a connection holds its context: a reload leaves
 * both to the sessions under way.
 */
#include "proxy/net/tls_pair.h"
#include "proxy/net/tls_private.h"
#include "proxy/net/tls_tickets.h"

#include <openssl/err.h>

#include <assert.h>

/* What the context owns beside OpenSSL's own, by the index of its place. */
static void
free_pairs(void *parent, void *pairs, CRYPTO_EX_DATA *data, int index,
           long number, void *arg)
{
    struct tls_pairs *p = pairs;

    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)arg;
    tls_pairs_free(&p);
}

static int
pairs_index(void)
{
    static int index = -1;

    if (index < 0) {
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_pairs);
    }
    return index;
}

/* --- a handshake ---------------------------------------------------------- */

static const char *
asked_name(const SSL *ssl)
{
    return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
}

/* RFC 6066 3: a name that decided is acknowledged; an unknown one is not
 * refused, for a client may know us by a name that we do not. */
static int
on_name(SSL *ssl, int *alert, void *arg)
{
    const struct tls_pair *chosen[TLS_KEY_KINDS_MAX];
    bool named;

    (void)alert;
    (void)tls_pairs_choose(arg, asked_name(ssl), chosen, &named);
    return named ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static int
on_certificate(SSL *ssl, void *arg)
{
    const struct tls_pair *chosen[TLS_KEY_KINDS_MAX];
    bool named;
    size_t count = tls_pairs_choose(arg, asked_name(ssl), chosen, &named);

    if (!named) {
        return 1; /* what the context has */
    }
    SSL_certs_clear(ssl);
    for (size_t i = 0; i < count; i++) {
        if (SSL_use_cert_and_key(ssl, chosen[i]->cert, chosen[i]->key,
                                 chosen[i]->chain, 1) != 1) {
            return 0;
        }
    }
    return 1;
}

/*
 * RFC 7301 3.2. A client of HTTP or FTP that a page of an attacker's sends
 * here says what it speaks, and is told no before any octet of it can be
 * taken for SMTP. Mail clients offer nothing; Exim and Sendmail take these
 * two names for SMTP.
 */
static int
on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_len,
             const unsigned char *offered, unsigned offered_len, void *arg)
{
    static const unsigned char ours[] = "\4smtp\5esmtp";
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* --- making it ------------------------------------------------------------ */

/*
 * A certificate that nobody vouches for ends no handshake: its owner may log
 * in by password, or have a fingerprint of ours. What was found is kept as the
 * result, for tls_identify_client().
 */
static int
check_client(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    if (X509_verify_cert(store) <= 0 &&
        X509_STORE_CTX_get_error(store) == X509_V_OK) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
    }
    return 1;
}

/* RFC 8446 4.3.2: asks for a certificate, and names who may have issued it. */
static bool
ask_clients(SSL_CTX *ctx, const struct listen_conf *conf, struct buf *error)
{
    STACK_OF(X509_NAME) * names;

    if (conf->tls_client_users.count == 0) {
        return true;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, check_client, NULL);
    if (conf->tls_client_ca[0] == '\0') {
        return true;
    }
    names = SSL_load_client_CA_file(conf->tls_client_ca);
    if (names == NULL ||
        SSL_CTX_load_verify_file(ctx, conf->tls_client_ca) != 1) {
        buf_printf(error,
                   "cannot use tls_client_ca %s (%s); it must be PEM "
                   "certificates, readable by the service's user",
                   conf->tls_client_ca, tls_reason());
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return false;
    }
    SSL_CTX_set_client_CA_list(ctx, names); /* taken */
    return true;
}

static void
set_server(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    /* The chain is what stands in the file, never what else we trust. */
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_dh_auto(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, on_protocols, NULL);
}

/* Each pair alone: would OpenSSL take it? A key may be too short for it. */
static bool
try_pairs(const struct tls_pairs *pairs, conf_list files, struct buf *error)
{
    SSL_CTX *trial = SSL_CTX_new(TLS_server_method());
    size_t i = 0;

    while (trial != NULL && i < pairs->count &&
           SSL_CTX_use_cert_and_key(trial, pairs->list[i].cert,
                                    pairs->list[i].key, pairs->list[i].chain,
                                    1) == 1) {
        i++;
    }
    SSL_CTX_free(trial);
    if (i < pairs->count) {
        buf_printf(error, "certificate %s is of no use (%s); another key",
                   files[i], tls_reason());
    }
    return i == pairs->count;
}

/* Takes pairs. */
static bool
use_pairs(SSL_CTX *ctx, struct tls_pairs *pairs)
{
    const struct tls_pair *chosen[TLS_KEY_KINDS_MAX];
    bool named;
    size_t count;

    if (SSL_CTX_set_ex_data(ctx, pairs_index(), pairs) != 1) {
        tls_pairs_free(&pairs);
        return false;
    }
    SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
    SSL_CTX_set_tlsext_servername_arg(ctx, pairs);
    SSL_CTX_set_cert_cb(ctx, on_certificate, pairs);
    count = tls_pairs_choose(pairs, NULL, chosen, &named);
    for (size_t i = 0; i < count; i++) {
        if (SSL_CTX_use_cert_and_key(ctx, chosen[i]->cert, chosen[i]->key,
                                     chosen[i]->chain, 1) != 1) {
            return false;
        }
    }
    return true;
}

SSL_CTX *
tls_server_new(const struct listen_conf *conf, struct buf *error)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct tls_pairs *pairs;

    ERR_clear_error();
    if (ctx == NULL || !tls_set_common(ctx, conf->tls_min_version)) {
        buf_printf(error, "cannot set TLS up: %s", tls_reason());
        goto fail;
    }
    set_server(ctx);
    if (!ask_clients(ctx, conf, error)) {
        goto fail;
    }
    if (!tls_tickets_begin(ctx, conf)) {
        buf_printf(error, "cannot set TLS up: %s", tls_reason());
        goto fail;
    }
    pairs = tls_pairs_load(conf->certificates, conf->private_keys, error);
    if (pairs == NULL) {
        goto fail;
    }
    if (!try_pairs(pairs, conf->certificates, error)) {
        tls_pairs_free(&pairs);
        goto fail;
    }
    if (!use_pairs(ctx, pairs)) {
        buf_printf(error, "cannot set TLS up: %s", tls_reason());
        goto fail;
    }
    return ctx;
fail:
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return NULL;
}

bool
tls_certificates_valid(const SSL_CTX *ctx, const struct listen_conf *conf,
                       struct buf *error)
{
    const struct tls_pairs *pairs = SSL_CTX_get_ex_data(ctx, pairs_index());

    assert(pairs != NULL);
    for (size_t i = 0; i < pairs->count; i++) {
        const ASN1_TIME *end = X509_get0_notAfter(pairs->list[i].cert);

        if (X509_cmp_current_time(end) <= 0) {
            buf_printf(error, "certificate %s has expired; renew it",
                       conf->certificates[i]);
            return false;
        }
    }
    return true;
}
