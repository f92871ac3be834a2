/*
 * output - tables and JSON; see cli.h.
 */
#include "proxy/cli/cli.h"
#include "proxy/json/json.h"
#include "proxy/keys/keynote.h"

#include <sysexits.h>

/* --- JSON --------------------------------------------------------------- */

void
cli_json_time(struct buf *out, const char *key, uint64_t time_s)
{
    char text[KEYNOTE_TIME];

    keynote_time(time_s, text);
    json_member(out, key, text);
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
