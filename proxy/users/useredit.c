/*
 * useredit - users.conf, changed line by line; see useredit.h.
 *
 * Sections and keys are found as the reader finds them; what it would refuse
 * is refused at the end, by the reader itself.
 */
#include "proxy/users/useredit.h"

#include "proxy/users/userfile.h"
#include "proxy/users/uservalue.h"

#include <base/wipe.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SECTION_MAX = 49, /* inih's; a longer name is a setting, `name =` */
    VALUE_LINE = 150  /* of a list; a line is at most 199 */
};

/* Octets of the text; the section's lines are [start, end). */
struct section {
    size_t start;  /* the "[" line */
    size_t first;  /* behind that line */
    size_t filled; /* behind the last line that is a setting */
    size_t end;    /* the next "[" line, or the end */
};

/* --- finding ------------------------------------------------------------ */

/* The line at offset, its line end included. */
static struct bytes
line_at(struct bytes text, size_t at)
{
    struct bytes rest = bytes_skip(text, at);
    size_t end = bytes_find(rest, '\n');

    return bytes_take(rest, end < rest.len ? end + 1 : end);
}

/* "[ name ] ; comment": the name. */
static bool
is_section(struct bytes line, struct bytes *name_out)
{
    size_t end = bytes_find(line, ']');

    if (line.len == 0 || line.ptr[0] != '[' || end == line.len) {
        return false;
    }
    *name_out = bytes_trim(bytes_make(line.ptr + 1, end - 1));
    return true;
}

/* "key = value" and "key += value": both parts; the value with comment. */
static bool
is_setting(struct bytes line, struct bytes *key_out, struct bytes *value_out)
{
    size_t equals = bytes_find(line, '=');
    struct bytes key = bytes_take(line, equals);

    if (equals == line.len || line.len == 0 || line.ptr[0] == ';' ||
        line.ptr[0] == '#' || line.ptr[0] == '[') {
        return false;
    }
    if (key.len > 0 && key.ptr[key.len - 1] == '+') {
        key.len--;
    }
    *key_out = bytes_trim(key);
    *value_out = bytes_trim(bytes_skip(line, equals + 1));
    return key_out->len > 0;
}

/* The value as inih reads it: a comment is a ';' behind white space. */
static struct bytes
without_comment(struct bytes value)
{
    for (size_t i = 1; i < value.len; i++) {
        if (value.ptr[i] == ';' &&
            (value.ptr[i - 1] == ' ' || value.ptr[i - 1] == '\t')) {
            return bytes_trim(bytes_take(value, i));
        }
    }
    return value;
}

/* Reads the section that starts at s->start; *name_out: its user. */
static void
read_section(struct bytes text, struct section *s, struct bytes *name_out)
{
    struct bytes key, value, other;
    struct bytes line = line_at(text, s->start);

    (void)is_section(line, name_out);
    s->first = s->start + line.len;
    s->filled = s->first;
    s->end = s->first;
    while (s->end < text.len) {
        line = line_at(text, s->end);
        if (is_section(line, &other)) {
            return;
        }
        s->end += line.len;
        if (is_setting(line, &key, &value)) {
            s->filled = s->end;
            if (bytes_is(key, "name")) {
                *name_out = without_comment(value);
            }
        }
    }
}

static bool
find_user(const struct useredit *e, const char *user, struct section *s_out)
{
    static const char bom[] =
        "\xef\xbb\xbf"; /* passed over, as by the reader */
    struct bytes text = buf_bytes(&e->text);
    struct bytes name = { NULL, 0 };
    size_t at = 0;

    while (bytes_is(bytes_take(bytes_skip(text, at), 3), bom)) {
        at += 3;
    }
    while (at < text.len) {
        if (is_section(line_at(text, at), &name)) {
            struct section s = { .start = at };

            read_section(text, &s, &name);
            if (bytes_is_ci(name, user)) {
                *s_out = s;
                return true;
            }
            at = s.end;
        } else {
            at += line_at(text, at).len;
        }
    }
    return false;
}

