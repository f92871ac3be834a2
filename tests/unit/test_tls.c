/*
 * test_tls - certificates and keys that are missing, wrong, open to others;
 * names that must match; what the contexts forbid.
 */
#include "proxy/net/tls.h"
#include "tests/support/cmocka.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *
path(const char *name)
{
    static char text[4][128];
    static unsigned turn;
    char *out = text[turn++ % 4];

    snprintf(out, sizeof(text[0]), "%s/%s", folder, name);
    return out;
}

static void
add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(e);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
}

/* NAME.pem and NAME.key, self-signed, valid until `seconds` from now. */
static void
make_pair(const char *name, const char *alt, long seconds, mode_t mode,
          const char *password)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    char file[32];
    FILE *f;

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -7200);
    X509_gmtime_adj(X509_getm_notAfter(cert), seconds);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_set_pubkey(cert, key);
    add_extension(cert, NID_subject_alt_name, alt);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    snprintf(file, sizeof(file), "%s.pem", name);
    f = fopen(path(file), "we");
    assert_int_equal(PEM_write_X509(f, cert), 1);
    fclose(f);
    snprintf(file, sizeof(file), "%s.key", name);
    f = fopen(path(file), "we");
    assert_int_equal(PEM_write_PrivateKey(
                         f, key, password == NULL ? NULL : EVP_aes_128_cbc(),
                         (const unsigned char *)password,
                         password == NULL ? 0 : (int)strlen(password), NULL,
                         NULL),
                     1);
    fclose(f);
    assert_int_equal(chmod(path(file), mode), 0);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static int
make_files(void **state)
{
    FILE *f;

    (void)state;
    strcpy(folder, "/tmp/sealpost-test-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    make_pair("good", "DNS:mail.example.net,IP:127.0.0.1", 3600, 0640, NULL);
    make_pair("other", "DNS:other.example.net", 3600, 0600, NULL);
    make_pair("open", "DNS:mail.example.net", 3600, 0644, NULL);
    make_pair("old", "DNS:mail.example.net", -3600, 0600, NULL);
    make_pair("locked", "DNS:mail.example.net", 3600, 0600, "secret");
    f = fopen(path("junk.pem"), "we");
    fputs("no certificate\n", f);
    fclose(f);
    f = fopen(path("junk.key"), "we");
    fputs("no key\n", f);
    fclose(f);
    return chmod(path("junk.key"), 0600);
}

static int
remove_files(void **state)
{
    static const char *const names[] = { "good", "other",  "open",
                                         "old",  "locked", "junk" };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char file[32];

        snprintf(file, sizeof(file), "%s.pem", names[i]);
        (void)unlink(path(file));
        snprintf(file, sizeof(file), "%s.key", names[i]);
        (void)unlink(path(file));
    }
    return rmdir(folder);
}

static const struct {
    const char *certificate, *key;
    const char *says; /* NULL: it is good */
} pairs[] = {
    { "good.pem", "good.key", NULL },
    { "old.pem", "old.key", NULL }, /* tls_certificate_valid() says that */
    { "none.pem", "good.key", "none.pem: No such file" },
    { "good.pem", "none.key", "none.key: No such file" },
    { "good.pem", "open.key", "open to everybody; chmod o=" },
    { "good.pem", "other.key", "does not belong to the first certificate" },
    { "good.pem", "locked.key", "without a password" },
    { "junk.pem", "good.key", "must be PEM" },
    { "good.pem", "junk.key", "is no PEM private key" },
    { "good.pem", "good.pem", "open to everybody" },
};

static void
test_server_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct listen_conf conf = { .name = "in",
                                    .certificate = path(pairs[i].certificate),
                                    .private_key = path(pairs[i].key) };
        struct buf error = BUF_INIT;
        SSL_CTX *ctx = tls_server_new(&conf, &error);

        if (pairs[i].says == NULL) {
            assert_non_null(ctx);
            assert_int_equal(error.len, 0);
        } else {
            assert_null(ctx);
            assert_non_null(strstr(buf_str(&error), pairs[i].says));
            assert_non_null(strstr(buf_str(&error), folder));
        }
        assert_int_equal(ERR_peek_error(), 0);
        SSL_CTX_free(ctx);
        buf_free(&error);
    }
}

static SSL_CTX *
server(const char *name, const char *pair)
{
    char cert[32], key[32];
    struct listen_conf conf = { .name = name };
    struct buf error = BUF_INIT;
    SSL_CTX *ctx;

    snprintf(cert, sizeof(cert), "%s.pem", pair);
    snprintf(key, sizeof(key), "%s.key", pair);
    conf.certificate = path(cert);
    conf.private_key = path(key);
    ctx = tls_server_new(&conf, &error);
    assert_non_null(ctx);
    return ctx;
}

static void
test_expired(void **state)
{
    struct listen_conf conf = { .certificate = "FILE" };
    struct buf error = BUF_INIT;
    SSL_CTX *good = server("in", "good"), *old = server("in", "old");

    (void)state;
    assert_true(tls_certificate_valid(good, &conf, &error));
    assert_int_equal(error.len, 0);
    assert_false(tls_certificate_valid(old, &conf, &error));
    assert_string_equal(buf_str(&error),
                        "certificate FILE has expired; renew it");
    SSL_CTX_free(good);
    SSL_CTX_free(old);
    buf_free(&error);
}

