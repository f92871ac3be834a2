/*
 * keepersocket - where workers reach their keeper; see keepers.h.
 *
 * The directory is opened and the socket addressed below /proc/self/fd, for a
 * socket's path may have 107 octets only and a state directory more.
 */
#include "proxy/process/keepers.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 128
};

static bool
make_address(int dir, const char *name, struct sockaddr_un *out)
{
    int n;

    memset(out, 0, sizeof(*out));
    out->sun_family = AF_UNIX;
    n = snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/%s",
                 dir, name);
    return n > 0 && (size_t)n < sizeof(out->sun_path);
}

static int
connect_below(int dir, const char *name)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error;

    if (fd >= 0 &&
        (!make_address(dir, name, &address) ||
         connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)) {
        error = errno;
        (void)close(fd);
        errno = error;
        fd = -1;
    }
    return fd;
}

int
keepers_connect(const char *directory, const char *name)
{
    int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = dir < 0 ? -1 : connect_below(dir, name);
    int error = errno;

    if (dir >= 0) {
        (void)close(dir);
    }
    errno = error;
    return fd;
}

/* A socket that nobody listens on is a dead daemon's. */
static bool
remove_stale(int dir, const char *name)
{
    int fd = connect_below(dir, name);

    if (fd >= 0 || errno == EAGAIN) {
        if (fd >= 0) {
            (void)close(fd);
        }
        errno = EADDRINUSE;
        return false;
    }
    return unlinkat(dir, name, 0) == 0 || errno == ENOENT;
}

static int
bind_below(int dir, const char *name, uid_t uid, gid_t gid)
{
    struct sockaddr_un address;
    int fd, error;

    if (!remove_stale(dir, name)) {
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    if (make_address(dir, name, &address) &&
        bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        fchmodat(dir, name, 0660, 0) == 0 &&
        (geteuid() != 0 ||
         fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) == 0) &&
        listen(fd, BACKLOG) == 0) {
        return fd;
    }
    error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

int
keepers_listen(const char *directory, const char *name, uid_t uid, gid_t gid,
               struct buf *error)
{
    int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = dir < 0 ? -1 : bind_below(dir, name, uid, gid);
    int number = errno;

    if (fd < 0) {
        buf_printf(error, "cannot make the socket %s/%s: %s; %s", directory,
                   name, strerror(number),
                   number == EADDRINUSE
                       ? "end the process that listens there"
                       : "the directory must belong to the one who starts "
                         "sealpostd");
    }
    if (dir >= 0) {
        (void)close(dir);
    }
    errno = number;
    return fd;
}
