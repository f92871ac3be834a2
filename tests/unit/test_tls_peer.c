/*
 * test_tls_peer - fingerprints, clients' certificates, pinned upstreams.
 */
#include "proxy/net/tls.h"
#include "proxy/net/tls_peer.h"
#include "tests/support/certs.h"
#include "tests/support/cmocka.h"

#include <openssl/err.h>

#include <time.h>

enum {
    DAY = 86400
};

static int
make_files(void **state)
{
    (void)state;
    certs_begin();
    certs_make("server", "DNS:relay.test", DAY, 0600, NULL);
    certs_make("ca", "DNS:ca.test", 9 * DAY, 0600, NULL);
    certs_make("otherca", "DNS:ca.test", DAY, 0600, NULL);
    certs_issue("ca", "alice", "CN=alice,O=Example", DAY);
    certs_issue("ca", "bob", "CN=Bob Ä,O=Exa+mple", DAY);
    certs_issue("ca", "old", "CN=alice,O=Example", -3600);
    certs_issue("otherca", "false", "CN=alice,O=Example", DAY);
    certs_make("own", "DNS:own.test", DAY, 0600, NULL);
    certs_make("ownold", "DNS:own.test", -3600, 0600, NULL);
    return 0;
}

enum what {
    OF_CERTIFICATE,
    OF_KEY
};

static struct conf_fingerprint
fingerprint(const char *name, enum what what)
{
    struct conf_fingerprint f;
    X509 *cert = certs_read(name);
    uint8_t *der = NULL;
    int len = what == OF_KEY ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der)
                             : i2d_X509(cert, &der);

    assert_true(len > 0);
    assert_int_equal(
        EVP_Digest(der, (size_t)len, f.sha256, NULL, EVP_sha256(), NULL), 1);
    OPENSSL_free(der);
    X509_free(cert);
    return f;
}

static void
test_fingerprints(void **state)
{
    struct conf_fingerprint cert = fingerprint("alice", OF_CERTIFICATE);
    struct conf_fingerprint key = fingerprint("alice", OF_KEY);
    X509 *alice = certs_read("alice"), *bob = certs_read("bob");

    (void)state;
    assert_true(tls_fingerprint_is(alice, &cert));
    assert_true(tls_fingerprint_is(alice, &key));
    assert_false(tls_fingerprint_is(bob, &cert));
    assert_false(tls_fingerprint_is(bob, &key));
    for (size_t i = 0; i < sizeof(cert.sha256); i++) {
        cert.sha256[i] ^= 1;
        assert_false(tls_fingerprint_is(alice, &cert));
        cert.sha256[i] ^= 1;
    }
    X509_free(alice);
    X509_free(bob);
}

/* --- clients -------------------------------------------------------------- */

/* A listener's side of one handshake with a client that shows NAME. */
struct meeting {
    SSL_CTX *server_ctx, *client_ctx;
    SSL *server, *client;
};

static void
meet(struct meeting *m, const struct listen_conf *conf, const char *name,
     SSL_SESSION *session)
{
    char file[64];

    m->client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(m->client_ctx, TLS1_2_VERSION);
    if (name != NULL) {
        snprintf(file, sizeof(file), "%s.pem", name);
        assert_int_equal(SSL_CTX_use_certificate_file(
                             m->client_ctx, certs_path(file), SSL_FILETYPE_PEM),
                         1);
        snprintf(file, sizeof(file), "%s.key", name);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(
                             m->client_ctx, certs_path(file), SSL_FILETYPE_PEM),
                         1);
    }
    if (m->server_ctx == NULL) {
        struct buf error = BUF_INIT;

        m->server_ctx = tls_server_new(conf, &error);
        if (m->server_ctx == NULL) {
            fail_msg("%s", buf_str(&error));
        }
        buf_free(&error);
    }
    m->server = SSL_new(m->server_ctx);
    m->client = SSL_new(m->client_ctx);
    if (session != NULL) {
        SSL_set_session(m->client, session);
    }
    assert_true(certs_shake(m->client, m->server));
}

static void
part(struct meeting *m)
{
    SSL_free(m->server);
    SSL_free(m->client);
    SSL_CTX_free(m->client_ctx);
}

static const char *server_certificate[2], *server_key[2];
static char server_files[2][128];

static void
set_listener(struct listen_conf *conf, struct conf_client_user *users,
             size_t count, const char *ca)
{
    static char ca_path[128];

    snprintf(server_files[0], sizeof(server_files[0]), "%s",
             certs_path("server.pem"));
    snprintf(server_files[1], sizeof(server_files[1]), "%s",
             certs_path("server.key"));
    snprintf(ca_path, sizeof(ca_path), "%s", ca == NULL ? "" : certs_path(ca));
    server_certificate[0] = server_files[0];
    server_key[0] = server_files[1];
    *conf = (struct listen_conf){ .name = "in",
                                  .certificates = server_certificate,
                                  .private_keys = server_key,
                                  .tls_client_ca = ca_path,
                                  .tls_client_users = { users, count } };
}