/* --- changing ----------------------------------------------------------- */

/* Puts what stands for [from, to) in the text. */
static enum useredit_result
put_between(struct useredit *e, size_t from, size_t to,
            const struct buf *middle)
{
    struct bytes text = buf_bytes(&e->text);
    struct buf out = BUF_INIT;

    buf_put(&out, bytes_take(text, from));
    if (from > 0 && middle->len > 0 && text.ptr[from - 1] != '\n') {
        buf_putc(&out, '\n'); /* the last line had no end */
    }
    buf_put(&out, buf_bytes(middle));
    buf_put(&out, bytes_skip(text, to));
    if (buf_failed(&out) || buf_failed(middle)) {
        buf_free(&out);
        return USEREDIT_NO_MEMORY;
    }
    if (e->text.ptr != NULL) {
        wipe(e->text.ptr, e->text.cap);
    }
    buf_free(&e->text);
    e->text = out;
    return USEREDIT_OK;
}

/* "key = a, b" and, when it is long, "key += c" lines. */
static void
put_setting(struct buf *out, const char *key, const char *value)
{
    struct bytes rest = bytes_str(value);
    struct bytes item;
    size_t line = 0;

    if (rest.len <= VALUE_LINE) {
        buf_printf(out, "%s = %s\n", key, value);
        return;
    }
    buf_printf(out, "%s = ", key);
    while (uservalue_item(&rest, &item)) {
        if (line > 0 && line + item.len + 2 > VALUE_LINE) {
            buf_printf(out, "\n%s += ", key);
            line = 0;
        }
        buf_puts(out, line > 0 ? ", " : "");
        buf_put(out, item);
        line += item.len + 2;
    }
    buf_puts(out, "\n");
}

/* The section's lines without those of key. *at_out: where the first was, in
 * out; its length when there was none. */
static void
copy_without(struct bytes lines, const char *key, struct buf *out,
             size_t *at_out)
{
    bool found = false;

    while (lines.len > 0) {
        struct bytes line = line_at(lines, 0);
        struct bytes k, value;

        if (is_setting(line, &k, &value) && bytes_is(k, key)) {
            *at_out = found ? *at_out : out->len;
            found = true;
        } else {
            buf_put(out, line);
        }
        lines = bytes_skip(lines, line.len);
    }
    *at_out = found ? *at_out : out->len;
}

/* A line end in a value would be a way to write another section. */
static bool
is_one_line(const char *value)
{
    for (; *value != '\0'; value++) {
        if ((uint8_t)*value < 0x20 || *value == 0x7f) {
            return false;
        }
    }
    return true;
}

enum useredit_result
useredit_set(struct useredit *e, const char *user, const char *key,
             const char *value)
{
    struct bytes text = buf_bytes(&e->text);
    struct buf kept = BUF_INIT;
    struct buf lines = BUF_INIT;
    enum useredit_result result;
    struct section s;
    size_t at = 0;

    if (!find_user(e, user, &s)) {
        return USEREDIT_NO_USER;
    }
    if (value != NULL && !is_one_line(value)) {
        return USEREDIT_BAD;
    }
    copy_without(bytes_make(text.ptr + s.first, s.filled - s.first), key, &kept,
                 &at);
    buf_put(&lines, bytes_take(buf_bytes(&kept), at));
    if (lines.len > 0 && lines.ptr[lines.len - 1] != '\n') {
        buf_putc(&lines, '\n');
    }
    if (value != NULL) {
        put_setting(&lines, key, value);
    }
    buf_put(&lines, bytes_skip(buf_bytes(&kept), at));
    result = buf_failed(&kept) ? USEREDIT_NO_MEMORY
                               : put_between(e, s.first, s.filled, &lines);
    if (lines.ptr != NULL) {
        wipe(lines.ptr, lines.cap);
    }
    if (kept.ptr != NULL) {
        wipe(kept.ptr, kept.cap);
    }
    buf_free(&kept);
    buf_free(&lines);
    return result;
}

