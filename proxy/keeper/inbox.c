/*
 * inbox - packets and descriptors from the keeper; see inbox.h.
 */
#include <base/wipe.h>

#include <proxy/keeper/inbox.h>
#include <unistd.h>

int
inbox_receive(struct inbox *in, int fd)
{
    for (size_t i = 0; i < INBOX_PACKETS; i++) {
        in->vectors[i] =
            (struct iovec){ in->packets[i], sizeof(in->packets[i]) };
        in->messages[i].msg_hdr = (struct msghdr){
            .msg_iov = &in->vectors[i],
            .msg_iovlen = 1,
            .msg_control = in->controls[i],
            .msg_controllen = sizeof(in->controls[i]),
        };
    }
    return recvmmsg(fd, in->messages, INBOX_PACKETS,
                    MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
}

struct bytes
inbox_packet(const struct inbox *in, int n)
{
    /* One octet longer than a packet may be: what was cut does not decode. */
    return bytes_make(in->packets[n], in->messages[n].msg_len);
}

int
inbox_fd(struct inbox *in, int n)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(&in->messages[n].msg_hdr);
    int fd = -1;

    if (c != NULL && c->cmsg_level == SOL_SOCKET &&
        c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(&fd, CMSG_DATA(c), sizeof(int));
    }
    return fd;
}

void
inbox_clear(struct inbox *in, int count)
{
    for (int i = 0; i < count; i++) {
        int fd = inbox_fd(in, i);

        if (fd >= 0) {
            close(fd);
        }
        wipe(in->packets[i], in->messages[i].msg_len);
    }
}