/* What is in users, who comes, and who that is then. */
static const struct {
    const char *shows; /* NULL: nothing */
    const char *ca;    /* NULL: none */
    const char *user, *how;
} comers[] = {
    { NULL, "ca.pem", NULL, "none" },
    { "alice", "ca.pem", "alice", "verified" },
    { "alice", NULL, NULL, "unverified" },
    { "alice", "otherca.pem", NULL, "unverified" },
    { "bob", "ca.pem", "bob", "verified" },
    { "old", "ca.pem", NULL, "unverified" },
    { "false", "ca.pem", NULL, "unverified" },
    { "false", "otherca.pem", "alice", "verified" },
    { "own", "ca.pem", "carol", "pinned" },
    { "own", NULL, "carol", "pinned" },
    { "ownold", NULL, NULL, "unverified" },
    { "server", "ca.pem", NULL, "unverified" },
    { "ca", "ca.pem", NULL, "verified" }, /* true, and nobody's */
};

static void
test_clients(void **state)
{
    struct conf_client_user users[] = {
        { .subject = "CN=alice,O=Example", .user = "alice" },
        { .subject = "CN=Bob \\C3\\84,O=Exa\\+mple", .user = "bob" },
        { .fingerprint = fingerprint("own", OF_KEY), .user = "carol" },
        { .fingerprint = fingerprint("ownold", OF_CERTIFICATE),
          .user = "dave" },
        { .subject = "CN=alice,O=Example", .user = "second" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(comers) / sizeof(comers[0]); i++) {
        struct listen_conf conf;
        struct meeting m = { 0 };
        struct tls_identity got;
        char text[128];

        set_listener(&conf, users, 5, comers[i].ca);
        meet(&m, &conf, comers[i].shows, NULL);
        tls_identify_client(m.server, &conf, time(NULL), &got);
        if (strcmp(got.how, comers[i].how) != 0 ||
            (got.user == NULL) != (comers[i].user == NULL) ||
            (got.user != NULL && strcmp(got.user, comers[i].user) != 0)) {
            fail_msg("case %zu: %s %s", i, got.user == NULL ? "-" : got.user,
                     got.how);
        }
        tls_describe_peer(m.server, got.how, text, sizeof(text));
        assert_non_null(strstr(text, "TLSv1.2/ECDHE-"));
        assert_string_equal(strrchr(text, '/') + 1, comers[i].how);
        part(&m);
        SSL_CTX_free(m.server_ctx);
    }
    assert_int_equal(ERR_peek_error(), 0);
}

/* Nobody asks when nobody would be known. */
static void
test_not_asked(void **state)
{
    struct listen_conf conf;
    struct tls_identity got;
    struct meeting m = { 0 };

    (void)state;
    set_listener(&conf, NULL, 0, "ca.pem");
    meet(&m, &conf, "alice", NULL);
    tls_identify_client(m.server, &conf, time(NULL), &got);
    assert_null(got.user);
    assert_string_equal(got.how, "none");
    part(&m);
    SSL_CTX_free(m.server_ctx);
}

/* A session that is resumed: the same identity, until its days are over. */
static void
test_resumed(void **state)
{
    struct conf_client_user users[] = {
        { .subject = "CN=alice,O=Example", .user = "alice" },
    };
    struct listen_conf conf;
    struct tls_identity got;
    struct meeting m = { 0 };
    SSL_SESSION *session;

    (void)state;
    set_listener(&conf, users, 1, "ca.pem");
    meet(&m, &conf, "alice", NULL);
    session = SSL_get1_session(m.client);
    SSL_shutdown(m.client);
    part(&m);
    meet(&m, &conf, NULL, session);
    assert_true(SSL_session_reused(m.server));
    tls_identify_client(m.server, &conf, time(NULL), &got);
    assert_string_equal(got.user, "alice");
    assert_string_equal(got.how, "verified");
    tls_identify_client(m.server, &conf, time(NULL) + 2 * DAY, &got);
    assert_null(got.user);
    tls_identify_client(m.server, &conf, time(NULL) - DAY, &got);
    assert_null(got.user);
    SSL_SESSION_free(session);
    part(&m);
    SSL_CTX_free(m.server_ctx);
}

/*
 * Even where two processes had the same ticket keys: a session belongs to one
 * listener and to what that asks of clients.
 */
static void
test_policies(void **state)
{
    struct conf_client_user users[] = {
        { .subject = "CN=alice,O=Example", .user = "alice" },
        { .subject = "CN=alice,O=Example", .user = "bob" },
    };
    static const struct {
        const char *name, *ca;
        size_t first, count;
        bool resumed;
    } cases[] = {
        { "in", "ca.pem", 0, 1, true },
        { "other", "ca.pem", 0, 1, false },
        { "in", "otherca.pem", 0, 1, false },
        { "in", "ca.pem", 1, 1, false },
        { "in", "ca.pem", 0, 2, false },
        { "in", "ca.pem", 0, 0, false },
    };
    uint8_t keys[80] = { 1, 2, 3 };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct listen_conf conf;
        struct meeting m = { 0 }, n = { 0 };
        struct buf error = BUF_INIT;
        SSL_SESSION *session;

        set_listener(&conf, users, 1, "ca.pem");
        m.server_ctx = tls_server_new(&conf, &error);
        SSL_CTX_set_tlsext_ticket_keys(m.server_ctx, keys, sizeof(keys));
        meet(&m, &conf, "alice", NULL);
        session = SSL_get1_session(m.client);
        SSL_shutdown(m.client);
        part(&m);
        set_listener(&conf, users + cases[i].first, cases[i].count,
                     cases[i].ca);
        conf.name = cases[i].name;
        n.server_ctx = tls_server_new(&conf, &error);
        SSL_CTX_set_tlsext_ticket_keys(n.server_ctx, keys, sizeof(keys));
        meet(&n, &conf, "alice", session);
        if ((SSL_session_reused(n.server) == 1) != cases[i].resumed) {
            fail_msg("case %zu", i);
        }
        SSL_SESSION_free(session);
        part(&n);
        SSL_CTX_free(m.server_ctx);
        SSL_CTX_free(n.server_ctx);
        buf_free(&error);
    }
}

