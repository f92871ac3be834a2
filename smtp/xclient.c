/*
 * xclient - one table of attributes, one check a kind of value; see
 * smtp/xclient.h.
 *
 * To support another one: enum smtp_xattr, a row here, its name in the
 * keywords of caps.c.
 */
#include <base/hex.h>

#include <smtp/xclient.h>

#define BIT(n) (1u << (n))

enum {
    XCLIENT = BIT(0),
    XFORWARD = BIT(1),
    BOTH = XCLIENT | XFORWARD,
    PROTO_MAX = 64 /* XFORWARD_README: octets */
};

/* --- xtext ---------------------------------------------------------------- */

/* RFC 3461 4. A control character would break out of a line some day. */
static bool
decode(struct bytes text, char out[SMTP_XVALUE_MAX + 1])
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (c <= ' ' || c > '~' || c == '=') {
            return false;
        }
        if (c == '+') {
            if (!hex_octet(bytes_skip(text, i + 1), &c)) {
                return false;
            }
            i += 2;
        }
        if (c < ' ' || c == 0x7f || n == SMTP_XVALUE_MAX) {
            return false;
        }
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return n > 0;
}

/* --- values --------------------------------------------------------------- */

typedef bool check_value(char *value);

static bool
check_text(char *value)
{
    (void)value;
    return true;
}

/* Which digits it is made of; the caller of the parser makes octets of it. */
static bool
check_address(char *value)
{
    struct bytes text = bytes_str(value);

    if (bytes_starts_ci(text, "IPV6:")) {
        text = bytes_skip(text, 5);
        memmove(value, text.ptr, text.len + 1);
        text.ptr = (const uint8_t *)value;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (!hex_is_digit(c) && c != ':' && c != '.') {
            return false;
        }
    }
    return text.len > 0;
}

static bool
check_port(char *value)
{
    uint64_t port;

    return bytes_to_u64(bytes_str(value), UINT16_MAX, &port);
}

static bool
check_proto(char *value)
{
    return strlen(value) <= PROTO_MAX;
}

static bool
check_source(char *value)
{
    return bytes_is_ci(bytes_str(value), "LOCAL") ||
           bytes_is_ci(bytes_str(value), "REMOTE");
}

static const struct attr_rule {
    const char *name;
    unsigned verbs;
    check_value *check;
} rules[SMTP_XATTR_COUNT] = {
    [SMTP_XATTR_NAME] = { "NAME", BOTH, check_text },
    [SMTP_XATTR_ADDR] = { "ADDR", BOTH, check_address },
    [SMTP_XATTR_PORT] = { "PORT", BOTH, check_port },
    [SMTP_XATTR_PROTO] = { "PROTO", BOTH, check_proto },
    [SMTP_XATTR_HELO] = { "HELO", BOTH, check_text },
    [SMTP_XATTR_LOGIN] = { "LOGIN", XCLIENT, check_text },
    [SMTP_XATTR_DESTADDR] = { "DESTADDR", XCLIENT, check_address },
    [SMTP_XATTR_DESTPORT] = { "DESTPORT", XCLIENT, check_port },
    [SMTP_XATTR_IDENT] = { "IDENT", XFORWARD, check_text },
    [SMTP_XATTR_SOURCE] = { "SOURCE", XFORWARD, check_source },
};

/* --- the line ------------------------------------------------------------- */

/* SMTP_XATTR_COUNT: unknown for this verb. */
static unsigned
find_rule(enum smtp_verb verb, struct bytes name)
{
    unsigned bit = verb == SMTP_VERB_XCLIENT ? XCLIENT : XFORWARD;
    unsigned i = 0;

    while (i < SMTP_XATTR_COUNT &&
           (!(rules[i].verbs & bit) || !bytes_is_ci(name, rules[i].name))) {
        i++;
    }
    return i;
}

static bool
is_unavailable(const char *value)
{
    return bytes_is_ci(bytes_str(value), "[UNAVAILABLE]") ||
           bytes_is_ci(bytes_str(value), "[TEMPUNAVAIL]");
}

static enum smtp_err
parse_one(enum smtp_verb verb, struct bytes pair, struct smtp_xattrs *attrs)
{
    struct bytes name = bytes_take(pair, bytes_find(pair, '='));
    unsigned i = find_rule(verb, name);
    char *value;

    if (i == SMTP_XATTR_COUNT || name.len == pair.len) {
        return SMTP_ERR_SYNTAX;
    }
    if (attrs->given & BIT(i)) {
        return SMTP_ERR_PARAM_TWICE;
    }
    attrs->given |= BIT(i);
    value = attrs->value[i];
    if (!decode(bytes_skip(pair, name.len + 1), value)) {
        return SMTP_ERR_PARAM_VALUE;
    }
    if (is_unavailable(value)) {
        value[0] = '\0';
        return SMTP_OK;
    }
    return rules[i].check(value) ? SMTP_OK : SMTP_ERR_PARAM_VALUE;
}

enum smtp_err
smtp_xclient_parse(enum smtp_verb verb, struct bytes arg,
                   struct smtp_xattrs *out)
{
    struct smtp_xattrs attrs = { 0 };

    while (arg.len > 0) {
        struct bytes pair = bytes_take(arg, bytes_find(arg, ' '));

        if (pair.len > 0) { /* more than one space is let through */
            enum smtp_err err = parse_one(verb, pair, &attrs);

            if (err != SMTP_OK) {
                return err;
            }
        }
        arg = bytes_skip(arg, pair.len + (pair.len < arg.len ? 1 : 0));
    }
    if (attrs.given == 0) {
        return SMTP_ERR_SYNTAX;
    }
    *out = attrs;
    return SMTP_OK;
}

unsigned
smtp_xattr_names(enum smtp_verb verb, struct bytes args)
{
    unsigned names = 0;

    while (args.len > 0) {
        struct bytes name = bytes_take(args, bytes_find(args, ' '));
        unsigned i = find_rule(verb, name);

        names |= i < SMTP_XATTR_COUNT ? BIT(i) : 0;
        args = bytes_skip(args, name.len + (name.len < args.len ? 1 : 0));
    }
    return names;
}

/* --- writing -------------------------------------------------------------- */

/* RFC 3461 4. */
static void
put_xtext(struct buf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        uint8_t c = (uint8_t)*value;

        if (c <= ' ' || c > '~' || c == '+' || c == '=') {
            buf_printf(out, "+%02X", (unsigned)c);
        } else {
            buf_putc(out, *value);
        }
    }
}

static void
put_value(struct buf *out, unsigned attr, const char *value)
{
    bool address = attr == SMTP_XATTR_ADDR || attr == SMTP_XATTR_DESTADDR;

    if (value[0] == '\0') {
        buf_puts(out, "[UNAVAILABLE]");
        return;
    }
    if (address && strchr(value, ':') != NULL) {
        buf_puts(out, "IPV6:"); /* XCLIENT_README: as in RFC 5321 4.1.3 */
    }
    put_xtext(out, value);
}

bool
smtp_xclient_put(struct buf *out, enum smtp_verb verb, unsigned offered,
                 const struct smtp_xattrs *attrs)
{
    unsigned said = attrs->given & offered;

    if (said == 0) {
        return false;
    }
    buf_puts(out, verb == SMTP_VERB_XCLIENT ? "XCLIENT" : "XFORWARD");
    for (unsigned i = 0; i < SMTP_XATTR_COUNT; i++) {
        if (said & BIT(i)) {
            buf_printf(out, " %s=", rules[i].name);
            put_value(out, i, attrs->value[i]);
        }
    }
    buf_puts(out, "\r\n");
    return true;
}
