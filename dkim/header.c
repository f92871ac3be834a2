/*
 * header - a header block taken apart into fields; see dkim/header.h.
 *
 * Nothing is refused here: a line that is no field stays where it is, is
 * counted as a fault, and has no name that anybody could ask for.
 */
#include <dkim/header.h>

#include <stdlib.h>

enum {
    FIELDS_FIRST = 16
};

size_t
dkim_header_end(struct bytes message, size_t from, struct bytes *block_out)
{
    if (message.len >= 2 && message.ptr[0] == '\r' && message.ptr[1] == '\n') {
        *block_out = bytes_take(message, 0);
        return 2;
    }
    while (from + 4 <= message.len) {
        struct bytes rest = bytes_skip(message, from);
        size_t cr = bytes_find(bytes_take(rest, rest.len - 3), '\r');

        if (cr == rest.len - 3) {
            return 0;
        }
        if (memcmp(rest.ptr + cr, "\r\n\r\n", 4) == 0) {
            *block_out = bytes_take(message, from + cr + 2);
            return from + cr + 4;
        }
        from += cr + 1;
    }
    return 0;
}

bool
dkim_header_split(struct bytes message, struct bytes *block_out,
                  struct bytes *body_out)
{
    struct bytes block;
    size_t end = dkim_header_end(message, 0, &block);

    *block_out = end > 0 ? block : message;
    *body_out = bytes_skip(message, end > 0 ? end : message.len);
    return end > 0;
}

/* The length of the line that text starts with, its CRLF included. */
static size_t
line_len(struct bytes text)
{
    size_t n = 0;

    while (n < text.len) {
        n += bytes_find(bytes_skip(text, n), '\n');
        if (n == text.len) {
            break;
        }
        n++;
        if (n >= 2 && text.ptr[n - 2] == '\r') {
            return n;
        }
    }
    return text.len;
}

/* The length of the field, continuation lines included (2.2.3). */
static size_t
field_len(struct bytes block)
{
    size_t n = line_len(block);

    while (n < block.len && byte_is_wsp(block.ptr[n])) {
        n += line_len(bytes_skip(block, n));
    }
    return n;
}

static bool
ends_with_crlf(struct bytes text)
{
    return text.len >= 2 && text.ptr[text.len - 1] == '\n' &&
           text.ptr[text.len - 2] == '\r';
}

/* 2.2: printable ASCII without the colon. */
static bool
is_field_name(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < 33 || name.ptr[i] > 126) {
            return false;
        }
    }
    return name.len > 0;
}

static unsigned
take_apart(struct bytes raw, struct dkim_field *field_out)
{
    struct bytes text = raw;
    struct bytes line, name;
    size_t colon;

    text.len -= ends_with_crlf(raw) ? 2 : 0;
    line = bytes_take(text, line_len(text));
    colon = bytes_find(line, ':');
    *field_out = (struct dkim_field){ raw, bytes_take(text, 0), text };
    if (colon == line.len || byte_is_wsp(raw.ptr[0])) {
        return DKIM_HEADER_NO_COLON;
    }
    name = bytes_take(text, colon);
    while (name.len > 0 && byte_is_wsp(name.ptr[name.len - 1])) {
        name.len--; /* 4.5: obsolete fields have WSP before the colon */
    }
    field_out->name = name;
    field_out->value = bytes_skip(text, colon + 1);
    return is_field_name(name) ? 0 : DKIM_HEADER_BAD_NAME;
}

static bool
make_room(struct dkim_header *header, size_t *room)
{
    struct dkim_field *fields;
    size_t more = *room == 0 ? FIELDS_FIRST : *room * 2;

    if (header->count < *room) {
        return true;
    }
    fields = realloc(header->fields, more * sizeof(*fields));
    if (fields == NULL) {
        return false;
    }
    header->fields = fields;
    *room = more;
    return true;
}

enum dkim_header_result
dkim_header_parse(struct bytes block, struct dkim_header *header_out)
{
    struct dkim_header header = { NULL, 0, 0 };
    size_t room = 0;

    if (block.len > 0 && byte_is_wsp(block.ptr[0])) {
        header.faults |= DKIM_HEADER_FOLD_FIRST;
    }
    if (block.len > 0 && !ends_with_crlf(block)) {
        header.faults |= DKIM_HEADER_NO_BLANK;
    }
    while (block.len > 0) {
        size_t n = field_len(block);

        if (header.count == DKIM_HEADER_FIELDS_MAX) {
            dkim_header_free(&header);
            return DKIM_HEADER_TOO_MANY;
        }
        if (!make_room(&header, &room)) {
            dkim_header_free(&header);
            return DKIM_HEADER_NO_MEMORY;
        }
        header.faults |=
            take_apart(bytes_take(block, n), &header.fields[header.count++]);
        block = bytes_skip(block, n);
    }
    *header_out = header;
    return DKIM_HEADER_OK;
}

void
dkim_header_free(struct dkim_header *header)
{
    free(header->fields);
    *header = (struct dkim_header){ NULL, 0, 0 };
}

size_t
dkim_header_count(const struct dkim_header *header, const char *name)
{
    struct bytes wanted = bytes_str(name);
    size_t n = 0;

    for (size_t i = 0; i < header->count; i++) {
        n += bytes_eq_ci(header->fields[i].name, wanted);
    }
    return n;
}

const struct dkim_field *
dkim_header_get(const struct dkim_header *header, const char *name, size_t n)
{
    struct bytes wanted = bytes_str(name);

    for (size_t i = 0; i < header->count; i++) {
        if (bytes_eq_ci(header->fields[i].name, wanted) && n-- == 0) {
            return &header->fields[i];
        }
    }
    return NULL;
}
