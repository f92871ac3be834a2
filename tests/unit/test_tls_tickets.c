/*
 * test_tls_tickets - tickets of one worker offered to another one, and to what
 * may not take them.
 */
#include "proxy/net/tls.h"
#include "proxy/net/tls_tickets.h"
#include "tests/support/certs.h"
#include "tests/support/cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int
make_files(void **state)
{
    (void)state;
    certs_begin();
    certs_make("good", "DNS:mail.test", 3600, 0600, NULL);
    certs_make("first", "DNS:ca.test", 3600, 0600, NULL);
    certs_make("second", "DNS:ca.test", 3600, 0600, NULL);
    return 0;
}

/* A listener as one worker has it. ca NULL: asks for no certificate. */
static SSL_CTX *
worker(const char *name, const char *ca, const struct tls_ticket_secrets *s)
{
    char files[2][128];
    const char *certificates[] = { files[0], NULL };
    const char *keys[] = { files[1], NULL };
    struct conf_client_user users[] = { { .subject = "CN=a", .user = "a" } };
    struct listen_conf conf = { .name = name,
                                .certificates = certificates,
                                .private_keys = keys,
                                .tls_client_ca = "" };
    struct buf error = BUF_INIT;
    SSL_CTX *ctx;

    snprintf(files[0], sizeof(files[0]), "%s/good.pem", certs_folder);
    snprintf(files[1], sizeof(files[1]), "%s/good.key", certs_folder);
    if (ca != NULL) {
        conf.tls_client_users.list = users;
        conf.tls_client_users.count = 1;
        conf.tls_client_ca = certs_path(ca);
    }
    ctx = tls_server_new(&conf, &error);
    assert_non_null(ctx);
    if (s != NULL) {
        assert_true(tls_tickets_share(ctx, s));
    }
    buf_free(&error);
    return ctx;
}

/* Offers *session (NULL: none) to server, which gives the next one. */
static bool
meet(SSL_CTX *client, SSL_CTX *server, SSL_SESSION **session)
{
    SSL *c = SSL_new(client), *s = SSL_new(server);
    char octet;
    bool resumed;

    if (*session != NULL) {
        SSL_set_session(c, *session);
        SSL_SESSION_free(*session);
    }
    assert_true(certs_shake(c, s));
    assert_int_equal(SSL_read(c, &octet, 1), -1);
    resumed = SSL_session_reused(s) == 1;
    assert_int_equal(SSL_session_reused(c), resumed);
    *session = SSL_get1_session(c);
    SSL_shutdown(c);
    SSL_free(c);
    SSL_free(s);
    return resumed;
}

static SSL_CTX *
new_client(int version)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_min_proto_version(client, version);
    SSL_CTX_set_max_proto_version(client, version);
    return client;
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* A ticket of the first resumes at the second? Takes both. */
static bool
travels(SSL_CTX *first, SSL_CTX *second, int version)
{
    SSL_CTX *client = new_client(version);
    SSL_SESSION *session = NULL;
    bool resumed;

    assert_false(meet(client, first, &session));
    resumed = meet(client, second, &session);
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    SSL_CTX_free(first);
    SSL_CTX_free(second);
    return resumed;
}

static void
test_workers(void **state)
{
    static const struct {
        const char *name, *ca;
        bool shared, resumed;
    } cases[] = {
        { "in", NULL, true, true },
        { "in", NULL, false, false },
        { "out", NULL, true, false },
        { "in", "first.pem", true, false },
    };
    struct tls_ticket_secrets s = { .count = 0 };

    (void)state;
    assert_true(tls_tickets_renew(&s));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t k = 0; k < 2; k++) {
            SSL_CTX *first = worker("in", NULL, &s);
            SSL_CTX *second =
                worker(cases[i].name, cases[i].ca, cases[i].shared ? &s : NULL);

            if (travels(first, second, versions[k]) != cases[i].resumed) {
                fail_msg("case %zu, version %zu", i, k);
            }
        }
    }
}

/* A reload finds other authorities in the same file: whom a session vouches
 * for has to be asked again. */
