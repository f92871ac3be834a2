/*
 * message - reports attached to mail; see parts.h.
 *
 * As much of MIME (RFC 2045, 2046) as attachments need: multipart, base64,
 * quoted-printable. A part that is no report (the covering text) is passed
 * over; one that looks like a report and is broken is told.
 */
#include "proxy/reports/parts.h"

#include <base/base64.h>
#include <base/hex.h>

enum {
    BOUNDARY_MAX = 70 /* RFC 2046 5.1.1 */
};

enum encoding {
    AS_IT_IS,
    BASE64,
    QUOTED_PRINTABLE
};

struct part {
    char boundary[BOUNDARY_MAX + 1]; /* "" unless it is a multipart */
    bool is_message;                 /* message/rfc822 */
    enum encoding encoding;
    struct bytes body;
};

/* --- header ------------------------------------------------------------- */

/* The next line without its end. */
static struct bytes
next_line(struct bytes *rest)
{
    size_t end = bytes_find(*rest, '\n');
    struct bytes line = bytes_take(*rest, end);

    *rest = bytes_skip(*rest, end < rest->len ? end + 1 : end);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

/* The value of a parameter, with its quotes off. RFC 2045 5.1. */
static bool
find_boundary(struct bytes value, char *out)
{
    while (value.len > 0) {
        size_t end = bytes_find(value, ';');

        value = bytes_trim(bytes_skip(value, end < value.len ? end + 1 : end));
        if (bytes_starts_ci(value, "boundary=")) {
            value = bytes_skip(value, strlen("boundary="));
            if (value.len > 0 && value.ptr[0] == '"') {
                value = bytes_skip(value, 1);
                end = bytes_find(value, '"');
            } else {
                end = bytes_find(value, ';');
                value = bytes_trim(bytes_take(value, end));
                end = bytes_find(value, ' ');
            }
            return bytes_copy(bytes_take(value, end), out, BOUNDARY_MAX + 1) &&
                   out[0] != '\0';
        }
    }
    return false;
}

static void
take_field(struct part *p, struct bytes field)
{
    size_t colon = bytes_find(field, ':');
    struct bytes name = bytes_trim(bytes_take(field, colon));
    struct bytes value =
        bytes_trim(bytes_skip(field, colon < field.len ? colon + 1 : colon));

    if (bytes_is_ci(name, "content-type")) {
        p->is_message = bytes_starts_ci(value, "message/rfc822");
        if (bytes_starts_ci(value, "multipart/")) {
            (void)find_boundary(value, p->boundary);
        }
    } else if (bytes_is_ci(name, "content-transfer-encoding")) {
        p->encoding = bytes_is_ci(value, "base64") ? BASE64
                      : bytes_is_ci(value, "quoted-printable")
                          ? QUOTED_PRINTABLE
                          : AS_IT_IS;
    }
}

/* Header and body of an entity; folded lines are put together. */
static bool
read_header(struct bytes entity, struct part *p)
{
    struct buf field = BUF_INIT;
    struct bytes line;
    bool good;

    *p = (struct part){ .boundary = "" };
    do {
        line = next_line(&entity);
        if (line.len == 0 || !byte_is_wsp(line.ptr[0])) {
            take_field(p, buf_bytes(&field));
            buf_clear(&field);
        }
        buf_put(&field, bytes_take(line, 2000));
    } while (line.len > 0 && entity.len > 0);
    p->body = entity;
    good = !buf_failed(&field);
    buf_free(&field);
    return good;
}

/* --- body --------------------------------------------------------------- */

/* RFC 2045 6.7; what is no escape stays as it is. */
static void
decode_quoted(struct bytes in, struct buf *out)
{
    while (in.len > 0) {
        size_t run = bytes_find(in, '=');
        struct bytes rest;
        uint8_t octet;

        buf_put(out, bytes_take(in, run));
        in = bytes_skip(in, run);
        rest = bytes_skip(in, in.len > 0 ? 1 : 0);
        if (hex_octet(rest, &octet)) {
            buf_putc(out, (char)octet);
            in = bytes_skip(rest, 2);
        } else if (rest.len >= 1 && rest.ptr[0] == '\n') {
            in = bytes_skip(rest, 1);
        } else if (rest.len >= 2 && rest.ptr[0] == '\r' &&
                   rest.ptr[1] == '\n') {
            in = bytes_skip(rest, 2);
        } else {
            buf_put(out, bytes_take(in, 1));
            in = rest;
        }
    }
}

/* False: nothing was decoded; *good_out: the other parts may be. */
static bool
decode(struct report_reading *r, const struct part *p, struct buf *out,
       bool *good_out)
{
    size_t len = 0;

    *good_out = false;
    if (p->body.len > r->octets_left) {
        return report_fail(r, "more than 64 MiB are in it");
    }
    r->octets_left -= p->body.len;
    if (p->encoding == BASE64) {
        if (buf_reserve(out, p->body.len / 4 * 3 + 3) &&
            !base64_decode(p->body, true, out->ptr, out->cap, &len)) {
            *good_out = true;
            return report_fail(r, "a part of the message is not base64");
        }
        out->len = len;
    } else if (p->encoding == QUOTED_PRINTABLE) {
        decode_quoted(p->body, out);
    } else {
        buf_put(out, p->body);
    }
    return !buf_failed(out) || report_fail(r, "no memory");
}

static bool
/* NOLINTNEXTLINE(misc-no-recursion): read_entity() counts */
read_leaf(struct report_reading *r, const struct part *p, unsigned depth)
{
    struct buf text = BUF_INIT;
    struct bytes data;
    bool good;

    if (!decode(r, p, &text, &good)) {
        buf_free(&text);
        return good;
    }
    data = buf_bytes(&text);
    good = true;
    if (p->is_message) {
        good = report_message(r, data, depth + 1);
    } else if (report_is_packed(data) || report_is_xml(data)) {
        good = report_open(r, data, depth + 1);
    }
    buf_free(&text);
    return good;
}

/* --- multipart ---------------------------------------------------------- */

/* "--boundary" or "--boundary--" and blanks (RFC 2046 5.1.1). */
static bool
is_boundary(struct bytes line, const char *boundary, bool *last_out)
{
    size_t len = strlen(boundary);

    if (line.len < len + 2 || line.ptr[0] != '-' || line.ptr[1] != '-' ||
        memcmp(line.ptr + 2, boundary, len) != 0) {
        return false;
    }
    line = bytes_trim(bytes_skip(line, len + 2));
    *last_out = bytes_is(line, "--");
    return line.len == 0 || *last_out;
}

static bool read_entity(struct report_reading *r, struct bytes entity,
                        unsigned depth);

static bool
/* NOLINTNEXTLINE(misc-no-recursion): read_entity() counts */
read_parts(struct report_reading *r, const struct part *p, unsigned depth)
{
    struct bytes rest = p->body;
    const uint8_t *begin = NULL; /* of the part under way */
    bool last = false, good = true;

    while (good && rest.len > 0 && !last) {
        struct bytes line = next_line(&rest);

        if (!is_boundary(line, p->boundary, &last)) {
            continue;
        }
        if (begin != NULL) {
            good = read_entity(r, bytes_make(begin, (size_t)(line.ptr - begin)),
                               depth + 1);
        }
        begin = rest.ptr;
    }
    if (good && begin != NULL && !last) { /* the end was cut off */
        size_t len = (size_t)(p->body.ptr + p->body.len - begin);

        good = read_entity(r, bytes_make(begin, len), depth + 1);
    }
    return good;
}

static bool
/* NOLINTNEXTLINE(misc-no-recursion): REPORT_DEPTH_MAX */
read_entity(struct report_reading *r, struct bytes entity, unsigned depth)
{
    struct part p;

    if (depth > REPORT_DEPTH_MAX) {
        return report_fail(r, "archives and messages are nested too deep");
    }
    if (r->parts_left == 0) {
        return report_fail(r, "too many files in it");
    }
    r->parts_left--;
    if (!read_header(entity, &p)) {
        return report_fail(r, "no memory");
    }
    return p.boundary[0] != '\0' ? read_parts(r, &p, depth)
                                 : read_leaf(r, &p, depth);
}

bool
/* NOLINTNEXTLINE(misc-no-recursion): read_entity() counts */
report_message(struct report_reading *r, struct bytes data, unsigned depth)
{
    return read_entity(r, data, depth);
}
