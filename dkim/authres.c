/*
 * authres - Authentication-Results as we write it; see dkim/authres.h.
 *
 * Each result starts a line; a property that does not fit starts another.
 * Nothing but visible text gets in, and what is no token stands in quotes.
 */
#include <dkim/authres.h>

enum {
    COLUMNS = 78, /* RFC 5322 2.1.1 */
    B_OCTETS = 8  /* RFC 6008 4 */
};

/* RFC 2045 5.1 token. */
static bool
is_token(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (c <= ' ' || c >= 0x7f ||
            memchr("()<>@,;:\\\"/[]?=", c, 15) != NULL) {
            return false;
        }
    }
    return text.len > 0;
}

/* RFC 8601 2.2: pvalue may be [local-part] "@" domain-name. */
static bool
is_pvalue(struct bytes text)
{
    size_t at = bytes_find(text, '@');

    return is_token(text) ||
           (at < text.len && (at == 0 || is_token(bytes_take(text, at))) &&
            is_token(bytes_skip(text, at + 1)));
}

/* Printable octets, UTF-8 only when all of the value is. */
static void
put_clean(struct buf *out, struct bytes text, bool quoted)
{
    bool utf8 = dkim_utf8_valid(text);

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if ((c < ' ' && c != '\t') || c == 0x7f) {
            continue;
        }
        if (quoted && (c == '"' || c == '\\')) {
            buf_putc(out, '\\');
        }
        buf_putc(out, c == '\t' ? ' ' : c < 0x80 || utf8 ? (char)c : '?');
    }
}

static struct bytes
limited(struct bytes text)
{
    size_t n = DKIM_AUTHRES_VALUE_MAX;

    if (text.len <= n) {
        return text;
    }
    while (n > 0 && (text.ptr[n] & 0xc0) == 0x80) {
        n--; /* not inside a UTF-8 sequence */
    }
    return bytes_take(text, n);
}

static void
put_value(struct buf *out, struct bytes value, bool bare)
{
    value = limited(value);
    if (bare) {
        buf_put(out, value);
        return;
    }
    buf_putc(out, '"');
    put_clean(out, value, true);
    buf_putc(out, '"');
}

/* piece is one word (" reason=..."): on this line, or on a new one. */
static void
put_piece(struct dkim_authres *a, struct buf *piece)
{
    if (a->column + 1 + piece->len > COLUMNS) {
        buf_puts(&a->text, "\r\n");
        a->column = 0;
    }
    buf_putc(&a->text, ' ');
    buf_put(&a->text, buf_bytes(piece));
    a->column += 1 + piece->len;
    a->text.failed = a->text.failed || buf_failed(piece);
    buf_free(piece);
}

void
dkim_authres_begin(struct dkim_authres *a, const char *authserv_id)
{
    struct bytes id = bytes_str(authserv_id);

    *a = (struct dkim_authres){ .text = BUF_INIT };
    buf_puts(&a->text, "Authentication-Results: ");
    put_value(&a->text, id, is_token(limited(id)));
}

void
dkim_authres_result(struct dkim_authres *a, const char *method,
                    const char *result, const char *reason)
{
    struct buf piece = BUF_INIT;

    buf_puts(&a->text, ";\r\n");
    a->column = 0;
    a->results++;
    buf_printf(&piece, "%s=%s", method, result);
    put_piece(a, &piece);
    if (reason[0] != '\0') {
        buf_puts(&piece, "reason=");
        put_value(&piece, bytes_str(reason), false);
        put_piece(a, &piece);
    }
}

void
dkim_authres_property(struct dkim_authres *a, const char *ptype_property,
                      struct bytes value)
{
    struct buf piece = BUF_INIT;

    buf_puts(&piece, ptype_property);
    buf_putc(&piece, '=');
    put_value(&piece, value, is_pvalue(limited(value)));
    put_piece(a, &piece);
}

/* 6008 4: the first octets of b=, without its folds. */
static void
put_b(struct dkim_authres *a, struct bytes b)
{
    uint8_t head[B_OCTETS];
    size_t n = 0;

    for (size_t i = 0; i < b.len && n < sizeof(head); i++) {
        if (!byte_is_wsp(b.ptr[i]) && b.ptr[i] != '\r' && b.ptr[i] != '\n') {
            head[n++] = b.ptr[i];
        }
    }
    if (n > 0) {
        dkim_authres_property(a, "header.b", bytes_make(head, n));
    }
}

static void
put_signature(struct dkim_authres *a, const struct dkim_verify_result *r,
              bool several)
{
    dkim_authres_result(a, "dkim", dkim_verdict_name(r->verdict),
                        r->verdict == DKIM_PASS ? "" : r->reason);
    if (r->domain[0] != '\0') {
        dkim_authres_property(a, "header.d", bytes_str(r->domain));
    }
    if (r->identity.len > 0) {
        dkim_authres_property(a, "header.i", r->identity);
    }
    if (r->alg_known) {
        dkim_authres_property(a, "header.a", bytes_str(dkim_alg_name(r->alg)));
    }
    if (r->selector[0] != '\0') {
        dkim_authres_property(a, "header.s", bytes_str(r->selector));
    }
    if (several) {
        put_b(a, r->b);
    }
}

void
dkim_authres_dkim(struct dkim_authres *a, const struct dkim_verify *v)
{
    size_t count = dkim_verify_count(v);
    size_t max = DKIM_AUTHRES_SIGNATURES_MAX;
    char reason[64];

    if (count == 0) {
        dkim_authres_result(a, "dkim", "none", "");
    }
    for (size_t i = 0; i < count && i < max; i++) {
        put_signature(a, dkim_verify_result(v, i), count > 1);
    }
    if (count > max) {
        (void)snprintf(reason, sizeof(reason), "%zu more signatures",
                       count - max);
        dkim_authres_result(a, "dkim", dkim_verdict_name(DKIM_POLICY), reason);
    }
}

bool
dkim_authres_end(struct dkim_authres *a, struct bytes *field_out)
{
    buf_puts(&a->text, a->results == 0 ? "; none\r\n" : "\r\n");
    if (buf_failed(&a->text)) {
        return false;
    }
    *field_out = buf_bytes(&a->text);
    return true;
}

void
dkim_authres_free(struct dkim_authres *a)
{
    buf_free(&a->text);
}
