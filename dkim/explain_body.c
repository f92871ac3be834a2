/*
 * explain_body - guesses about a body whose hash does not verify.
 *
 * Each guess is a body that the signer may have seen; the first whose hash is
 * bh= is told. Nothing is said about bodies that were changed in the middle:
 * a hash cannot tell where.
 */
#include "explain_body.h"

#include <dkim/explain.h>

struct attempt {
    const struct dkim_signature *sig;
    enum dkim_canon_mode mode;
    uint64_t octets_left; /* that may still be hashed */
};

static bool
fits(struct attempt *t, struct bytes body)
{
    uint64_t limit = t->sig->has_length ? t->sig->length : UINT64_MAX;
    struct dkim_body_hash *h;
    uint8_t digest[DKIM_HASH_OCTETS_MAX];
    size_t n;

    if (body.len > t->octets_left) {
        return false;
    }
    t->octets_left -= body.len;
    h = dkim_body_hash_new(t->mode, dkim_alg_hash(t->sig->alg), limit);
    if (h == NULL) {
        return false;
    }
    dkim_body_hash_feed(h, body);
    n = dkim_body_hash_end(h, digest);
    dkim_body_hash_free(&h);
    return n > 0 && bytes_eq(bytes_make(digest, n),
                             bytes_make(t->sig->bh, t->sig->bh_len));
}

static bool
fits_buf(struct attempt *t, struct buf *body)
{
    bool good = !buf_failed(body) && fits(t, buf_bytes(body));

    buf_free(body);
    return good;
}

/* Every LF that has no CR gets one. */
static bool
fits_with_crlf(struct attempt *t, struct bytes body)
{
    struct buf text = BUF_INIT;

    for (size_t i = 0; i < body.len; i++) {
        if (body.ptr[i] == '\n' && (i == 0 || body.ptr[i - 1] != '\r')) {
            buf_putc(&text, '\r');
        }
        buf_putc(&text, (char)body.ptr[i]);
    }
    return fits_buf(t, &text);
}

static bool
fits_with_lf(struct attempt *t, struct bytes body)
{
    struct buf text = BUF_INIT;

    for (size_t i = 0; i < body.len; i++) {
        if (body.ptr[i] != '\r') {
            buf_putc(&text, (char)body.ptr[i]);
        }
    }
    return fits_buf(t, &text);
}

static bool
at_line_start(struct bytes body, size_t i)
{
    return i == 0 || body.ptr[i - 1] == '\n';
}

/* ".." at the start of a line was "." before it went through SMTP. */
static bool
fits_unstuffed(struct attempt *t, struct bytes body)
{
    struct buf text = BUF_INIT;

    for (size_t i = 0; i < body.len; i++) {
        if (body.ptr[i] == '.' && at_line_start(body, i) && i + 1 < body.len &&
            body.ptr[i + 1] == '.') {
            continue;
        }
        buf_putc(&text, (char)body.ptr[i]);
    }
    return fits_buf(t, &text);
}

static bool
fits_stuffed(struct attempt *t, struct bytes body)
{
    struct buf text = BUF_INIT;

    for (size_t i = 0; i < body.len; i++) {
        if (body.ptr[i] == '.' && at_line_start(body, i)) {
            buf_putc(&text, '.');
        }
        buf_putc(&text, (char)body.ptr[i]);
    }
    return fits_buf(t, &text);
}

static bool
fits_without_first_line_end(struct attempt *t, struct bytes body)
{
    return body.len >= 2 && body.ptr[0] == '\r' && fits(t, bytes_skip(body, 2));
}

static bool
fits_empty(struct attempt *t, struct bytes body)
{
    return body.len > 0 && fits(t, bytes_take(body, 0));
}

static const struct guess {
    bool (*fits)(struct attempt *t, struct bytes body);
    const char *text;
} guesses[] = {
    { fits, "" },
    { fits_empty, "The signer saw an empty body: all of it was added, or the "
                  "blank line before it was lost." },
    { fits_with_crlf, "With each bare LF as CRLF it would: the line ends were "
                      "changed after signing." },
    { fits_with_lf, "With bare LF line ends it would: the signer hashed lines "
                    "that did not end in CRLF." },
    { fits_unstuffed, "With the doubled dots at line starts as single ones it "
                      "would: dots were stuffed twice." },
    { fits_stuffed, "With dots at line starts doubled it would: the signer "
                    "hashed the body after dot-stuffing." },
    { fits_without_first_line_end, "Without its first empty line it would: an "
                                   "empty line was added before the body." },
};

/* How many lines must go from the end; 0: none of them help. */
static unsigned
find_footer(struct attempt *t, struct bytes body)
{
    unsigned lines = 0;

    while (body.len > 0 && lines < DKIM_EXPLAIN_LINES_MAX) {
        do {
            body.len--;
        } while (body.len > 0 && body.ptr[body.len - 1] != '\n');
        lines++;
        if (fits(t, body)) {
            return lines;
        }
    }
    return 0;
}

static bool
try_mode(struct attempt *t, struct bytes body, struct buf *out)
{
    bool other = t->mode != t->sig->body_canon;
    unsigned lines;

    for (size_t i = 0; i < sizeof(guesses) / sizeof(*guesses); i++) {
        if (!guesses[i].fits(t, body)) {
            continue;
        }
        if (other) {
            buf_printf(out,
                       "With %s canonicalization of the body it would: %s\n",
                       t->mode == DKIM_CANON_RELAXED ? "relaxed" : "simple",
                       t->mode == DKIM_CANON_RELAXED
                           ? "only white space was changed."
                           : "the signer named the wrong one in c=.");
        }
        if (guesses[i].text[0] != '\0') {
            buf_printf(out, "%s\n", guesses[i].text);
        }
        return true;
    }
    lines = find_footer(t, body);
    if (lines > 0) {
        buf_printf(out,
                   "Without its last %u line%s it would: a footer was added "
                   "after signing.\n",
                   lines, lines == 1 ? "" : "s");
    }
    return lines > 0;
}

void
dkim_explain_body(const struct dkim_signature *sig, struct bytes body,
                  struct buf *out)
{
    struct attempt t = { sig, sig->body_canon, DKIM_EXPLAIN_OCTETS_MAX };

    if (try_mode(&t, body, out)) {
        return;
    }
    t.mode = sig->body_canon == DKIM_CANON_SIMPLE ? DKIM_CANON_RELAXED
                                                  : DKIM_CANON_SIMPLE;
    if (!try_mode(&t, body, out)) {
        buf_puts(out, "No usual change of line ends, white space or footer "
                      "explains it: the text itself was changed.\n");
    }
}
