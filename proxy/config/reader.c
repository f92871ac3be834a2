/*
 * reader - an ini file line by line; see proxy/config/reader.h.
 *
 * inih asks for lines through a callback. What it is given has been judged
 * and cleaned here: no comment, no trailing blank, no octet too many. Where
 * a line is faulty inih gets an empty one, so that reading goes on and every
 * mistake is found; a faulty head of a section becomes the one that was meant,
 * so that its settings do not land in the section before. inih calls the
 * handler while it holds the line that it asked for last, which is how an entry
 * knows its number.
 *
 * As in inih, `;` after a blank begins a comment and quotes are ordinary
 * characters; a `;` behind anything else belongs to the value.
 */
#include "reader.h"

#include <base/wipe.h>

#include <ini.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_OCTETS_MAX = 64 * 1024 * 1024,
    SECTION_OCTETS_MAX = 49, /* inih's MAX_SECTION less its NUL */
    LINE_OCTETS_MAX = 199    /* INI_MAX_LINE less its NUL */
};

struct reading {
    struct bytes rest;
    const char *name;
    unsigned line;
    bool failed;
    conf_entry_callback *cb;
    void *arg;
    struct conf_errors *errors;
};

static bool
has_control(struct bytes line, unsigned *octet_out)
{
    for (size_t i = 0; i < line.len; i++) {
        uint8_t c = line.ptr[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            *octet_out = c;
            return true;
        }
    }
    return false;
}

/* Without the comment: a `;` or `#` in front, or a `;` after a blank. */
static struct bytes
without_comment(struct bytes raw)
{
    struct bytes line = bytes_trim(raw);

    if (line.len > 0 && line.ptr[0] == '#') {
        line.len = 0;
    }
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] == ';' && (i == 0 || byte_is_wsp(line.ptr[i - 1]))) {
            line.len = i;
        }
    }
    return bytes_trim(line);
}

