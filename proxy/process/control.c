/*
 * control - see control.h.
 */
#include "proxy/process/control.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet {
    uint32_t kind;
    uint32_t number;
};

union ancillary {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int))];
};

bool
control_pair(int *first_out, int *second_out)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        return false;
    }
    *first_out = fds[0];
    *second_out = fds[1];
    return true;
}

bool
control_send(int control, enum control_kind kind, uint32_t number, int fd)
{
    struct packet packet = { (uint32_t)kind, number };
    struct iovec iov = { &packet, sizeof(packet) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    union ancillary ancillary;
    ssize_t n;

    if (fd >= 0) {
        struct cmsghdr *c;

        memset(&ancillary, 0, sizeof(ancillary));
        msg.msg_control = &ancillary;
        msg.msg_controllen = sizeof(ancillary);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    do {
        n = sendmsg(control, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(packet);
}

static int
received_fd(struct msghdr *msg)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    int fd = -1;

    if (c != NULL && c->cmsg_level == SOL_SOCKET &&
        c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    }
    return fd;
}

enum control_result
control_receive(int control, struct control_message *message_out)
{
    struct packet packet;
    struct iovec iov = { &packet, sizeof(packet) };
    union ancillary ancillary;
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = &ancillary,
                          .msg_controllen = sizeof(ancillary) };
    ssize_t n;
    int fd;

    do {
        n = recvmsg(control, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? CONTROL_MORE
                                                       : CONTROL_END;
    }
    fd = received_fd(&msg);
    if (n != (ssize_t)sizeof(packet) ||
        (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
        packet.kind == CONTROL_NONE || packet.kind >= CONTROL_KINDS) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return CONTROL_END;
    }
    *message_out = (struct control_message){ (enum control_kind)packet.kind,
                                             packet.number, fd };
    return CONTROL_MESSAGE;
}
