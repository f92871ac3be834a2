/*
 * path - the grammar of mailboxes; see path.h.
 *
 * Each rule takes what it matches off the front of a view and says how much
 * that was; nothing walks backwards. More than RFC 5321 asks for is let
 * through where the address means the same to all: dots anywhere in a local
 * part (carriers have given out "a..b@"), "_" in a domain.
 */
#include "path.h"

#include <smtp/command.h>

/* 4.1.2: atext of RFC 5322 3.2.3, or UTF-8 (6531 3.3), or a dot. */
static bool
is_local(uint8_t c)
{
    return byte_is_alpha(c) || byte_is_digit(c) || c == '.' || c >= 0x80 ||
           (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_let_dig(uint8_t c)
{
    return byte_is_alpha(c) || byte_is_digit(c) || c == '_' || c >= 0x80;
}

static size_t
dot_string_len(struct bytes in)
{
    size_t n = 0;

    while (n < in.len && is_local(in.ptr[n])) {
        n++;
    }
    return n;
}

/* With its quotes; 0 when it is not one, not closed, or empty. */
static size_t
quoted_string_len(struct bytes in)
{
    size_t n = 1;

    while (n < in.len && in.ptr[n] != '"') {
        n += in.ptr[n] == '\\' ? 2 : 1;
        /* quoted-pairSMTP: graphic or SP behind the backslash. */
        if (n > in.len || in.ptr[n - 1] < ' ' || in.ptr[n - 1] == 0x7f) {
            return 0;
        }
    }
    return n < in.len && n > 1 ? n + 1 : 0;
}

static size_t
local_len(struct bytes in)
{
    if (in.len > 0 && in.ptr[0] == '"') {
        return quoted_string_len(in);
    }
    return dot_string_len(in);
}

/* Let-dig [Ldh-str]; 0 when there is none. */
static size_t
label_len(struct bytes in)
{
    size_t n = 0;

    while (n < in.len && (is_let_dig(in.ptr[n]) || in.ptr[n] == '-')) {
        n++;
    }
    if (n > SMTP_LABEL_MAX || n == 0 || in.ptr[0] == '-' ||
        in.ptr[n - 1] == '-') {
        return 0;
    }
    return n;
}

static size_t
name_len(struct bytes in)
{
    size_t n = 0;

    for (;;) {
        size_t label = label_len(bytes_skip(in, n));

        if (label == 0) {
            return 0;
        }
        n += label;
        if (n == in.len || in.ptr[n] != '.') {
            return n;
        }
        n++;
    }
}

static bool
is_ipv4(struct bytes text)
{
    for (unsigned i = 0; i < 4; i++) {
        struct bytes part = bytes_take(text, bytes_find(text, '.'));
        uint64_t value;

        if (part.len > 3 || !bytes_to_u64(part, 255, &value) ||
            (i < 3) != (part.len < text.len)) {
            return false;
        }
        text = bytes_skip(text, part.len + (i < 3 ? 1 : 0));
    }
    return text.len == 0;
}

static size_t
hex_len(struct bytes text)
{
    size_t n = 0;

    while (n < text.len &&
           (byte_is_digit(text.ptr[n]) || (byte_lower(text.ptr[n]) >= 'a' &&
                                           byte_lower(text.ptr[n]) <= 'f'))) {
        n++;
    }
    return n;
}

/* RFC 4291 2.2: eight groups, "::" once for some, IPv4 for the last two. */
static bool
is_ipv6(struct bytes text)
{
    bool elided = bytes_starts_ci(text, "::");
    unsigned groups = 0;

    text = bytes_skip(text, elided ? 2 : 0);
    while (text.len > 0) {
        size_t n = hex_len(text);

        if (n < text.len && text.ptr[n] == '.') {
            groups += 2;
            return is_ipv4(text) && (elided ? groups < 8 : groups == 8);
        }
        if (n == 0 || n > 4 || ++groups > 8) {
            return false;
        }
        text = bytes_skip(text, n);
        if (bytes_starts_ci(text, "::")) {
            if (elided) {
                return false;
            }
            elided = true;
            text = bytes_skip(text, 2);
        } else if (text.len > 0) {
            if (text.ptr[0] != ':' || text.len == 1) {
                return false;
            }
            text = bytes_skip(text, 1);
        }
    }
    return elided ? groups < 8 : groups == 8;
}

/* 4.1.3: [192.0.2.1] or [IPv6:2001:db8::1], brackets counted. */
static size_t
literal_len(struct bytes in)
{
    size_t end = bytes_find(in, ']');
    struct bytes inner;

    if (end == in.len) {
        return 0;
    }
    inner = bytes_skip(bytes_take(in, end), 1);
    if (bytes_starts_ci(inner, "IPv6:")) {
        return is_ipv6(bytes_skip(inner, 5)) ? end + 1 : 0;
    }
    return is_ipv4(inner) ? end + 1 : 0;
}

static size_t
domain_len(struct bytes in)
{
    size_t n;

    if (in.len > 0 && in.ptr[0] == '[') {
        return literal_len(in);
    }
    n = name_len(in);
    return n <= SMTP_DOMAIN_MAX ? n : 0;
}

/* 4.1.1.3, appendix C: "@a,@b:" is read and left out. False: malformed. */
static bool
skip_route(struct bytes *in)
{
    while (in->len > 0 && in->ptr[0] == '@') {
        size_t n = name_len(bytes_skip(*in, 1));

        if (n == 0 || n + 1 == in->len) {
            return false;
        }
        *in = bytes_skip(*in, n + 1);
        if (in->ptr[0] == ':') {
            *in = bytes_skip(*in, 1);
            return true;
        }
        if (in->ptr[0] != ',' || in->len == 1 || in->ptr[1] != '@') {
            return false;
        }
        *in = bytes_skip(*in, 1);
    }
    return true;
}

/* Takes local@domain off *in. */
static enum smtp_err
take_mailbox(struct bytes *in, struct smtp_path *path_out)
{
    struct smtp_path path = { 0 };
    struct bytes rest = *in;

    path.local = bytes_take(rest, local_len(rest));
    rest = bytes_skip(rest, path.local.len);
    if (path.local.len == 0 || path.local.len > SMTP_LOCAL_MAX ||
        rest.len == 0 || rest.ptr[0] != '@') {
        return SMTP_ERR_ADDRESS;
    }
    rest = bytes_skip(rest, 1);
    path.domain = bytes_take(rest, domain_len(rest));
    if (path.domain.len == 0) {
        return SMTP_ERR_ADDRESS;
    }
    path.mailbox = bytes_take(*in, path.local.len + 1 + path.domain.len);
    path.utf8 = smtp_has_8bit(path.mailbox);
    if (path.utf8 && !smtp_utf8_valid(path.mailbox)) {
        return SMTP_ERR_UTF8;
    }
    *in = bytes_skip(*in, path.mailbox.len);
    *path_out = path;
    return SMTP_OK;
}

/* What may stand in place of a mailbox: nothing, or postmaster. */
static bool
take_special(struct bytes *in, enum smtp_path_kind kind,
             struct smtp_path *path_out)
{
    size_t end = bytes_find(*in, '>');
    struct bytes word = bytes_take(*in, end);

    if (end == in->len) {
        return false;
    }
    if (kind == SMTP_PATH_REVERSE ? end != 0
                                  : !bytes_is_ci(word, "postmaster")) {
        return false;
    }
    *path_out = (struct smtp_path){ .mailbox = word, .local = word };
    *in = bytes_skip(*in, end);
    return true;
}

enum smtp_err
smtp_path_take(struct bytes *in, enum smtp_path_kind kind,
               struct smtp_path *path_out)
{
    struct bytes rest = *in;
    struct smtp_path path;

    if (rest.len == 0 || rest.ptr[0] != '<') {
        return SMTP_ERR_ADDRESS;
    }
    rest = bytes_skip(rest, 1);
    if (!take_special(&rest, kind, &path)) {
        enum smtp_err err;

        if (!skip_route(&rest)) {
            return SMTP_ERR_ADDRESS;
        }
        err = take_mailbox(&rest, &path);
        if (err != SMTP_OK) {
            return err;
        }
    }
    if (rest.len == 0 || rest.ptr[0] != '>') {
        return SMTP_ERR_ADDRESS;
    }
    *in = bytes_skip(rest, 1);
    *path_out = path;
    return SMTP_OK;
}

enum smtp_err
smtp_mailbox_parse(struct bytes text, struct smtp_path *path_out)
{
    struct smtp_path path;
    enum smtp_err err = take_mailbox(&text, &path);

    if (err == SMTP_OK && text.len > 0) {
        err = SMTP_ERR_ADDRESS;
    }
    if (err == SMTP_OK) {
        *path_out = path;
    }
    return err;
}

/* Octets of the character that starts here; 0 when it is malformed. */
static size_t
utf8_char_len(struct bytes text)
{
    uint8_t lead = text.ptr[0];
    uint8_t low = 0x80, high = 0xbf; /* of the second octet */
    size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || n > text.len) {
        return 0;
    }
    if (lead == 0xe0) {
        low = 0xa0; /* overlong */
    } else if (lead == 0xed) {
        high = 0x9f; /* surrogates */
    } else if (lead == 0xf0) {
        low = 0x90; /* overlong */
    } else if (lead == 0xf4) {
        high = 0x8f; /* beyond U+10FFFF */
    }
    if (n > 1 && (text.ptr[1] < low || text.ptr[1] > high)) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if ((text.ptr[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

bool
smtp_utf8_valid(struct bytes text)
{
    while (text.len > 0) {
        size_t n = utf8_char_len(text);

        if (n == 0) {
            return false;
        }
        text = bytes_skip(text, n);
    }
    return true;
}

bool
smtp_has_8bit(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 0x80) {
            return true;
        }
    }
    return false;
}
