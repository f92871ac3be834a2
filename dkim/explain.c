/*
 * explain - see dkim/explain.h.
 *
 * What the field says and the record says comes first, then the body, then
 * the header: each is a sentence or nothing.
 *
 * RFC 6376 3.5, 3.6.1, 5.4, 6.1.
 */
#include "explain_body.h"

#include <dkim/explain.h>
#include <dkim/headerhash.h>
#include <dkim/keyrecord.h>
#include <dkim/taglist.h>

#include <assert.h>
#include <stdlib.h>

/* A signature being explained. */
struct story {
    const struct dkim_explain *e;
    struct dkim_signature sig;
    enum dkim_sig_err sig_err;
    struct dkim_key_record key;
    enum dkim_key_err key_err;
    EVP_PKEY *pkey; /* owned; NULL: no usable key */
    struct buf *out;
};

/* Text of a stranger, shown: printable, cut. */
static void
put_text(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len && i < 200; i++) {
        uint8_t c = text.ptr[i];

        buf_putc(out, c >= 0x20 && c <= 0x7e ? (char)c : '?');
    }
}

bool
dkim_explain_question(const struct dkim_verify_result *result,
                      struct dns_question *q_out)
{
    return result->domain[0] != '\0' && result->selector[0] != '\0' &&
           dkim_key_question(result->selector, result->domain, q_out);
}

/* --- what the field and the record say ------------------------------------ */

static void
put_headline(const struct story *s)
{
    const struct dkim_verify_result *r = s->e->result;

    buf_printf(s->out, "%s", dkim_verdict_name(r->verdict));
    if (r->reason[0] != '\0') {
        buf_printf(s->out, ": %s", r->reason);
    }
    buf_printf(s->out, ".\nSigned by d=%s with the key s=%s, %s",
               r->domain[0] == '\0' ? "?" : r->domain,
               r->selector[0] == '\0' ? "?" : r->selector,
               r->alg_known ? dkim_alg_name(r->alg) : "unknown algorithm");
    if (r->key_bits > 0) {
        buf_printf(s->out, " (%u bits)", r->key_bits);
    }
    buf_puts(s->out, ".\n");
}

static void
put_field_fault(const struct story *s)
{
    if (s->sig_err != DKIM_SIG_OK) {
        buf_printf(s->out, "The DKIM-Signature field is wrong: %s.\n",
                   dkim_sig_err_text(s->sig_err));
    }
}

static void
put_record_fault(const struct story *s)
{
    struct dns_question q;

    if (s->e->key == NULL || s->key_err == DKIM_KEY_OK ||
        !dkim_explain_question(s->e->result, &q)) {
        return;
    }
    buf_printf(s->out, "The key record at %s is the trouble: %s.\n", q.name,
               dkim_key_err_text(s->key_err));
    for (size_t i = 0; i < s->e->key->count && i < 3; i++) {
        buf_puts(s->out, "It reads: ");
        put_text(s->out, s->e->key->records[i].data);
        buf_putc(s->out, '\n');
    }
}

static void
load_key(struct story *s)
{
    unsigned bits = 0;

    s->key_err = DKIM_KEY_TEMPFAIL;
    if (s->e->key == NULL) {
        return;
    }
    s->key_err = dkim_key_from_answer(s->e->key, &s->key);
    if (s->key_err == DKIM_KEY_OK && s->sig.alg_known) {
        s->key_err = dkim_key_load(&s->key, s->sig.alg, true, &s->pkey, &bits);
    }
}

/* --- the signed fields ---------------------------------------------------- */

/* How often h= names this field, up to the element that ends at end. */
static size_t
count_mentions(struct bytes names, struct bytes name, const uint8_t *end)
{
    struct bytes element;
    bool more = true;
    size_t n = 0;

    assert(name.ptr != NULL || name.len == 0);
    while (dkim_taglist_element(&names, &more, &element) &&
           (end == NULL || element.ptr <= end)) {
        n += bytes_eq_ci(element, name);
    }
    return n;
}

static size_t
count_fields(const struct dkim_header *header, struct bytes name)
{
    size_t n = 0;

    for (size_t i = 0; i < header->count; i++) {
        n += bytes_eq_ci(header->fields[i].name, name);
    }
    return n;
}

