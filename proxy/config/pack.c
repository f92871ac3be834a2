/*
 * pack - a bundle as octets in a sealed memfd; see conf.h and bundle.h.
 *
 *   bundle  = "sealpost-conf 1" LF file
 *   file    = "F " PATH-OCTETS SP TEXT-OCTETS SP FAULT-OCTETS SP INCLUDES LF
 *             path text fault *include
 *   include = "I " LINE SP FILES LF *file
 *
 * Numbers are decimal. Sealed, so that no process that holds the descriptor
 * can change what the others read; read with pread(), because they share one
 * offset.
 */
#include "bundle.h"
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[] = "sealpost-conf 1\n";

static void
/* NOLINTNEXTLINE(misc-no-recursion): CONF_DEPTH_MAX */
put_file(const struct conf_file *file, struct buf *out)
{
    size_t includes = 0;

    for (const struct conf_include *i = file->includes; i != NULL;
         i = i->next) {
        includes++;
    }
    buf_printf(out, "F %zu %zu %zu %zu\n", strlen(file->path), file->text.len,
               strlen(file->fault), includes);
    buf_puts(out, file->path);
    buf_put(out, file->text);
    buf_puts(out, file->fault);
    for (const struct conf_include *i = file->includes; i != NULL;
         i = i->next) {
        size_t files = 0;

        for (const struct conf_file *f = i->files; f != NULL; f = f->next) {
            files++;
        }
        buf_printf(out, "I %u %zu\n", i->line, files);
        for (const struct conf_file *f = i->files; f != NULL; f = f->next) {
            put_file(f, out);
        }
    }
}

void
conf_bundle_pack(const struct conf_bundle *b, struct buf *out)
{
    buf_puts(out, magic);
    put_file(b->root, out);
}

/* "KIND n n n LF"; false: not that. */
static bool
take_numbers(struct bytes *in, char kind, size_t count, uint64_t *numbers_out)
{
    size_t end = bytes_find(*in, '\n');
    struct bytes line = bytes_take(*in, end);

    if (end == in->len || line.len < 2 || line.ptr[0] != (uint8_t)kind ||
        line.ptr[1] != ' ') {
        return false;
    }
    line = bytes_skip(line, 2);
    for (size_t i = 0; i < count; i++) {
        size_t space = bytes_find(line, ' ');
        bool last = i + 1 == count;

        if (last != (space == line.len) ||
            !bytes_to_u64(bytes_take(line, space), CONF_BUNDLE_OCTETS_MAX,
                          &numbers_out[i])) {
            return false;
        }
        line = bytes_skip(line, last ? space : space + 1);
    }
    *in = bytes_skip(*in, end + 1);
    return true;
}

/* NULL: too short, a NUL inside, or no memory. */
static const char *
take_text(struct conf_bundle *b, struct bytes *in, uint64_t len)
{
    struct bytes text = bytes_take(*in, (size_t)len);

    if (text.len < len || bytes_find(text, '\0') < text.len) {
        return NULL;
    }
    *in = bytes_skip(*in, text.len);
    return conf_arena_text(&b->arena, text);
}

static bool
take_octets(struct conf_bundle *b, struct bytes *in, uint64_t len,
            struct bytes *text_out)
{
    uint8_t *copy;

    if (len > in->len) {
        return false;
    }
    copy = conf_arena_new(&b->arena, (size_t)len + 1, 1);
    if (copy == NULL) {
        return false;
    }
    if (len > 0) {
        memcpy(copy, in->ptr, (size_t)len);
    }
    *text_out = bytes_make(copy, (size_t)len);
    *in = bytes_skip(*in, (size_t)len);
    return true;
}

static struct conf_file *take_file(struct conf_bundle *b, struct bytes *in,
                                   unsigned depth);

static struct conf_include *
/* NOLINTNEXTLINE(misc-no-recursion): take_file() counts */
take_include(struct conf_bundle *b, struct bytes *in, unsigned depth)
{
    struct conf_include *include;
    struct conf_file **tail;
    uint64_t numbers[2];

    if (!take_numbers(in, 'I', 2, numbers)) {
        return NULL;
    }
    include = conf_arena_new(&b->arena, 1, sizeof(*include));
    if (include == NULL) {
        return NULL;
    }
    include->line = (unsigned)numbers[0];
    tail = &include->files;
    for (uint64_t i = 0; i < numbers[1]; i++) {
        *tail = take_file(b, in, depth + 1);
        if (*tail == NULL) {
            return NULL;
        }
        tail = &(*tail)->next;
    }
    return include;
}

static struct conf_file *
/* NOLINTNEXTLINE(misc-no-recursion): CONF_DEPTH_MAX */
take_file(struct conf_bundle *b, struct bytes *in, unsigned depth)
{
    struct conf_include **tail;
    struct conf_file *file;
    uint64_t numbers[4];

    /* One deeper than is read: a file too deep is there with its fault. */
    if (depth > CONF_DEPTH_MAX + 1 || !take_numbers(in, 'F', 4, numbers)) {
        return NULL;
    }
    file = conf_arena_new(&b->arena, 1, sizeof(*file));
    if (file == NULL) {
        return NULL;
    }
    file->path = take_text(b, in, numbers[0]);
    if (file->path == NULL || !take_octets(b, in, numbers[1], &file->text)) {
        return NULL;
    }
    file->fault = take_text(b, in, numbers[2]);
    if (file->fault == NULL) {
        return NULL;
    }
    tail = &file->includes;
    for (uint64_t i = 0; i < numbers[3]; i++) {
        *tail = take_include(b, in, depth);
        if (*tail == NULL) {
            return NULL;
        }
        tail = &(*tail)->next;
    }
    return file;
}

bool
conf_bundle_unpack(struct conf_bundle *b, struct bytes packed)
{
    size_t len = sizeof(magic) - 1;

    memset(b, 0, sizeof(*b));
    if (!bytes_is(bytes_take(packed, len), magic)) {
        return false;
    }
    packed = bytes_skip(packed, len);
    b->root = take_file(b, &packed, 0);
    if (b->root != NULL && packed.len > 0) {
        b->root = NULL;
    }
    return b->root != NULL;
}

static bool
write_all(int fd, struct bytes text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.ptr, text.len);

        if (n < 0 && errno != EINTR) {
            return false;
        }
        text = bytes_skip(text, n > 0 ? (size_t)n : 0);
    }
    return true;
}

/* -1 and errno on failure. */
static int
sealed_memfd(struct bytes text)
{
    int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    int fd = memfd_create("sealpost.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int saved;

    if (fd < 0) {
        return -1;
    }
    if (!write_all(fd, text) || fcntl(fd, F_ADD_SEALS, seals) != 0) {
        saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

int
conf_pack(const char *path)
{
    struct buf packed = BUF_INIT;
    struct conf_bundle b;
    int fd = -1;

    conf_bundle_gather(&b, path);
    if (b.root == NULL || b.arena.failed) {
        errno = ENOMEM;
    } else {
        conf_bundle_pack(&b, &packed);
        if (buf_failed(&packed)) {
            errno = ENOMEM;
        } else {
            fd = sealed_memfd(buf_bytes(&packed));
        }
    }
    buf_free(&packed);
    conf_bundle_free(&b);
    return fd;
}
