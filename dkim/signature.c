/*
 * signature - see dkim/signature.h.
 *
 * Two passes: the list is taken apart and its form judged; then each known
 * tag is parsed by its row of the table. The first mistake is the result, but
 * the rest is parsed all the same: reports want d= and s= of bad ones too.
 */
#include <base/base64.h>
#include <base/hex.h>

#include <dkim/signature.h>
#include <dkim/taglist.h>

typedef enum dkim_sig_err tag_parser(struct dkim_signature *sig,
                                     struct bytes value);

const char *
dkim_sig_err_text(enum dkim_sig_err err)
{
    static const char *const text[DKIM_SIG_ERRS] = {
        [DKIM_SIG_OK] = "",
        [DKIM_SIG_SYNTAX] = "signature is not a list of tags",
        [DKIM_SIG_DUPLICATE] = "a tag of the signature occurs twice",
        [DKIM_SIG_TOO_MANY_TAGS] = "signature has too many tags",
        [DKIM_SIG_MISSING] = "a required tag of the signature is missing",
        [DKIM_SIG_VERSION] = "signature version is not 1",
        [DKIM_SIG_ALGORITHM] = "signature algorithm is unknown",
        [DKIM_SIG_B] = "b= is not the base64 of a signature",
        [DKIM_SIG_BH] = "bh= is not the base64 of a hash",
        [DKIM_SIG_CANON] = "canonicalization is unknown",
        [DKIM_SIG_DOMAIN] = "d= is not a domain name",
        [DKIM_SIG_SELECTOR] = "s= is not a selector",
        [DKIM_SIG_HEADERS] = "h= is not a list of field names",
        [DKIM_SIG_TOO_MANY] = "h= names too many fields",
        [DKIM_SIG_NO_FROM] = "h= does not name From",
        [DKIM_SIG_IDENTITY] = "i= is malformed",
        [DKIM_SIG_IDENTITY_OUTSIDE] = "i= is not within d=",
        [DKIM_SIG_LENGTH] = "l= is malformed",
        [DKIM_SIG_QUERY] = "q= has no known query method",
        [DKIM_SIG_TIME] = "t= is malformed",
        [DKIM_SIG_EXPIRES] = "x= is malformed",
        [DKIM_SIG_EXPIRES_FIRST] = "x= is not after t=",
    };

    return err < DKIM_SIG_ERRS ? text[err] : "unknown";
}

enum dkim_hash_alg
dkim_alg_hash(enum dkim_alg alg)
{
    return alg == DKIM_ALG_RSA_SHA1 ? DKIM_HASH_SHA1 : DKIM_HASH_SHA256;
}

static enum dkim_sig_err
parse_version(struct dkim_signature *sig, struct bytes value)
{
    (void)sig;
    return bytes_is(value, "1") ? DKIM_SIG_OK : DKIM_SIG_VERSION;
}

enum dkim_sig_err
dkim_signature_alg(struct dkim_signature *sig, struct bytes value)
{
    for (int alg = 0; alg < DKIM_ALGS; alg++) {
        if (bytes_is(value, dkim_alg_name((enum dkim_alg)alg))) {
            sig->alg = (enum dkim_alg)alg;
            sig->alg_known = true;
            return DKIM_SIG_OK;
        }
    }
    return DKIM_SIG_ALGORITHM;
}

enum dkim_sig_err
dkim_signature_b(struct dkim_signature *sig, struct bytes value)
{
    sig->b_text = value;
    return base64_decode(value, true, sig->b, sizeof(sig->b), &sig->b_len) &&
                   sig->b_len > 0
               ? DKIM_SIG_OK
               : DKIM_SIG_B;
}

enum dkim_sig_err
dkim_signature_bh(struct dkim_signature *sig, struct bytes value)
{
    return base64_decode(value, true, sig->bh, sizeof(sig->bh), &sig->bh_len) &&
                   sig->bh_len > 0
               ? DKIM_SIG_OK
               : DKIM_SIG_BH;
}

static bool
parse_mode(struct bytes word, enum dkim_canon_mode *mode_out)
{
    if (bytes_is(word, "relaxed")) {
        *mode_out = DKIM_CANON_RELAXED;
        return true;
    }
    *mode_out = DKIM_CANON_SIMPLE;
    return bytes_is(word, "simple");
}

/* 3.5: the body is simple when only the header is told. */
enum dkim_sig_err
dkim_signature_canon(struct dkim_signature *sig, struct bytes value)
{
    size_t slash = bytes_find(value, '/');
    struct bytes body = BYTES_LIT("simple");

    if (slash < value.len) {
        body = bytes_skip(value, slash + 1);
    }
    return parse_mode(bytes_take(value, slash), &sig->header_canon) &&
                   parse_mode(body, &sig->body_canon)
               ? DKIM_SIG_OK
               : DKIM_SIG_CANON;
}

