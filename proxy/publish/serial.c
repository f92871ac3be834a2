/*
 * serial - the SOA serial in a zone file's text; see serial.h.
 */
#include "proxy/publish/serial.h"

struct scanner {
    struct bytes zone;
    size_t at;
    bool line_begins; /* a word here is an owner's name */
};

/* Blanks, comments, parentheses and ends of lines before the next word. */
static void
skip_between(struct scanner *s)
{
    while (s->at < s->zone.len) {
        uint8_t c = s->zone.ptr[s->at];

        if (c == ';') {
            s->at += bytes_find(bytes_skip(s->zone, s->at), '\n');
        } else if (c == '\n') {
            s->line_begins = true;
            s->at++;
        } else if (byte_is_wsp(c) || c == '\r' || c == '(' || c == ')') {
            s->line_begins = false;
            s->at++;
        } else {
            return;
        }
    }
}

static bool
ends_word(uint8_t c)
{
    return byte_is_wsp(c) || c == '\r' || c == '\n' || c == ';' || c == '(' ||
           c == ')';
}

/* The next word or quoted string; an empty one is the end of the file. */
static struct bytes
next_word(struct scanner *s)
{
    bool quoted = false;
    size_t from;

    skip_between(s);
    from = s->at;
    while (s->at < s->zone.len && (quoted || !ends_word(s->zone.ptr[s->at]))) {
        uint8_t c = s->zone.ptr[s->at];

        quoted = quoted != (c == '"');
        /* RFC 1035 5.1: \X stands for X */
        s->at += c == '\\' && s->at + 1 < s->zone.len ? 2 : 1;
    }
    return bytes_make(s->zone.ptr + from, s->at - from);
}

bool
serial_find(struct bytes zone, size_t *at_out, size_t *len_out,
            uint32_t *serial_out)
{
    struct scanner s = { zone, 0, true };
    struct bytes word;
    uint64_t serial;
    bool owner;

    do {
        skip_between(&s);
        owner = s.line_begins;
        s.line_begins = false;
        word = next_word(&s);
    } while (word.len > 0 && (owner || !bytes_is_ci(word, "SOA")));
    (void)next_word(&s); /* MNAME */
    (void)next_word(&s); /* RNAME */
    word = next_word(&s);
    if (!bytes_to_u64(word, UINT32_MAX, &serial)) {
        return false;
    }
    *at_out = (size_t)(word.ptr - zone.ptr);
    *len_out = word.len;
    *serial_out = (uint32_t)serial;
    return true;
}

static bool
is_day(uint32_t day)
{
    uint32_t year = day / 10000, month = day / 100 % 100;

    return year >= 1990 && month >= 1 && month <= 12 && day % 100 >= 1 &&
           day % 100 <= 31;
}

uint32_t
serial_next(uint32_t serial, uint32_t day)
{
    uint32_t old_day = serial / 100;
    uint64_t first = (uint64_t)day * 100;

    if (is_day(old_day) && old_day < day && first <= UINT32_MAX) {
        return (uint32_t)first;
    }
    serial++;                        /* RFC 1982 3.1: modulo 2^32 */
    return serial == 0 ? 1 : serial; /* 0 means "none" to some servers */
}

bool
serial_raise(struct bytes zone, uint32_t day, struct buf *out)
{
    uint32_t serial;
    size_t at, len;

    if (!serial_find(zone, &at, &len, &serial)) {
        return false;
    }
    buf_put(out, bytes_take(zone, at));
    buf_printf(out, "%u", (unsigned)serial_next(serial, day));
    buf_put(out, bytes_skip(zone, at + len));
    return true;
}
