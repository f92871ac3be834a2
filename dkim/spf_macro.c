/*
 * spf_macro - macro strings of SPF; see dkim/spf_parts.h.
 *
 * One scanner takes a string apart into literals and macros; checking,
 * looking for %{p} and expanding are three readers of what it gives.
 *
 * RFC 7208 7.
 */
#include "spf_parts.h"

#include <arpa/inet.h>

enum token_kind {
    TOKEN_END,
    TOKEN_BAD,
    TOKEN_LITERAL, /* text is one octet */
    TOKEN_ESCAPE,  /* %% %_ %-: text is what it stands for */
    TOKEN_MACRO
};

struct token {
    enum token_kind kind;
    struct bytes text;
    uint8_t letter; /* lower case */
    bool url;       /* the letter was upper case */
    bool reverse;
    uint64_t parts; /* rightmost parts kept; UINT64_MAX: all */
    struct bytes delimiters;
};

static const struct escape {
    char letter;
    const char *text;
} escapes[] = { { '%', "%" }, { '_', " " }, { '-', "%20" } };

static bool
is_delimiter(uint8_t c)
{
    return c != 0 && strchr(".-+,/_=", c) != NULL;
}

/* The inside of %{...}; false: not a macro. */
static bool
parse_macro(struct bytes in, struct token *t)
{
    size_t digits = 0;

    if (in.len == 0 || !byte_is_alpha(in.ptr[0]) ||
        strchr("slodiphcrtv", byte_lower(in.ptr[0])) == NULL) {
        return false;
    }
    t->letter = byte_lower(in.ptr[0]);
    t->url = t->letter != in.ptr[0];
    in = bytes_skip(in, 1);
    while (digits < in.len && byte_is_digit(in.ptr[digits])) {
        digits++;
    }
    t->parts = UINT64_MAX;
    if (digits > 0 &&
        bytes_to_u64(bytes_take(in, digits), UINT64_MAX, &t->parts) &&
        t->parts == 0) {
        return false; /* 7.3: it must be nonzero; too big a number is all */
    }
    in = bytes_skip(in, digits);
    if (in.len > 0 && byte_lower(in.ptr[0]) == 'r') {
        t->reverse = true;
        in = bytes_skip(in, 1);
    }
    t->delimiters = in;
    for (size_t i = 0; i < in.len; i++) {
        if (!is_delimiter(in.ptr[i])) {
            return false;
        }
    }
    return true;
}

static enum token_kind
after_percent(struct bytes *rest, struct token *t)
{
    size_t close;

    if (rest->len < 2) {
        return TOKEN_BAD;
    }
    for (size_t i = 0; i < sizeof(escapes) / sizeof(*escapes); i++) {
        if (rest->ptr[1] == (uint8_t)escapes[i].letter) {
            t->text = bytes_str(escapes[i].text);
            *rest = bytes_skip(*rest, 2);
            return TOKEN_ESCAPE;
        }
    }
    close = bytes_find(*rest, '}');
    if (rest->ptr[1] != '{' || close == rest->len ||
        !parse_macro(bytes_skip(bytes_take(*rest, close), 2), t)) {
        return TOKEN_BAD;
    }
    *rest = bytes_skip(*rest, close + 1);
    return TOKEN_MACRO;
}

static struct token
next_token(struct bytes *rest)
{
    struct token t = { .kind = TOKEN_END };
    uint8_t c;

    if (rest->len == 0) {
        return t;
    }
    c = rest->ptr[0];
    if (c == '%') {
        t.kind = after_percent(rest, &t);
        return t;
    }
    /* Visible ASCII; the SP of an explanation (6.2) is judged by callers. */
    t.kind = c >= 0x20 && c <= 0x7e ? TOKEN_LITERAL : TOKEN_BAD;
    t.text = bytes_take(*rest, 1);
    *rest = bytes_skip(*rest, 1);
    return t;
}

bool
spf_macro_good(struct bytes spec, bool explain)
{
    for (;;) {
        struct token t = next_token(&spec);

        if (t.kind == TOKEN_END || t.kind == TOKEN_BAD) {
            return t.kind == TOKEN_END;
        }
        if (explain) {
            continue;
        }
        if (t.kind == TOKEN_LITERAL && t.text.ptr[0] == ' ') {
            return false;
        }
        if (t.kind == TOKEN_MACRO && strchr("crt", t.letter) != NULL) {
            return false; /* 7.2: only in the explanation */
        }
    }
}

bool
spf_macro_uses_ptr(struct bytes spec)
{
    for (;;) {
        struct token t = next_token(&spec);

        if (t.kind == TOKEN_END || t.kind == TOKEN_BAD) {
            return false;
        }
        if (t.kind == TOKEN_MACRO && t.letter == 'p') {
            return true;
        }
    }
}

/* 7.1: letters, digits, inner hyphens; not digits only. */
static bool
is_toplabel(struct bytes label)
{
    bool only_digits = true;

    for (size_t i = 0; i < label.len; i++) {
        uint8_t c = label.ptr[i];

        if (!byte_is_alpha(c) && !byte_is_digit(c) && c != '-') {
            return false;
        }
        only_digits = only_digits && byte_is_digit(c);
    }
    return label.len > 0 && !only_digits && label.ptr[0] != '-' &&
           label.ptr[label.len - 1] != '-';
}

