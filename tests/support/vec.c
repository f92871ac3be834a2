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
take_quoted(struct vec *v, struct bytes rest)
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

/* "*300" behind a string: it stands 300 times; returns the octets it took. */
static size_t
take_times(struct vec *v, struct bytes rest, size_t from)
{
    size_t len = v->decoded.len - from, n = 1;
    uint64_t times;

    while (n < rest.len && byte_is_digit(rest.ptr[n])) {
        n++;
    }
    if (!bytes_to_u64(bytes_skip(bytes_take(rest, n), 1), 1000000, &times) ||
        times == 0 || !buf_reserve(&v->decoded, len * (size_t)times)) {
        die(v, "bad number of times");
    }
    while (times-- > 1) {
        buf_put(&v->decoded, bytes_make(v->decoded.ptr + from, len));
    }
    return n;
}

/* One column of quoted strings. */
static size_t
take_string(struct vec *v, struct bytes rest)
{
    size_t n = 0;

    while (n < rest.len && rest.ptr[n] == '"') {
        size_t from = v->decoded.len;

        n += 1 + take_quoted(v, bytes_skip(rest, n + 1));
        if (n < rest.len && rest.ptr[n] == '*') {
            n += take_times(v, bytes_skip(rest, n), from);
        }
    }
    return n;
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

/* Without white space and joined line ends in front. */
static struct bytes
skip_blank(struct bytes line)
{
    line = bytes_trim(line);
    while (line.len > 1 && line.ptr[0] == '\\' && line.ptr[1] == '\n') {
        line = bytes_trim(bytes_skip(line, 2));
    }
    return line;
}

static void
take_line(struct vec *v, struct bytes line)
{
    size_t start[VEC_COLUMNS + 1];

    buf_clear(&v->decoded);
    v->columns = 0;
    for (line = skip_blank(line); line.len > 0 && line.ptr[0] != '#';
         line = skip_blank(line)) {
        size_t n;

        if (v->columns == VEC_COLUMNS) {
            die(v, "too many columns");
        }
        start[v->columns++] = v->decoded.len;
        n = line.ptr[0] == '"' ? take_string(v, line) : take_word(v, line);
        buf_putc(&v->decoded, '\0');
        line = bytes_skip(line, n);
    }
    start[v->columns] = v->decoded.len;
    for (size_t i = 0; i < v->columns; i++) {
        v->word[i] = (const char *)v->decoded.ptr + start[i];
        v->col[i] = bytes_make(v->word[i], start[i + 1] - start[i] - 1);
    }
}

/* Up to the line end, joined lines as one. */
static size_t
line_len(struct vec *v, struct bytes rest)
{
    size_t n = bytes_find(rest, '\n');

    while (n > 0 && n < rest.len && rest.ptr[n - 1] == '\\') {
        v->line++;
        n += 1 + bytes_find(bytes_skip(rest, n + 1), '\n');
    }
    return n;
}

bool
vec_next(struct vec *v)
{
    while (v->at < v->text.len) {
        struct bytes rest = bytes_skip(buf_bytes(&v->text), v->at);
        struct bytes line = bytes_take(rest, line_len(v, rest));

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

bool
vec_next_of(struct vec *v, size_t columns)
{
    if (!vec_next(v)) {
        return false;
    }
    if (v->columns != columns) {
        die(v, "wrong number of columns");
    }
    return true;
}
