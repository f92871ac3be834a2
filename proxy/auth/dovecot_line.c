/*
 * dovecot_line - see dovecot_line.h.
 *
 * A word is a row of `words`; what its fields mean is a function of its own.
 */
#include "proxy/auth/dovecot_line.h"

#include <smtp/caps.h>

enum {
    ESCAPE = 1
};

/* The next field; false: the line is over. */
static bool
take_field(struct bytes *rest, struct bytes *field_out)
{
    size_t n = bytes_find(*rest, '\t');

    if (rest->ptr == NULL) {
        return false;
    }
    *field_out = bytes_take(*rest, n);
    *rest = n < rest->len ? bytes_skip(*rest, n + 1) : bytes_make(NULL, 0);
    return true;
}

static bool
take_number(struct bytes *rest, uint32_t *out)
{
    struct bytes field;
    uint64_t n;

    if (!take_field(rest, &field) || !bytes_to_u64(field, UINT32_MAX, &n)) {
        return false;
    }
    *out = (uint32_t)n;
    return true;
}

/* "key=value": the value. */
static bool
is_value(struct bytes field, const char *key, struct bytes *value_out)
{
    size_t n = strlen(key);

    if (field.len <= n || field.ptr[n] != '=' ||
        !bytes_is(bytes_take(field, n), key)) {
        return false;
    }
    *value_out = bytes_skip(field, n + 1);
    return true;
}

/* What octet 1 and c stand for; -1: nothing. */
static int
unescaped(uint8_t c)
{
    switch (c) {
    case '1':
        return ESCAPE;
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    default:
        return -1; /* '0' is NUL, which no text of ours holds */
    }
}

/* False: a bad escape, a control character left, or too long. */
static bool
copy_text(struct bytes value, char *out, size_t cap)
{
    size_t n = 0;

    while (value.len > 0) {
        int c = value.ptr[0];
        size_t taken = 1;

        if (c == ESCAPE) {
            c = value.len > 1 ? unescaped(value.ptr[1]) : -1;
            taken = 2;
        }
        if (c < ' ' || c == 0x7f || n + 1 >= cap) {
            return false;
        }
        out[n++] = (char)c;
        value = bytes_skip(value, taken);
    }
    out[n] = '\0';
    return true;
}

/* For the log: cut where it is too long, without what can't be shown. */
static void
copy_reason(struct bytes value, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < value.len && n < DOVECOT_REASON_MAX; i++) {
        uint8_t c = value.ptr[i];

        out[n++] = c < ' ' || c > '~' ? '?' : (char)c;
    }
    out[n] = '\0';
}

/* --- words ---------------------------------------------------------------- */

static bool
read_version(struct bytes rest, struct dovecot_line *out)
{
    uint32_t minor;

    return take_number(&rest, &out->major) && take_number(&rest, &minor);
}

/* MECH name [parameters]: `private` ones are not for clients. */
static bool
read_mech(struct bytes rest, struct dovecot_line *out)
{
    struct bytes field;

    if (!take_field(&rest, &field)) {
        return false;
    }
    out->mech = smtp_mech_parse(field);
    while (take_field(&rest, &field)) {
        if (bytes_is(field, "private")) {
            out->mech = 0;
        }
    }
    return true;
}

static bool
read_nothing(struct bytes rest, struct dovecot_line *out)
{
    (void)rest;
    (void)out;
    return true;
}

static bool
read_cont(struct bytes rest, struct dovecot_line *out)
{
    return take_number(&rest, &out->id) && take_field(&rest, &out->challenge);
}

/* OK id user=... : without a user nobody has logged in. */
static bool
read_ok(struct bytes rest, struct dovecot_line *out)
{
    struct bytes field, value;

    if (!take_number(&rest, &out->id)) {
        return false;
    }
    while (take_field(&rest, &field)) {
        if (is_value(field, "user", &value) &&
            !copy_text(value, out->user, sizeof(out->user))) {
            return false;
        }
        if (bytes_is(field, "nologin")) {
            out->word = DOVECOT_FAIL;
            copy_reason(BYTES_LIT("nologin"), out->reason);
        }
    }
    return out->user[0] != '\0';
}

