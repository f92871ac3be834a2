/*
 * proxyproto - see proxyproto.h.
 *
 * Strict: who sends this is a program that was written for it, and what two
 * programs read in two ways is a hole. One space, no leading zeros, nothing
 * that the document does not assign.
 */
#include "proxy/net/proxyproto.h"

enum {
    V1_WORD = 6,     /* octets of "PROXY " */
    COMMAND_AT = 12, /* 2.2: octets of the signature */
    FAMILY_AT = 13,
    LENGTH_AT = 14,
    VERSION_LOCAL = 0x20,
    VERSION_PROXY = 0x21,
    FAMILY_UNSPEC = 0x00,
    FAMILY_TCP4 = 0x11,
    FAMILY_TCP6 = 0x21,
    FAMILY_UNIX = 0x31,
    ADDRESSES_4 = 12, /* octets: two addresses, two ports */
    ADDRESSES_6 = 36,
    ADDRESSES_UNIX = 216
};

static const uint8_t signature[COMMAND_AT] = { 0x0d, 0x0a, 0x0d, 0x0a,
                                               0x00, 0x0d, 0x0a, 0x51,
                                               0x55, 0x49, 0x54, 0x0a };

/* --- version 1: text ------------------------------------------------------ */

/* The next word of *rest, up to one space or the end. */
static struct bytes
take_word(struct bytes *rest)
{
    struct bytes taken = bytes_take(*rest, bytes_find(*rest, ' '));

    *rest = bytes_skip(*rest, taken.len + (taken.len < rest->len ? 1 : 0));
    return taken;
}

static bool
take_port(struct bytes text, uint16_t *port_out)
{
    uint64_t port;

    if (!bytes_to_u64(text, UINT16_MAX, &port) ||
        (text.len > 1 && text.ptr[0] == '0')) {
        return false;
    }
    *port_out = (uint16_t)port;
    return true;
}

/* "ADDRESS ADDRESS PORT PORT" */
static enum proxyproto_result
parse_addresses(int family, struct bytes rest, struct proxyproto *out)
{
    struct proxyproto header = *out;
    struct bytes source = take_word(&rest);
    struct bytes destination = take_word(&rest);
    struct bytes source_port = take_word(&rest);
    uint16_t from, to;

    if (!take_port(source_port, &from) || !take_port(rest, &to) ||
        !net_address_parse(family, source, from, &header.source) ||
        !net_address_parse(family, destination, to, &header.destination)) {
        return PROXYPROTO_BAD;
    }
    *out = header;
    return PROXYPROTO_CLIENT;
}

static enum proxyproto_result
parse_line(struct bytes line, struct proxyproto *out)
{
    struct bytes rest = bytes_skip(line, V1_WORD);
    struct bytes protocol = take_word(&rest);

    if (bytes_is(protocol, "TCP4")) {
        return parse_addresses(AF_INET, rest, out);
    }
    if (bytes_is(protocol, "TCP6")) {
        return parse_addresses(AF_INET6, rest, out);
    }
    /* 2.1: what follows it up to CRLF means nothing. */
    return bytes_is(protocol, "UNKNOWN") ? PROXYPROTO_UNKNOWN : PROXYPROTO_BAD;
}

static enum proxyproto_result
parse_v1(struct bytes in, struct proxyproto *out)
{
    struct bytes line = bytes_take(in, PROXYPROTO_V1_MAX);
    struct proxyproto header = { 0 };
    enum proxyproto_result result;
    size_t cr = bytes_find(line, '\r');

    if (bytes_find(line, '\n') < cr) {
        return PROXYPROTO_BAD;
    }
    if (cr + 1 >= line.len) { /* 2.1: CRLF is within the first 107 */
        return line.len < PROXYPROTO_V1_MAX ? PROXYPROTO_MORE : PROXYPROTO_BAD;
    }
    if (line.ptr[cr + 1] != '\n') {
        return PROXYPROTO_BAD;
    }
    header.octets = cr + 2;
    result = parse_line(bytes_take(line, cr), &header);
    if (result != PROXYPROTO_BAD) {
        *out = header;
    }
    return result;
}

