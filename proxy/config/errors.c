/*
 * errors - mistakes collected as lines; see proxy/config/conf.h, reader.h.
 *
 * Limit: ERRORS_MAX lines, then one that says that there are more. Losing
 * memory while collecting is an error of its own, so that a configuration is
 * never taken for good because its mistakes could not be written down.
 */
#include "conf.h"
#include "reader.h"

#include <base/buf.h>

enum {
    ERRORS_MAX = 1000
};

struct line {
    char *text; /* owned; begins with the file's name */
    size_t file_octets;
    unsigned number; /* of the line; 0: the file as a whole */
    bool warning;
};

struct conf_errors {
    struct line *lines; /* owned; room for one more when not full */
    size_t count;
    size_t room;
    size_t warnings;
    bool more;          /* lines beyond ERRORS_MAX were dropped */
    bool more_errors;   /* and an error was among them */
    bool out_of_memory; /* some line is missing */
};

struct conf_errors *
conf_errors_new(void)
{
    return calloc(1, sizeof(struct conf_errors));
}

void
conf_errors_free(struct conf_errors **e)
{
    if (*e == NULL) {
        return;
    }
    for (size_t i = 0; i < (*e)->count; i++) {
        free((*e)->lines[i].text);
    }
    free((*e)->lines);
    free(*e);
    *e = NULL;
}

size_t
conf_errors_count(const struct conf_errors *e)
{
    /* NULL is what is left when not even the list could be made. */
    return e == NULL ? 1 : e->count + e->more + e->out_of_memory;
}

size_t
conf_errors_warnings(const struct conf_errors *e)
{
    return e == NULL ? 0 : e->warnings + (e->more && !e->more_errors);
}

const char *
conf_errors_line(const struct conf_errors *e, size_t n)
{
    if (e != NULL && n < e->count) {
        return e->lines[n].text;
    }
    if (e != NULL && e->more && n == e->count) {
        return "more mistakes follow; mend these first";
    }
    return "out of memory while reading the configuration";
}

bool
conf_errors_is_warning(const struct conf_errors *e, size_t n)
{
    if (e != NULL && n < e->count) {
        return e->lines[n].warning;
    }
    return e != NULL && e->more && n == e->count && !e->more_errors;
}

static bool
make_room(struct conf_errors *e)
{
    size_t room = e->room == 0 ? 8 : 2 * e->room;
    struct line *lines;

    if (e->count < e->room) {
        return true;
    }
    lines = realloc(e->lines, room * sizeof(*lines));
    if (lines == NULL) {
        return false;
    }
    e->lines = lines;
    e->room = room;
    return true;
}

/* Names, values and messages of the system may hold any octet. */
static void
put_printable(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (c >= 0x20 && c < 0x7f) {
            buf_putc(out, (char)c);
        } else {
            buf_printf(out, "\\x%02X", c);
        }
    }
}

__attribute__((format(printf, 2, 0))) static void
put_args(struct buf *out, const char *format, va_list args)
{
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0 || !buf_reserve(out, (size_t)n + 1)) {
        out->failed = true;
        return;
    }
    (void)vsnprintf((char *)out->ptr + out->len, (size_t)n + 1, format, args);
    out->len += (size_t)n;
}

/* Hands line->text over, unless there is no place for it. */
static void
keep(struct conf_errors *e, struct line *line)
{
    if (e->count >= ERRORS_MAX) {
        e->more = true;
        e->more_errors = e->more_errors || !line->warning;
    } else if (!make_room(e)) {
        e->out_of_memory = true;
    } else {
        e->lines[e->count++] = *line;
        e->warnings += line->warning;
        line->text = NULL;
    }
}

/* line holds its number, and what it is. */
__attribute__((format(printf, 4, 0))) static void
add(struct conf_errors *e, struct line line, const char *file,
    const char *format, va_list args)
{
    struct buf raw = BUF_INIT, text = BUF_INIT;

    if (e == NULL) {
        return; /* its caller sees by NULL that a line is missing */
    }
    put_printable(&text, bytes_str(file));
    line.file_octets = text.len;
    if (line.number > 0) {
        buf_printf(&text, ":%u", line.number);
    }
    buf_puts(&text, ": ");
    put_args(&raw, format, args);
    put_printable(&text, buf_bytes(&raw));
    if (buf_failed(&raw) || buf_str(&text) == NULL) {
        buf_free(&text);
        e->out_of_memory = true;
    } else {
        line.text = (char *)text.ptr;
        keep(e, &line);
        free(line.text);
    }
    buf_free(&raw);
}

void
conf_error(struct conf_errors *e, const char *file, unsigned line,
           const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(e, (struct line){ .number = line }, file, format, args);
    va_end(args);
}

void
conf_warning(struct conf_errors *e, const char *file, unsigned line,
             const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(e, (struct line){ .number = line, .warning = true }, file, format,
        args);
    va_end(args);
}

void
conf_errors_take(struct conf_errors *e, struct conf_errors **from)
{
    struct conf_errors *f = *from;

    if (e != NULL && f == NULL) {
        e->out_of_memory = true;
    } else if (e != NULL) {
        for (size_t i = 0; i < f->count; i++) {
            keep(e, &f->lines[i]);
        }
        e->more = e->more || f->more;
        e->more_errors = e->more_errors || f->more_errors;
        e->out_of_memory = e->out_of_memory || f->out_of_memory;
    }
    conf_errors_free(from);
}

static bool
stands_before(const struct line *a, const struct line *b)
{
    struct bytes left = bytes_make(a->text, a->file_octets);
    struct bytes right = bytes_make(b->text, b->file_octets);

    return bytes_eq(left, right) && a->number < b->number;
}

/* Insertion, stable: lines of one file move, files keep their order. */
void
conf_errors_sort(struct conf_errors *e)
{
    for (size_t i = 1; e != NULL && i < e->count; i++) {
        struct line line = e->lines[i];
        size_t first = i, k = i;

        for (size_t n = 0; n < i; n++) {
            if (stands_before(&line, &e->lines[n])) {
                first = n;
                break;
            }
        }
        for (; k > first; k--) {
            e->lines[k] = e->lines[k - 1];
        }
        e->lines[k] = line;
    }
}
