/*
 * check_tls - certificates, chains and keys; see check.h.
 *
 * RFC 5280 4.1.2.5 (validity), RFC 8446 4.4.2 (the server's certificate
 * first, each next one certifies the one before).
 */
#include "check.h"
#include "reader.h"

#include <base/wipe.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum {
    CHAIN_MAX = 16,
    SOON_S = 14 * 86400
};

struct chain {
    X509 *certs[CHAIN_MAX];
    size_t count;
};

static void
free_text(struct buf *text)
{
    wipe(text->ptr, text->cap);
    buf_free(text);
}

static void
chain_free(struct chain *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        X509_free(chain->certs[i]);
    }
    chain->count = 0;
}

static void
chain_read(struct bytes text, struct chain *chain)
{
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    X509 *cert;

    while (bio != NULL && chain->count < CHAIN_MAX &&
           (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        chain->certs[chain->count++] = cert;
    }
    BIO_free(bio);
    ERR_clear_error();
}

/* An encrypted key: nobody is there to type the password. */
static int
no_password(char *out, int cap, int writing, void *arg)
{
    (void)out;
    (void)cap;
    (void)writing;
    *(bool *)arg = true;
    return -1;
}

static EVP_PKEY *
key_read(struct conf_checking *c, const struct conf_named *file)
{
    struct buf text = BUF_INIT;
    bool encrypted = false;
    EVP_PKEY *key = NULL;
    BIO *bio;

    if (conf_check_read(c, file, &text)) {
        bio = BIO_new_mem_buf(text.ptr, (int)text.len);
        key = bio == NULL
                  ? NULL
                  : PEM_read_bio_PrivateKey(bio, NULL, no_password, &encrypted);
        BIO_free(bio);
        if (encrypted) {
            conf_check_error(c, file,
                             "the key is encrypted; openssl pkey -in %s -out "
                             "NEW makes one that is not",
                             file->path);
        } else if (key == NULL) {
            conf_check_error(c, file, "no private key in it; a PEM file");
        }
    }
    ERR_clear_error();
    free_text(&text);
    return key;
}

/* "Jan  2 03:04:05 2027 GMT" */
static void
put_time(const ASN1_TIME *time, char *out, size_t cap)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int n = 0;

    if (bio != NULL && ASN1_TIME_print(bio, time)) {
        n = BIO_read(bio, out, (int)cap - 1);
    }
    out[n > 0 ? n : 0] = '\0';
    BIO_free(bio);
}

static void
check_validity(struct conf_checking *c, const struct conf_named *file,
               const X509 *cert, int64_t now_s)
{
    time_t now = (time_t)now_s, soon = (time_t)now_s + SOON_S;
    const ASN1_TIME *begin = X509_get0_notBefore(cert);
    const ASN1_TIME *end = X509_get0_notAfter(cert);
    struct conf_place at =
        conf_place_of_element(file->section, file->key, file->path);
    char text[64];

    if (X509_cmp_time(begin, &now) > 0) {
        put_time(begin, text, sizeof(text));
        conf_check_error(c, file, "valid from %s only; a valid certificate",
                         text);
    }
    put_time(end, text, sizeof(text));
    if (X509_cmp_time(end, &now) < 0) {
        conf_check_error(c, file, "expired on %s; a new certificate", text);
    } else if (X509_cmp_time(end, &soon) < 0) {
        conf_warning(c->errors, at.file, at.line,
                     "%s = %s: expires on %s; renew it", file->key, file->path,
                     text);
    }
}

static void
check_order(struct conf_checking *c, const struct conf_named *file,
            const struct chain *chain)
{
    for (size_t i = 0; i + 1 < chain->count; i++) {
        if (X509_NAME_cmp(X509_get_issuer_name(chain->certs[i]),
                          X509_get_subject_name(chain->certs[i + 1])) != 0) {
            conf_check_error(c, file,
                             "certificate %zu did not issue certificate %zu; "
                             "the server's first, then its issuer, and so on",
                             i + 2, i + 1);
            return;
        }
    }
}

