/*
 * address - the address list of a From field; see dkim/address.h.
 *
 * One forward pass. Words (atoms, quoted strings, dots) are gathered without
 * knowing what they are: "<" makes them a display name, ":" a group's name,
 * "@" a local part. So two readings of one text are not possible.
 */
#include <dkim/address.h>

struct parser {
    struct bytes rest;
    bool in_group;
    unsigned addresses;
    struct dkim_author author; /* the last address */
};

/* Words that were read, as the local part that they may turn out to be. */
struct words {
    unsigned count;
    bool dot_atom; /* word *("." word) */
    bool dot_last;
    bool too_long;
    size_t len;
    char text[DKIM_LOCAL_MAX + 1];
};

const char *
dkim_from_text(enum dkim_from_result result)
{
    static const char *const text[DKIM_FROM_RESULTS] = {
        [DKIM_FROM_OK] = "the From field has one address",
        [DKIM_FROM_NONE] = "the message has no From field",
        [DKIM_FROM_SEVERAL] = "the message has more than one From field",
        [DKIM_FROM_EMPTY] = "the From field has no address",
        [DKIM_FROM_MANY] = "the From field has more than one address",
        [DKIM_FROM_SYNTAX] = "the From field is not an address list",
    };

    return result < DKIM_FROM_RESULTS ? text[result] : "unknown";
}

static bool
at(const struct parser *p, char c)
{
    return p->rest.len > 0 && p->rest.ptr[0] == (uint8_t)c;
}

static bool
take(struct parser *p, char c)
{
    if (!at(p, c)) {
        return false;
    }
    p->rest = bytes_skip(p->rest, 1);
    return true;
}

/* RFC 5322 3.2.2: WSP, or CRLF before WSP. */
static bool
take_fws(struct parser *p)
{
    struct bytes r = p->rest;

    if (r.len > 0 && byte_is_wsp(r.ptr[0])) {
        p->rest = bytes_skip(r, 1);
        return true;
    }
    if (r.len > 2 && r.ptr[0] == '\r' && r.ptr[1] == '\n' &&
        byte_is_wsp(r.ptr[2])) {
        p->rest = bytes_skip(r, 3);
        return true;
    }
    return false;
}

/*
 * One octet inside a comment or quoted string, a backslash resolved. False:
 * the end of the field or a control character (4.1 allows those as obsolete;
 * no mail of today has them).
 */
static bool
take_quoted(struct parser *p, uint8_t *octet_out, bool *escaped_out)
{
    struct bytes r = p->rest;
    uint8_t c;

    *escaped_out = r.len > 1 && r.ptr[0] == '\\';
    r = bytes_skip(r, *escaped_out);
    if (r.len == 0) {
        return false;
    }
    c = r.ptr[0];
    if ((c < ' ' && c != '\t') || c == 0x7f || (c == '\\' && !*escaped_out)) {
        return false;
    }
    *octet_out = c;
    p->rest = bytes_skip(r, 1);
    return true;
}

/* Behind its "("; comments nest. */
static bool
skip_comment(struct parser *p)
{
    size_t depth = 1;

    while (depth > 0) {
        uint8_t c;
        bool escaped;

        if (take_fws(p)) {
            continue;
        }
        if (!take_quoted(p, &c, &escaped)) {
            return false;
        }
        depth += !escaped && c == '(';
        depth -= !escaped && c == ')';
    }
    return true;
}

static bool
skip_cfws(struct parser *p)
{
    for (;;) {
        if (take_fws(p)) {
            continue;
        }
        if (!take(p, '(')) {
            return true;
        }
        if (!skip_comment(p)) {
            return false;
        }
    }
}

static bool
is_atext(uint8_t c)
{
    return c > ' ' && c != 0x7f &&
           (c >= 0x80 || strchr("()<>[]:;@\\,.\"", c) == NULL);
}

static bool
at_atext(const struct parser *p)
{
    return p->rest.len > 0 && is_atext(p->rest.ptr[0]);
}

static void
add_octet(struct words *w, uint8_t c)
{
    if (w->len == DKIM_LOCAL_MAX) {
        w->too_long = true;
        return;
    }
    w->text[w->len++] = (char)c;
}

static void
take_atom(struct parser *p, struct words *w)
{
    while (at_atext(p)) {
        add_octet(w, p->rest.ptr[0]);
        p->rest = bytes_skip(p->rest, 1);
    }
}

/* Behind its first quote. */
static bool
take_string(struct parser *p, struct words *w)
{
    for (;;) {
        uint8_t c;
        bool escaped;

        if (p->rest.len > 0 && p->rest.ptr[0] == '\r') {
            p->rest = bytes_skip(p->rest, 1);
            if (!take(p, '\n') || p->rest.len == 0 ||
                !byte_is_wsp(p->rest.ptr[0])) {
                return false;
            }
        }
        if (!take_quoted(p, &c, &escaped)) {
            return false;
        }
        if (c == '"' && !escaped) {
            return true;
        }
        add_octet(w, c);
    }
}

/* Reads words and dots up to a special. False: not that. */
static bool
take_words(struct parser *p, struct words *w)
{
    *w = (struct words){ .dot_atom = true, .dot_last = true };
    while (skip_cfws(p)) {
        bool dot = take(p, '.');

        /* word and dot take turns, a word first */
        if (dot) {
            w->dot_atom = w->dot_atom && !w->dot_last;
            add_octet(w, '.');
        } else if (take(p, '"')) {
            if (!take_string(p, w)) {
                return false;
            }
        } else if (at_atext(p)) {
            take_atom(p, w);
        } else {
            return true;
        }
        w->dot_atom = w->dot_atom && (dot || w->dot_last);
        w->dot_last = dot;
        w->count++;
    }
    return false;
}

