/*
 * test_confine - what a confined process can't do, each in a process of its
 * own; and that it still does what it is for.
 */
#include "tests/support/cmocka.h"
#include "tests/support/fence.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <proxy/confine/confine.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char read_dir[64], read_file[80], read_new[80];
static uint16_t allowed_port, other_port;
static int allowed_fd, other_fd;

enum {
    DID = 40, /* exit code: the deed succeeded */
    DENIED = 41
};

typedef bool deed(void);

static int
listen_somewhere(uint16_t *port_out)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *port_out = ntohs(in.sin_port);
    return fd;
}

static int
set_up(void **state)
{
    (void)state;
    fence_set_up();
    snprintf(read_dir, sizeof(read_dir), "%s/read", fence_scratch);
    snprintf(read_file, sizeof(read_file), "%s/file", read_dir);
    snprintf(read_new, sizeof(read_new), "%s/new", read_dir);
    assert_int_equal(mkdir(read_dir, 0700), 0);
    fence_write(read_file);
    allowed_fd = listen_somewhere(&allowed_port);
    other_fd = listen_somewhere(&other_port);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    (void)close(allowed_fd);
    (void)close(other_fd);
    (void)unlink(read_file);
    (void)rmdir(read_dir);
    return fence_tear_down();
}

/* DID, DENIED, or minus the signal that ended it. */
static int
try(enum confine_process process, deed *what)
{
    const struct confine_place places[] = { { fence_open_dir, true },
                                            { read_dir, false },
                                            { "/nonexistent", false } };
    const struct confine_rules rules = { .process = process,
                                         .places = places,
                                         .place_count = 3,
                                         .ports = &allowed_port,
                                         .port_count = 1 };
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (confine_landlock(&rules) == 0 || !confine_syscalls(process)) {
            _exit(1);
        }
        _exit(what() ? DID : DENIED);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* --- deeds ---------------------------------------------------------------- */

static bool
reads_open(void)
{
    return fence_can_open(fence_open_file, O_RDONLY);
}

static bool
makes_spool_file(void)
{
    return fence_can_open(fence_open_dir, O_TMPFILE | O_RDWR);
}

static bool
reads_keys(void)
{
    return fence_can_open(fence_shut_file, O_RDONLY);
}

static bool
writes_keys(void)
{
    return fence_can_open(fence_shut_file, O_WRONLY);
}

static bool
lists_keys(void)
{
    return fence_can_open(fence_shut_dir, O_RDONLY | O_DIRECTORY);
}

static bool
starts_program(void)
{
    (void)execl("/bin/true", "true", (char *)NULL);
    return false;
}

static bool
traces(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool
forks(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        _exit(0);
    }
    return pid > 0;
}

static bool
connects(uint16_t port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd >= 0 && connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0;
}

static bool
connects_upstream(void)
{
    return connects(allowed_port);
}

static bool
connects_elsewhere(void)
{
    return connects(other_port);
}

/* A connection that no call of connect() makes. */
static bool
sends_elsewhere(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons(other_port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd >= 0 && sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
                             (struct sockaddr *)&in, sizeof(in)) == 1;
}

static bool
sends_message_elsewhere(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons(other_port) };
    char octet = 'x';
    struct iovec iov = { &octet, 1 };
    struct msghdr m = { .msg_name = &in,
                        .msg_namelen = sizeof(in),
                        .msg_iov = &iov,
                        .msg_iovlen = 1 };
    struct mmsghdr mm = { .msg_hdr = m };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sendmsg(fd, &m, MSG_FASTOPEN | MSG_NOSIGNAL) == 1 ||
           sendmmsg(fd, &mm, 1, MSG_FASTOPEN | MSG_NOSIGNAL) == 1;
}

/* TCP on the wire, another protocol to Landlock. */
static bool
connects_by_mptcp(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons(other_port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd >= 0 && connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0;
}

static bool
opens_port(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0;
}

static bool
opens_netlink(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0;
}

static bool
opens_packet(void)
{
    return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0;
}

static bool
makes_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool
makes_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0) != MAP_FAILED;
}

static void *
nothing(void *arg)
{
    return arg;
}

static bool
starts_thread(void)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, nothing, NULL) == 0 &&
           pthread_join(thread, NULL) == 0;
}

static bool
kills_parent(void)
{
    return kill(getppid(), 0) == 0;
}

