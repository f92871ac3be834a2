/*
 * test_session_trickle - the same transactions when the system takes and
 * gives a few octets at a time, or none now.
 *
 * Linked with --wrap: recv() and sendmsg() of connections come here.
 */
#include "tests/support/cmocka.h"
#include "tests/support/session_mail.h"

#include <errno.h>
#include <sys/socket.h>

ssize_t __real_recv(int fd, void *room, size_t n, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_recv(int fd, void *room, size_t n, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);

static uint64_t seed;
static unsigned long short_ones; /* calls that were cut or put off */

static unsigned
chance(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % n);
}

/* 0: not now. */
static size_t
portion(size_t asked)
{
    static const size_t some[] = { 0, 1, 2, 3, 7, 100 };
    size_t n = some[chance(6)];

    if (!session_world_running || asked == 0) {
        return asked;
    }
    short_ones += n < asked;
    return n < asked ? n : asked;
}

ssize_t
__wrap_recv(int fd, void *room, size_t n, int flags)
{
    size_t may = portion(n);

    if (may == 0 && n > 0) {
        errno = EAGAIN;
        return -1;
    }
    return __real_recv(fd, room, may, flags);
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct iovec one = { NULL, 0 };
    struct msghdr cut = *msg;

    for (size_t i = 0; i < msg->msg_iovlen && one.iov_len == 0; i++) {
        one = msg->msg_iov[i];
    }
    cut.msg_iov = &one;
    cut.msg_iovlen = 1;
    if (one.iov_len > 0) {
        one.iov_len = portion(one.iov_len);
        if (one.iov_len == 0) {
            errno = EAGAIN;
            return -1;
        }
    }
    return __real_sendmsg(fd, &cut, flags);
}

static void
transactions(void **state)
{
    static const unsigned offers[] = {
        SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME | SMTP_CAP_SIZE,
        SMTP_CAP_8BITMIME,
        SMTP_CAP_PIPELINING | SMTP_CAP_CHUNKING,
    };
    static const size_t bodies[] = { 0, 5000, 20000 };

    (void)state;
    for (unsigned i = 0; i < 18; i++) {
        struct session_world w;

        seed = 0x9e3779b97f4a7c15U + i;
        world_open(&w, offers[i % 3], i % 2 == 0);
        assert_true(mail_signed(&w, bodies[i / 3 % 3]));
        assert_true(mail_checked(&w, bodies[i / 3 % 3]));
        assert_true(mail_signed(&w, 0));
        world_close(&w);
    }
    assert_true(short_ones > 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
