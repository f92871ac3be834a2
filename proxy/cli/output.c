/*
 * output - tables and JSON; see cli.h.
 */
#include "proxy/cli/cli.h"

#include <sysexits.h>

/* --- JSON (RFC 8259 7) -------------------------------------------------- */

/* Octets of the UTF-8 sequence at the front; 0: it is none (RFC 3629 4). */
static size_t
utf8_len(struct bytes t)
{
    uint8_t c = t.ptr[0];
    size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    if (len == 0 || c > 0xf4 || t.len < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((t.ptr[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((c == 0xe0 && t.ptr[1] < 0xa0) || (c == 0xed && t.ptr[1] > 0x9f) ||
        (c == 0xf0 && t.ptr[1] < 0x90) || (c == 0xf4 && t.ptr[1] > 0x8f)) {
        return 0;
    }
    return len;
}

void
cli_json(struct buf *out, struct bytes text)
{
    buf_putc(out, '"');
    while (text.len > 0) {
        uint8_t c = text.ptr[0];
        size_t len = utf8_len(text);

        if (len == 0) {
            buf_puts(out, "\xef\xbf\xbd");
            len = 1;
        } else if (c == '"' || c == '\\') {
            buf_putc(out, '\\');
            buf_putc(out, (char)c);
        } else if (c < 0x20 || c == 0x7f) {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_put(out, bytes_take(text, len));
        }
        text = bytes_skip(text, len);
    }
    buf_putc(out, '"');
}

void
cli_json_text(struct buf *out, const char *key, const char *value)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '{') {
        buf_putc(out, ',');
    }
    cli_json(out, bytes_str(key));
    buf_putc(out, ':');
    cli_json(out, bytes_str(value));
}

/* --- tables ------------------------------------------------------------- */

void
cli_table_begin(struct cli_table *t, const char *const *titles, size_t columns)
{
    *t = (struct cli_table){ .text = BUF_INIT, .columns = columns };
    for (size_t i = 0; i < columns; i++) {
        cli_table_cell(t, titles[i]);
    }
}

void
cli_table_cell(struct cli_table *t, const char *text)
{
    size_t column = t->cells++ % t->columns;
    size_t width = strlen(text);

    if (width > t->widths[column]) {
        t->widths[column] = width;
    }
    buf_put(&t->text, bytes_make(text, width + 1));
}

int
cli_table_end(const struct cli *c, struct cli_table *t)
{
    const char *cell = (const char *)t->text.ptr;
    struct buf out = BUF_INIT;
    int code;

    if (buf_failed(&t->text)) {
        return cli_fail(c, EX_OSERR, "no memory");
    }
    for (size_t i = 0; i < t->cells; i++) {
        size_t column = i % t->columns;
        bool last = column + 1 == t->columns;

        /* No blanks at the end of a line. */
        buf_printf(&out, "%-*s%s", last ? 0 : (int)t->widths[column], cell,
                   last ? "\n" : "  ");
        cell += strlen(cell) + 1;
    }
    code = buf_failed(&out) ? cli_fail(c, EX_OSERR, "no memory")
                            : cli_write(c, buf_bytes(&out));
    buf_free(&out);
    buf_free(&t->text);
    return code;
}
