/*
 * spool - see proxy/spool.h.
 *
 * One buffer serves three times: it holds a small body whole, gathers writes
 * to the file, and carries what is read back from it. Writes of up to a
 * buffer are done in the event loop: they go to the page cache, on a tmpfs
 * when the operator follows the advice.
 */
#include "proxy/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    BUFFER_MIN = 512,
    FILE_BUFFER = 64 * 1024, /* gathers writes, carries reads */
    HOLE = 1024 * 1024       /* given back at once while it is read */
};

struct spool {
    const struct spool_conf *conf; /* borrowed */
    uint64_t *total;               /* borrowed */
    uint8_t *buffer;               /* owns */
    size_t used;
    size_t cap;
    uint64_t octets;  /* appended, all told */
    uint64_t flushed; /* of them in the file */
    uint64_t read_at;
    uint64_t given_back; /* of the file, from its start */
    int fd;              /* -1: all in memory */
    int error;           /* errno of the first failure, 0 for none */
    enum spool_result state;
};

struct spool *
spool_new(const struct spool_conf *conf, uint64_t *total)
{
    struct spool *sp = calloc(1, sizeof(*sp));

    if (sp != NULL) {
        sp->conf = conf;
        sp->total = total;
        sp->fd = -1;
    }
    return sp;
}

enum spool_result
spool_room(const struct spool_conf *conf, uint64_t total, uint64_t octets)
{
    struct statvfs found;

    if (octets > conf->max_total || total > conf->max_total - octets) {
        return SPOOL_FULL;
    }
    if (octets <= conf->memory_threshold ||
        statvfs(conf->directory, &found) != 0) { /* told when it is needed */
        return SPOOL_OK;
    }
    return found.f_bavail * (uint64_t)found.f_frsize >= octets + octets / 2
               ? SPOOL_OK
               : SPOOL_FAILED;
}

static void
forget(struct spool *sp)
{
    if (sp->fd >= 0) {
        close(sp->fd);
        sp->fd = -1;
    }
    free(sp->buffer);
    sp->buffer = NULL;
    sp->used = sp->cap = 0;
    *sp->total -= sp->octets;
    sp->octets = sp->flushed = sp->read_at = sp->given_back = 0;
}

static enum spool_result
fail(struct spool *sp, enum spool_result why)
{
    sp->error = errno;
    forget(sp);
    sp->state = why;
    return why;
}

/* Not every file system has O_TMPFILE: then a name that lives for a moment. */
static int
open_unlinked(const char *directory)
{
    char path[4096];
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) {
        return fd;
    }
    if (snprintf(path, sizeof(path), "%s/XXXXXX", directory) >=
        (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        (void)unlink(path);
    }
    return fd;
}

