/*
 * maildir - messages kept as files; see maildir.h.
 *
 * The layout and the names are those of <https://cr.yp.to/proto/maildir.html>.
 */
#include "proxy/cli/maildir.h"

#include "proxy/keys/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static bool
put_path(struct buf *out, const struct maildir *m, const char *part,
         const char *name)
{
    buf_clear(out);
    buf_printf(out, "%s/%s%s", m->path, part, name);
    if (buf_str(out) == NULL) {
        errno = ENOMEM;
        return false;
    }
    return true;
}

static bool
make_directory(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

bool
maildir_open(struct maildir *m, const char *path, const char *envelopes)
{
    static const char *const parts[] = { "", "tmp", "new", "cur" };
    struct buf name = BUF_INIT;
    bool good = true;

    *m = (struct maildir){ .path = path, .envelopes = envelopes };
    if (gethostname(m->host, sizeof(m->host) - 1) != 0) {
        snprintf(m->host, sizeof(m->host), "localhost");
    }
    for (char *c = m->host; *c != '\0'; c++) {
        *c = *c == '/' || *c == ':' ? '_' : *c;
    }
    for (size_t i = 0; good && i < 4; i++) {
        good = put_path(&name, m, parts[i], "") &&
               make_directory((const char *)name.ptr);
    }
    buf_free(&name);
    return good && (envelopes == NULL || make_directory(envelopes));
}

bool
maildir_begin(struct maildir *m, struct maildir_file *f)
{
    struct buf path = BUF_INIT;
    struct timeval now;

    *f = (struct maildir_file){ .fd = -1 };
    if (gettimeofday(&now, NULL) != 0) {
        return false;
    }
    snprintf(f->name, sizeof(f->name), "%lld.M%06ldP%ldQ%llu.%s",
             (long long)now.tv_sec, (long)now.tv_usec, (long)getpid(),
             (unsigned long long)++m->count, m->host);
    if (put_path(&path, m, "tmp/", f->name)) {
        f->fd =
            open((const char *)path.ptr,
                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    buf_free(&path);
    return f->fd >= 0;
}

void
maildir_write(struct maildir_file *f, struct bytes octets)
{
    while (octets.len > 0 && !f->failed) {
        ssize_t n = write(f->fd, octets.ptr, octets.len);

        if (n < 0 && errno != EINTR) {
            f->failed = true;
        } else if (n > 0) {
            octets = bytes_skip(octets, (size_t)n);
        }
    }
}

static bool
write_envelope(const struct maildir *m, const struct maildir_file *f,
               struct bytes envelope)
{
    struct replace_owner owner = { (uid_t)-1, (gid_t)-1, 0600 };
    struct buf path = BUF_INIT;
    bool good;

    buf_printf(&path, "%s/%s.json", m->envelopes, f->name);
    good = buf_str(&path) != NULL &&
           replace_file((const char *)path.ptr, envelope, &owner);
    buf_free(&path);
    return good;
}

static bool
sync_new(const struct maildir *m)
{
    struct buf path = BUF_INIT;
    bool good = false;
    int fd;

    if (put_path(&path, m, "new", "")) {
        fd = open((const char *)path.ptr, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            good = fsync(fd) == 0;
            close(fd);
        }
    }
    buf_free(&path);
    return good;
}

static bool
move_to_new(const struct maildir *m, const struct maildir_file *f)
{
    struct buf from = BUF_INIT;
    struct buf to = BUF_INIT;
    bool good = put_path(&from, m, "tmp/", f->name) &&
                put_path(&to, m, "new/", f->name) &&
                rename((const char *)from.ptr, (const char *)to.ptr) == 0;

    buf_free(&from);
    buf_free(&to);
    return good && sync_new(m);
}

bool
maildir_deliver(struct maildir *m, struct maildir_file *f,
                struct bytes envelope)
{
    bool good = f->fd >= 0 && !f->failed && fsync(f->fd) == 0;

    if (good && m->envelopes != NULL) {
        good = write_envelope(m, f, envelope);
    }
    good = good && move_to_new(m, f);
    if (!good) {
        maildir_drop(m, f);
        return false;
    }
    close(f->fd);
    f->fd = -1;
    return true;
}

void
maildir_drop(struct maildir *m, struct maildir_file *f)
{
    struct buf path = BUF_INIT;
    int error = errno;

    if (f->fd >= 0) {
        close(f->fd);
        f->fd = -1;
        if (put_path(&path, m, "tmp/", f->name)) {
            (void)unlink((const char *)path.ptr);
        }
    }
    buf_free(&path);
    errno = error;
}
