/*
 * test_tls_dane - upstreams whose certificate DNS has as TLSA records.
 */
#include "proxy/net/tls.h"
#include "proxy/net/tls_dane.h"
#include "proxy/net/tls_peer.h"
#include "tests/support/certs.h"
#include "tests/support/cmocka.h"

#include <openssl/err.h>

#include <stdlib.h>

enum {
    DAY = 86400
};

static int
make_files(void **state)
{
    (void)state;
    certs_begin();
    certs_make("server", "DNS:relay.test", DAY, 0600, NULL);
    certs_make("own", "DNS:own.test", DAY, 0600, NULL);
    certs_make("ownold", "DNS:own.test", -3600, 0600, NULL);
    return 0;
}

struct tlsa_of {
    uint8_t usage, selector, matching;
    const char *name; /* whose certificate it is of; NULL: 32 times x */
};

/* RDATA as it stands in DNS. */
static struct bytes
rdata(const struct tlsa_of *t, uint8_t *room)
{
    X509 *cert = t->name == NULL ? NULL : certs_read(t->name);
    uint8_t *der = NULL;
    int len = cert == NULL ? 0
              : t->selector == 1
                  ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der)
                  : i2d_X509(cert, &der);
    unsigned octets = 32;

    room[0] = t->usage;
    room[1] = t->selector;
    room[2] = t->matching;
    memset(room + 3, 'x', octets);
    if (cert != NULL && t->matching == 0) {
        octets = (unsigned)len;
        memcpy(room + 3, der, octets);
    } else if (cert != NULL) {
        assert_int_equal(
            EVP_Digest(der, (size_t)len, room + 3, &octets,
                       t->matching == 2 ? EVP_sha512() : EVP_sha256(), NULL),
            1);
    }
    OPENSSL_free(der);
    X509_free(cert);
    return bytes_make(room, octets + 3);
}

/* The server shows `server` (relay.test) or `ownold` (own.test, expired). */
static const struct {
    const char *shows, *base, *host;
    struct tlsa_of records[2];
    size_t usable;
    bool works;
} danes[] = {
    { "server", "x.test", "x.test", { { 3, 1, 1, "server" } }, 1, true },
    { "server", "x.test", "x.test", { { 3, 0, 1, "server" } }, 1, true },
    { "server", "x.test", "x.test", { { 3, 1, 2, "server" } }, 1, true },
    { "server", "x.test", "x.test", { { 3, 0, 0, "server" } }, 1, true },
    { "ownold", "x.test", "x.test", { { 3, 1, 1, "ownold" } }, 1, true },
    { "server", "relay.test", "relay.test", { { 3, 1, 1, "own" } }, 1, false },
    { "server", "relay.test", "relay.test", { { 3, 1, 1, NULL } }, 1, false },
    { "server",
      "x.test",
      "x.test",
      { { 3, 1, 1, "own" }, { 3, 1, 1, "server" } },
      2,
      true },
    { "server",
      "x.test",
      "x.test",
      { { 1, 1, 1, "server" }, { 3, 1, 1, "server" } },
      1,
      true },
    /* Of no use: usages 0 and 1, unknown ones, a digest of a wrong length. */
    { "server", "relay.test", "relay.test", { { 1, 1, 1, "server" } }, 0, 0 },
    { "server", "relay.test", "relay.test", { { 0, 1, 1, "server" } }, 0, 0 },
    { "server", "relay.test", "relay.test", { { 4, 1, 1, "server" } }, 0, 0 },
    { "server", "relay.test", "relay.test", { { 3, 2, 1, "server" } }, 0, 0 },
    { "server", "relay.test", "relay.test", { { 3, 1, 2, NULL } }, 0, 0 },
    { "server", "relay.test", "relay.test", { { 3, 1, 7, NULL } }, 0, 0 },
};

static void
test_dane(void **state)
{
    struct upstream_conf conf = {
        .name = "up", .ca_file = "", .tls = CONF_TLS_DANE, .tls_verify = true
    };
    struct buf error = BUF_INIT;
    SSL_CTX *ctx = tls_client_new(&conf, &error);

    (void)state;
    assert_non_null(ctx);
    for (size_t i = 0; i < sizeof(danes) / sizeof(danes[0]); i++) {
        uint8_t room[2][2048];
        struct bytes records[2];
        size_t count = danes[i].records[1].usage > 0 ? 2 : 1, usable;
        SSL_CTX *server;
        SSL *c, *s;

        for (size_t k = 0; k < count; k++) {
            records[k] = rdata(&danes[i].records[k], room[k]);
        }
        c = tls_dane_ssl(ctx, danes[i].base, danes[i].host, records, count,
                         &usable);
        assert_int_equal(usable, danes[i].usable);
        assert_int_equal(c != NULL, usable > 0);
        assert_int_equal(ERR_peek_error(), 0);
        if (c == NULL) {
            continue;
        }
        server = certs_listener(danes[i].shows);
        s = SSL_new(server);
        if (certs_shake(c, s) != danes[i].works) {
            fail_msg("case %zu", i);
        }
        if (danes[i].works) {
            assert_string_equal(
                SSL_get_servername(s, TLSEXT_NAMETYPE_host_name),
                danes[i].base);
            assert_string_equal(tls_how_upstream(c, &conf), "dane");
        }
        SSL_free(c);
        SSL_free(s);
        SSL_CTX_free(server);
    }
    SSL_CTX_free(ctx);
    buf_free(&error);
}

/* What DNS can send: nothing may be read beyond it. */
static void
test_dane_short(void **state)
{
    struct upstream_conf conf = { .ca_file = "", .tls = CONF_TLS_DANE };
    struct buf error = BUF_INIT;
    SSL_CTX *ctx = tls_client_new(&conf, &error);
    size_t usable = 1;

    (void)state;
    for (size_t len = 0; len <= 36; len++) {
        uint8_t *exact = malloc(len + 1);
        struct bytes record = bytes_make(exact, len);
        SSL *ssl;

        memset(exact, 1, len + 1);
        exact[0] = 3;
        ssl = tls_dane_ssl(ctx, "a.test", "a.test", &record, 1, &usable);
        assert_int_equal(usable, len == 35);
        SSL_free(ssl);
        free(exact);
    }
    assert_null(tls_dane_ssl(ctx, "a.test", "a.test", NULL, 0, &usable));
    assert_int_equal(usable, 0);
    SSL_CTX_free(ctx);
    buf_free(&error);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dane),
        cmocka_unit_test(test_dane_short),
    };

    return cmocka_run_group_tests(tests, make_files, certs_teardown);
}