static void
test_authorities(void **state)
{
    struct tls_ticket_secrets s = { .count = 0 };
    SSL_CTX *before, *after;

    (void)state;
    assert_true(tls_tickets_renew(&s));
    assert_true(travels(worker("in", "first.pem", &s),
                        worker("in", "first.pem", &s), TLS1_3_VERSION));
    before = worker("in", "first.pem", &s);
    assert_int_equal(rename(certs_path("first.pem"), certs_path("kept")), 0);
    assert_int_equal(rename(certs_path("second.pem"), certs_path("first.pem")),
                     0);
    after = worker("in", "first.pem", &s);
    assert_false(travels(before, after, TLS1_3_VERSION));
}

/* The secret before opens what it made, and the client gets a newer one. */
static void
test_renewed(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct tls_ticket_secrets s = { .count = 0 };
        SSL_CTX *client = new_client(versions[k]);
        SSL_CTX *server;
        SSL_SESSION *session = NULL, *old;

        assert_true(tls_tickets_renew(&s));
        server = worker("in", NULL, &s);
        assert_false(meet(client, server, &session));
        old = SSL_SESSION_dup(session);
        assert_true(tls_tickets_renew(&s));
        assert_int_equal(s.count, 2);
        assert_true(tls_tickets_share(server, &s));
        assert_true(meet(client, server, &session));
        assert_true(tls_tickets_renew(&s));
        assert_int_equal(s.count, 2);
        assert_true(tls_tickets_share(server, &s));
        assert_true(meet(client, server, &session));
        assert_false(meet(client, server, &old));
        SSL_SESSION_free(session);
        SSL_SESSION_free(old);
        SSL_CTX_free(client);
        SSL_CTX_free(server);
    }
}

static void
test_no_secrets(void **state)
{
    struct tls_ticket_secrets s = { .count = 0 };
    SSL_CTX *client = new_client(TLS1_3_VERSION), *other;
    SSL_CTX *server = worker("in", NULL, NULL);
    SSL_SESSION *session = NULL;

    (void)state;
    assert_false(tls_tickets_share(server, &s));
    assert_false(meet(client, server, &session));
    assert_true(meet(client, server, &session)); /* its own keys go on */
    other = SSL_CTX_new(TLS_server_method());
    assert_true(tls_tickets_renew(&s));
    assert_false(tls_tickets_share(other, &s));
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    SSL_CTX_free(other);
}

static void
test_pack(void **state)
{
    struct tls_ticket_secrets s = { .count = 0 }, got;

    (void)state;
    for (size_t i = 1; i <= 3; i++) {
        int fd;

        assert_true(tls_tickets_renew(&s));
        assert_int_equal(s.count, i < 2 ? 1 : 2);
        assert_true(i == 1 || memcmp(s.list[0], s.list[1], 32) != 0);
        fd = tls_tickets_pack(&s);
        assert_true(fd >= 0);
        for (int again = 0; again < 2; again++) { /* all share one offset */
            memset(&got, 0xee, sizeof(got));
            assert_true(tls_tickets_unpack(fd, &got));
            assert_int_equal(got.count, s.count);
            assert_memory_equal(got.list, s.list, 32 * s.count);
        }
        assert_int_equal(pwrite(fd, "x", 1, 0), -1); /* sealed */
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        close(fd);
    }
}

static void
test_unpack_others(void **state)
{
    static const size_t sizes[] = { 0, 1, 31, 33, 63, 65, 96, 4096 };
    struct tls_ticket_secrets got = { .count = 7 };
    int pipes[2];

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int fd = memfd_create("other", MFD_CLOEXEC);

        assert_int_equal(ftruncate(fd, (off_t)sizes[i]), 0);
        assert_false(tls_tickets_unpack(fd, &got));
        close(fd);
    }
    assert_int_equal(pipe(pipes), 0);
    assert_false(tls_tickets_unpack(pipes[0], &got));
    close(pipes[0]);
    close(pipes[1]);
    assert_false(tls_tickets_unpack(-1, &got));
    assert_int_equal(got.count, 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers),
        cmocka_unit_test(test_renewed),
        cmocka_unit_test(test_no_secrets),
        cmocka_unit_test(test_pack),
        cmocka_unit_test(test_unpack_others),
        cmocka_unit_test(test_authorities), /* last: it moves files */
    };

    return cmocka_run_group_tests(tests, make_files, certs_teardown);
}
