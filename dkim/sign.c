/*
 * sign - the DKIM-Signature field and what the key must sign; see dkim/sign.h.
 *
 * Tags stand in a fixed order and nothing is random, so the same message,
 * key and time give the same octets.
 */
#include <base/base64.h>

#include <dkim/address.h>
#include <dkim/headerhash.h>
#include <dkim/sign.h>
#include <dkim/signature.h>

#include <stdlib.h>

enum {
    COLUMNS = 78,         /* RFC 5322 2.1.1 */
    NAME_MAX_OCTETS = 128 /* of a field that a "*" finds */
};

static const char *const default_sign[] = {
    "from",        "sender",       "reply-to", "subject",      "date",
    "message-id",  "to",           "cc",       "mime-version", "content-*",
    "in-reply-to", "references",   "resent-*", "list-*",       "feedback-id",
    "autocrypt",   "tls-required", NULL,
};
static const char *const default_oversign[] = {
    "from", "to", "cc", "subject", "date", "message-id", "reply-to", NULL,
};
static const char *const default_oversign_present[] = {
    "mime-version", "content-type", "content-transfer-encoding",
    "in-reply-to",  "references",   NULL,
};

const struct dkim_sign_headers dkim_sign_headers_default = {
    default_sign,
    default_oversign,
    default_oversign_present,
};

/* Hops add, change or remove these (6376 5.4.1), or they are ours to drop. */
static const char *const never[] = {
    "received",       "return-path", "authentication-results",
    "dkim-signature", "arc-*",       "bcc",
    "resent-bcc",     NULL,
};

const char *
dkim_alg_name(enum dkim_alg alg)
{
    static const char *const names[DKIM_ALGS] = {
        [DKIM_ALG_RSA_SHA256] = "rsa-sha256",
        [DKIM_ALG_ED25519_SHA256] = "ed25519-sha256",
        [DKIM_ALG_RSA_SHA1] = "rsa-sha1",
    };

    return alg < DKIM_ALGS ? names[alg] : "unknown";
}

/* A field that is being written, folded as it grows. */
struct writer {
    struct buf *out;
    size_t line; /* where the current line starts */
};

/*
 * sep stands in front of the token unless a fold does. reserve: octets that
 * the caller will put behind the token, on the same line.
 */
static void
put_token(struct writer *w, const char *sep, struct bytes token, size_t reserve)
{
    size_t column = w->out->len - w->line;

    if (column + strlen(sep) + token.len + reserve > COLUMNS) {
        buf_puts(w->out, "\r\n");
        w->line = w->out->len;
        sep = " ";
    }
    buf_puts(w->out, sep);
    buf_put(w->out, token);
}

static void
put_tag(struct writer *w, const char *tag, const char *value)
{
    struct bytes v = bytes_str(value);

    put_token(w, " ", bytes_str(tag), v.len + 2);
    buf_putc(w->out, '=');
    buf_put(w->out, v);
    buf_putc(w->out, ';');
}

static void
put_number(struct writer *w, const char *tag, uint64_t n)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
    put_tag(w, tag, text);
}

/* Whether pattern ("list-*" or a plain name) stands for name. */
static bool
matches(const char *pattern, struct bytes name)
{
    size_t n;

    /* Most names differ in their first letter. */
    if (name.len > 0 && pattern[0] != '*' &&
        byte_lower((uint8_t)pattern[0]) != byte_lower(name.ptr[0])) {
        return false;
    }
    n = strlen(pattern);
    if (n > 0 && pattern[n - 1] == '*') {
        return name.len >= n - 1 &&
               bytes_eq_ci(bytes_take(name, n - 1), bytes_make(pattern, n - 1));
    }
    return bytes_is_ci(name, pattern);
}

static bool
in_list(const char *const *list, struct bytes name)
{
    for (; *list != NULL; list++) {
        if (matches(*list, name)) {
            return true;
        }
    }
    return false;
}

/* What may stand in h=: 3.5 hdr-name, of a length that fits on a line. */
static bool
is_signable(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];

        if (c < 33 || c > 126 || c == ':' || c == ';') {
            return false;
        }
    }
    return name.len > 0 && name.len <= NAME_MAX_OCTETS && !in_list(never, name);
}

/* The names of h= while they are chosen. */
struct names {
    const struct dkim_header *header;
    const struct dkim_sign_headers *headers;
    struct bytes *done; /* owns: each name once */
    size_t done_count;
    size_t mentions;
    struct writer *w;
};

static size_t
count_present(const struct names *n, struct bytes name)
{
    size_t count = 0;

    for (size_t i = 0; i < n->header->count; i++) {
        count += bytes_eq_ci(n->header->fields[i].name, name);
    }
    return count;
}

static bool
was_done(const struct names *n, struct bytes name)
{
    for (size_t i = 0; i < n->done_count; i++) {
        if (bytes_eq_ci(n->done[i], name)) {
            return true;
        }
    }
    return false;
}

static void
put_name(struct names *n, struct bytes name)
{
    uint8_t lower[NAME_MAX_OCTETS];

    for (size_t i = 0; i < name.len; i++) {
        lower[i] = byte_lower(name.ptr[i]);
    }
    if (n->mentions++ == 0) {
        put_token(n->w, " ", BYTES_LIT("h="), name.len + 1);
        buf_put(n->w->out, bytes_make(lower, name.len));
        return;
    }
    buf_putc(n->w->out, ':');
    put_token(n->w, "", bytes_make(lower, name.len), 1);
}

