/*
 * canon_ref - see tests/support/canon_ref.h.
 */
#include "canon_ref.h"

/* One line without its CRLF: 3.4.4 a. */
static void
put_line(struct buf *out, enum dkim_canon_mode mode, struct bytes line)
{
    bool relaxed = mode == DKIM_CANON_RELAXED;

    while (relaxed && line.len > 0 && byte_is_wsp(line.ptr[line.len - 1])) {
        line.len--;
    }
    for (size_t i = 0; i < line.len; i++) {
        if (!relaxed || !byte_is_wsp(line.ptr[i])) {
            buf_putc(out, (char)line.ptr[i]);
        } else if (i == 0 || !byte_is_wsp(line.ptr[i - 1])) {
            buf_putc(out, ' ');
        }
    }
    buf_puts(out, "\r\n");
}

static size_t
find_crlf(struct bytes text)
{
    size_t i = 0;

    while (i + 1 < text.len && memcmp(text.ptr + i, "\r\n", 2) != 0) {
        i++;
    }
    return i + 1 < text.len ? i : text.len;
}

struct buf
canon_ref_body(enum dkim_canon_mode mode, struct bytes body)
{
    struct buf out = BUF_INIT;

    while (body.len > 0) {
        size_t n = find_crlf(body);

        put_line(&out, mode, bytes_take(body, n));
        body = bytes_skip(body, n == body.len ? n : n + 2);
    }
    while (out.len >= 4 && memcmp(out.ptr + out.len - 4, "\r\n\r\n", 4) == 0) {
        out.len -= 2;
    }
    if (out.len == 2 && memcmp(out.ptr, "\r\n", 2) == 0) {
        out.len = 0;
    }
    if (out.len == 0 && mode == DKIM_CANON_SIMPLE) {
        buf_puts(&out, "\r\n"); /* 3.4.3 */
    }
    return out;
}
