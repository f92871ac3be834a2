/*
 * format - see format.h.
 */
#include "proxy/log/format.h"

#include <time.h>

static const char hex[] = "0123456789abcdef";

static bool
is_plain(uint8_t c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != '=' && c != '\\';
}

static bool
needs_quotes(struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (!is_plain(value.ptr[i])) {
            return true;
        }
    }
    return value.len == 0;
}

/* One octet as it stands between quotes; returns how many characters. */
static size_t
escape(enum conf_log_format format, uint8_t c, char out[6])
{
    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    if (c >= 0x20 && c < 0x7f) {
        out[0] = (char)c;
        return 1;
    }
    if (format == CONF_JSON) {
        memcpy(out, "\\u00", 4);
        out[4] = hex[c >> 4];
        out[5] = hex[c & 15];
        return 6;
    }
    memcpy(out, "\\x", 2);
    out[2] = hex[c >> 4];
    out[3] = hex[c & 15];
    return 4;
}

static void
put_quoted(struct buf *out, enum conf_log_format format, struct bytes value,
           size_t max)
{
    size_t room = max - 2; /* the quotes */
    size_t used = 0;
    size_t fits = out->len + 1;

    buf_putc(out, '"');
    for (size_t i = 0; i < value.len; i++) {
        char text[6];
        size_t n = escape(format, value.ptr[i], text);

        if (used + n > room) {
            /* Back to where "..." still has room: whole escapes only. */
            out->len = out->failed ? out->len : fits;
            buf_puts(out, "...");
            break;
        }
        buf_put(out, bytes_make(text, n));
        used += n;
        if (used + 3 <= room) {
            fits = out->len;
        }
    }
    buf_putc(out, '"');
}

void
log_format_value(struct buf *out, enum conf_log_format format,
                 struct bytes value, size_t max)
{
    if (format == CONF_JSON || needs_quotes(value)) {
        put_quoted(out, format, value, max);
    } else if (value.len > max) {
        buf_put(out, bytes_take(value, max - 3));
        buf_puts(out, "...");
    } else {
        buf_put(out, value);
    }
}

void
log_format_time(struct buf *out, int64_t seconds, unsigned ms)
{
    time_t when = (time_t)seconds;
    struct tm tm;

    if (gmtime_r(&when, &tm) == NULL) {
        memset(&tm, 0, sizeof(tm));
    }
    buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
               tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
               ms % 1000);
}
