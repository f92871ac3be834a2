/*
 * txt - the strings of a TXT record as zone files have them; see ways.h.
 */
#include "proxy/publish/ways.h"

enum {
    STRING_MAX = 255 /* RFC 1035 3.3: a length octet before each */
};

static void
put_string(struct bytes piece, struct buf *out)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < piece.len; i++) {
        uint8_t c = piece.ptr[i];

        if (c == '"' || c == '\\') {
            buf_putc(out, '\\');
            buf_putc(out, (char)c);
        } else if (c >= 0x20 && c <= 0x7e) {
            buf_putc(out, (char)c);
        } else {
            buf_printf(out, "\\%03u", c); /* RFC 1035 5.1: \DDD */
        }
    }
    buf_putc(out, '"');
}

void
publish_put_strings(struct bytes text, struct buf *out)
{
    do {
        struct bytes piece = bytes_take(text, STRING_MAX);

        put_string(piece, out);
        text = bytes_skip(text, piece.len);
        buf_puts(out, text.len > 0 ? " " : "");
    } while (text.len > 0);
}
