/*
 * bundle - gathers a file and its includes; see proxy/config/bundle.h.
 *
 * The pattern behind `include =` is relative to the directory of the file
 * that has it; what it finds is sorted by octets. A pattern may find nothing; a
 * plain name may not. An included file begins outside of any section, and the
 * section of the including file goes on behind it.
 */
#include "bundle.h"

#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct gathering {
    struct conf_bundle *bundle;
    struct conf_file *file;
    unsigned depth;
    struct conf_include **tail;
};

static void gather_file(struct conf_bundle *b, struct conf_file *file,
                        unsigned depth);

static struct conf_file *
new_file(struct conf_bundle *b, const struct conf_file *parent,
         const char *path)
{
    struct conf_file *file = conf_arena_new(&b->arena, 1, sizeof(*file));

    if (file == NULL) {
        return NULL;
    }
    file->path = conf_arena_text(&b->arena, bytes_str(path));
    file->fault = "";
    file->parent = parent;
    return file->path == NULL ? NULL : file;
}

/* Relative to the directory of the including file. */
static bool
put_pattern(const char *file, const char *value, struct buf *out)
{
    const char *slash = strrchr(file, '/');

    if (value[0] != '/' && slash != NULL) {
        buf_put(out, bytes_make(file, (size_t)(slash - file) + 1));
    }
    buf_puts(out, value);
    return buf_str(out) != NULL;
}

static int
by_octets(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;

    return strcmp(*left, *right);
}

static void
add_files(const struct gathering *g, struct conf_include *include, char **paths,
          size_t count)
{
    struct conf_file **tail = &include->files;

    for (size_t i = 0; i < count; i++) {
        *tail = new_file(g->bundle, g->file, paths[i]);
        if (*tail == NULL) {
            return;
        }
        gather_file(g->bundle, *tail, g->depth + 1);
        tail = &(*tail)->next;
    }
}

/* glob's: a folder that is not there is empty; any other trouble is one. */
static int
is_trouble(const char *path, int why)
{
    (void)path;
    return why != ENOENT && why != ENOTDIR;
}

static void
add_fault(const struct gathering *g, struct conf_include *include,
          const char *pattern, int why)
{
    struct conf_bundle *b = g->bundle;
    struct conf_file *file = new_file(b, g->file, pattern);
    const char *fault = conf_arena_text(&b->arena, bytes_str(strerror(why)));

    if (file != NULL && fault != NULL) {
        file->fault = fault;
        include->files = file;
    }
}

static void
expand_pattern(const struct gathering *g, struct conf_include *include,
               const char *pattern)
{
    glob_t found;
    int rc;

    errno = 0;
    rc = glob(pattern, GLOB_NOSORT, is_trouble, &found);
    if (rc == 0) {
        qsort(found.gl_pathv, found.gl_pathc, sizeof(char *), by_octets);
        add_files(g, include, found.gl_pathv, found.gl_pathc);
        globfree(&found);
    } else if (rc == GLOB_NOSPACE) {
        g->bundle->arena.failed = true;
    } else if (rc != GLOB_NOMATCH) {
        add_fault(g, include, pattern, errno == 0 ? EIO : errno);
    }
}

static void
expand(const struct gathering *g, struct conf_include *include,
       const char *value)
{
    struct buf pattern = BUF_INIT;

    if (!put_pattern(g->file->path, value, &pattern)) {
        g->bundle->arena.failed = true;
    } else if (strpbrk(value, "*?[") == NULL) {
        add_files(g, include, (char **)&pattern.ptr, 1);
    } else {
        expand_pattern(g, include, buf_str(&pattern));
    }
    buf_free(&pattern);
}

static void
on_entry(const struct conf_entry *entry, void *arg)
{
    struct gathering *g = arg;
    struct conf_include *include;

    if (entry->key == NULL || strcmp(entry->key, "include") != 0 ||
        entry->value[0] == '\0') {
        return;
    }
    include = conf_arena_new(&g->bundle->arena, 1, sizeof(*include));
    if (include == NULL) {
        return;
    }
    include->line = entry->line;
    *g->tail = include;
    g->tail = &include->next;
    expand(g, include, entry->value);
}

static const char *
read_file(struct conf_bundle *b, struct conf_file *file, int fd, off_t size)
{
    uint8_t *text = conf_arena_new(&b->arena, (size_t)size + 1, 1);
    size_t len = 0;

    while (text != NULL && len < (size_t)size) {
        ssize_t n = read(fd, text + len, (size_t)size - len);

        if (n < 0 && errno != EINTR) {
            return strerror(errno);
        }
        if (n == 0) {
            break;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    file->text = bytes_make(text, text == NULL ? 0 : len);
    b->octets += len;
    return "";
}

static const char *
check_file(const struct conf_bundle *b, struct conf_file *file, int fd,
           off_t *size_out)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(st.st_mode)) {
        return "not a regular file";
    }
    if (st.st_size > CONF_FILE_OCTETS_MAX) {
        return "more than 1 MiB";
    }
    if (b->octets > CONF_BUNDLE_OCTETS_MAX / 2) {
        return "more than 32 MiB with all includes";
    }
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    for (const struct conf_file *f = file->parent; f != NULL; f = f->parent) {
        if (f->dev == st.st_dev && f->ino == st.st_ino) {
            return "the file includes itself";
        }
    }
    *size_out = st.st_size;
    return "";
}

static const char *
open_and_read(struct conf_bundle *b, struct conf_file *file, unsigned depth)
{
    const char *fault;
    off_t size = 0;
    int fd;

    if (depth > CONF_DEPTH_MAX) {
        return "includes nest deeper than 8";
    }
    if (++b->files > CONF_FILES_MAX) {
        return "more than 1000 files";
    }
    /* NONBLOCK: a FIFO must not hold us up before fstat() refuses it. */
    fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return strerror(errno);
    }
    fault = check_file(b, file, fd, &size);
    if (fault[0] == '\0') {
        fault = read_file(b, file, fd, size);
    }
    close(fd);
    return fault;
}

static void
gather_file(struct conf_bundle *b, struct conf_file *file, unsigned depth)
{
    struct gathering g = { b, file, depth, &file->includes };
    const char *fault = open_and_read(b, file, depth);

    file->fault = conf_arena_text(&b->arena, bytes_str(fault));
    if (file->fault == NULL) {
        file->fault = "out of memory";
    }
    if (fault[0] == '\0') {
        /* Only for its includes; what is wrong is said when it is judged. */
        (void)conf_read_text(file->text, file->path, on_entry, &g, NULL);
    }
}

void
conf_bundle_gather(struct conf_bundle *b, const char *path)
{
    memset(b, 0, sizeof(*b));
    b->root = new_file(b, NULL, path);
    if (b->root != NULL) {
        gather_file(b, b->root, 0);
    }
}

void
conf_bundle_text(struct conf_bundle *b, const char *name, struct bytes text)
{
    uint8_t *copy;

    memset(b, 0, sizeof(*b));
    b->root = new_file(b, NULL, name);
    copy = conf_arena_new(&b->arena, text.len + 1, 1);
    if (b->root != NULL && copy != NULL && text.len > 0) {
        memcpy(copy, text.ptr, text.len);
        b->root->text = bytes_make(copy, text.len);
    }
}

void
conf_bundle_free(struct conf_bundle *b)
{
    conf_arena_free(&b->arena);
    b->root = NULL;
}
