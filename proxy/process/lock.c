/*
 * lock - see lock.h.
 */
#include "proxy/process/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* The pid on the file's first line; digits only, or "unknown". */
static void
read_pid(int fd, char out[24])
{
    char text[24];
    ssize_t n = pread(fd, text, sizeof(text), 0);
    struct bytes line = bytes_make(text, n < 0 ? 0 : (size_t)n);
    uint64_t pid;

    line = bytes_take(line, bytes_find(line, '\n'));
    if (!bytes_to_u64(line, INT32_MAX, &pid) || !bytes_copy(line, out, 24)) {
        strcpy(out, "unknown");
    }
}

static bool
write_pid(int fd)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n;
}

int
lock_take(const char *state_dir, struct buf *error)
{
    struct buf path = BUF_INIT;
    char pid[24];
    int fd = -1;

    buf_printf(&path, "%s/lock", state_dir);
    if (buf_str(&path) != NULL) {
        fd = open(buf_str(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                  0644);
    }
    if (fd < 0) {
        buf_printf(error,
                   "cannot open %s/lock: %s; the directory must belong "
                   "to the one who starts sealpostd",
                   state_dir, strerror(errno));
        goto fail;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        read_pid(fd, pid);
        buf_printf(error,
                   "another sealpostd, pid %s, uses %s; stop it with "
                   "kill %s, or set another state_dir",
                   pid, state_dir, pid);
        goto fail;
    }
    if (!write_pid(fd)) {
        buf_printf(error, "cannot write %s/lock: %s", state_dir,
                   strerror(errno));
        goto fail;
    }
    buf_free(&path);
    return fd;
fail:
    if (fd >= 0) {
        (void)close(fd);
    }
    buf_free(&path);
    return -1;
}

void
lock_release(int fd)
{
    (void)!ftruncate(fd, 0); /* only a courtesy: see lock.h */
    (void)close(fd);
}
