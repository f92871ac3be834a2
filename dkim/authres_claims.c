/*
 * authres_claims - whether a field could be read as ours; see dkim/authres.h.
 *
 * Not a parser of what is right but of what somebody could read. The part
 * before the first ";" is reduced to words: comments, folds, quotes, white
 * space and stray punctuation only divide. If a word, or the first words put
 * together, is our name, the field claims it; so does one that has no reading.
 * RFC 8601 2.2, 5.
 */
#include <dkim/authres.h>

enum {
    WORDS_MAX = 1024
}; /* octets; a longer name has no reading */

struct words {
    size_t len;
    uint8_t text[WORDS_MAX]; /* one SP between words */
};

static bool
add(struct words *w, uint8_t c)
{
    if (c == ' ' && (w->len == 0 || w->text[w->len - 1] == ' ')) {
        return true;
    }
    if (w->len == sizeof(w->text)) {
        return false;
    }
    w->text[w->len++] = byte_lower(c);
    return true;
}

static bool
is_divider(uint8_t c)
{
    return c == ' ' || memchr("\t\r\n()<>@,;:\\\"/[]?", c, 17) != NULL;
}

static bool
is_control(uint8_t c)
{
    return c == 0x7f || (c < ' ' && c != '\t' && c != '\r' && c != '\n');
}

/* What follows an opening "(": its length with the closing one; 0: no end. */
static size_t
comment_len(struct bytes text)
{
    size_t depth = 1;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (c == '\\') {
            i++;
        } else if (c == '(') {
            depth++;
        } else if (c == ')' && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* What follows an opening quote, added to w. 0: no end, or no room. */
static size_t
take_string(struct words *w, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (c == '"') {
            return i + 1;
        }
        if (c == '\\' && i + 1 < text.len) {
            c = text.ptr[++i];
        }
        if (is_control(c) || !add(w, is_divider(c) ? ' ' : c)) {
            return 0;
        }
    }
    return 0;
}

/* Takes one octet, comment or string off *value. False: no reading. */
static bool
take_piece(struct bytes *value, struct words *w)
{
    uint8_t c = value->ptr[0];
    struct bytes rest = bytes_skip(*value, 1);
    size_t n = 0;
    bool ok;

    if (c == '(') {
        n = comment_len(rest);
        ok = n > 0 && add(w, ' ');
    } else if (c == '"') {
        n = take_string(w, rest);
        ok = n > 0;
    } else {
        ok = c != '=' && !is_control(c) && add(w, is_divider(c) ? ' ' : c);
    }
    *value = bytes_skip(rest, n);
    return ok;
}

/* Reduces the name part of value to words. False: it has no reading. */
static bool
reduce(struct bytes value, struct words *w)
{
    w->len = 0;
    while (value.len > 0 && value.ptr[0] != ';') {
        if (!take_piece(&value, w)) {
            return false;
        }
    }
    return w->len > 0;
}

/* Either may have a final dot. */
static bool
same_name(struct bytes a, struct bytes b)
{
    a.len -= a.len > 0 && a.ptr[a.len - 1] == '.';
    b.len -= b.len > 0 && b.ptr[b.len - 1] == '.';
    return bytes_eq_ci(a, b);
}

/* 2.2: version = 1*DIGIT; 5: one that is not 1 is not understood. */
static bool
is_other_version(struct bytes word)
{
    uint64_t version;

    for (size_t i = 0; i < word.len; i++) {
        if (!byte_is_digit(word.ptr[i])) {
            return false;
        }
    }
    return !bytes_to_u64(word, UINT64_MAX, &version) || version != 1;
}

static bool
words_claim(const struct words *w, struct bytes id)
{
    struct bytes rest = bytes_make(w->text, w->len);
    uint8_t joined[WORDS_MAX];
    size_t len = 0;

    for (bool first = true; rest.len > 0; first = false) {
        struct bytes word = bytes_take(rest, bytes_find(rest, ' '));

        rest = bytes_skip(rest, word.len + (word.len < rest.len));
        memcpy(joined + len, word.ptr, word.len);
        len += word.len;
        if (same_name(word, id) || same_name(bytes_make(joined, len), id) ||
            (!first && is_other_version(word))) {
            return true;
        }
    }
    return false;
}

static bool
has_8bit(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 0x80) {
            return true;
        }
    }
    return false;
}

static bool
has_alabel(struct bytes text)
{
    for (; text.len >= 4; text = bytes_skip(text, 1)) {
        if (bytes_starts_ci(text, "xn--")) {
            return true;
        }
    }
    return false;
}

/* Our own name by the same rules, its words put together. */
static void
reduce_own(const char *authserv_id, struct words *w)
{
    struct bytes id = bytes_str(authserv_id);

    w->len = 0;
    for (size_t i = 0; i < id.len && w->len < sizeof(w->text); i++) {
        if (!is_divider(id.ptr[i])) {
            (void)add(w, id.ptr[i]);
        }
    }
}

bool
dkim_authres_claims(const struct dkim_field *field, const char *authserv_id)
{
    struct words theirs, ours;
    struct bytes name, id;

    if (!bytes_is_ci(field->name, "authentication-results")) {
        return false;
    }
    if (!reduce(field->value, &theirs)) {
        return true;
    }
    reduce_own(authserv_id, &ours);
    name = bytes_make(theirs.text, theirs.len);
    id = bytes_make(ours.text, ours.len);
    /* 5: a U-label and its A-label are one name; without tables, any is */
    return words_claim(&theirs, id) || (has_8bit(name) && has_alabel(id)) ||
           (has_alabel(name) && has_8bit(id));
}