bool
dkim_utf8_valid(struct bytes text)
{
    while (text.len > 0) {
        uint8_t c = text.ptr[0];
        size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        uint32_t point = n == 1 ? c : c & (0xffu >> (n + 1));
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

        if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || text.len < n) {
            return false;
        }
        for (size_t i = 1; i < n; i++) {
            if ((text.ptr[i] & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (text.ptr[i] & 0x3f);
        }
        if (point < least[n] || point > 0x10ffff ||
            (point >= 0xd800 && point <= 0xdfff)) {
            return false;
        }
        text = bytes_skip(text, n);
    }
    return true;
}

/* A domain of labels and dots, CFWS between them (4.4). No literal. */
static bool
take_domain(struct parser *p, char *out)
{
    char text[DKIM_DOMAIN_MAX + 2];
    size_t n = 0;
    bool label = false; /* the last thing was a label */

    for (;;) {
        bool dot;

        if (!skip_cfws(p)) {
            return false;
        }
        dot = at(p, '.');
        if (!dot && (label || !at_atext(p))) {
            break;
        }
        do {
            if (n == sizeof(text)) {
                return false;
            }
            text[n++] = (char)p->rest.ptr[0];
            p->rest = bytes_skip(p->rest, 1);
        } while (!dot && at_atext(p));
        label = !dot;
    }
    return dkim_utf8_valid(bytes_make(text, n)) &&
           dkim_domain_parse(bytes_make(text, n), true, out);
}

/* Behind the "@" of local part w. */
static bool
take_address(struct parser *p, const struct words *w)
{
    if (w->count == 0 || w->len == 0 || !w->dot_atom || w->dot_last ||
        w->too_long || !dkim_utf8_valid(bytes_make(w->text, w->len)) ||
        !take_domain(p, p->author.domain)) {
        return false;
    }
    memcpy(p->author.local, w->text, w->len);
    p->author.local[w->len] = '\0';
    p->addresses++;
    return true;
}

/* 4.4: "@a.example, @b.example:" before the address is ignored. */
static bool
skip_route(struct parser *p)
{
    char domain[DKIM_DOMAIN_MAX + 1];
    bool any = false;

    do {
        if (!skip_cfws(p)) {
            return false;
        }
        if (take(p, '@')) {
            any = true;
            if (!take_domain(p, domain)) {
                return false;
            }
        }
    } while (take(p, ','));
    return !any || take(p, ':');
}

/* Behind the "<". */
static bool
take_angle(struct parser *p)
{
    struct words w;

    return skip_route(p) && take_words(p, &w) && take(p, '@') &&
           take_address(p, &w) && skip_cfws(p) && take(p, '>') && skip_cfws(p);
}

/* One element of the list; the caller looks for what divides them. */
static bool
take_element(struct parser *p)
{
    struct words w;

    if (!take_words(p, &w)) {
        return false;
    }
    if (take(p, '@')) {
        return take_address(p, &w) && skip_cfws(p);
    }
    if (take(p, '<')) {
        return take_angle(p);
    }
    if (w.count > 0 && !p->in_group && take(p, ':')) {
        p->in_group = true;
        return true;
    }
    return w.count == 0; /* 4.4: an empty element */
}

/* 3.4, 4.4: address-list with groups. */
static bool
take_list(struct parser *p)
{
    while (skip_cfws(p)) {
        bool was_in_group = p->in_group;

        if (!take_element(p)) {
            return false;
        }
        if (p->in_group && !was_in_group) {
            continue; /* the group's first member comes next */
        }
        if (p->in_group && take(p, ';')) {
            p->in_group = false;
            if (!skip_cfws(p)) {
                return false;
            }
        }
        if (p->rest.len == 0) {
            return !p->in_group;
        }
        if (!take(p, ',')) {
            return false;
        }
    }
    return false;
}

enum dkim_from_result
dkim_from_parse(const struct dkim_header *header,
                struct dkim_author *author_out)
{
    const struct dkim_field *field = dkim_header_get(header, "from", 0);
    struct parser p = { .in_group = false };

    if (field == NULL) {
        return DKIM_FROM_NONE;
    }
    if (dkim_header_get(header, "from", 1) != NULL) {
        return DKIM_FROM_SEVERAL;
    }
    p.rest = field->value;
    if (!take_list(&p)) {
        return DKIM_FROM_SYNTAX;
    }
    if (p.addresses != 1) {
        return p.addresses == 0 ? DKIM_FROM_EMPTY : DKIM_FROM_MANY;
    }
    *author_out = p.author;
    return DKIM_FROM_OK;
}

static bool
is_label_octet(uint8_t c, bool utf8)
{
    return byte_is_alpha(c) || byte_is_digit(c) || c == '-' || c == '_' ||
           (utf8 && c >= 0x80);
}

bool
dkim_domain_parse(struct bytes text, bool utf8, char *out)
{
    size_t label = 0;

    if (text.len > 1 && text.ptr[text.len - 1] == '.') {
        text.len--;
    }
    if (text.len == 0 || text.len > DKIM_DOMAIN_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '.' ? label == 0
                               : !is_label_octet(text.ptr[i], utf8)) {
            return false;
        }
        label = text.ptr[i] == '.' ? 0 : label + 1;
        if (label > 63) {
            return false;
        }
    }
    if (label == 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        out[i] = (char)byte_lower(text.ptr[i]);
    }
    out[text.len] = '\0';
    return true;
}

bool
dkim_domain_within(const char *name, const char *domain)
{
    size_t n = strlen(name), d = strlen(domain);

    return n >= d && strcmp(name + (n - d), domain) == 0 &&
           (n == d || (n > d + 1 && name[n - d - 1] == '.'));
}
