/*
 * taglist - see dkim/taglist.h.
 */
#include <dkim/taglist.h>

void
dkim_taglist_init(struct dkim_taglist *list, struct bytes text)
{
    list->rest = text;
    list->count = 0;
}

/* 3.2: ALPHA, then letters, digits and "_". */
static bool
is_name(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];

        if (!byte_is_alpha(c) && (i == 0 || (!byte_is_digit(c) && c != '_'))) {
            return false;
        }
    }
    return name.len > 0;
}

/* CR stands only before LF, LF only behind CR and before WSP. */
static bool
is_fold(struct bytes text, size_t i)
{
    if (text.ptr[i] == '\r') {
        return i + 1 < text.len && text.ptr[i + 1] == '\n';
    }
    return i > 0 && text.ptr[i - 1] == '\r' &&
           i + 1 < text.len && byte_is_wsp(text.ptr[i + 1]);
}

/* 3.2: VALCHAR and folding white space; 8616: octets over 127 too. */
static bool
is_text(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (c == '\r' || c == '\n') {
            if (!is_fold(text, i)) {
                return false;
            }
        } else if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool
seen_before(const struct dkim_taglist *list, struct bytes name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (bytes_eq(list->names[i], name)) {
            return true;
        }
    }
    return false;
}

enum dkim_tag_result
dkim_taglist_next(struct dkim_taglist *list, struct dkim_tag *tag_out)
{
    struct bytes spec = bytes_take(list->rest, bytes_find(list->rest, ';'));
    size_t equals = bytes_find(spec, '=');
    struct bytes name = bytes_trim(bytes_take(spec, equals));

    if (!is_text(spec)) {
        return DKIM_TAG_SYNTAX;
    }
    if (spec.len == list->rest.len && list->count > 0 && equals == spec.len &&
        name.len == 0) {
        return DKIM_TAG_END; /* white space behind the last ";" */
    }
    if (equals == spec.len || !is_name(name)) {
        return DKIM_TAG_SYNTAX;
    }
    if (seen_before(list, name)) {
        return DKIM_TAG_DUPLICATE;
    }
    if (list->count == DKIM_TAGS_MAX) {
        return DKIM_TAG_TOO_MANY;
    }
    list->names[list->count++] = name;
    tag_out->name = name;
    tag_out->raw = bytes_skip(spec, equals + 1);
    tag_out->value = bytes_trim(tag_out->raw);
    list->rest = bytes_skip(list->rest, spec.len < list->rest.len ? spec.len + 1
                                                                  : spec.len);
    return DKIM_TAG_FOUND;
}

bool
dkim_taglist_element(struct bytes *rest, bool *more, struct bytes *element_out)
{
    size_t n = bytes_find(*rest, ':');

    if (!*more) {
        return false;
    }
    *element_out = bytes_trim(bytes_take(*rest, n));
    *more = n < rest->len;
    *rest = bytes_skip(*rest, *more ? n + 1 : n);
    return true;
}