typedef bool name_test(const struct story *s, struct bytes name);

static bool
is_signed(const struct story *s, struct bytes name)
{
    return count_fields(s->e->header, name) > 0;
}

static bool
is_missing(const struct story *s, struct bytes name)
{
    return count_fields(s->e->header, name) == 0;
}

/* More of them than h= names: those on top are not signed. */
static bool
is_in_part(const struct story *s, struct bytes name)
{
    return count_fields(s->e->header, name) >
           count_mentions(s->sig.names, name, NULL);
}

/* Puts the names in h= that pass the test, each once; false: none does. */
static bool
put_names(const struct story *s, name_test *test, const char *before,
          const char *after)
{
    struct bytes names = s->sig.names, name;
    bool more = true, any = false;

    while (dkim_taglist_element(&names, &more, &name)) {
        if (!test(s, name) ||
            count_mentions(s->sig.names, name, name.ptr) > 1) {
            continue;
        }
        buf_puts(s->out, any ? ", " : before);
        put_text(s->out, name);
        any = true;
    }
    if (any) {
        buf_printf(s->out, "%s\n", after);
    }
    return any;
}

static void
put_coverage(const struct story *s)
{
    (void)put_names(s, is_signed, "It signs ", ".");
    (void)put_names(s, is_in_part, "Of ",
                    " the message has more than h= names: those on top are "
                    "not signed.");
}

static void
put_missing(const struct story *s)
{
    (void)put_names(s, is_missing, "h= names ",
                    ", which the message does not have: removed since, or "
                    "signed as absent.");
}

/* --- guesses about the header --------------------------------------------- */

/* b= with these fields and this canonicalization. */
static bool
header_fits(const struct story *s, const struct dkim_header *header,
            const struct dkim_field *except, enum dkim_canon_mode mode)
{
    struct dkim_header_hash *h =
        dkim_header_hash_new(mode, dkim_alg_hash(s->sig.alg));
    uint8_t digest[DKIM_HASH_OCTETS_MAX];
    size_t n = 0;

    if (h == NULL) {
        return false;
    }
    dkim_header_hash_names(h, header, s->sig.names, except);
    if (dkim_header_hash_signature(h, s->e->field->raw)) {
        n = dkim_header_hash_end(h, digest);
    }
    dkim_header_hash_free(&h);
    return n > 0 &&
           dkim_key_verify(s->pkey, s->sig.alg, bytes_make(digest, n),
                           bytes_make(s->sig.b, s->sig.b_len)) == DKIM_KEY_OK;
}

/* The header with the field at without left out or, with a raw, replaced. */
static bool
fits_changed(const struct story *s, size_t at, const struct bytes *raw)
{
    const struct dkim_header *h = s->e->header;
    struct dkim_header changed = { .faults = h->faults };
    const struct dkim_field *except = NULL;
    bool good = false;

    changed.fields = calloc(h->count, sizeof(*changed.fields));
    if (changed.fields == NULL) {
        return false;
    }
    for (size_t i = 0; i < h->count; i++) {
        struct dkim_field *to = &changed.fields[changed.count];

        if (i == at && raw == NULL) {
            continue;
        }
        *to = h->fields[i];
        if (i == at) {
            to->raw = *raw;
        }
        if (&h->fields[i] == s->e->field) {
            except = to;
        }
        changed.count++;
    }
    good = header_fits(s, &changed, except, s->sig.header_canon);
    free(changed.fields);
    return good;
}

/* A signed field without which b= is right: it was added. */
static bool
guess_added(const struct story *s)
{
    const struct dkim_header *h = s->e->header;
    unsigned tries = 0;

    for (size_t i = 0; i < h->count && tries < 100; i++) {
        if (&h->fields[i] == s->e->field ||
            count_mentions(s->sig.names, h->fields[i].name, NULL) == 0) {
            continue;
        }
        tries++;
        if (fits_changed(s, i, NULL)) {
            buf_puts(s->out, "Without this field it would: it was added after "
                             "signing. ");
            put_text(s->out, bytes_trim(h->fields[i].raw));
            buf_putc(s->out, '\n');
            return true;
        }
    }
    return false;
}

