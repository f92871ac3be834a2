/*
 * check_files - files and directories that settings name; see check.h.
 */
#include "check.h"
#include "reader.h"

#include <base/wipe.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

void
conf_check_error(struct conf_checking *c, const struct conf_named *file,
                 const char *format, ...)
{
    struct conf_place at =
        c->elsewhere != NULL
            ? *c->elsewhere
            : conf_place_of_element(file->section, file->key, file->path);
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (c->only_warns ? conf_warning : conf_error)(c->errors, at.file, at.line,
                                                "%s = %s: %s", file->key,
                                                file->path, text);
}

/* The first directory above path that the user can't search; false: none. */
static bool
closed_directory(struct conf_checking *c, const char *path, char *out,
                 size_t cap)
{
    bool closed = false;

    if (!conf_identity_take(&c->user)) {
        return false;
    }
    for (size_t i = 1; path[i] != '\0' && !closed; i++) {
        if (path[i] == '/' && bytes_copy(bytes_make(path, i), out, cap)) {
            closed = faccessat(AT_FDCWD, out, X_OK, AT_EACCESS) != 0;
        }
    }
    conf_identity_return(&c->user);
    return closed;
}

static void
denied(struct conf_checking *c, const struct conf_named *file, const char *does)
{
    /* Through state_dir keys_user must pass to what is its own. */
    const char *mode = strcmp(does, "read") == 0             ? "640"
                       : strcmp(file->key, "state_dir") == 0 ? "0771"
                                                             : "770";
    char dir[4096];

    if (closed_directory(c, file->path, dir, sizeof(dir))) {
        conf_check_error(
            c, file,
            "the account %s may not enter %s; chgrp %s %s && chmod g+x %s",
            c->user.user, dir, c->user.group, dir, dir);
    } else {
        conf_check_error(
            c, file, "the account %s may not %s it; chgrp %s %s && chmod %s %s",
            c->user.user, does, c->user.group, file->path, mode, file->path);
    }
}

static void
cannot_open(struct conf_checking *c, const struct conf_named *file, int why)
{
    if (why == EACCES) {
        denied(c, file, "read");
    } else {
        conf_check_error(c, file, "%s; a file that the account %s may read",
                         strerror(why), c->user.user);
    }
}

/* -1: an error was added. */
static int
open_as_user(struct conf_checking *c, const struct conf_named *file)
{
    int fd = -1, why;

    if (conf_identity_take(&c->user)) {
        fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        why = errno;
        conf_identity_return(&c->user);
    } else {
        why = errno;
    }
    if (fd < 0) {
        cannot_open(c, file, why);
    }
    return fd;
}

static bool
mode_is_good(struct conf_checking *c, const struct conf_named *file, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        conf_check_error(c, file, "not a regular file; a file of text");
        return false;
    }
    if (st.st_size > CONF_CHECK_OCTETS_MAX) {
        conf_check_error(c, file, "more than 1 MiB; a small file of text");
        return false;
    }
    if ((st.st_mode & S_IWOTH) != 0 ||
        (file->secret && (st.st_mode & S_IRWXO) != 0)) {
        conf_check_error(c, file,
                         "anybody may %s it; chgrp %s %s && chmod 640 %s",
                         (st.st_mode & S_IWOTH) != 0 ? "change" : "read",
                         c->user.group, file->path, file->path);
        return false;
    }
    return true;
}

static bool
read_whole(int fd, struct buf *text)
{
    ssize_t n = 1;

    while (n != 0 && text->len <= CONF_CHECK_OCTETS_MAX) {
        if (!buf_reserve(text, 4096)) {
            return false;
        }
        n = read(fd, text->ptr + text->len, 4096);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        text->len += n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool
conf_check_read(struct conf_checking *c, const struct conf_named *file,
                struct buf *text)
{
    int fd = open_as_user(c, file);
    bool good;

    if (fd < 0) {
        return false;
    }
    /* At once, so that growing leaves no copy of a secret behind. */
    good = mode_is_good(c, file, fd) &&
           buf_reserve(text, CONF_CHECK_OCTETS_MAX + 8192);
    if (good && !read_whole(fd, text)) {
        conf_check_error(c, file, "%s; a file that can be read",
                         strerror(errno));
        good = false;
    }
    close(fd);
    return good;
}

bool
conf_check_directory(struct conf_checking *c, const struct conf_named *dir,
                     bool writes)
{
    struct stat st;
    bool may = false;
    int why;

    if (stat(dir->path, &st) != 0) {
        conf_check_error(c, dir, "%s; install -d -o %s -g %s %s",
                         strerror(errno), c->user.user, c->user.group,
                         dir->path);
        return false;
    }
    if (!S_ISDIR(st.st_mode)) {
        conf_check_error(c, dir, "not a directory; a directory of %s's",
                         c->user.user);
        return false;
    }
    if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0) {
        conf_check_error(c, dir, "anybody may write to it; chmod o-w %s",
                         dir->path);
        return false;
    }
    if (conf_identity_take(&c->user)) {
        may = faccessat(AT_FDCWD, dir->path, X_OK | (writes ? W_OK : 0),
                        AT_EACCESS) == 0;
        why = errno;
        conf_identity_return(&c->user);
        if (!may && why == EACCES) {
            denied(c, dir, writes ? "write to" : "enter");
        } else if (!may) {
            conf_check_error(c, dir, "%s; a directory that %s may %s",
                             strerror(why), c->user.user,
                             writes ? "write to" : "enter");
        }
    }
    return may;
}