/* A name that is asked for in DNS must be one, before any question. */
static bool
parse_name(struct bytes value, char *out)
{
    return value.len > 0 && value.ptr[value.len - 1] != '.' &&
           dkim_domain_parse(value, false, out);
}

enum dkim_sig_err
dkim_signature_domain(struct dkim_signature *sig, struct bytes value)
{
    /* 3.5: domain-name has at least two labels */
    return bytes_find(value, '.') < value.len && parse_name(value, sig->domain)
               ? DKIM_SIG_OK
               : DKIM_SIG_DOMAIN;
}

enum dkim_sig_err
dkim_signature_selector(struct dkim_signature *sig, struct bytes value)
{
    return parse_name(value, sig->selector) ? DKIM_SIG_OK : DKIM_SIG_SELECTOR;
}

/* 3.5: hdr-name is a field-name without ";". */
static bool
is_header_name(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < 33 || name.ptr[i] > 126) {
            return false;
        }
    }
    return name.len > 0;
}

enum dkim_sig_err
dkim_signature_names(struct dkim_signature *sig, struct bytes value)
{
    struct bytes rest = value;
    struct bytes name;
    unsigned count = 0;
    bool more = true;

    while (dkim_taglist_element(&rest, &more, &name)) {
        if (!is_header_name(name)) {
            return DKIM_SIG_HEADERS;
        }
        if (++count > DKIM_NAMES_MAX) {
            return DKIM_SIG_TOO_MANY;
        }
    }
    sig->names = value;
    return DKIM_SIG_OK;
}

/* 5.4: From must be signed. */
static enum dkim_sig_err
parse_names(struct dkim_signature *sig, struct bytes value)
{
    enum dkim_sig_err err = dkim_signature_names(sig, value);
    struct bytes name;
    bool more = true;

    while (err == DKIM_SIG_OK && dkim_taglist_element(&value, &more, &name)) {
        if (bytes_is_ci(name, "from")) {
            return DKIM_SIG_OK;
        }
    }
    return err == DKIM_SIG_OK ? DKIM_SIG_NO_FROM : err;
}

/*
 * The next octet of dkim-quoted-printable (2.11): white space is nothing.
 * False: the end, or *bad_out is set.
 */
static bool
next_octet(struct bytes *rest, uint8_t *octet_out, bool *bad_out)
{
    struct bytes r = *rest;

    while (r.len > 0 &&
           (byte_is_wsp(r.ptr[0]) || r.ptr[0] == '\r' || r.ptr[0] == '\n')) {
        r = bytes_skip(r, 1);
    }
    *rest = r;
    if (r.len == 0) {
        return false;
    }
    *octet_out = r.ptr[0];
    *rest = bytes_skip(r, 1);
    if (r.ptr[0] == '=') {
        if (!hex_octet(*rest, octet_out)) {
            *bad_out = true;
            return false;
        }
        *rest = bytes_skip(r, 3);
    }
    *bad_out = *octet_out < ' ' || *octet_out == 0x7f;
    return !*bad_out;
}

/* Octets before the last "@", decoded; false: malformed or none. */
static bool
find_at(struct bytes value, size_t *at_out)
{
    bool bad = false, found = false;
    uint8_t octet;
    size_t n = 0;

    while (next_octet(&value, &octet, &bad)) {
        if (octet == '@') {
            *at_out = n;
            found = true;
        }
        n++;
    }
    return found && !bad;
}

static enum dkim_sig_err
parse_identity(struct dkim_signature *sig, struct bytes value)
{
    char name[DKIM_DOMAIN_MAX + 2];
    char domain[DKIM_DOMAIN_MAX + 1];
    bool bad = false;
    uint8_t octet;
    size_t n = 0, at, i = 0;

    sig->identity = value;
    if (!find_at(value, &at)) {
        return DKIM_SIG_IDENTITY;
    }
    for (; next_octet(&value, &octet, &bad); i++) {
        if (i > at && n == sizeof(name)) {
            return DKIM_SIG_IDENTITY;
        }
        if (i > at) {
            name[n++] = (char)octet;
        }
    }
    if (!parse_name(bytes_make(name, n), domain)) {
        return DKIM_SIG_IDENTITY;
    }
    sig->identity_below = strcmp(domain, sig->domain) != 0;
    /* 3.5: the domain of i= is d= or below it; a bad d= was told already */
    return sig->domain[0] == '\0' || dkim_domain_within(domain, sig->domain)
               ? DKIM_SIG_OK
               : DKIM_SIG_IDENTITY_OUTSIDE;
}

/* 3.5: up to 76 digits are legal, but no message is as long as that. */
static enum dkim_sig_err
parse_length(struct dkim_signature *sig, struct bytes value)
{
    sig->has_length = bytes_to_u64(value, UINT64_MAX - 1, &sig->length);
    return sig->has_length ? DKIM_SIG_OK : DKIM_SIG_LENGTH;
}

