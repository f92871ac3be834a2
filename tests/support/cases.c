/*
 * cases - suites of vectors and their JSON; see tests/support/cases.h.
 */
#include "cases.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static void
die(const char *what, const char *which)
{
    fprintf(stderr, "cases: %s: %s\n", what, which);
    abort();
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
add_name(struct cases *c, const char *name)
{
    char **names = realloc(c->names, (c->count + 1) * sizeof(*names));

    if (names == NULL || (names[c->count] = strdup(name)) == NULL) {
        die("out of memory", name);
    }
    c->names = names;
    c->count++;
}

struct cases *
cases_open(const char *suite)
{
    const char *vectors = getenv("SEALPOST_VECTORS");
    const char *srcdir = getenv("srcdir");
    struct cases *c = calloc(1, sizeof(*c));
    char path[4200];
    struct dirent *entry;
    DIR *d;

    if (c == NULL) {
        die("out of memory", suite);
    }
    if (vectors != NULL) {
        snprintf(c->dir, sizeof(c->dir), "%s/%s", vectors, suite);
    } else {
        snprintf(c->dir, sizeof(c->dir), "%s/../shared/vectors/%s",
                 srcdir == NULL ? "." : srcdir, suite);
    }
    d = opendir(c->dir);
    if (d == NULL) {
        cases_close(&c);
        return NULL;
    }
    while ((entry = readdir(d)) != NULL) {
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s/expect.json", c->dir,
                 entry->d_name);
        f = fopen(path, "re");
        if (f != NULL) {
            fclose(f);
            add_name(c, entry->d_name);
        }
    }
    closedir(d);
    if (c->count > 1) {
        qsort(c->names, c->count, sizeof(*c->names), by_name);
    }
    return c;
}

static struct bytes
read_file(struct cases *c, const char *file, struct buf *out)
{
    char path[4096], block[16384];
    size_t n;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s/%s", c->dir, c->name, file);
    f = fopen(path, "re");
    buf_clear(out);
    while (f != NULL && (n = fread(block, 1, sizeof(block), f)) > 0) {
        buf_put(out, bytes_make(block, n));
    }
    if (f != NULL) {
        fclose(f);
    }
    return buf_bytes(out);
}

bool
cases_next(struct cases *c)
{
    if (c->next == c->count) {
        return false;
    }
    c->name = c->names[c->next++];
    snprintf(c->dns_path, sizeof(c->dns_path), "%s/%s/dns.txt", c->dir,
             c->name);
    c->message = read_file(c, "message.eml", &c->message_text);
    c->expect = read_file(c, "expect.json", &c->expect_text);
    return true;
}

void
cases_close(struct cases **cp)
{
    struct cases *c = *cp;

    if (c != NULL) {
        for (size_t i = 0; i < c->count; i++) {
            free(c->names[i]);
        }
        free(c->names);
        buf_free(&c->message_text);
        buf_free(&c->expect_text);
        free(c);
        *cp = NULL;
    }
}

/* --- JSON ----------------------------------------------------------------- */

static void skip_value(struct bytes *in, unsigned depth);

static void
skip_space(struct bytes *in)
{
    while (in->len > 0 && strchr(" \t\r\n", in->ptr[0]) != NULL &&
           in->ptr[0] != 0) {
        *in = bytes_skip(*in, 1);
    }
}

static bool
take(struct bytes *in, char c)
{
    skip_space(in);
    if (in->len == 0 || in->ptr[0] != (uint8_t)c) {
        return false;
    }
    *in = bytes_skip(*in, 1);
    return true;
}

static void
need(struct bytes *in, char c)
{
    char text[2] = { c, '\0' };

    if (!take(in, c)) {
        die("JSON lacks", text);
    }
}

/* The inside of a string, escapes as they stand. */
static struct bytes
take_string(struct bytes *in)
{
    struct bytes text;

    need(in, '"');
    text = bytes_take(*in, 0);
    while (text.len < in->len && in->ptr[text.len] != '"') {
        text.len += in->ptr[text.len] == '\\' ? 2 : 1;
    }
    if (text.len >= in->len) {
        die("JSON lacks", "the end of a string");
    }
    *in = bytes_skip(*in, text.len + 1);
    return text;
}

static void
skip_word(struct bytes *in)
{
    size_t n = 0;

    while (n < in->len && in->ptr[n] != 0 &&
           (byte_is_alpha(in->ptr[n]) || byte_is_digit(in->ptr[n]) ||
            strchr("+-.", in->ptr[n]) != NULL)) {
        n++;
    }
    if (n == 0) {
        die("JSON lacks", "a value");
    }
    *in = bytes_skip(*in, n);
}

