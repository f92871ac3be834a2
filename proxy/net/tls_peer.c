/*
 * tls_peer - see tls_peer.h.
 */
#include "proxy/net/tls_peer.h"

#include "proxy/net/tls.h"

#include <base/buf.h>

#include <openssl/err.h>
#include <openssl/x509.h>

/* --- fingerprints --------------------------------------------------------- */

/* RFC 7469 2.4: of the SubjectPublicKeyInfo, which a renewal may keep. */
static bool
key_digest(const X509 *cert, uint8_t out[EVP_MAX_MD_SIZE], unsigned *len)
{
    uint8_t *der = NULL;
    int octets = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    bool good = octets > 0 && EVP_Digest(der, (size_t)octets, out, len,
                                         EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    return good;
}

bool
tls_fingerprint_is(X509 *cert, const struct conf_fingerprint *fingerprint)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct bytes want =
        bytes_make(fingerprint->sha256, sizeof(fingerprint->sha256));
    bool same = X509_digest(cert, EVP_sha256(), digest, &len) == 1 &&
                bytes_eq(bytes_make(digest, len), want);

    if (!same && key_digest(cert, digest, &len)) {
        same = bytes_eq(bytes_make(digest, len), want);
    }
    ERR_clear_error();
    return same;
}

/* --- clients -------------------------------------------------------------- */

/* As `openssl x509 -subject -nameopt RFC2253` prints it. */
static bool
subject_is(const X509 *cert, const char *want)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len = 0;
    bool same;

    if (bio != NULL && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0,
                                          XN_FLAG_RFC2253) >= 0) {
        len = BIO_get_mem_data(bio, &text);
    }
    same = len > 0 && bytes_is(bytes_make(text, (size_t)len), want);
    BIO_free(bio);
    return same;
}

static bool
is_in_its_days(const X509 *cert, int64_t now_s)
{
    time_t now = (time_t)now_s;

    return X509_cmp_time(X509_get0_notBefore(cert), &now) < 0 &&
           X509_cmp_time(X509_get0_notAfter(cert), &now) > 0;
}

void
tls_identify_client(const SSL *ssl, const struct listen_conf *conf,
                    int64_t now_s, struct tls_identity *identity_out)
{
    X509 *cert = ssl == NULL ? NULL : SSL_get0_peer_certificate(ssl);
    const struct conf_client_users *users = &conf->tls_client_users;
    bool vouched;

    *identity_out = (struct tls_identity){ NULL, "none" };
    if (cert == NULL) {
        return;
    }
    vouched = SSL_get_verify_result(ssl) == X509_V_OK;
    identity_out->how = vouched ? "verified" : "unverified";
    /* A resumed session is older than what it shows: look again. */
    for (size_t i = 0; i < users->count && is_in_its_days(cert, now_s); i++) {
        const struct conf_client_user *user = &users->list[i];

        if (user->subject != NULL
                ? vouched && subject_is(cert, user->subject)
                : tls_fingerprint_is(cert, &user->fingerprint)) {
            identity_out->user = user->user;
            identity_out->how = user->subject != NULL ? "verified" : "pinned";
            break;
        }
    }
    ERR_clear_error();
}

/* --- upstreams ------------------------------------------------------------ */

/* The handshake ends well only when what is configured was found true. */
const char *
tls_how_upstream(const SSL *ssl, const struct upstream_conf *conf)
{
    if (ssl == NULL || SSL_get0_peer_certificate(ssl) == NULL) {
        return "none";
    }
    if (conf->tls == CONF_TLS_DANE) {
        return "dane";
    }
    if (conf->tls_fingerprints.count > 0) {
        return "pinned";
    }
    return conf->tls_verify ? "verified" : "unverified";
}

void
tls_describe_peer(const SSL *ssl, const char *how, char *out, size_t cap)
{
    tls_describe(ssl, out, cap);
    if (ssl != NULL) {
        size_t len = strlen(out);

        (void)snprintf(out + len, cap - len, "/%s", how);
    }
}
