/*
 * test_tls - certificates and keys that are missing, wrong, open to others;
 * names that must match; what the contexts forbid.
 */
#include "proxy/net/tls.h"
#include "tests/support/certs.h"
#include "tests/support/cmocka.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <stdlib.h>
#include <sys/stat.h>

static int
make_files(void **state)
{
    FILE *f;

    (void)state;
    certs_begin();
    certs_make("good", "DNS:mail.example.net,IP:127.0.0.1", 3600, 0640, NULL);
    certs_make("other", "DNS:other.example.net", 3600, 0600, NULL);
    certs_make("open", "DNS:mail.example.net", 3600, 0644, NULL);
    certs_make("old", "DNS:mail.example.net", -3600, 0600, NULL);
    certs_make("locked", "DNS:mail.example.net", 3600, 0600, "secret");
    certs_make_of(EVP_RSA_gen(2048), "rsa", "DNS:mail.example.net", 3600, 0600,
                  NULL);
    certs_make_of(EVP_RSA_gen(1024), "short", "DNS:mail.example.net", 3600,
                  0600, NULL);
    certs_make("wild", "DNS:*.customer.example,DNS:customer.example", 3600,
               0600, NULL);
    f = fopen(certs_path("junk.pem"), "we");
    fputs("no certificate\n", f);
    fclose(f);
    f = fopen(certs_path("junk.key"), "we");
    fputs("no key\n", f);
    fclose(f);
    return chmod(certs_path("junk.key"), 0600);
}

static const struct {
    const char *certificate, *key;
    const char *says; /* NULL: it is good */
} pairs[] = {
    { "good.pem", "good.key", NULL },
    { "old.pem", "old.key", NULL }, /* tls_certificates_valid() says that */
    { "none.pem", "good.key", "none.pem: No such file" },
    { "good.pem", "none.key", "none.key: No such file" },
    { "good.pem", "open.key", "open to everybody; chmod o=" },
    { "good.pem", "other.key", "does not belong to the first certificate" },
    { "good.pem", "locked.key", "without a password" },
    { "short.pem", "short.key", "key too small" },
    { "junk.pem", "good.key", "must be PEM" },
    { "good.pem", "junk.key", "is no PEM private key" },
    { "good.pem", "good.pem", "open to everybody" },
};

static void
test_server_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const char *certificates[] = { certs_path(pairs[i].certificate), NULL };
        const char *keys[] = { certs_path(pairs[i].key), NULL };
        struct listen_conf conf = { .name = "in",
                                    .certificates = certificates,
                                    .private_keys = keys };
        struct buf error = BUF_INIT;
        SSL_CTX *ctx = tls_server_new(&conf, &error);

        if (pairs[i].says == NULL) {
            assert_non_null(ctx);
            assert_int_equal(error.len, 0);
        } else {
            assert_null(ctx);
            assert_non_null(strstr(buf_str(&error), pairs[i].says));
            assert_non_null(strstr(buf_str(&error), certs_folder));
        }
        assert_int_equal(ERR_peek_error(), 0);
        SSL_CTX_free(ctx);
        buf_free(&error);
    }
}

/* A listener with the pairs of that list: "good rsa". */
static SSL_CTX *
server_min(const char *name, const char *wanted, enum conf_tls_version min)
{
    char files[2][8][128];
    const char *lists[2][9] = { { NULL } };
    struct listen_conf conf = { .name = name,
                                .certificates = lists[0],
                                .private_keys = lists[1],
                                .tls_min_version = min };
    struct bytes rest = bytes_str(wanted);
    struct buf error = BUF_INIT;
    SSL_CTX *ctx;

    for (size_t i = 0; rest.len > 0; i++) {
        struct bytes word = bytes_take(rest, bytes_find(rest, ' '));

        for (size_t k = 0; k < 2; k++) {
            snprintf(files[k][i], sizeof(files[k][i]), "%s/%.*s.%s",
                     certs_folder, BYTES_ARG(word), k == 0 ? "pem" : "key");
            lists[k][i] = files[k][i];
        }
        rest = bytes_trim(bytes_skip(rest, word.len));
    }
    ctx = tls_server_new(&conf, &error);
    assert_non_null(ctx);
    return ctx;
}

