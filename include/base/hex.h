/*
 * hex - octets written as two hexadecimal digits, of either case.
 */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <base/bytes.h>

static inline bool
hex_is_digit(uint8_t c)
{
    c = byte_lower(c);
    return byte_is_digit(c) || (c >= 'a' && c <= 'f');
}

/* What one digit stands for; c is one. */
static inline uint8_t
hex_digit(uint8_t c)
{
    c = byte_lower(c);
    return (uint8_t)(byte_is_digit(c) ? c - '0' : c - 'a' + 10);
}

/* The octet that text begins with; false: no two digits stand there. */
static inline bool
hex_octet(struct bytes text, uint8_t *octet_out)
{
    if (text.len < 2 || !hex_is_digit(text.ptr[0]) ||
        !hex_is_digit(text.ptr[1])) {
        return false;
    }
    *octet_out =
        (uint8_t)(hex_digit(text.ptr[0]) << 4 | hex_digit(text.ptr[1]));
    return true;
}

#endif
