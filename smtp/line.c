/*
 * line - CRLF framing; see smtp/line.h.
 */
#include <smtp/line.h>

/* Where the first CRLF stands; in.len when there is none. */
static size_t
find_crlf(struct bytes in)
{
    size_t from = 0;

    while (from < in.len) {
        size_t lf = from + bytes_find(bytes_skip(in, from), '\n');

        if (lf < in.len && lf > 0 && in.ptr[lf - 1] == '\r') {
            return lf - 1;
        }
        from = lf + 1;
    }
    return in.len;
}

enum smtp_line_result
smtp_line_next(struct bytes *in, size_t max, struct bytes *line_out)
{
    struct bytes window = bytes_take(*in, max);
    size_t n = find_crlf(window);

    if (n == window.len) {
        return in->len >= max ? SMTP_LINE_LONG : SMTP_LINE_MORE;
    }
    *line_out = bytes_take(*in, n);
    *in = bytes_skip(*in, n + 2);
    return SMTP_LINE_OK;
}

bool
smtp_line_discard(struct bytes *in, size_t *octets)
{
    size_t n = find_crlf(*in);
    bool ended = n < in->len;

    if (!ended && n > 0 && in->ptr[n - 1] == '\r') {
        n--;
    }
    *octets += n;
    *in = bytes_skip(*in, ended ? n + 2 : n);
    return ended;
}

bool
smtp_line_clean(struct bytes line)
{
    return bytes_find(line, '\0') == line.len &&
           bytes_find(line, '\r') == line.len &&
           bytes_find(line, '\n') == line.len;
}