static struct bytes
next_raw(struct reading *r)
{
    static const struct bytes bom = { (const uint8_t *)"\xef\xbb\xbf", 3 };
    size_t end = bytes_find(r->rest, '\n');
    struct bytes line = bytes_take(r->rest, end);

    r->rest = bytes_skip(r->rest, end < r->rest.len ? end + 1 : end);
    /* All of them: inih would take a second one away, others not. */
    while (r->line == 0 && bytes_eq(bytes_take(line, bom.len), bom)) {
        line = bytes_skip(line, bom.len);
    }
    r->line++;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

static void
fault(struct reading *r, const char *text)
{
    r->failed = true;
    conf_error(r->errors, r->name, r->line, "%s", text);
}

/* "[name]": tells the caller, and inih in str. */
static void
begin_section(struct reading *r, struct bytes line, char *str, size_t cap)
{
    char copy[SECTION_OCTETS_MAX + 1];
    struct conf_entry entry = {
        .file = r->name, .line = r->line, .section = copy, .value = ""
    };
    size_t end = bytes_find(line, ']');
    struct bytes name = bytes_trim(bytes_make(line.ptr + 1, end - 1));

    if (end == line.len) {
        fault(r, "the section's name does not end; [NAME] on one line");
    } else if (end != line.len - 1) {
        fault(r, "text behind the section's name; [NAME] and no more");
    } else if (name.len == 0) {
        fault(r, "a section without a name; [NAME]");
    } else if (name.len > SECTION_OCTETS_MAX) {
        r->failed = true;
        conf_error(r->errors, r->name, r->line,
                   "the section's name has %zu octets; at most %d are allowed",
                   name.len, SECTION_OCTETS_MAX);
    }
    entry.faulty = end != line.len - 1 || name.len > SECTION_OCTETS_MAX;
    name = bytes_take(name, SECTION_OCTETS_MAX);
    if (name.len > 0) {
        (void)bytes_copy(name, copy, sizeof(copy));
        r->cb(&entry, r->arg);
        (void)snprintf(str, cap, "[%s]", copy);
    }
}

/* "key = value", as inih will read it. */
static bool
check_setting(struct reading *r, struct bytes line)
{
    size_t equals = bytes_find(line, '=');
    size_t colon = bytes_find(line, ':');
    struct bytes key = bytes_trim(bytes_take(line, equals));

    if (equals == line.len || colon < equals) {
        fault(r, "no `=` behind the key; `key = value`");
        return false;
    }
    if (key.len == 0 || bytes_is(key, "+")) {
        fault(r, "no key before `=`; `key = value`");
        return false;
    }
    return true;
}

/* False: faulty, and said so. *line_out may be empty. */
static bool
clean(struct reading *r, struct bytes raw, size_t octets_max,
      struct bytes *line_out)
{
    struct bytes line = without_comment(raw);
    unsigned octet;

    if (has_control(raw, &octet)) {
        r->failed = true;
        conf_error(r->errors, r->name, r->line,
                   "the line holds the control character 0x%02x; text and "
                   "tabs are allowed, lines end in LF or CRLF",
                   octet);
        return false;
    }
    if (line.len > 0 && byte_is_wsp(raw.ptr[0])) {
        fault(r, "the line is indented; begin it in the first column, and "
                 "continue a list with `key += value`");
        return false;
    }
    if (line.len > octets_max) {
        r->failed = true;
        conf_error(r->errors, r->name, r->line,
                   "the line has %zu octets without its comment; at most %zu "
                   "are allowed: go on with `key += value`",
                   line.len, octets_max);
        return false;
    }
    *line_out = line;
    return true;
}

/* inih's fgets: one line, NUL-terminated, into str. NULL: the end. */
static char *
next_line(char *str, int num, void *stream)
{
    struct reading *r = stream;
    size_t octets_max =
        num > LINE_OCTETS_MAX ? LINE_OCTETS_MAX : (size_t)num - 1;
    struct bytes raw, line;

    str[0] = '\0';
    if (r->rest.len == 0) {
        return NULL;
    }
    raw = next_raw(r);
    if (!clean(r, raw, octets_max, &line) || line.len == 0) {
        return str;
    }
    if (line.ptr[0] == '[') {
        begin_section(r, line, str, (size_t)num);
    } else if (check_setting(r, line)) {
        (void)bytes_copy(line, str, (size_t)num);
    }
    return str;
}

/* inih's handler: one key and its value. */
static int
on_setting(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;
    struct bytes key = bytes_str(name);
    char copy[LINE_OCTETS_MAX + 1];
    struct conf_entry entry = { .file = r->name,
                                .line = r->line,
                                .section = section,
                                .key = copy,
                                .value = value };

    if (key.len > 0 && key.ptr[key.len - 1] == '+') {
        key.len--;
        entry.append = true;
    }
    if (!bytes_copy(bytes_trim(key), copy, sizeof(copy))) {
        return 0;
    }
    r->cb(&entry, r->arg);
    return 1;
}

bool
conf_read_text(struct bytes text, const char *name, conf_entry_callback *cb,
               void *arg, struct conf_errors *errors)
{
    struct reading r = { text, name, 0, false, cb, arg, errors };
    int rc = ini_parse_stream(next_line, &r, on_setting, &r);

    if (rc != 0 && !r.failed) {
        /* Only if inih finds fault with what the checks above let pass. */
        r.line = rc > 0 ? (unsigned)rc : 0;
        fault(&r, "not understood; `[section]` or `key = value`");
    }
    return !r.failed;
}

/* False: errno says why. The caller owns *text_out, of *len_out octets. */
static bool
read_all(int fd, size_t size, uint8_t **text_out, size_t *len_out)
{
    uint8_t *text = malloc(size + 1);
    size_t len = 0;

    while (text != NULL && len < size) {
        ssize_t n = pread(fd, text + len, size - len, (off_t)len);

        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            wipe(text, len);
            free(text);
            return false;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    *text_out = text;
    *len_out = len;
    return text != NULL;
}

bool
conf_read_fd(int fd, const char *path, conf_entry_callback *cb, void *arg,
             struct conf_errors *errors)
{
    uint8_t *text;
    struct stat st;
    size_t len;
    bool ok;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        conf_error(errors, path, 0, "not a regular file; a file of text");
        return false;
    }
    if (st.st_size > FILE_OCTETS_MAX) {
        conf_error(errors, path, 0, "the file has more than %d MiB",
                   FILE_OCTETS_MAX / 1024 / 1024);
        return false;
    }
    if (!read_all(fd, (size_t)st.st_size, &text, &len)) {
        conf_error(errors, path, 0, "cannot be read: %s", strerror(errno));
        return false;
    }
    ok = conf_read_text(bytes_make(text, len), path, cb, arg, errors);
    wipe(text, len); /* users.conf holds password hashes */
    free(text);
    return ok;
}