static bool
read_fail(struct bytes rest, struct dovecot_line *out)
{
    struct bytes field, value;

    if (!take_number(&rest, &out->id)) {
        return false;
    }
    while (take_field(&rest, &field)) {
        if (is_value(field, "user", &value)) {
            if (!copy_text(value, out->user, sizeof(out->user))) {
                out->user[0] = '\0'; /* as the client wrote it */
            }
        } else if (is_value(field, "reason", &value) ||
                   (is_value(field, "code", &value) &&
                    out->reason[0] == '\0')) {
            copy_reason(value, out->reason);
        }
        out->temporary = out->temporary || bytes_is(field, "temp") ||
                         bytes_is(field, "code=temp_fail");
    }
    return true;
}

static const struct word_rule {
    const char *name;
    enum dovecot_word word;
    bool (*read)(struct bytes rest, struct dovecot_line *out);
} words[] = {
    { "VERSION", DOVECOT_VERSION, read_version },
    { "MECH", DOVECOT_MECH, read_mech },
    { "DONE", DOVECOT_DONE, read_nothing },
    { "CONT", DOVECOT_CONT, read_cont },
    { "OK", DOVECOT_OK, read_ok },
    { "FAIL", DOVECOT_FAIL, read_fail },
};

bool
dovecot_line_parse(struct bytes line, struct dovecot_line *out)
{
    struct dovecot_line parsed = { .word = DOVECOT_OTHER };
    struct bytes name;

    if (line.len >= DOVECOT_LINE_MAX || bytes_find(line, '\0') < line.len ||
        !take_field(&line, &name)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (bytes_is(name, words[i].name)) {
            parsed.word = words[i].word;
            if (!words[i].read(line, &parsed)) {
                return false;
            }
            break;
        }
    }
    *out = parsed;
    return true;
}

/* --- what we say ---------------------------------------------------------- */

void
dovecot_put_hello(struct buf *out, long pid)
{
    buf_printf(out, "VERSION\t1\t1\nCPID\t%ld\n", pid);
}

/* Takes a line that is too long away again. */
static bool
ends_in_time(struct buf *out, size_t start)
{
    buf_putc(out, '\n');
    if (out->len - start <= DOVECOT_LINE_MAX) {
        return true;
    }
    out->len = start;
    return false;
}

static void
put_end(struct buf *out, const char *which, const char *address, unsigned port)
{
    if (address[0] != '\0') {
        buf_printf(out, "\t%cip=%s\t%cport=%u", which[0], address, which[0],
                   port);
    }
}

bool
dovecot_put_auth(struct buf *out, const struct dovecot_asked *asked)
{
    size_t start = out->len;

    buf_printf(out, "AUTH\t%lu\t%s\tservice=smtp\tsession=%s",
               (unsigned long)asked->id, asked->mech, asked->session);
    put_end(out, "l", asked->local_address, asked->local_port);
    put_end(out, "r", asked->remote_address, asked->remote_port);
    buf_puts(out, asked->secured ? "\tsecured" : "");
    if (asked->has_initial) { /* the last one, because = may follow in it */
        buf_puts(out, "\tresp=");
        buf_put(out, asked->initial);
    }
    return ends_in_time(out, start);
}

bool
dovecot_put_cont(struct buf *out, uint32_t id, struct bytes base64)
{
    size_t start = out->len;

    buf_printf(out, "CONT\t%lu\t", (unsigned long)id);
    buf_put(out, base64);
    return ends_in_time(out, start);
}

void
dovecot_put_cancel(struct buf *out, uint32_t id)
{
    buf_printf(out, "CANCEL\t%lu\n", (unsigned long)id);
}
