/*
 * inbox - packets and descriptors from the keeper; see inbox.h.
 */
#include <base/wipe.h>

#include <fcntl.h>
#include <proxy/keeper/inbox.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    VIEW_OCTETS_MAX = 1 << 30
};

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

/* Sealed, so that a map of it cannot change or shrink under our feet. */
static bool
sealed(int fd, size_t *len_out)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int have = fcntl(fd, F_GET_SEALS);
    struct stat st;

    if (have < 0 || (have & seals) != seals || fstat(fd, &st) != 0 ||
        st.st_size <= 0 || st.st_size > VIEW_OCTETS_MAX) {
        return false;
    }
    *len_out = (size_t)st.st_size;
    return true;
}

struct view *
inbox_view(int fd)
{
    struct view *view;
    size_t len;
    void *map;

    if (!sealed(fd, &len)) {
        return NULL;
    }
    map = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
        return NULL;
    }
    view = view_unpack(bytes_make(map, len));
    munmap(map, len);
    return view;
}