/* 3.5: unknown methods are ignored, dns/txt has no options. */
static enum dkim_sig_err
parse_query(struct dkim_signature *sig, struct bytes value)
{
    struct bytes method;
    bool more = true;

    (void)sig;
    while (dkim_taglist_element(&value, &more, &method)) {
        if (bytes_is(method, "dns/txt")) {
            return DKIM_SIG_OK;
        }
    }
    return DKIM_SIG_QUERY;
}

enum {
    TIME_DIGITS = 12
}; /* 3.5 */

enum dkim_sig_err
dkim_signature_time(struct dkim_signature *sig, struct bytes value)
{
    sig->has_time = value.len <= TIME_DIGITS &&
                    bytes_to_u64(value, UINT64_MAX, &sig->time_s);
    return sig->has_time ? DKIM_SIG_OK : DKIM_SIG_TIME;
}

static enum dkim_sig_err
parse_expires(struct dkim_signature *sig, struct bytes value)
{
    sig->has_expires = value.len <= TIME_DIGITS &&
                       bytes_to_u64(value, UINT64_MAX, &sig->expires_s);
    if (!sig->has_expires) {
        return DKIM_SIG_EXPIRES;
    }
    return sig->has_time && sig->expires_s <= sig->time_s
               ? DKIM_SIG_EXPIRES_FIRST
               : DKIM_SIG_OK;
}

/*
 * RFC 6376 3.5. Order: i= needs d=, x= needs t=; b= is last so that its error
 * says that all the rest is good (sign.c counts on it).
 */
static const struct tag_rule {
    const char *name;
    bool required;
    tag_parser *parse;
} rules[] = {
    { "v", true, parse_version },
    { "a", true, dkim_signature_alg },
    { "c", false, dkim_signature_canon },
    { "d", true, dkim_signature_domain },
    { "s", true, dkim_signature_selector },
    { "q", false, parse_query },
    { "t", false, dkim_signature_time },
    { "x", false, parse_expires },
    { "i", false, parse_identity },
    { "l", false, parse_length },
    { "h", true, parse_names },
    { "bh", true, dkim_signature_bh },
    { "b", true, dkim_signature_b },
};

enum {
    RULES = sizeof(rules) / sizeof(rules[0])
};

static size_t
find_rule(struct bytes name)
{
    size_t i = 0;

    while (i < RULES && !bytes_is(name, rules[i].name)) {
        i++;
    }
    return i;
}

/* The value of each rule's tag; ptr NULL where there is none. */
static enum dkim_sig_err
collect(struct bytes list_text, struct bytes *values)
{
    static const enum dkim_sig_err errs[] = {
        [DKIM_TAG_END] = DKIM_SIG_OK,
        [DKIM_TAG_SYNTAX] = DKIM_SIG_SYNTAX,
        [DKIM_TAG_DUPLICATE] = DKIM_SIG_DUPLICATE,
        [DKIM_TAG_TOO_MANY] = DKIM_SIG_TOO_MANY_TAGS,
    };
    struct dkim_taglist list;
    struct dkim_tag tag;
    enum dkim_tag_result result;

    dkim_taglist_init(&list, list_text);
    while ((result = dkim_taglist_next(&list, &tag)) == DKIM_TAG_FOUND) {
        size_t i = find_rule(tag.name);

        if (i < RULES) {
            values[i] = tag.value; /* 3.2: unknown tags are ignored */
        }
    }
    return errs[result];
}

enum dkim_sig_err
dkim_signature_parse(struct bytes value, struct dkim_signature *sig_out)
{
    struct bytes values[RULES] = { { NULL, 0 } };
    enum dkim_sig_err err;

    *sig_out = (struct dkim_signature){ .header_canon = DKIM_CANON_SIMPLE,
                                        .body_canon = DKIM_CANON_SIMPLE };
    err = collect(value, values);
    for (size_t i = 0; i < RULES; i++) {
        if (rules[i].required && values[i].ptr == NULL && err == DKIM_SIG_OK) {
            err = DKIM_SIG_MISSING;
        }
    }
    for (size_t i = 0; i < RULES; i++) {
        enum dkim_sig_err tag_err = DKIM_SIG_OK;

        if (values[i].ptr != NULL) {
            tag_err = rules[i].parse(sig_out, values[i]);
        }
        err = err == DKIM_SIG_OK ? tag_err : err;
    }
    if (err == DKIM_SIG_OK || err == DKIM_SIG_B) {
        size_t want = dkim_alg_hash(sig_out->alg) == DKIM_HASH_SHA1 ? 20 : 32;

        err = sig_out->bh_len == want ? err : DKIM_SIG_BH;
    }
    return err;
}