static void
skip_members(struct bytes *in, bool object, unsigned depth)
{
    char end = object ? '}' : ']';

    if (take(in, end)) {
        return;
    }
    do {
        if (object) {
            (void)take_string(in);
            need(in, ':');
        }
        skip_value(in, depth + 1);
    } while (take(in, ','));
    need(in, end);
}

static void
skip_value(struct bytes *in, unsigned depth)
{
    if (depth > 20) {
        die("JSON", "too deep");
    }
    skip_space(in);
    if (in->len > 0 && in->ptr[0] == '"') {
        (void)take_string(in);
    } else if (take(in, '{')) {
        skip_members(in, true, depth);
    } else if (take(in, '[')) {
        skip_members(in, false, depth);
    } else {
        skip_word(in);
    }
}

/* Moves *in to the member or element that key names. */
static bool
enter(struct bytes *in, struct bytes key)
{
    uint64_t index = 0, wanted = UINT64_MAX;
    bool object = take(in, '{');

    if (!object && !take(in, '[')) {
        return false;
    }
    (void)bytes_to_u64(key, 1000000, &wanted);
    if (take(in, object ? '}' : ']')) {
        return false;
    }
    do {
        bool here = index++ == wanted;

        if (object) {
            here = bytes_eq(take_string(in), key);
            need(in, ':');
        }
        skip_space(in);
        if (here) {
            return true;
        }
        skip_value(in, 0);
    } while (take(in, ','));
    return false;
}

bool
json_get(struct bytes doc, const char *path, struct bytes *value_out)
{
    struct bytes rest = doc, keys = bytes_str(path), after;

    while (keys.len > 0) {
        size_t n = bytes_find(keys, '.');

        if (!enter(&rest, bytes_take(keys, n))) {
            return false;
        }
        keys = bytes_skip(keys, n < keys.len ? n + 1 : n);
    }
    skip_space(&rest);
    after = rest;
    skip_value(&after, 0);
    *value_out = bytes_take(rest, rest.len - after.len);
    return true;
}

size_t
json_count(struct bytes doc, const char *path)
{
    struct bytes value;
    size_t n = 0;

    if (!json_get(doc, path, &value) || !take(&value, '[') ||
        take(&value, ']')) {
        return 0;
    }
    do {
        skip_value(&value, 0);
        n++;
    } while (take(&value, ','));
    return n;
}

static unsigned
hex4(struct bytes text)
{
    unsigned value = 0;

    for (size_t i = 0; i < 4; i++) {
        uint8_t c = i < text.len ? byte_lower(text.ptr[i]) : 0;

        if (!byte_is_digit(c) && (c < 'a' || c > 'f')) {
            die("JSON", "bad \\u escape");
        }
        value = value * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return value;
}

static void
put_utf8(struct buf *out, unsigned code)
{
    if (code < 0x80) {
        buf_putc(out, (char)code);
    } else if (code < 0x800) {
        buf_putc(out, (char)(0xc0 | code >> 6));
        buf_putc(out, (char)(0x80 | (code & 63)));
    } else {
        buf_putc(out, (char)(0xe0 | code >> 12));
        buf_putc(out, (char)(0x80 | (code >> 6 & 63)));
        buf_putc(out, (char)(0x80 | (code & 63)));
    }
}

/* Takes what stands behind a backslash. */
static void
put_escape(struct bytes *text, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint8_t c = text->ptr[0];
    size_t i;

    *text = bytes_skip(*text, 1);
    if (c == 'u') {
        put_utf8(out, hex4(*text));
        *text = bytes_skip(*text, 4);
        return;
    }
    i = bytes_find(BYTES_LIT("\"\\/bfnrt"), c);
    if (from[i] == '\0') {
        die("JSON", "bad escape");
    }
    buf_putc(out, to[i]);
}

char *
json_text(struct bytes doc, const char *path, const char *otherwise)
{
    struct buf out = BUF_INIT;
    struct bytes value;

    if (!json_get(doc, path, &value) || bytes_is(value, "null")) {
        return otherwise == NULL ? NULL : strdup(otherwise);
    }
    value = take_string(&value);
    while (value.len > 0) {
        if (value.ptr[0] == '\\') {
            value = bytes_skip(value, 1);
            put_escape(&value, &out);
        } else {
            buf_putc(&out, (char)value.ptr[0]);
            value = bytes_skip(value, 1);
        }
    }
    (void)buf_str(&out);
    return (char *)out.ptr; /* the caller frees it */
}

uint64_t
json_number(struct bytes doc, const char *path, uint64_t otherwise)
{
    struct bytes value;
    uint64_t number;

    return json_get(doc, path, &value) &&
                   bytes_to_u64(value, UINT64_MAX, &number)
               ? number
               : otherwise;
}
