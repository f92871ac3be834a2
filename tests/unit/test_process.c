/*
 * test_process - what the processes are held together with: control messages,
 * the lock, the keeper's socket, accounts.
 */
#include "proxy/clock.h"
#include "proxy/process/account.h"
#include "proxy/process/child.h"
#include "proxy/process/control.h"
#include "proxy/process/keepers.h"
#include "proxy/process/lock.h"
#include "proxy/process/reload.h"
#include "tests/support/cmocka.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
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
        cmocka_unit_test(test_keeper_socket),
        cmocka_unit_test(test_reload_same),
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_become),
        cmocka_unit_test(test_pause),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