/* All instances, and once more when that name is to stay as it is. */
static void
choose(struct names *n, struct bytes name)
{
    size_t mentions = count_present(n, name);

    if (in_list(n->headers->oversign, name) || bytes_is_ci(name, "from") ||
        (mentions > 0 && in_list(n->headers->oversign_present, name))) {
        mentions++;
    }
    if (mentions == 0 || was_done(n, name) || !is_signable(name) ||
        n->mentions + mentions > DKIM_NAMES_MAX) {
        return; /* beyond the limit nobody would verify the signature */
    }
    n->done[n->done_count++] = name;
    while (mentions-- > 0) {
        put_name(n, name);
    }
}

static void
choose_listed(struct names *n, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strchr(*list, '*') == NULL) {
            choose(n, bytes_str(*list));
            continue;
        }
        for (size_t i = 0; i < n->header->count; i++) {
            if (matches(*list, n->header->fields[i].name)) {
                choose(n, n->header->fields[i].name);
            }
        }
    }
}

static void
put_names(struct writer *w, const struct dkim_header *header,
          const struct dkim_sign_headers *headers)
{
    struct names n = { header, headers, NULL, 0, 0, w };

    n.done = malloc(DKIM_NAMES_MAX * sizeof(*n.done));
    if (n.done == NULL) {
        w->out->failed = true;
        return;
    }
    choose(&n, BYTES_LIT("from")); /* 5.4: From must be signed */
    choose_listed(&n, headers->oversign);
    choose_listed(&n, headers->oversign_present);
    choose_listed(&n, headers->sign);
    buf_puts(w->out, ";");
    free(n.done);
}

static void
put_field(struct buf *out, const struct dkim_header *header,
          const struct dkim_sign_params *p)
{
    static const char *const canon[] = { "simple", "relaxed" };
    char c[sizeof("relaxed/relaxed")];
    char bh[3 + BASE64_LEN(DKIM_SHA256_OCTETS) + 1] = "bh=";
    struct writer w = { out, out->len };
    size_t n;

    (void)snprintf(c, sizeof(c), "%s/%s",
                   canon[p->header_canon == DKIM_CANON_RELAXED],
                   canon[p->body_canon == DKIM_CANON_RELAXED]);
    buf_puts(out, "DKIM-Signature:");
    put_tag(&w, "v", "1");
    put_tag(&w, "a", dkim_alg_name(p->alg));
    put_tag(&w, "c", c);
    put_tag(&w, "d", p->domain);
    put_tag(&w, "s", p->selector);
    if (p->time_s > 0) {
        put_number(&w, "t", p->time_s);
    }
    if (p->expires_s > 0) {
        put_number(&w, "x", p->expires_s);
    }
    put_names(&w, header, p->headers);
    n = 3 + base64_encode(p->body_hash, bh + 3);
    bh[n++] = ';';
    put_token(&w, " ", bytes_make(bh, n), 0);
    put_token(&w, " ", BYTES_LIT("b="), 0);
}

static bool
hash_input(const struct dkim_header *header, const struct dkim_sign_params *p,
           struct bytes field, uint8_t *digest_out)
{
    struct dkim_signature sig;
    struct dkim_header_hash *h;
    bool ok;

    /* What a verifier would not take must not leave here; b= is empty yet. */
    if (dkim_signature_parse(bytes_skip(field, bytes_find(field, ':') + 1),
                             &sig) != DKIM_SIG_B) {
        return false;
    }
    h = dkim_header_hash_new(p->header_canon, DKIM_HASH_SHA256);
    if (h == NULL) {
        return false;
    }
    dkim_header_hash_names(h, header, sig.names, NULL);
    ok = dkim_header_hash_signature(h, field) &&
         dkim_header_hash_end(h, digest_out) == DKIM_SHA256_OCTETS;
    dkim_header_hash_free(&h);
    return ok;
}

static bool
is_domain(const char *name)
{
    char parsed[DKIM_DOMAIN_MAX + 1];

    return dkim_domain_parse(bytes_str(name), false, parsed);
}

bool
dkim_sign_prepare(const struct dkim_header *header,
                  const struct dkim_sign_params *params, struct buf *field,
                  uint8_t *digest_out)
{
    size_t start = field->len;

    if (params->alg == DKIM_ALG_RSA_SHA1 || params->alg >= DKIM_ALGS ||
        params->body_hash.len != DKIM_SHA256_OCTETS ||
        !is_domain(params->domain) || !is_domain(params->selector)) {
        return false;
    }
    put_field(field, header, params);
    return !buf_failed(field) &&
           hash_input(header, params, bytes_skip(buf_bytes(field), start),
                      digest_out);
}

void
dkim_sign_finish(struct buf *field, struct bytes signature)
{
    size_t line = field->len;

    while (line > 0 && field->ptr[line - 1] != '\n') {
        line--;
    }
    while (signature.len > 0) {
        char group[4];
        size_t n = base64_encode(bytes_take(signature, 3), group);

        if (field->len - line + n > COLUMNS) {
            buf_puts(field, "\r\n ");
            line = field->len - 1;
        }
        buf_put(field, bytes_make(group, n));
        signature =
            bytes_skip(signature, signature.len < 3 ? signature.len : 3);
    }
    buf_puts(field, "\r\n");
}