bool
spf_domain_spec_good(struct bytes spec)
{
    struct bytes rest = spec, tail = spec;
    size_t dot = 0;

    if (spec.len == 0 || !spf_macro_good(spec, false)) {
        return false;
    }
    while (rest.len > 0) {
        if (next_token(&rest).kind != TOKEN_LITERAL) {
            tail = rest;
        }
    }
    if (tail.len == 0) {
        return true; /* domain-end is a macro-expand */
    }
    if (tail.ptr[tail.len - 1] == '.') {
        tail.len--;
    }
    for (dot = tail.len; dot > 0 && tail.ptr[dot - 1] != '.'; dot--) {
    }
    return dot > 0 && is_toplabel(bytes_skip(tail, dot));
}

/* 7.3: "The macro 'i'": dotted quad, or 32 nibbles with dots. */
static void
put_ip(const struct spf_macro_env *env, struct buf *out)
{
    static const char hex[] = "0123456789ABCDEF";

    if (env->ip4) {
        buf_printf(out, "%u.%u.%u.%u", env->ip[0], env->ip[1], env->ip[2],
                   env->ip[3]);
        return;
    }
    for (size_t i = 0; i < 16; i++) {
        buf_puts(out, i > 0 ? "." : "");
        buf_putc(out, hex[env->ip[i] >> 4]);
        buf_putc(out, '.');
        buf_putc(out, hex[env->ip[i] & 15]);
    }
}

static void
put_readable_ip(const struct spf_macro_env *env, struct buf *out)
{
    char text[INET6_ADDRSTRLEN];

    if (inet_ntop(env->ip4 ? AF_INET : AF_INET6, env->ip, text, sizeof(text)) !=
        NULL) {
        buf_puts(out, text);
    }
}

/* 7.2: what the letters stand for. */
static void
put_value(uint8_t letter, const struct spf_macro_env *env, struct buf *out)
{
    switch (letter) {
    case 's':
        buf_put(out, env->local);
        buf_putc(out, '@');
        buf_put(out, env->sender_domain);
        break;
    case 'l':
        buf_put(out, env->local);
        break;
    case 'o':
        buf_put(out, env->sender_domain);
        break;
    case 'd':
        buf_put(out, env->domain);
        break;
    case 'i':
        put_ip(env, out);
        break;
    case 'p':
        buf_put(out, env->validated);
        break;
    case 'h':
        buf_put(out, env->helo);
        break;
    case 'c':
        put_readable_ip(env, out);
        break;
    case 'r':
        buf_put(out, env->receiver);
        break;
    case 't':
        buf_printf(out, "%llu", (unsigned long long)env->now_s);
        break;
    default:
        buf_puts(out, env->ip4 ? "in-addr" : "ip6");
        break;
    }
}

/* 7.3: upper case: all but the unreserved characters of RFC 3986. */
static void
put_octet(struct buf *out, uint8_t c, bool url)
{
    if (!url || byte_is_alpha(c) || byte_is_digit(c) ||
        (c != 0 && strchr("-._~", c) != NULL)) {
        buf_putc(out, (char)c);
    } else {
        buf_printf(out, "%%%02X", c);
    }
}

/* Puts the n-th part of value, 0 first. */
static void
put_part(struct bytes value, const struct token *t, size_t n, struct buf *out)
{
    struct bytes delimiters =
        t->delimiters.len > 0 ? t->delimiters : BYTES_LIT(".");
    size_t part = 0;

    for (size_t i = 0; i < value.len; i++) {
        if (bytes_find(delimiters, value.ptr[i]) < delimiters.len) {
            part++;
        } else if (part == n) {
            put_octet(out, value.ptr[i], t->url);
        }
    }
}

static size_t
count_parts(struct bytes value, const struct token *t)
{
    struct bytes delimiters =
        t->delimiters.len > 0 ? t->delimiters : BYTES_LIT(".");
    size_t parts = 1;

    for (size_t i = 0; i < value.len; i++) {
        parts += bytes_find(delimiters, value.ptr[i]) < delimiters.len;
    }
    return parts;
}

/*
 * 7.3: split at the delimiters, reverse, keep the rightmost parts, join with
 * dots. Values are short (a path of RFC 5321), so walking them once for each
 * part is cheap.
 */
static void
put_macro(const struct token *t, const struct spf_macro_env *env,
          struct buf *out)
{
    struct buf value = BUF_INIT;
    size_t parts, first;

    put_value(t->letter, env, &value);
    parts = count_parts(buf_bytes(&value), t);
    first = t->parts < parts ? parts - (size_t)t->parts : 0;
    for (size_t i = first; i < parts; i++) {
        buf_puts(out, i > first ? "." : "");
        put_part(buf_bytes(&value), t, t->reverse ? parts - 1 - i : i, out);
    }
    out->failed = out->failed || buf_failed(&value);
    buf_free(&value);
}

bool
spf_macro_expand(struct bytes spec, const struct spf_macro_env *env,
                 struct buf *out)
{
    size_t start = out->len;

    for (;;) {
        struct token t = next_token(&spec);

        if (t.kind == TOKEN_END || t.kind == TOKEN_BAD) {
            return t.kind == TOKEN_END && !buf_failed(out);
        }
        if (t.kind == TOKEN_MACRO) {
            put_macro(&t, env, out);
        } else {
            buf_put(out, t.text);
        }
        if (out->len - start > SPF_MACRO_OCTETS_MAX || buf_failed(out)) {
            return false;
        }
    }
}