/* The certificate that goes with key; SIZE_MAX: none. */
static size_t
find_match(const struct chain *chain, EVP_PKEY *key)
{
    for (size_t i = 0; i < chain->count; i++) {
        if (X509_check_private_key(chain->certs[i], key) == 1) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void
check_match(struct conf_checking *c, const struct conf_named *file,
            const char *certificate, const struct chain *chain, EVP_PKEY *key)
{
    size_t match = find_match(chain, key);

    ERR_clear_error();
    if (match == SIZE_MAX) {
        conf_check_error(c, file,
                         "not the key of %s; the key that this certificate "
                         "was made for",
                         certificate);
    } else if (match > 0) {
        conf_check_error(c, file,
                         "the key of certificate %zu in %s; the server's "
                         "certificate stands first there",
                         match + 1, certificate);
    }
}

/* One pair. The chain is left to the caller: empty when it can't be used. */
static void
check_pair(struct conf_checking *c, const struct conf_named *cert,
           const struct conf_named *key, int64_t now_s, struct chain *chain)
{
    struct buf text = BUF_INIT;
    EVP_PKEY *pkey = key_read(c, key);

    if (conf_check_read(c, cert, &text)) {
        chain_read(buf_bytes(&text), chain);
        if (chain->count == 0) {
            conf_check_error(c, cert, "no certificate in it; a PEM file");
        } else {
            check_validity(c, cert, chain->certs[0], now_s);
            check_order(c, cert, chain);
        }
    }
    if (pkey != NULL && chain->count > 0) {
        check_match(c, key, cert->path, chain, pkey);
    }
    EVP_PKEY_free(pkey);
    free_text(&text);
}

/* RFC 6125 6.4.4: only names of subjectAltName; clients look at no other. */
static bool
is_for(X509 *cert, const char *name)
{
    unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                     X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

    return X509_check_host(cert, name, strlen(name), flags, NULL) == 1;
}

/* The file holds certificates. */
static void
check_authorities(struct conf_checking *c, const struct conf_named *file)
{
    struct chain chain = { { NULL }, 0 };
    struct buf text = BUF_INIT;

    if (conf_check_read(c, file, &text)) {
        chain_read(buf_bytes(&text), &chain);
        if (chain.count == 0) {
            conf_check_error(c, file, "no certificate in it; a PEM file");
        }
    }
    chain_free(&chain);
    free_text(&text);
}

void
conf_check_listen_tls(struct conf_checking *c, const struct listen_conf *l,
                      int64_t now_s)
{
    const struct conf_section *s = conf_section_of(c->conf, l);
    const char *hostname = c->conf->server.hostname;
    struct conf_place at = conf_place_of(s, "certificate");
    struct conf_named ca = { s, "tls_client_ca", l->tls_client_ca, false };
    bool named = false;

    for (size_t i = 0; l->certificates[i] != NULL; i++) {
        struct conf_named cert = { s, "certificate", l->certificates[i],
                                   false };
        struct conf_named key = { s, "private_key", l->private_keys[i], true };
        struct chain chain = { { NULL }, 0 };

        check_pair(c, &cert, &key, now_s, &chain);
        named = named || chain.count == 0 || is_for(chain.certs[0], hostname);
        chain_free(&chain);
    }
    ERR_clear_error();
    if (l->tls_client_ca[0] != '\0') {
        check_authorities(c, &ca);
    }
    if (!named) {
        conf_warning(c->errors, at.file, at.line,
                     "no certificate is for %s ([server] hostname): clients "
                     "that connect to this name will refuse it; one whose "
                     "subjectAltName has it",
                     hostname);
    }
}

void
conf_check_upstream_tls(struct conf_checking *c, const struct upstream_conf *u,
                        int64_t now_s)
{
    const struct conf_section *s = conf_section_of(c->conf, u);
    struct conf_named ca = { s, "ca_file", u->ca_file, false };
    struct conf_named cert = { s, "certificate", u->certificate, false };
    struct conf_named key = { s, "private_key", u->private_key, true };
    struct chain chain = { { NULL }, 0 };

    if (u->ca_file[0] != '\0') {
        check_authorities(c, &ca);
    }
    if (u->certificate[0] != '\0') {
        check_pair(c, &cert, &key, now_s, &chain);
    }
    chain_free(&chain);
}
