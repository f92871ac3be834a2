/*
 * headers - which header fields are signed: `default, +x-campaign, -to`.
 *
 * Elements are taken in their order: `default` puts the default list in, a
 * name or `+name` adds one, `-name` takes one out. A final `*` stands for all
 * names that begin so. RFC 6376 5.4.1 is where the default list begins.
 */
#include "lists.h"

#include <stdio.h>

static const char *const standard[] = {
    "from",        "sender",       "reply-to", "subject",      "date",
    "message-id",  "to",           "cc",       "mime-version", "content-*",
    "in-reply-to", "references",   "resent-*", "list-*",       "feedback-id",
    "autocrypt",   "tls-required",
};

enum {
    STANDARD_COUNT = sizeof(standard) / sizeof(standard[0])
};

/*
 * Changed by every hop, or by us: a signature over them would not last.
 * RFC 6376 5.4.1 (trace fields), RFC 8601 5, RFC 8617 4.1.2.
 */
static const char *const never[] = {
    "received",       "return-path", "authentication-results",
    "dkim-signature", "bcc",         "resent-bcc",
    "arc-",
};

struct edit {
    const char **names; /* has room for all */
    size_t count;
};

static bool
is_pattern(struct bytes name)
{
    return name.len > 0 && name.ptr[name.len - 1] == '*';
}

/* The pattern covers the name, or they are the same. */
static bool
covers(const char *entry, struct bytes name)
{
    struct bytes e = bytes_str(entry);

    if (is_pattern(e) && !is_pattern(name)) {
        e.len--;
        return bytes_eq_ci(bytes_take(name, e.len), e);
    }
    return bytes_eq_ci(e, name);
}

static const char *
check_name(struct bytes name)
{
    struct bytes stem = bytes_take(name, name.len - is_pattern(name));

    if (!conf_is_field(stem) || bytes_find(stem, '*') < stem.len) {
        return "not a header field's name";
    }
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        struct bytes known = bytes_str(never[i]);

        known = bytes_take(known, is_pattern(name) ? stem.len : known.len);
        if (bytes_eq_ci(stem, known) && !bytes_is_ci(name, "resent-*")) {
            return "a field that is never signed";
        }
    }
    return bytes_starts_ci(name, "arc-") ? "a field that is never signed"
                                         : NULL;
}

static void
put(struct conf_value *v, struct edit *e, struct bytes name)
{
    char *copy;

    for (size_t i = 0; i < e->count; i++) {
        if (covers(e->names[i], name)) {
            return;
        }
    }
    copy = conf_arena_text(v->arena, name);
    for (size_t i = 0; copy != NULL && i < name.len; i++) {
        copy[i] = (char)byte_lower((uint8_t)copy[i]);
    }
    e->names[e->count] = copy;
    e->count += copy != NULL;
}

static const char *
take_out(struct conf_value *v, struct edit *e, struct bytes name)
{
    for (size_t i = 0; i < e->count; i++) {
        if (bytes_is_ci(name, e->names[i])) {
            memmove(&e->names[i], &e->names[i + 1],
                    (e->count - i - 1) * sizeof(e->names[0]));
            e->count--;
            return NULL;
        }
        if (covers(e->names[i], name)) {
            (void)snprintf(v->hint, sizeof(v->hint),
                           "`%s` covers it: write `-%s` and add the others",
                           e->names[i], e->names[i]);
            return v->hint;
        }
    }
    return "not in the list before it";
}

static const char *
apply(struct conf_value *v, struct edit *e, struct bytes text)
{
    bool minus = text.ptr[0] == '-';
    const char *why;

    if (bytes_is(text, "default")) {
        for (size_t i = 0; i < STANDARD_COUNT; i++) {
            put(v, e, bytes_str(standard[i]));
        }
        return NULL;
    }
    if (minus || text.ptr[0] == '+') {
        text = bytes_trim(bytes_skip(text, 1));
    }
    if (minus) {
        return take_out(v, e, text);
    }
    why = check_name(text);
    if (why == NULL) {
        put(v, e, text);
    }
    return why;
}

const char *
conf_parse_headers(struct conf_value *v, union conf_field *out)
{
    struct edit e = { NULL, 0 };
    bool from = false;

    e.names = conf_arena_new(v->arena, v->count + STANDARD_COUNT + 1,
                             sizeof(*e.names));
    if (e.names == NULL) {
        return NULL;
    }
    for (v->faulty = 0; v->faulty < v->count; v->faulty++) {
        const char *why = apply(v, &e, v->elements[v->faulty]);

        if (why != NULL) {
            return why;
        }
    }
    for (size_t i = 0; i < e.count; i++) {
        from = from || strcmp(e.names[i], "from") == 0;
    }
    e.names[e.count] = NULL;
    out->list = e.names;
    /* RFC 6376 5.4: From MUST be signed. */
    return from || v->arena->failed ? NULL : "`from` must be signed";
}