static void
test_ca_file(void **state)
{
    struct conf_client_user users[] = { { .subject = "CN=a", .user = "a" } };
    struct listen_conf conf;
    struct buf error = BUF_INIT;

    (void)state;
    set_listener(&conf, users, 1, "none.pem");
    assert_null(tls_server_new(&conf, &error));
    assert_non_null(strstr(buf_str(&error), "cannot use tls_client_ca /"));
    assert_int_equal(ERR_peek_error(), 0);
    buf_free(&error);
}

/* --- upstreams ------------------------------------------------------------ */

/* Neither names nor dates nor authorities count beside a pin. */
static void
test_pins(void **state)
{
    struct conf_fingerprint pins[] = { fingerprint("own", OF_CERTIFICATE),
                                       fingerprint("ownold", OF_KEY) };
    static const struct {
        const char *shows;
        size_t pins;
        bool verify, works;
        const char *how;
    } cases[] = {
        { "own", 1, true, true, "pinned" },
        { "own", 1, false, true, "pinned" },
        { "ownold", 2, true, true, "pinned" },
        { "ownold", 1, true, false, "" },
        { "server", 2, true, false, "" },
        { "server", 2, false, false, "" },
        { "server", 0, false, true, "unverified" },
        { "server", 0, true, false, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct upstream_conf conf = { .name = "up",
                                      .ca_file = "",
                                      .tls_verify = cases[i].verify,
                                      .tls_fingerprints = { pins,
                                                            cases[i].pins } };
        struct buf error = BUF_INIT;
        SSL_CTX *server = certs_listener(cases[i].shows);
        SSL_CTX *client = tls_client_new(&conf, &error);
        SSL *s, *c;

        assert_non_null(client);
        s = SSL_new(server);
        c = tls_client_ssl(client, &conf, "anything.test");
        assert_int_equal(certs_shake(c, s), cases[i].works);
        if (cases[i].works) {
            assert_string_equal(tls_how_upstream(c, &conf), cases[i].how);
        }
        SSL_free(s);
        SSL_free(c);
        SSL_CTX_free(server);
        SSL_CTX_free(client);
        buf_free(&error);
    }
}

static void
test_plain(void **state)
{
    struct upstream_conf conf = { .name = "up" };
    struct listen_conf in = { .name = "in" };
    struct tls_identity got;
    char text[16];

    (void)state;
    assert_string_equal(tls_how_upstream(NULL, &conf), "none");
    tls_identify_client(NULL, &in, 0, &got);
    assert_null(got.user);
    tls_describe_peer(NULL, "none", text, sizeof(text));
    assert_string_equal(text, "-");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fingerprints), cmocka_unit_test(test_clients),
        cmocka_unit_test(test_not_asked),    cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_policies),     cmocka_unit_test(test_ca_file),
        cmocka_unit_test(test_pins),         cmocka_unit_test(test_plain),
    };

    return cmocka_run_group_tests(tests, make_files, certs_teardown);
}