/* A section's name that no user has, for a name that is too long for one. */
static void
put_section(const struct useredit *e, const char *user, struct buf *out)
{
    char name[SECTION_MAX + 1];
    struct section s;
    unsigned n = 1;

    if (strlen(user) <= SECTION_MAX) {
        buf_printf(out, "[%s]\n", user);
        return;
    }
    do {
        snprintf(name, sizeof(name), "user-%u", n++);
    } while (find_user(e, name, &s));
    buf_printf(out, "[%s]\nname = %s\n", name, user);
}

enum useredit_result
useredit_add(struct useredit *e, const char *user)
{
    struct buf lines = BUF_INIT;
    enum useredit_result result;
    struct section s;

    if (!uservalue_name(bytes_str(user))) {
        return USEREDIT_BAD;
    }
    if (find_user(e, user, &s)) {
        return USEREDIT_EXISTS;
    }
    if (e->text.len > 0) {
        buf_putc(&lines, '\n');
    }
    put_section(e, user, &lines);
    result = put_between(e, e->text.len, e->text.len, &lines);
    buf_free(&lines);
    return result;
}

enum useredit_result
useredit_delete(struct useredit *e, const char *user)
{
    struct buf nothing = BUF_INIT;
    struct section s;

    if (!find_user(e, user, &s)) {
        return USEREDIT_NO_USER;
    }
    return put_between(e, s.start, s.filled, &nothing);
}

/* --- the file ----------------------------------------------------------- */

static enum useredit_result
read_file(struct useredit *e)
{
    int fd = open(e->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    enum useredit_result result = USEREDIT_OK;
    struct stat st;

    if (fd < 0) {
        return errno == ENOENT ? USEREDIT_OK : USEREDIT_IO;
    }
    if (fstat(fd, &st) == 0) {
        /* what was set on purpose stays; never open to others */
        e->owner = (struct replace_owner){ st.st_uid, st.st_gid,
                                           st.st_mode & S_IRWXU };
    }
    if (!replace_read(fd, USERFILE_OCTETS_MAX, &e->text)) {
        result = errno == ENOMEM ? USEREDIT_NO_MEMORY : USEREDIT_IO;
    }
    close(fd);
    return result;
}

enum useredit_result
useredit_begin(struct useredit *e, const char *path,
               const struct replace_owner *owner)
{
    struct buf lock = BUF_INIT;
    const char *name;
    enum useredit_result result = USEREDIT_IO;

    *e = (struct useredit){
        .path = path, .text = BUF_INIT, .owner = *owner, .lock = -1
    };
    buf_printf(&lock, "%s.lock", path);
    name = buf_str(&lock);
    if (name == NULL) {
        buf_free(&lock);
        return USEREDIT_NO_MEMORY;
    }
    e->lock = replace_lock(name, owner);
    if (e->lock >= 0) {
        result = read_file(e);
    }
    buf_free(&lock);
    return result;
}

enum useredit_result
useredit_commit(struct useredit *e, struct conf_errors *errors)
{
    struct userfile *f = userfile_parse(buf_bytes(&e->text), e->path, errors);

    if (f == NULL) {
        return USEREDIT_BAD;
    }
    userfile_free(&f);
    return replace_file(e->path, buf_bytes(&e->text), &e->owner) ? USEREDIT_OK
                                                                 : USEREDIT_IO;
}

void
useredit_end(struct useredit *e)
{
    if (e->text.ptr != NULL) {
        wipe(e->text.ptr, e->text.cap);
    }
    buf_free(&e->text);
    if (e->lock >= 0) {
        close(e->lock);
        e->lock = -1;
    }
}
