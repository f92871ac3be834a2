/*
 * vec - cases as data; see tests/support/vec.h.
 */
#include "vec.h"

static void
die(const struct vec *v, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", v->name, v->line, what);
    abort();
}

struct buf
vec_file(const char *name)
{
    const char *srcdir = getenv("srcdir");
    struct buf out = BUF_INIT;
    char path[4096], block[4096];
    size_t n;
    FILE *f;

    snprintf(path, sizeof(path), "%s/tests/vectors/%s",
             srcdir == NULL ? "." : srcdir, name);
    f = fopen(path, "rbe");
    if (f == NULL) {
        fprintf(stderr, "%s: cannot open\n", path);
        abort();
    }
    while ((n = fread(block, 1, sizeof(block), f)) > 0) {
        buf_put(&out, bytes_make(block, n));
    }
    fclose(f);
    return out;
}

void
vec_open(struct vec *v, const char *name)
{
    *v = (struct vec){ .name = name,
                       .text = vec_file(name),
                       .decoded = BUF_INIT };
}

static int
hex(uint8_t c)
{
    return byte_is_digit(c) ? c - '0'
           : byte_lower(c) >= 'a' && byte_lower(c) <= 'f'
               ? byte_lower(c) - 'a' + 10
               : -1;
}

/* Behind a backslash; returns the octets it took. */
static size_t
take_escape(struct vec *v, struct bytes rest)
{
    static const char from[] = "rnt0\\\"", to[] = "\r\n\t\0\\\"";
    const char *hit = rest.len == 0 ? NULL : strchr(from, rest.ptr[0]);

    if (hit != NULL && rest.ptr[0] != '\0') {
        buf_putc(&v->decoded, to[hit - from]);
        return 1;
    }
    if (rest.len < 3 || rest.ptr[0] != 'x' || hex(rest.ptr[1]) < 0 ||
        hex(rest.ptr[2]) < 0) {
        die(v, "bad escape");
    }
    buf_putc(&v->decoded, (char)(hex(rest.ptr[1]) * 16 + hex(rest.ptr[2])));
    return 3;
}

/* Behind the first quote; returns the octets it took. */
static size_t
take_string(struct vec *v, struct bytes rest)
{
    size_t i = 0;

    while (i < rest.len && rest.ptr[i] != '"') {
        if (rest.ptr[i] == '\\') {
            i += 1 + take_escape(v, bytes_skip(rest, i + 1));
        } else {
            buf_putc(&v->decoded, (char)rest.ptr[i++]);
        }
    }
    if (i == rest.len) {
        die(v, "no closing quote");
    }
    return i + 1;
}

static size_t
take_word(struct vec *v, struct bytes rest)
{
    size_t i = 0;

    while (i < rest.len && !byte_is_wsp(rest.ptr[i])) {
        buf_putc(&v->decoded, (char)rest.ptr[i++]);
    }
    return i;
}

static void
take_line(struct vec *v, struct bytes line)
{
    size_t start[VEC_COLUMNS + 1];

    buf_clear(&v->decoded);
    v->columns = 0;
    for (line = bytes_trim(line); line.len > 0 && line.ptr[0] != '#';
         line = bytes_trim(line)) {
        size_t n;

        if (v->columns == VEC_COLUMNS) {
            die(v, "too many columns");
        }
        start[v->columns++] = v->decoded.len;
        n = line.ptr[0] == '"' ? 1 + take_string(v, bytes_skip(line, 1))
                               : take_word(v, line);
        buf_putc(&v->decoded, '\0');
        line = bytes_skip(line, n);
    }
    start[v->columns] = v->decoded.len;
    for (size_t i = 0; i < v->columns; i++) {
        v->word[i] = (const char *)v->decoded.ptr + start[i];
        v->col[i] = bytes_make(v->word[i], start[i + 1] - start[i] - 1);
    }
}

bool
vec_next(struct vec *v)
{
    while (v->at < v->text.len) {
        struct bytes rest = bytes_skip(buf_bytes(&v->text), v->at);
        struct bytes line = bytes_take(rest, bytes_find(rest, '\n'));

        v->line++;
        v->at += line.len + (line.len < rest.len);
        take_line(v, line);
        if (v->columns > 0) {
            return true;
        }
    }
    buf_free(&v->text);
    buf_free(&v->decoded);
    return false;
}
