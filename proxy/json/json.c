/*
 * json - JSON text; see json.h.
 */
#include "proxy/json/json.h"

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
json_string(struct buf *out, struct bytes text)
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
json_member(struct buf *out, const char *key, const char *value)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '{') {
        buf_putc(out, ',');
    }
    json_string(out, bytes_str(key));
    buf_putc(out, ':');
    json_string(out, bytes_str(value));
}