/* "Subject: [list] x" was "Subject: x". */
static bool
guess_prefix(const struct story *s)
{
    const struct dkim_header *h = s->e->header;

    for (size_t i = 0; i < h->count; i++) {
        struct bytes value = h->fields[i].value;
        size_t open = bytes_find(value, '['), close = bytes_find(value, ']');
        struct buf text = BUF_INIT;
        struct bytes raw;
        bool good;

        if (!bytes_is_ci(h->fields[i].name, "subject") || open > 2 ||
            close >= value.len) {
            continue;
        }
        buf_put(&text, h->fields[i].name);
        buf_puts(&text, ": ");
        buf_put(&text, bytes_trim(bytes_skip(value, close + 1)));
        buf_puts(&text, "\r\n");
        raw = buf_bytes(&text);
        good = !buf_failed(&text) && fits_changed(s, i, &raw);
        buf_free(&text);
        if (good) {
            buf_puts(s->out, "Without the prefix ");
            put_text(s->out,
                     bytes_take(bytes_skip(value, open), close - open + 1));
            buf_puts(s->out, " of Subject it would: a mailing list added "
                             "it.\n");
            return true;
        }
    }
    return false;
}

static bool
guess_canon(const struct story *s)
{
    bool simple = s->sig.header_canon == DKIM_CANON_SIMPLE;

    if (!header_fits(s, s->e->header, s->e->field,
                     simple ? DKIM_CANON_RELAXED : DKIM_CANON_SIMPLE)) {
        return false;
    }
    buf_printf(s->out,
               "With %s canonicalization of the header it would: the signer "
               "named the wrong one in c=.\n",
               simple ? "relaxed" : "simple");
    return true;
}

static void
put_header_guess(const struct story *s)
{
    if (header_fits(s, s->e->header, s->e->field, s->sig.header_canon)) {
        buf_puts(s->out, "The signed fields are as they were signed.\n");
        return;
    }
    buf_puts(s->out, "The signature does not fit the signed fields.\n");
    put_missing(s);
    if (!guess_added(s) && !guess_prefix(s) && !guess_canon(s)) {
        buf_puts(s->out, "A signed field was changed or removed, or the key "
                         "is not the one that signed.\n");
        if (s->sig.header_canon == DKIM_CANON_SIMPLE) {
            buf_puts(s->out, "c= is simple for the header: a new fold or "
                             "space is enough.\n");
        }
    }
}

/* --- the whole ------------------------------------------------------------ */

static bool
body_fits(const struct story *s)
{
    uint64_t limit = s->sig.has_length ? s->sig.length : UINT64_MAX;
    struct dkim_body_hash *h =
        dkim_body_hash_new(s->sig.body_canon, dkim_alg_hash(s->sig.alg), limit);
    uint8_t digest[DKIM_HASH_OCTETS_MAX];
    size_t n;

    if (h == NULL) {
        return false;
    }
    dkim_body_hash_feed(h, s->e->body);
    n = dkim_body_hash_end(h, digest);
    dkim_body_hash_free(&h);
    return n > 0 && bytes_eq(bytes_make(digest, n),
                             bytes_make(s->sig.bh, s->sig.bh_len));
}

static void
put_failure(struct story *s)
{
    put_field_fault(s);
    put_record_fault(s);
    if (s->sig_err != DKIM_SIG_OK) {
        return;
    }
    if (body_fits(s)) {
        buf_puts(s->out, "The body is as it was signed.\n");
    } else {
        buf_puts(s->out, "The body does not fit bh=.\n");
        dkim_explain_body(&s->sig, s->e->body, s->out);
    }
    if (s->pkey != NULL) {
        put_header_guess(s);
    } else {
        put_missing(s);
    }
}

void
dkim_explain(const struct dkim_explain *e, struct buf *out)
{
    struct story s = { .e = e, .out = out };

    s.sig_err = dkim_signature_parse(e->field->value, &s.sig);
    load_key(&s);
    put_headline(&s);
    put_coverage(&s);
    if (e->result->testing) {
        buf_puts(out, "The key is in test mode (t=y).\n");
    }
    if (s.sig.has_length) {
        buf_puts(out, "l= leaves the end of the body open: anybody can add "
                      "to it.\n");
    }
    if (e->result->verdict != DKIM_PASS) {
        put_failure(&s);
    }
    EVP_PKEY_free(s.pkey);
}
