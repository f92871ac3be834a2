/*
 * base64 - RFC 4648 section 4, with padding.
 *
 * Decoding is strict: the alphabet, whole groups of four, padding only at
 * the end, unused bits zero. Folding white space inside is allowed only when
 * asked for (DKIM tags, RFC 6376 2.10), never in SMTP AUTH.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <base/bytes.h>

/* Octets of text for n octets of data, without a NUL. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_LEN(in.len) characters to out, which has room for them. */
static inline size_t
base64_encode(struct bytes in, char *out)
{
    static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;

    for (; in.len > 0; in = bytes_skip(in, in.len < 3 ? in.len : 3)) {
        uint32_t v = (uint32_t)in.ptr[0] << 16;

        v |= in.len > 1 ? (uint32_t)in.ptr[1] << 8 : 0;
        v |= in.len > 2 ? (uint32_t)in.ptr[2] : 0;
        out[n++] = abc[v >> 18];
        out[n++] = abc[v >> 12 & 63];
        out[n++] = in.len > 1 ? abc[v >> 6 & 63] : '=';
        out[n++] = in.len > 2 ? abc[v & 63] : '=';
    }
    return n;
}

static inline int
base64_value(uint8_t c)
{
    if (byte_is_alpha(c)) {
        return c <= 'Z' ? c - 'A' : c - 'a' + 26;
    }
    if (byte_is_digit(c)) {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/*
 * Decodes in to out. in.len / 4 * 3 octets of room are always enough.
 * fws   SP, HTAB, CR and LF inside are skipped.
 * False, *len_out untouched: not base64, or more than cap octets.
 */
static inline bool
base64_decode(struct bytes in, bool fws, uint8_t *out, size_t cap,
              size_t *len_out)
{
    uint32_t group = 0;
    size_t chars = 0, pad = 0, n = 0;

    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];
        int value = base64_value(c);

        if (fws && (byte_is_wsp(c) || c == '\r' || c == '\n')) {
            continue;
        }
        if ((value < 0 && c != '=') || (pad > 0 && c != '=')) {
            return false;
        }
        pad += c == '=';
        group = group << 6 | (uint32_t)(value < 0 ? 0 : value);
        if (++chars % 4 != 0) {
            continue;
        }
        if (pad > 2 || (pad > 0 && (group & (pad == 2 ? 0xffff : 0xff)) != 0)) {
            return false;
        }
        for (size_t k = 0; k < 3 - pad; k++) {
            if (n == cap) {
                return false;
            }
            out[n++] = (uint8_t)(group >> (16 - 8 * k));
        }
        group = 0;
    }
    if (chars % 4 != 0 || pad > 2) {
        return false;
    }
    *len_out = n;
    return true;
}

#endif