static SSL_CTX *
server(const char *name, const char *wanted)
{
    return server_min(name, wanted, CONF_TLS_1_2);
}

static void
test_expired(void **state)
{
    const char *files[] = { "FILE", "SECOND", NULL };
    struct listen_conf conf = { .certificates = files };
    struct buf error = BUF_INIT;
    SSL_CTX *good = server("in", "good rsa"), *old = server("in", "good old");

    (void)state;
    assert_true(tls_certificates_valid(good, &conf, &error));
    assert_int_equal(error.len, 0);
    assert_false(tls_certificates_valid(old, &conf, &error));
    assert_string_equal(buf_str(&error),
                        "certificate SECOND has expired; renew it");
    SSL_CTX_free(good);
    SSL_CTX_free(old);
    buf_free(&error);
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
            .ca_file = ca[0] == '\0' ? "" : certs_path(ca),
        };
        struct buf error = BUF_INIT;
        SSL_CTX *server_ctx = server("in", handshakes[i].pair);
        SSL_CTX *ctx = tls_client_new(&conf, &error);
        SSL *c, *s;
        char text[80];

        assert_non_null(ctx);
        c = tls_client_ssl(ctx, &conf, handshakes[i].host);
        s = SSL_new(server_ctx);
        assert_int_equal(certs_shake(c, s), handshakes[i].works);
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
        assert_int_equal(certs_shake(c, s), cases[i].works);
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
        assert_true(certs_shake(c, s));
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

/* What a client that is like that is shown: "good", "rsa"; "-": nothing. */
static void
shown(SSL_CTX *server_ctx, const char *host, const char *signatures, char *out,
      size_t cap)
{
    static const char *const names[] = { "good", "other", "old", "rsa",
                                         "wild" };
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *c, *s;

    assert_int_equal(SSL_CTX_set1_sigalgs_list(ctx, signatures), 1);
    c = SSL_new(ctx);
    s = SSL_new(server_ctx);
    if (host != NULL) {
        assert_int_equal(SSL_set_tlsext_host_name(c, host), 1);
    }
    snprintf(out, cap, "-");
    if (certs_shake(c, s)) {
        X509 *cert = SSL_get1_peer_certificate(c);

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            char file[32];
            X509 *one;
            FILE *f;

            snprintf(file, sizeof(file), "%s.pem", names[i]);
            f = fopen(certs_path(file), "re");
            one = PEM_read_X509(f, NULL, NULL, NULL);
            fclose(f);
            if (X509_cmp(one, cert) == 0) {
                snprintf(out, cap, "%s", names[i]);
            }
            X509_free(one);
        }
        X509_free(cert);
    }
    SSL_free(c);
    SSL_free(s);
    SSL_CTX_free(ctx);
}

#define ANY  "ECDSA+SHA256:RSA-PSS+SHA256"
#define RSA_ "RSA-PSS+SHA256"
#define EC   "ECDSA+SHA256"

/* RFC 6066 3. The list of pairs, what is asked for, what is shown. */
static const struct {
    const char *pairs, *host, *signatures, *shown;
} choices[] = {
    { "good rsa wild other", NULL, ANY, "good" },
    { "good rsa wild other", NULL, RSA_, "rsa" },
    { "rsa good wild other", NULL, ANY, "good" }, /* as the client prefers */
    { "rsa good wild other", NULL, EC, "good" },
    { "good rsa wild other", "mail.example.net", ANY, "good" },
    { "good rsa wild other", "MAIL.example.NET", RSA_, "rsa" },
    { "good rsa wild other", "a.customer.example", ANY, "wild" },
    { "good rsa wild other", "customer.example", ANY, "wild" },
    { "good rsa wild other", "a.b.customer.example", ANY, "good" },
    { "good rsa wild other", "other.example.net", ANY, "other" },
    { "good rsa wild other", "unknown.example", ANY, "good" },
    { "good rsa wild other", "unknown.example", RSA_, "rsa" },
    { "good rsa wild other", "a.customer.example", RSA_, "-" },
    { "wild good rsa", NULL, ANY, "wild" },
    { "wild good rsa", NULL, RSA_, "-" }, /* rsa is for another host */
    { "wild good rsa", "mail.example.net", RSA_, "rsa" },
    { "good old", "mail.example.net", ANY, "good" }, /* the first of a kind */
    { "old good", "mail.example.net", ANY, "old" },
};

