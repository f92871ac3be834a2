/*
 * played_keeper - a worker's client, and a keeper that we play; see
 * played_keeper.h.
 */
#include "played_keeper.h"

#include "tests/support/cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct event_base *base;
struct keeper_client *client;
int keeper; /* our end */
unsigned views, gone;
uint64_t epoch_seen;

void
on_view(const struct view *view, void *arg)
{
    (void)arg;
    views += view != NULL;
    gone += view == NULL;
    epoch_seen = view != NULL ? view_epoch(view) : epoch_seen;
}

void
on_reply(const struct keeper_reply *reply, void *arg)
{
    struct result *r = arg;

    r->calls++;
    r->status = reply->status;
    r->handle = reply->handle;
    (void)bytes_copy(bytes_str(reply->text), r->text, sizeof(r->text));
}

int
pair(void)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds),
                     0);
    keeper = fds[0];
    return fds[1];
}

int
set_up(void **state)
{
    (void)state;
    views = gone = 0;
    epoch_seen = 0;
    base = event_base_new();
    client = keeper_client_new(base, pair(), on_view, NULL);
    return base == NULL || client == NULL;
}

int
tear_down(void **state)
{
    (void)state;
    keeper_client_free(&client);
    event_base_free(base);
    close(keeper);
    return 0;
}

void
turn(void)
{
    assert_true(event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

bool
next(struct keeper_ask *ask_out)
{
    static uint8_t packet[KEEPER_REQUEST_MAX + 1];
    ssize_t n = recv(keeper, packet, sizeof(packet), MSG_DONTWAIT);

    if (n <= 0) {
        return false;
    }
    assert_true(keeper_ask_decode(bytes_make(packet, (size_t)n), ask_out));
    return true;
}

void
expect(enum keeper_op op, struct keeper_ask *ask_out)
{
    assert_true(next(ask_out));
    assert_int_equal(ask_out->op, op);
}

void
say(const struct keeper_answer *answer)
{
    uint8_t packet[KEEPER_REPLY_MAX];
    size_t len = keeper_answer_encode(answer, packet);

    assert_true(len > 0);
    assert_int_equal(send(keeper, packet, len, MSG_NOSIGNAL), len);
}

void
say_octets(const void *octets, size_t len)
{
    assert_int_equal(send(keeper, octets, len, MSG_NOSIGNAL), len);
}

static void
add_users(struct view_builder *b, unsigned users)
{
    static const char *const none[] = { NULL };
    struct view_user u = { .selectors = none, .domain = "", .upstream = "" };
    char name[16];

    for (unsigned n = 0; n < users; n++) {
        (void)snprintf(name, sizeof(name), "u%05u", n);
        u.name = name;
        assert_true(view_builder_user(b, &u));
    }
}

void
say_view_of(uint64_t epoch, unsigned users, int seals, const char *contents)
{
    struct keeper_answer answer = { .op = KEEPER_OP_VIEW, .epoch = epoch };
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
    uint8_t packet[KEEPER_REPLY_MAX];
    struct iovec v = { packet, keeper_answer_encode(&answer, packet) };
    struct msghdr m = { .msg_iov = &v,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    struct view_builder *b = view_builder_new();
    struct view *view;
    struct buf packed = BUF_INIT;
    int fd = memfd_create("view", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    add_users(b, users);
    view = view_build(&b, epoch);
    assert_true(view_pack(view, &packed));
    if (contents != NULL) {
        buf_clear(&packed);
        buf_puts(&packed, contents);
    }
    assert_int_equal(write(fd, packed.ptr, packed.len), packed.len);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    assert_true(sendmsg(keeper, &m, 0) > 0);
    close(fd);
    buf_free(&packed);
    view_free(&view);
}

void
say_view(uint64_t epoch, int seals, const char *contents)
{
    say_view_of(epoch, 0, seals, contents);
}
