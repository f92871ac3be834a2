/*
 * replace - files read whole, and written whole or not at all; see replace.h.
 */
#include "proxy/keys/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIECE = 64 * 1024 /* octets of one read */
};

bool
replace_read(int fd, size_t octets_max, struct buf *out)
{
    for (;;) {
        ssize_t n;

        if (!buf_reserve(out, PIECE)) {
            errno = ENOMEM;
            return false;
        }
        n = read(fd, out->ptr + out->len, PIECE);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0;
        }
        out->len += (size_t)n;
        if (out->len > octets_max) {
            errno = EFBIG;
            return false;
        }
    }
}

static bool
write_all(int fd, struct bytes b)
{
    while (b.len > 0) {
        ssize_t n = write(fd, b.ptr, b.len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return false;
        }
        b = bytes_skip(b, (size_t)n);
    }
    return true;
}

struct replace_owner
replace_owner_of_keys(const char *state_dir, mode_t mode)
{
    struct replace_owner owner = { (uid_t)-1, (gid_t)-1, mode };
    struct buf path = BUF_INIT;
    struct stat st;

    buf_printf(&path, "%s/keys", state_dir);
    if (buf_str(&path) != NULL && stat((char *)path.ptr, &st) == 0) {
        owner.uid = st.st_uid;
        owner.gid = st.st_gid;
    }
    buf_free(&path);
    return owner;
}

/* Only root gives files away; others keep what they make. */
static bool
set_owner(int fd, const struct replace_owner *owner)
{
    if (geteuid() == 0 && owner->uid != (uid_t)-1 &&
        fchown(fd, owner->uid, owner->gid) != 0) {
        return false;
    }
    return fchmod(fd, owner->mode) == 0;
}

/* The directory part of path with its slash; "./" without one. */
static void
put_directory(const char *path, struct buf *out)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        buf_puts(out, "./");
    } else {
        buf_put(out, bytes_make(path, (size_t)(slash - path) + 1));
    }
}

/* The new name is on the disk only when its directory is. */
static bool
sync_directory(const char *path)
{
    struct buf dir = BUF_INIT;
    const char *name;
    bool good = false;
    int fd;

    put_directory(path, &dir);
    name = buf_str(&dir);
    fd = name == NULL ? -1 : open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        good = fsync(fd) == 0;
        close(fd);
    }
    buf_free(&dir);
    return good;
}

static bool
write_temporary(const char *path, struct bytes contents,
                const struct replace_owner *owner)
{
    int fd;
    bool good;
    int error;

    (void)unlink(path); /* of a process that died with our id */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    good = set_owner(fd, owner) && write_all(fd, contents) && fsync(fd) == 0;
    error = errno;
    if (close(fd) != 0 && good) {
        good = false;
        error = errno;
    }
    errno = error;
    return good;
}

bool
replace_file(const char *path, struct bytes contents,
             const struct replace_owner *owner)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    struct buf temporary = BUF_INIT;
    const char *name;
    bool good;
    int error;

    put_directory(path, &temporary);
    buf_printf(&temporary, ".%s.%ld.tmp", base, (long)getpid());
    name = buf_str(&temporary);
    if (name == NULL) {
        buf_free(&temporary);
        errno = ENOMEM;
        return false;
    }
    good = write_temporary(name, contents, owner) && rename(name, path) == 0;
    error = errno;
    if (!good) {
        (void)unlink(name);
    }
    buf_free(&temporary);
    if (good) {
        good = sync_directory(path);
        error = errno;
    }
    errno = error;
    return good;
}

int
replace_lock(const char *path, const struct replace_owner *owner)
{
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0) {
        return -1;
    }
    (void)set_owner(fd, owner); /* the lock works without it */
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            int error = errno;

            close(fd);
            errno = error;
            return -1;
        }
    }
    return fd;
}

bool
replace_mkdir(const char *path, const struct replace_owner *owner)
{
    bool good;
    int error;
    int fd;

    if (mkdir(path, 0700) != 0) {
        return errno == EEXIST;
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    good = set_owner(fd, owner);
    error = errno;
    close(fd);
    errno = error;
    return good && sync_directory(path);
}