static bool
signals_parent(void)
{
    return syscall(SYS_tgkill, getppid(), getppid(), 0) == 0;
}

static bool
signals_itself(void)
{
    return syscall(SYS_tgkill, getpid(), gettid(), 0) == 0;
}

static bool
reads_read_only(void)
{
    return fence_can_open(read_file, O_RDONLY);
}

static bool
writes_read_only(void)
{
    return fence_can_open(read_file, O_WRONLY) ||
           fence_can_open(read_file, O_RDWR) || truncate(read_file, 0) == 0;
}

static bool
makes_file_elsewhere(void)
{
    return fence_can_open(read_dir, O_TMPFILE | O_RDWR) ||
           rename(fence_open_file, read_file) == 0 || unlink(read_file) == 0 ||
           link(fence_open_file, read_new) == 0 ||
           symlink("/", read_new) == 0 ||
           fence_can_open(read_new, O_CREAT | O_WRONLY) ||
           mkdir(read_new, 0700) == 0;
}

/* --- tests ---------------------------------------------------------------- */

static void
worker_does_its_work(void **state)
{
    (void)state;
    assert_int_equal(try(CONFINE_WORKER, reads_open), DID);
    assert_int_equal(try(CONFINE_WORKER, makes_spool_file), DID);
    assert_int_equal(try(CONFINE_WORKER, connects_upstream), DID);
    assert_int_equal(try(CONFINE_WORKER, makes_memory), DID);
    assert_int_equal(try(CONFINE_WORKER, reads_read_only), DID);
    assert_int_equal(try(CONFINE_WORKER, signals_itself), DID);
}

static void
worker_does_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(try(CONFINE_WORKER, reads_keys), DENIED);
    assert_int_equal(try(CONFINE_WORKER, writes_keys), DENIED);
    assert_int_equal(try(CONFINE_WORKER, lists_keys), DENIED);
    assert_int_equal(try(CONFINE_WORKER, writes_read_only), DENIED);
    assert_int_equal(try(CONFINE_WORKER, makes_file_elsewhere), DENIED);
    assert_int_equal(try(CONFINE_WORKER, connects_by_mptcp), DENIED);
    assert_int_equal(try(CONFINE_WORKER, opens_netlink), DENIED);
    assert_int_equal(try(CONFINE_WORKER, opens_packet), DENIED);
    assert_int_equal(try(CONFINE_WORKER, makes_code), DENIED);
    assert_int_equal(try(CONFINE_WORKER, starts_thread), DENIED);
    assert_int_equal(try(CONFINE_WORKER, forks), DENIED);
    assert_int_equal(try(CONFINE_WORKER, kills_parent), DENIED);
    assert_int_equal(try(CONFINE_WORKER, signals_parent), DENIED);
    assert_int_equal(try(CONFINE_WORKER, starts_program), -SIGSYS);
    assert_int_equal(try(CONFINE_WORKER, traces), -SIGSYS);
}

/* The kernel's Landlock knows ports since version 4. */
static void
worker_connects_nowhere_else(void **state)
{
    const struct confine_rules none = { .process = CONFINE_WORKER };
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        _exit(confine_landlock(&none));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) < 4) {
        skip();
    }
    assert_int_equal(try(CONFINE_WORKER, connects_elsewhere), DENIED);
    assert_int_equal(try(CONFINE_WORKER, sends_elsewhere), DENIED);
    assert_int_equal(try(CONFINE_WORKER, sends_message_elsewhere), DENIED);
    assert_int_equal(try(CONFINE_WORKER, opens_port), DENIED);
}

static void
keeper_has_no_network(void **state)
{
    (void)state;
    assert_int_equal(try(CONFINE_KEEPER, starts_thread), DID);
    assert_int_equal(try(CONFINE_KEEPER, reads_open), DID);
    assert_int_equal(try(CONFINE_KEEPER, reads_keys), DENIED);
    assert_int_equal(try(CONFINE_KEEPER, connects_upstream), DENIED);
    assert_int_equal(try(CONFINE_KEEPER, opens_port), DENIED);
    assert_int_equal(try(CONFINE_KEEPER, starts_program), -SIGSYS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worker_does_its_work),
        cmocka_unit_test(worker_does_nothing_else),
        cmocka_unit_test(worker_connects_nowhere_else),
        cmocka_unit_test(keeper_has_no_network),
    };

    if (fence_missing()) {
        puts("no Landlock here, or a build that is not confined");
        return 77; /* skipped */
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
