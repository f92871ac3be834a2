/*
 * dmarc_record - see dkim/dmarc_record.h.
 *
 * Only the version decides whether a record is one at all. After it, what is
 * unknown or malformed is passed over and the tag keeps its default (4.7),
 * but for p, sp and np, where a mistake makes the whole policy "none" (4.10.1).
 */
#include "dmarc_record.h"

/* A record while it is read. */
struct draft {
    struct dmarc_record r;
    bool has_p, bad_policy, has_uri;
};

enum tag {
    TAG_P,
    TAG_SP,
    TAG_NP,
    TAG_ADKIM,
    TAG_ASPF,
    TAG_PSD,
    TAG_T,
    TAG_RUA,
    TAGS
};

static const char *const tag_names[TAGS] = {
    [TAG_P] = "p",         [TAG_SP] = "sp",     [TAG_NP] = "np",
    [TAG_ADKIM] = "adkim", [TAG_ASPF] = "aspf", [TAG_PSD] = "psd",
    [TAG_T] = "t",         [TAG_RUA] = "rua",
};

static struct bytes
trim_wsp(struct bytes b)
{
    while (b.len > 0 && byte_is_wsp(b.ptr[0])) {
        b = bytes_skip(b, 1);
    }
    while (b.len > 0 && byte_is_wsp(b.ptr[b.len - 1])) {
        b.len--;
    }
    return b;
}

/* Takes what is before the next end character, and that too. */
static struct bytes
take_until(struct bytes *rest, uint8_t end)
{
    size_t n = bytes_find(*rest, end);
    struct bytes piece = bytes_take(*rest, n);

    *rest = bytes_skip(*rest, n < rest->len ? n + 1 : n);
    return piece;
}

/* 4.8: %x20-3A / %x3C-7E, at least one; no tab inside. */
static bool
good_value(struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e) {
            return false;
        }
    }
    return value.len > 0;
}

static bool
parse_policy(struct bytes value, enum dmarc_policy *policy_out)
{
    for (int i = 0; i < DMARC_POLICIES; i++) {
        if (bytes_is_ci(value, dmarc_policy_name((enum dmarc_policy)i))) {
            *policy_out = (enum dmarc_policy)i;
            return true;
        }
    }
    return false;
}

/* RFC 3986 3: scheme ":" something without spaces; mailto with an address. */
static bool
good_uri(struct bytes uri)
{
    size_t colon = bytes_find(uri, ':');
    struct bytes rest;

    if (colon == 0 || colon == uri.len || !byte_is_alpha(uri.ptr[0])) {
        return false;
    }
    for (size_t i = 0; i < colon; i++) {
        uint8_t c = uri.ptr[i];

        if (!byte_is_alpha(c) && !byte_is_digit(c) && c != '+' && c != '-' &&
            c != '.') {
            return false;
        }
    }
    rest = bytes_skip(uri, colon + 1);
    for (size_t i = 0; i < rest.len; i++) {
        if (strchr(" \t\"<>\\^`{|}", rest.ptr[i]) != NULL) {
            return false;
        }
    }
    if (bytes_is_ci(bytes_take(uri, colon), "mailto")) {
        size_t at = bytes_find(rest, '@');

        return at > 0 && at + 1 < rest.len;
    }
    return rest.len > 0;
}

static bool
has_good_uri(struct bytes list)
{
    while (list.len > 0) {
        if (good_uri(trim_wsp(take_until(&list, ',')))) {
            return true;
        }
    }
    return false;
}

static void
take_psd(struct dmarc_record *r, struct bytes value)
{
    if (bytes_is_ci(value, "y")) {
        r->psd = DMARC_PSD_YES;
    } else if (bytes_is_ci(value, "n")) {
        r->psd = DMARC_PSD_NO;
    }
}

static void
take_tag(struct draft *d, enum tag tag, struct bytes value)
{
    struct dmarc_record *r = &d->r;

    switch (tag) {
    case TAG_P:
        d->has_p = parse_policy(value, &r->p);
        break;
    case TAG_SP:
        r->has_sp = parse_policy(value, &r->sp);
        d->bad_policy = d->bad_policy || !r->has_sp;
        break;
    case TAG_NP:
        r->has_np = parse_policy(value, &r->np);
        d->bad_policy = d->bad_policy || !r->has_np;
        break;
    case TAG_ADKIM:
        r->dkim_strict = bytes_is_ci(value, "s");
        break;
    case TAG_ASPF:
        r->spf_strict = bytes_is_ci(value, "s");
        break;
    case TAG_PSD:
        take_psd(r, value);
        break;
    case TAG_T:
        r->testing = bytes_is_ci(value, "y");
        break;
    default:
        d->has_uri = good_value(value) && has_good_uri(value);
        break;
    }
}

static enum tag
find_tag(struct bytes name)
{
    int i = 0;

    while (i < TAGS && !bytes_is_ci(name, tag_names[i])) {
        i++;
    }
    return (enum tag)i;
}

/* 4.8: "v" equals %s"DMARC1" first; nothing before it. */
static bool
take_version(struct bytes *rest)
{
    struct bytes first = take_until(rest, ';');
    struct bytes name = take_until(&first, '=');

    return name.len > 0 && byte_lower(name.ptr[0]) == 'v' &&
           trim_wsp(name).len == 1 && bytes_is(trim_wsp(first), "DMARC1");
}

bool
dmarc_record_parse(struct bytes text, struct dmarc_record *record_out)
{
    struct draft d = { 0 };
    unsigned seen = 0;

    if (!take_version(&text)) {
        return false;
    }
    while (text.len > 0) {
        struct bytes value = take_until(&text, ';');
        enum tag tag = find_tag(trim_wsp(take_until(&value, '=')));

        /* The first of equal tags holds; unknown ones are passed over. */
        if (tag != TAGS && (seen & 1u << tag) == 0) {
            seen |= 1u << tag;
            take_tag(&d, tag, trim_wsp(value));
        }
    }
    d.r.usable = true;
    if (!d.has_p || d.bad_policy) {
        d.r.p = DMARC_POLICY_NONE; /* 4.10.1 */
        d.r.has_sp = d.r.has_np = false;
        d.r.usable = d.has_uri;
    }
    *record_out = d.r;
    return true;
}
