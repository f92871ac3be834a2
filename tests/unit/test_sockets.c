/*
 * test_sockets - listening sockets: each worker's share of them, and what a
 * reload opens and closes.
 */
#include "proxy/process/sockets.h"
#include "tests/support/cmocka.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

static char host4[] = "127.0.0.1", host6[] = "::1";

/* A port that is free now, on this address. */
static uint16_t
free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

struct fds {
    int fd[16];
    size_t count;
};

static void
collect(int fd, void *arg)
{
    struct fds *fds = arg;

    fds->fd[fds->count++] = fd;
}

static bool
connects(uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool ok;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
    close(fd);
    return ok;
}

/* Every slot has a worker and every worker has a slot, however many workers
 * there are; nobody serves one twice. */
static void
test_sockets_shares(void **state)
{
    struct conf_address address = { host4, free_port(), 0 };
    struct listen_conf listen = { .name = "in", .addresses = { &address, 1 } };
    struct conf conf = { .server.workers = 4,
                         .listens = &listen,
                         .listen_count = 1 };
    struct sockets *s = sockets_new();
    struct buf error = BUF_INIT, text = BUF_INIT;

    (void)state;
    assert_true(sockets_open(s, &conf, &error));
    sockets_commit(s, &conf);
    for (unsigned workers = 1; workers <= 6; workers++) {
        struct fds all = { .count = 0 };

        for (unsigned slot = 0; slot < workers; slot++) {
            size_t before = all.count;

            sockets_each(s, &listen, slot, workers, collect, &all);
            assert_true(all.count > before);
        }
        assert_int_equal(all.count, workers < 4 ? 4 : workers);
        for (size_t i = 0; i < all.count; i++) {
            for (size_t k = 0; k < i; k++) {
                assert_int_equal(all.fd[i] == all.fd[k], i == k + 4);
            }
        }
    }
    sockets_describe(s, &conf, &text);
    buf_clear(&error);
    buf_printf(&error, "in=127.0.0.1:%u", address.port);
    assert_string_equal(buf_str(&text), buf_str(&error));
    buf_free(&text);
    buf_free(&error);
    sockets_free(&s);
    assert_false(connects(address.port));
}

/* All or nothing: what was open stays, what was new goes. */
static void
test_sockets_all_or_nothing(void **state)
{
    struct conf_address one = { host4, free_port(), 0 };
    struct conf_address list[] = { one,
                                   { host4, free_port(), 0 },
                                   { host4, 0, 0 } };
    struct listen_conf listen = { .name = "in", .addresses = { &one, 1 } };
    struct listen_conf more = { .name = "in", .addresses = { list, 3 } };
    struct conf conf = { .server.workers = 1,
                         .listens = &listen,
                         .listen_count = 1 };
    struct conf other = { .server.workers = 3,
                          .listens = &more,
                          .listen_count = 1 };
    struct sockets *s = sockets_new(), *busy = sockets_new();
    struct buf error = BUF_INIT;
    struct fds fds = { .count = 0 };

    (void)state;
    assert_true(sockets_open(s, &conf, &error));
    sockets_commit(s, &conf);
    list[2].port = free_port();
    {
        struct conf_address taken = list[2];
        struct listen_conf l = { .name = "x", .addresses = { &taken, 1 } };
        struct conf c = { .server.workers = 1,
                          .listens = &l,
                          .listen_count = 1 };

        assert_true(sockets_open(busy, &c, &error));
    }
    assert_false(sockets_open(s, &other, &error));
    assert_non_null(strstr(buf_str(&error), "another program listens"));
    sockets_each(s, &listen, 0, 1, collect, &fds);
    assert_int_equal(fds.count, 1);
    assert_true(connects(one.port));
    assert_false(connects(list[1].port));

    sockets_free(&busy);
    buf_clear(&error);
    assert_true(sockets_open(s, &other, &error));
    assert_true(connects(list[1].port));
    sockets_abort(s);
    assert_false(connects(list[1].port));
    assert_true(connects(one.port));
    more.addresses.list = list + 1;
    more.addresses.count = 2;
    assert_true(sockets_open(s, &other, &error));
    assert_true(connects(one.port)); /* until it is committed */
    sockets_commit(s, &other);
    assert_false(connects(one.port));
    assert_true(connects(list[2].port));
    sockets_free(&s);
    buf_free(&error);
}

static void
test_sockets_v6(void **state)
{
    uint16_t port = free_port();
    struct conf_address list[] = { { host4, port, 0 }, { host6, port, 0 } };
    struct listen_conf listen = { .name = "both", .addresses = { list, 2 } };
    struct conf conf = { .server.workers = 1,
                         .listens = &listen,
                         .listen_count = 1 };
    struct sockets *s = sockets_new();
    struct buf error = BUF_INIT, text = BUF_INIT;

    (void)state;
    if (!sockets_open(s, &conf, &error)) {
        sockets_free(&s);
        buf_free(&error);
        skip(); /* no IPv6 here */
    }
    sockets_describe(s, &conf, &text);
    buf_printf(&error, "both=127.0.0.1:%u,[::1]:%u", port, port);
    assert_string_equal(buf_str(&text), buf_str(&error));
    buf_free(&text);
    buf_free(&error);
    sockets_free(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sockets_shares),
        cmocka_unit_test(test_sockets_all_or_nothing),
        cmocka_unit_test(test_sockets_v6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