static bool
write_all(int fd, struct bytes b, uint64_t at)
{
    while (b.len > 0) {
        ssize_t n = pwrite(fd, b.ptr, b.len, (off_t)at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        b = bytes_skip(b, (size_t)n);
        at += (uint64_t)n;
    }
    return true;
}

static bool
flush(struct spool *sp)
{
    if (!write_all(sp->fd, bytes_make(sp->buffer, sp->used), sp->flushed)) {
        return false;
    }
    sp->flushed += sp->used;
    sp->used = 0;
    return true;
}

/* By a quarter while it is small: most bodies come in one piece or a few, and
 * then wait for a signature and an upstream. Large ones would be copied time
 * and again. */
static bool
grow(struct spool *sp, size_t want)
{
    size_t cap = sp->cap == 0            ? BUFFER_MIN
                 : sp->cap < FILE_BUFFER ? sp->cap + sp->cap / 4
                                         : 2 * sp->cap;
    uint8_t *buffer;

    if (want <= sp->cap) {
        return true;
    }
    cap = cap < want ? want : cap;
    buffer = realloc(sp->buffer, cap);
    if (buffer == NULL) {
        return false;
    }
    sp->buffer = buffer;
    sp->cap = cap;
    return true;
}

/* To the file from now on; what was grown for memory is not needed for it. */
static enum spool_result
spill(struct spool *sp)
{
    sp->fd = open_unlinked(sp->conf->directory);
    if (sp->fd < 0 || !flush(sp)) {
        return fail(sp, SPOOL_FAILED);
    }
    free(sp->buffer);
    sp->buffer = malloc(FILE_BUFFER);
    sp->cap = FILE_BUFFER;
    return sp->buffer != NULL ? SPOOL_OK : fail(sp, SPOOL_NO_MEMORY);
}

static enum spool_result
append_to_file(struct spool *sp, struct bytes b)
{
    while (b.len > 0) {
        struct bytes piece = bytes_take(b, sp->cap - sp->used);

        memcpy(sp->buffer + sp->used, piece.ptr, piece.len);
        sp->used += piece.len;
        b = bytes_skip(b, piece.len);
        if (sp->used == sp->cap && !flush(sp)) {
            return fail(sp, SPOOL_FAILED);
        }
    }
    return SPOOL_OK;
}

enum spool_result
spool_append(struct spool *sp, struct bytes b)
{
    if (sp->state != SPOOL_OK || b.len == 0) {
        return sp->state;
    }
    if (*sp->total + b.len > sp->conf->max_total) {
        errno = ENOSPC;
        return fail(sp, SPOOL_FULL);
    }
    *sp->total += b.len;
    sp->octets += b.len;
    if (sp->fd < 0 && sp->octets <= sp->conf->memory_threshold) {
        if (!grow(sp, sp->used + b.len)) {
            return fail(sp, SPOOL_NO_MEMORY);
        }
        memcpy(sp->buffer + sp->used, b.ptr, b.len);
        sp->used += b.len;
        return SPOOL_OK;
    }
    if (sp->fd < 0 && spill(sp) != SPOOL_OK) {
        return sp->state;
    }
    return append_to_file(sp, b);
}

uint64_t
spool_octets(const struct spool *sp)
{
    return sp->octets;
}

bool
spool_at_end(const struct spool *sp)
{
    return sp->read_at == sp->octets;
}

/* What was read is given back by and by: to free 50 MB of a tmpfs at once takes
 * 10 ms, for which all other sessions would wait. A file system that cannot do
 * it frees all at the end. */
static void
give_back(struct spool *sp)
{
    uint64_t octets = sp->read_at - sp->given_back;

    if (octets >= HOLE) {
        (void)fallocate(sp->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        (off_t)sp->given_back, (off_t)octets);
        sp->given_back = sp->read_at;
    }
}

static enum spool_result
read_file(struct spool *sp, struct bytes *out)
{
    uint64_t left = sp->octets - sp->read_at;
    size_t want = left < FILE_BUFFER ? (size_t)left : FILE_BUFFER;
    ssize_t n;

    if (sp->used > 0 && !flush(sp)) {
        return fail(sp, SPOOL_FAILED);
    }
    do {
        n = pread(sp->fd, sp->buffer, want, (off_t)sp->read_at);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        errno = n == 0 ? EIO : errno; /* somebody cut our file */
        return fail(sp, SPOOL_FAILED);
    }
    sp->read_at += (uint64_t)n;
    *out = bytes_make(sp->buffer, (size_t)n);
    give_back(sp);
    return SPOOL_OK;
}

enum spool_result
spool_read(struct spool *sp, struct bytes *out)
{
    struct bytes rest;

    if (sp->state != SPOOL_OK) {
        return sp->state;
    }
    if (sp->read_at == sp->octets) {
        *out = bytes_make(NULL, 0);
        return SPOOL_OK;
    }
    if (sp->fd >= 0) {
        return read_file(sp, out);
    }
    rest = bytes_skip(bytes_make(sp->buffer, sp->used), (size_t)sp->read_at);
    *out = bytes_take(rest, FILE_BUFFER);
    sp->read_at += out->len;
    return SPOOL_OK;
}

const char *
spool_error(const struct spool *sp)
{
    return sp->error == 0 ? "" : strerror(sp->error);
}

void
spool_free(struct spool **spp)
{
    if (*spp != NULL) {
        forget(*spp);
        free(*spp);
        *spp = NULL;
    }
}