/* --- version 2: binary ---------------------------------------------------- */

static uint16_t
take_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* source, destination, source port, destination port, in network order. */
static void
take_4(const uint8_t *at, struct proxyproto *out)
{
    out->source.in.sin_family = AF_INET;
    out->destination.in.sin_family = AF_INET;
    memcpy(&out->source.in.sin_addr, at, 4);
    memcpy(&out->destination.in.sin_addr, at + 4, 4);
    memcpy(&out->source.in.sin_port, at + 8, 2);
    memcpy(&out->destination.in.sin_port, at + 10, 2);
}

static void
take_6(const uint8_t *at, struct proxyproto *out)
{
    out->source.in6.sin6_family = AF_INET6;
    out->destination.in6.sin6_family = AF_INET6;
    memcpy(&out->source.in6.sin6_addr, at, 16);
    memcpy(&out->destination.in6.sin6_addr, at + 16, 16);
    memcpy(&out->source.in6.sin6_port, at + 32, 2);
    memcpy(&out->destination.in6.sin6_port, at + 34, 2);
}

/* What the fixed part says, its addresses not looked at; BAD: it may not.
 * *addresses_out: how many octets of addresses there must be at least. */
static enum proxyproto_result
judge_fixed(const uint8_t *fixed, size_t *addresses_out)
{
    *addresses_out = 0;
    if (fixed[COMMAND_AT] == VERSION_LOCAL) {
        return PROXYPROTO_LOCAL; /* 2.2: the family is to be ignored */
    }
    if (fixed[COMMAND_AT] != VERSION_PROXY) {
        return PROXYPROTO_BAD;
    }
    switch (fixed[FAMILY_AT]) {
    case FAMILY_UNSPEC:
        return PROXYPROTO_UNKNOWN;
    case FAMILY_TCP4:
        *addresses_out = ADDRESSES_4;
        return PROXYPROTO_CLIENT;
    case FAMILY_TCP6:
        *addresses_out = ADDRESSES_6;
        return PROXYPROTO_CLIENT;
    case FAMILY_UNIX:
        *addresses_out = ADDRESSES_UNIX;
        return PROXYPROTO_UNKNOWN;
    default: /* datagrams, and what is not assigned */
        return PROXYPROTO_BAD;
    }
}

static enum proxyproto_result
parse_v2(struct bytes in, struct proxyproto *out)
{
    struct proxyproto header = { 0 };
    enum proxyproto_result result;
    size_t length, addresses;

    if (in.len < PROXYPROTO_V2_FIXED) {
        return PROXYPROTO_MORE;
    }
    length = take_u16(in.ptr + LENGTH_AT);
    result = judge_fixed(in.ptr, &addresses);
    if (length > PROXYPROTO_V2_LENGTH || length < addresses) {
        result = PROXYPROTO_BAD;
    }
    if (result == PROXYPROTO_BAD) {
        return PROXYPROTO_BAD;
    }
    header.octets = PROXYPROTO_V2_FIXED + length;
    if (in.len < header.octets) {
        return PROXYPROTO_MORE;
    }
    if (result == PROXYPROTO_CLIENT && addresses == ADDRESSES_4) {
        take_4(in.ptr + PROXYPROTO_V2_FIXED, &header);
    } else if (result == PROXYPROTO_CLIENT) {
        take_6(in.ptr + PROXYPROTO_V2_FIXED, &header);
    }
    *out = header;
    return result;
}

/* --- either --------------------------------------------------------------- */

/* in and begin are the same as far as both go. */
static bool
agrees(struct bytes in, struct bytes begin)
{
    return bytes_eq(bytes_take(in, begin.len), bytes_take(begin, in.len));
}

enum proxyproto_result
proxyproto_parse(struct bytes in, struct proxyproto *out)
{
    struct bytes text = BYTES_LIT("PROXY ");
    struct bytes binary = bytes_make(signature, sizeof(signature));

    if (agrees(in, text)) {
        return in.len < text.len ? PROXYPROTO_MORE : parse_v1(in, out);
    }
    if (agrees(in, binary)) {
        return parse_v2(in, out);
    }
    return PROXYPROTO_BAD;
}