static void
test_choice(void **state)
{
    char got[16];

    (void)state;
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        SSL_CTX *ctx = server("in", choices[i].pairs);

        shown(ctx, choices[i].host, choices[i].signatures, got, sizeof(got));
        if (strcmp(got, choices[i].shown) != 0) {
            fail_msg("[%s] %s: %s instead of %s", choices[i].pairs,
                     choices[i].host == NULL ? "-" : choices[i].host, got,
                     choices[i].shown);
        }
        SSL_CTX_free(ctx);
    }
}

/* A handshake under way when certificates are loaded anew. */
static void
test_context_lives(void **state)
{
    SSL_CTX *server_ctx = server("in", "good wild");
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *c = SSL_new(ctx), *s = SSL_new(server_ctx);

    (void)state;
    SSL_CTX_free(server_ctx);
    SSL_set_tlsext_host_name(c, "customer.example");
    assert_true(certs_shake(c, s));
    SSL_free(c);
    SSL_free(s);
    SSL_CTX_free(ctx);
}

/* RFC 7301 3.2: what is no SMTP is refused before an octet of it is read. */
static void
test_protocols(void **state)
{
    static const struct {
        const char *offered, *chosen;
        bool works;
    } cases[] = {
        { "", "", true },
        { "\4smtp", "smtp", true },
        { "\5esmtp", "esmtp", true },
        { "\2h2\10http/1.1\4smtp", "smtp", true },
        { "\2h2\10http/1.1", "", false },
        { "\3ftp", "", false },
        { "\4SMTP", "", false },
    };
    SSL_CTX *server_ctx = server("in", "good");

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        SSL *c = SSL_new(ctx), *s = SSL_new(server_ctx);
        const unsigned char *chosen = NULL;
        unsigned len = 0;

        if (cases[i].offered[0] != '\0') {
            assert_int_equal(
                SSL_set_alpn_protos(c, (const uint8_t *)cases[i].offered,
                                    (unsigned)strlen(cases[i].offered)),
                0);
        }
        assert_int_equal(certs_shake(c, s), cases[i].works);
        if (cases[i].works) {
            SSL_get0_alpn_selected(c, &chosen, &len);
            assert_true(bytes_is(bytes_make(chosen, len), cases[i].chosen));
        }
        SSL_free(c);
        SSL_free(s);
        SSL_CTX_free(ctx);
    }
    SSL_CTX_free(server_ctx);
}

/* tls_min_version, on either side. */
static void
test_min_version(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct upstream_conf conf = { .name = "up",
                                      .ca_file = "",
                                      .tls_min_version = i & 1 };
        struct buf error = BUF_INIT;
        SSL_CTX *server_ctx = server_min("in", "good", i >> 1);
        SSL_CTX *ctx = tls_client_new(&conf, &error);
        SSL *c, *s;

        assert_non_null(ctx);
        SSL_CTX_set_max_proto_version(i & 1 ? server_ctx : ctx, TLS1_2_VERSION);
        c = SSL_new(ctx);
        s = SSL_new(server_ctx);
        assert_int_equal(certs_shake(c, s), i == 0);
        SSL_free(c);
        SSL_free(s);
        SSL_CTX_free(ctx);
        SSL_CTX_free(server_ctx);
        buf_free(&error);
    }
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
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_context_lives),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_min_version),
        cmocka_unit_test(test_describe),
    };

    return cmocka_run_group_tests(tests, make_files, certs_teardown);
}