/* Both ends in memory. True: the handshake succeeded on both. */
static bool
shake(SSL *client, SSL *server_ssl)
{
    BIO *a, *b;
    int c = 0, s = 0;

    assert_int_equal(BIO_new_bio_pair(&a, 65536, &b, 65536), 1);
    SSL_set_bio(client, a, a);
    SSL_set_bio(server_ssl, b, b);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server_ssl);
    for (int i = 0; i < 20 && (c != 1 || s != 1); i++) {
        c = SSL_do_handshake(client);
        s = SSL_do_handshake(server_ssl);
    }
    ERR_clear_error();
    return c == 1 && s == 1;
}

static const struct {
    const char *pair, *ca, *host;
    bool verify, works;
} handshakes[] = {
    { "good", "good.pem", "mail.example.net", true, true },
    { "good", "good.pem", "MAIL.example.net", true, true },
    { "good", "good.pem", "127.0.0.1", true, true },
    { "good", "good.pem", "127.0.0.2", true, false },
    { "good", "good.pem", "other.example.net", true, false },
    { "good", "good.pem", "mail.example.net.evil.test", true, false },
    { "good", "other.pem", "mail.example.net", true, false },
    { "good", "", "mail.example.net", true, false },
    { "old", "old.pem", "mail.example.net", true, false },
    { "old", "", "anything.test", false, true },
};

static void
test_client_checks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(handshakes) / sizeof(handshakes[0]); i++) {
        const char *ca = handshakes[i].ca;
        struct upstream_conf conf = {
            .name = "up",
            .tls_verify = handshakes[i].verify,
            .ca_file = ca[0] == '\0' ? "" : path(ca),
        };
        struct buf error = BUF_INIT;
        SSL_CTX *server_ctx = server("in", handshakes[i].pair);
        SSL_CTX *ctx = tls_client_new(&conf, &error);
        SSL *c, *s;
        char text[80];

        assert_non_null(ctx);
        c = tls_client_ssl(ctx, &conf, handshakes[i].host);
        s = SSL_new(server_ctx);
        assert_int_equal(shake(c, s), handshakes[i].works);
        if (handshakes[i].works) {
            tls_describe(c, text, sizeof(text));
            assert_memory_equal(text, "TLSv1.3/TLS_", 12);
        }
        SSL_free(c);
        SSL_free(s);
        SSL_CTX_free(ctx);
        SSL_CTX_free(server_ctx);
        buf_free(&error);
    }
}

static void
test_client_ca_file(void **state)
{
    struct upstream_conf conf = { .name = "up",
                                  .tls_verify = true,
                                  .ca_file = "/nonexistent/ca.pem" };
    struct buf error = BUF_INIT;

    (void)state;
    assert_null(tls_client_new(&conf, &error));
    assert_non_null(strstr(buf_str(&error), "/nonexistent/ca.pem"));
    buf_free(&error);
}

/* RFC 8996: nothing under TLS 1.2, and no NULL, export or CBC suites. */
static void
test_versions(void **state)
{
    static const struct {
        int max;
        const char *ciphers;
        bool works;
    } cases[] = {
        { TLS1_1_VERSION, "ALL:@SECLEVEL=0", false },
        { TLS1_2_VERSION, "ALL:@SECLEVEL=0", true },
        { TLS1_2_VERSION, "NULL:AES128-SHA:@SECLEVEL=0", false },
        { TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", false },
        { TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SSL_CTX *server_ctx = server("in", "good");
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        SSL *c, *s;

        SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(ctx, cases[i].max);
        assert_int_equal(SSL_CTX_set_cipher_list(ctx, cases[i].ciphers), 1);
        c = SSL_new(ctx);
        s = SSL_new(server_ctx);
        assert_int_equal(shake(c, s), cases[i].works);
        SSL_free(c);
        SSL_free(s);
        SSL_CTX_free(ctx);
        SSL_CTX_free(server_ctx);
    }
}

/* A ticket of one listener is no key to another one. */
static void
test_tickets(void **state)
{
    SSL_CTX *a = server("first", "good"), *b = server("second", "good");
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX *servers[] = { a, a, b };
    SSL_SESSION *session = NULL;

    (void)state;
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    for (size_t i = 0; i < 3; i++) {
        SSL *c = SSL_new(ctx), *s = SSL_new(servers[i]);

        if (session != NULL) {
            SSL_set_session(c, session);
        }
        assert_true(shake(c, s));
        assert_int_equal(SSL_session_reused(c), i == 1);
        SSL_SESSION_free(session);
        session = SSL_get1_session(c);
        SSL_shutdown(c);
        SSL_free(c);
        SSL_free(s);
    }
    SSL_SESSION_free(session);
    SSL_CTX_free(a);
    SSL_CTX_free(b);
    SSL_CTX_free(ctx);
}

static void
test_describe(void **state)
{
    char text[8];

    (void)state;
    tls_describe(NULL, text, sizeof(text));
    assert_string_equal(text, "-");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_files),
        cmocka_unit_test(test_expired),
        cmocka_unit_test(test_client_checks),
        cmocka_unit_test(test_client_ca_file),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_describe),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
