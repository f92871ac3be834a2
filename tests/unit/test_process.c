/*
 * test_process - what the processes are held together with: control messages,
 * the lock, listening sockets.
 */
#include "proxy/clock.h"
#include "proxy/process/account.h"
#include "proxy/process/child.h"
#include "proxy/process/control.h"
#include "proxy/process/keepers.h"
#include "proxy/process/lock.h"
#include "proxy/process/reload.h"
#include "proxy/process/sockets.h"
#include "tests/support/cmocka.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static int
make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/sealpost-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int
remove_folder(void **state)
{
    static const char *const names[] = { "lock", "a.sock", "b.sock" };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

/* --- control ------------------------------------------------------------- */

static void
test_control_messages(void **state)
{
    struct control_message m;
    int a, b, fd;

    (void)state;
    assert_true(control_pair(&a, &b));
    for (int kind = CONTROL_CONF; kind < CONTROL_KINDS; kind++) {
        assert_true(control_send(a, (enum control_kind)kind,
                                 (uint32_t)kind * 1000, -1));
    }
    for (int kind = CONTROL_CONF; kind < CONTROL_KINDS; kind++) {
        assert_int_equal(control_receive(b, &m), CONTROL_MESSAGE);
        assert_int_equal(m.kind, kind);
        assert_int_equal(m.number, kind * 1000);
        assert_int_equal(m.fd, -1);
    }
    fd = memfd_create("x", 0);
    assert_int_equal(write(fd, "hello", 5), 5);
    assert_true(control_send(b, CONTROL_LOG, UINT32_MAX, fd));
    close(fd);
    assert_int_equal(control_receive(a, &m), CONTROL_MESSAGE);
    assert_int_equal(m.kind, CONTROL_LOG);
    assert_int_equal(m.number, UINT32_MAX);
    assert_true(m.fd >= 0 && (fcntl(m.fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(lseek(m.fd, 0, SEEK_END), 5);
    close(m.fd);
    close(a);
    assert_int_equal(control_receive(b, &m), CONTROL_END);
    assert_false(control_send(b, CONTROL_GO, 0, -1)); /* and no SIGPIPE */
    close(b);
}

static void
test_control_junk(void **state)
{
    static const uint32_t junk[][3] = { { CONTROL_NONE, 0, 0 },
                                        { CONTROL_KINDS, 0, 0 },
                                        { UINT32_MAX, 1, 0 } };
    struct control_message m;
    int a, b;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(control_pair(&a, &b));
        assert_int_equal(send(a, junk[i], 8, 0), 8);
        assert_int_equal(control_receive(b, &m), CONTROL_END);
        close(a);
        close(b);
    }
    for (size_t size = 1; size <= 12; size++) {
        assert_true(control_pair(&a, &b));
        assert_int_equal(send(a, (uint32_t[3]){ CONTROL_GO, 0, 0 }, size, 0),
                         (int)size);
        assert_int_equal(control_receive(b, &m),
                         size == 8 ? CONTROL_MESSAGE : CONTROL_END);
        close(a);
        close(b);
    }
    assert_true(control_pair(&a, &b));
    fcntl(b, F_SETFL, O_NONBLOCK);
    assert_int_equal(control_receive(b, &m), CONTROL_MORE);
    close(a);
    close(b);
}

/* A receiver that never reads does not hold the sender. */
static void
test_control_full(void **state)
{
    unsigned sent = 0;
    int a, b;

    (void)state;
    assert_true(control_pair(&a, &b));
    while (sent < 100000 && control_send(a, CONTROL_DATA, 0, -1)) {
        sent++;
    }
    assert_in_range(sent, 100, 99999);
    close(a);
    close(b);
}

/* --- lock ----------------------------------------------------------------- */

static void
test_lock(void **state)
{
    struct buf error = BUF_INIT;
    char mine[32];
    int fd = lock_take(folder, &error);
    int second, status;
    pid_t child;

    (void)state;
    assert_true(fd >= 0);
    second = lock_take(folder, &error);
    assert_int_equal(second, -1);
    snprintf(mine, sizeof(mine), "pid %ld,", (long)getpid());
    assert_non_null(strstr(buf_str(&error), mine));
    assert_non_null(strstr(buf_str(&error), folder));
    close(fd);

    /* A holder that dies leaves a file, which means nothing. */
    child = fork();
    if (child == 0) {
        _exit(lock_take(folder, &error) < 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    buf_clear(&error);
    fd = lock_take(folder, &error);
    assert_true(fd >= 0 && error.len == 0);
    close(fd);
    buf_free(&error);
}

static void
test_lock_hostile_file(void **state)
{
    static const char *const texts[] = {
        "", "\n", "12x\n", "-1\n", "\x1b[2J", "99999999999999999999999999\n"
    };
    char path[128];

    (void)state;
    snprintf(path, sizeof(path), "%s/lock", folder);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct buf error = BUF_INIT;
        int holder = lock_take(folder, &error);
        int fd = open(path, O_WRONLY | O_TRUNC);

        assert_true(holder >= 0 && fd >= 0);
        assert_int_equal(write(fd, texts[i], strlen(texts[i])),
                         (int)strlen(texts[i]));
        close(fd);
        assert_int_equal(lock_take(folder, &error), -1);
        assert_non_null(strstr(buf_str(&error), "pid unknown,"));
        buf_free(&error);
        close(holder);
    }
}

static void
test_lock_errors(void **state)
{
    struct buf error = BUF_INIT;
    char path[128];

    (void)state;
    assert_int_equal(lock_take("/nonexistent", &error), -1);
    assert_non_null(strstr(buf_str(&error), "/nonexistent/lock"));
    buf_free(&error);
    snprintf(path, sizeof(path), "%s/lock", folder);
    (void)unlink(path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(lock_take(folder, &error), -1); /* never through a link */
    buf_free(&error);
    assert_int_equal(unlink(path), 0);
}

/* --- sockets -------------------------------------------------------------- */

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

/* --- the rest ------------------------------------------------------------- */

static void
test_keeper_socket(void **state)
{
    struct buf error = BUF_INIT;
    int a, client;

    (void)state;
    a = keepers_listen(folder, "a.sock", getuid(), getgid(), &error);
    assert_true(a >= 0);
    client = keepers_connect(folder, "a.sock");
    assert_true(client >= 0);
    /* It is alive: a second daemon may not take it over. */
    assert_int_equal(
        keepers_listen(folder, "a.sock", getuid(), getgid(), &error), -1);
    assert_non_null(strstr(buf_str(&error), "a.sock"));
    close(client);
    close(a);
    buf_clear(&error);
    assert_int_equal(keepers_connect(folder, "a.sock"), -1);
    a = keepers_listen(folder, "a.sock", getuid(), getgid(), &error);
    assert_true(a >= 0); /* a dead one's */
    close(a);
    assert_int_equal(keepers_listen("/nonexistent", "a.sock", 0, 0, &error),
                     -1);
    buf_free(&error);
}

static int
memory_file(const char *text)
{
    int fd = memfd_create("conf", MFD_CLOEXEC);

    assert_int_equal(write(fd, text, strlen(text)), (int)strlen(text));
    return fd;
}

static void
test_reload_same(void **state)
{
    char text[9001];
    int a, b, c;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[9000] = '\0';
    a = memory_file(text);
    b = memory_file(text);
    text[8999] = 'y';
    c = memory_file(text);
    assert_true(reload_same(a, b));
    assert_true(reload_same(a, b)); /* the shared offset does not matter */
    assert_false(reload_same(a, c));
    assert_int_equal(ftruncate(c, 10), 0);
    assert_false(reload_same(a, c));
    close(a);
    close(b);
    close(c);
}

static void
test_accounts(void **state)
{
    struct server_conf conf = { .user = "no-such-account",
                                .keys_user = "no-such-keys" };
    struct account user, keys;
    struct buf error = BUF_INIT;

    (void)state;
    assert_true(accounts_find(&conf, &user, &keys, &error));
    if (geteuid() != 0) {
        assert_int_equal(user.uid, getuid());
        assert_int_equal(keys.uid, getuid());
        return;
    }
    assert_string_equal(user.name, "nobody");
    assert_string_equal(keys.name, "nobody");
    assert_int_not_equal(user.uid, 0);
    conf.user_set = true;
    assert_false(accounts_find(&conf, &user, &keys, &error));
    assert_non_null(strstr(buf_str(&error), "no-such-account"));
    buf_clear(&error);
    conf.user = "daemon";
    assert_true(accounts_find(&conf, &user, &keys, &error));
    assert_string_equal(user.name, "daemon");
    assert_string_equal(keys.name, "nobody");
    conf.keys_user_set = true;
    assert_false(accounts_find(&conf, &user, &keys, &error));
    assert_non_null(strstr(buf_str(&error), "no-such-keys"));
    buf_free(&error);
}

/* Root is gone for good in the process that dropped it. */
static void
test_become(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        struct buf error = BUF_INIT;
        struct account nobody = { "nobody", 65534, 65534 };
        bool root = geteuid() == 0;
        bool ok = account_become(&nobody, &error);

        ok = ok && (!root || (getuid() == 65534 && getgid() == 65534 &&
                              setuid(0) != 0 && setgid(0) != 0));
        _exit(!ok);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* --- children ------------------------------------------------------------- */

static void
test_pause(void **state)
{
    const unsigned want_ms[] = { 100, 200, 400, 700, 700 };
    uint64_t now_ms = clock_ms();
    unsigned pause_ms = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(want_ms) / sizeof(want_ms[0]); i++) {
        pause_ms = child_pause_ms(now_ms, pause_ms, 700);
        assert_int_equal(pause_ms, want_ms[i]);
    }
    /* It has lived for more than 5 s. */
    assert_int_equal(child_pause_ms(now_ms - 6000, pause_ms, 700), 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_messages),
        cmocka_unit_test(test_control_junk),
        cmocka_unit_test(test_control_full),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_lock_hostile_file),
        cmocka_unit_test(test_lock_errors),
        cmocka_unit_test(test_sockets_shares),
        cmocka_unit_test(test_sockets_all_or_nothing),
        cmocka_unit_test(test_sockets_v6),
        cmocka_unit_test(test_keeper_socket),
        cmocka_unit_test(test_reload_same),
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_become),
        cmocka_unit_test(test_pause),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
