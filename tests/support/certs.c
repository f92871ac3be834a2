/*
 * certs - see certs.h.
 */
#include "tests/support/certs.h"

#include "proxy/net/tls.h"
#include "tests/support/cmocka.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

char certs_folder[64];

void
certs_begin(void)
{
    strcpy(certs_folder, "/tmp/sealpost-test-XXXXXX");
    assert_non_null(mkdtemp(certs_folder));
}

void
certs_end(void)
{
    DIR *dir = opendir(certs_folder);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    assert_int_equal(rmdir(certs_folder), 0);
}

int
certs_teardown(void **state)
{
    (void)state;
    certs_end();
    return 0;
}

const char *
certs_path(const char *name)
{
    static char text[4][384];
    static unsigned turn;
    char *out = text[turn++ % 4];

    snprintf(out, sizeof(text[0]), "%s/%s", certs_folder, name);
    return out;
}

static FILE *
open_file(const char *name, const char *end, const char *mode)
{
    char file[256];
    FILE *f;

    snprintf(file, sizeof(file), "%s.%s", name, end);
    f = fopen(certs_path(file), mode);
    assert_non_null(f);
    return f;
}

static void
add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(e);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
}

/* RFC 4514: the last part of the text comes first in the name. */
static void
set_subject(X509_NAME *name, const char *text)
{
    struct bytes rest = bytes_str(text);

    while (rest.len > 0) {
        struct bytes part = bytes_take(rest, bytes_find(rest, ','));
        size_t equals = bytes_find(part, '=');
        char type[32];

        assert_true(bytes_copy(bytes_take(part, equals), type, sizeof(type)));
        part = bytes_skip(part, equals + 1);
        assert_int_equal(X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8,
                                                    part.ptr, (int)part.len, 0,
                                                    0),
                         1);
        rest = bytes_skip(rest, (size_t)(part.ptr + part.len - rest.ptr));
        rest = bytes_skip(rest, rest.len > 0);
    }
}

static X509 *
new_certificate(EVP_PKEY *key, const char *subject, long seconds)
{
    static long serial;
    X509 *cert = X509_new();

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -7200);
    X509_gmtime_adj(X509_getm_notAfter(cert), seconds);
    set_subject(X509_get_subject_name(cert), subject);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_set_pubkey(cert, key);
    return cert;
}

static void
write_pair(const char *name, X509 *cert, EVP_PKEY *key, mode_t mode,
           const char *password)
{
    FILE *f = open_file(name, "pem", "we");

    assert_int_equal(PEM_write_X509(f, cert), 1);
    fclose(f);
    f = open_file(name, "key", "we");
    assert_int_equal(PEM_write_PrivateKey(
                         f, key, password == NULL ? NULL : EVP_aes_128_cbc(),
                         (const unsigned char *)password,
                         password == NULL ? 0 : (int)strlen(password), NULL,
                         NULL),
                     1);
    assert_int_equal(fchmod(fileno(f), mode), 0);
    fclose(f);
}

void
certs_make_of(EVP_PKEY *key, const char *name, const char *alt, long seconds,
              mode_t mode, const char *password)
{
    char subject[128];
    X509 *cert;

    snprintf(subject, sizeof(subject), "CN=%s", name);
    cert = new_certificate(key, subject, seconds);
    add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(cert, NID_subject_alt_name, alt);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    write_pair(name, cert, key, mode, password);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void
certs_make(const char *name, const char *alt, long seconds, mode_t mode,
           const char *password)
{
    certs_make_of(EVP_EC_gen("P-256"), name, alt, seconds, mode, password);
}

void
certs_issue(const char *issuer, const char *name, const char *subject,
            long seconds)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = new_certificate(key, subject, seconds);
    X509 *by = certs_read(issuer);
    FILE *f = open_file(issuer, "key", "re");
    EVP_PKEY *by_key = PEM_read_PrivateKey(f, NULL, NULL, NULL);

    fclose(f);
    X509_set_issuer_name(cert, X509_get_subject_name(by));
    assert_true(X509_sign(cert, by_key, EVP_sha256()) > 0);
    write_pair(name, cert, key, 0600, NULL);
    X509_free(cert);
    X509_free(by);
    EVP_PKEY_free(key);
    EVP_PKEY_free(by_key);
}

X509 *
certs_read(const char *name)
{
    FILE *f = open_file(name, "pem", "re");
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);

    fclose(f);
    assert_non_null(cert);
    return cert;
}

SSL_CTX *
certs_listener(const char *name)
{
    char cert[64], key[64];
    const char *certs[2] = { NULL }, *keys[2] = { NULL };
    struct listen_conf in = { .name = "in",
                              .certificates = certs,
                              .private_keys = keys };
    struct buf error = BUF_INIT;
    SSL_CTX *ctx;

    snprintf(cert, sizeof(cert), "%s.pem", name);
    snprintf(key, sizeof(key), "%s.key", name);
    certs[0] = certs_path(cert);
    keys[0] = certs_path(key);
    ctx = tls_server_new(&in, &error);
    assert_non_null(ctx);
    buf_free(&error);
    return ctx;
}

bool
certs_shake(SSL *client, SSL *server)
{
    BIO *a, *b;
    int c = 0, s = 0;

    assert_int_equal(BIO_new_bio_pair(&a, 65536, &b, 65536), 1);
    SSL_set_bio(client, a, a);
    SSL_set_bio(server, b, b);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    for (int i = 0; i < 20 && (c != 1 || s != 1); i++) {
        c = SSL_do_handshake(client);
        s = SSL_do_handshake(server);
    }
    ERR_clear_error();
    return c == 1 && s == 1;
}
