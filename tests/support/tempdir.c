/*
 * tempdir - a folder for one test; see tempdir.h.
 */
#include "tempdir.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void
need(bool good, const char *what)
{
    if (!good) {
        perror(what);
        abort();
    }
}

static void
remember(struct tempdir *d, const char *name)
{
    for (size_t i = 0; i < d->count; i++) {
        if (strcmp(d->names[i], name) == 0) {
            return;
        }
    }
    need(d->count < 32, "tempdir: too many names");
    need(bytes_copy(bytes_str(name), d->names[d->count++], 64), name);
}

void
tempdir_make(struct tempdir *d)
{
    const char *base = getenv("TMPDIR");

    d->count = 0;
    (void)snprintf(d->path, sizeof(d->path), "%s/sealpost-test-XXXXXX",
                   base == NULL ? "/tmp" : base);
    need(mkdtemp(d->path) != NULL, d->path);
    need(chmod(d->path, 0755) == 0, d->path);
}

const char *
tempdir_name(const struct tempdir *d, const char *name, char *out)
{
    (void)snprintf(out, TEMPDIR_PATH_MAX, "%s/%s", d->path, name);
    return out;
}

void
tempdir_write(struct tempdir *d, const char *name, struct bytes text,
              mode_t mode)
{
    char path[TEMPDIR_PATH_MAX];
    int fd;

    remember(d, name);
    (void)unlink(tempdir_name(d, name, path));
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(fd >= 0, path);
    need(write(fd, text.ptr, text.len) == (ssize_t)text.len, path);
    need(fchmod(fd, mode) == 0, path);
    close(fd);
}

void
tempdir_mkdir(struct tempdir *d, const char *name, mode_t mode)
{
    char path[TEMPDIR_PATH_MAX];

    remember(d, name);
    need(mkdir(tempdir_name(d, name, path), 0700) == 0, path);
    need(chmod(path, mode) == 0, path);
}

void
tempdir_remove(struct tempdir *d)
{
    char path[TEMPDIR_PATH_MAX];

    while (d->count > 0) {
        (void)remove(tempdir_name(d, d->names[--d->count], path));
    }
    need(rmdir(d->path) == 0, d->path);
}

void
tempdir_in_memory(char *path_out, size_t size)
{
    (void)snprintf(path_out, size, "%s/sealpost-test-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    need(mkdtemp(path_out) != NULL, path_out);
}

static int
remove_entry(const char *path, const struct stat *st, int type,
             struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

int
tempdir_erase(const char *path)
{
    return nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}
