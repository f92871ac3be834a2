/*
 * reply - read, relay and write SMTP replies; see smtp/reply.h.
 *
 * RFC 5321 4.2, 4.2.1 (multiline), 4.5.3.1.5 (512 octets); RFC 2034 4.
 */
#include <smtp/reply.h>

enum {
    OUT_LINE_MAX = 510, /* octets without CRLF: RFC 5321 4.5.3.1.5 */
    CODE_LEN = 3
};

static int
code_of(struct bytes line)
{
    uint64_t code;

    if (!bytes_to_u64(bytes_take(line, CODE_LEN), 599, &code) ||
        line.len < CODE_LEN || code < 200) {
        return 0;
    }
    return (int)code;
}

/*
 * Takes a line off *rest, without its CRLF. A CR or LF alone is BAD: two
 * readers could see different replies.
 */
static enum smtp_reply_result
take_line(struct bytes *rest, struct bytes *line_out)
{
    size_t n = bytes_find(*rest, '\r');

    if (bytes_find(bytes_take(*rest, n), '\n') < n || n > SMTP_REPLY_LINE_MAX) {
        return SMTP_REPLY_BAD;
    }
    if (rest->len - n < 2) {
        return SMTP_REPLY_MORE;
    }
    if (rest->ptr[n + 1] != '\n') {
        return SMTP_REPLY_BAD;
    }
    *line_out = bytes_take(*rest, n);
    *rest = bytes_skip(*rest, n + 2);
    return SMTP_REPLY_OK;
}

/* "250", "250 text" or "250-text"; *code is 0 before the first line. */
static bool
line_fits(struct bytes line, int *code, bool *last_out)
{
    int this_code = code_of(line);

    if (this_code == 0 || (*code != 0 && *code != this_code) ||
        (line.len > CODE_LEN && line.ptr[CODE_LEN] != ' ' &&
         line.ptr[CODE_LEN] != '-')) {
        return false;
    }
    *code = this_code;
    *last_out = line.len == CODE_LEN || line.ptr[CODE_LEN] == ' ';
    return true;
}

enum smtp_reply_result
smtp_reply_next(struct bytes *in, struct smtp_reply *reply_out)
{
    struct bytes rest = bytes_take(*in, SMTP_REPLY_OCTETS_MAX);
    struct smtp_reply reply = { 0 };
    bool last = false;

    while (!last) {
        struct bytes line;
        enum smtp_reply_result result = take_line(&rest, &line);

        if (result == SMTP_REPLY_MORE && in->len < SMTP_REPLY_OCTETS_MAX) {
            return SMTP_REPLY_MORE;
        }
        if (result != SMTP_REPLY_OK || !line_fits(line, &reply.code, &last) ||
            ++reply.lines > SMTP_REPLY_LINES_MAX) {
            return SMTP_REPLY_BAD;
        }
    }
    reply.text = bytes_take(*in, (size_t)(rest.ptr - in->ptr));
    *in = bytes_skip(*in, reply.text.len);
    *reply_out = reply;
    return SMTP_REPLY_OK;
}

bool
smtp_reply_line(struct bytes *rest, struct bytes *line_out)
{
    struct bytes line;

    if (take_line(rest, &line) != SMTP_REPLY_OK) {
        return false;
    }
    *line_out = bytes_skip(line, line.len > CODE_LEN ? CODE_LEN + 1 : line.len);
    return true;
}

/* 1*3DIGIT at the front; its length, or 0. */
static size_t
number_len(struct bytes text)
{
    size_t n = 0;

    while (n < text.len && byte_is_digit(text.ptr[n])) {
        n++;
    }
    return n <= 3 ? n : 0;
}

/* RFC 3463 2: class "." subject "." detail, of the class that code has. */
static size_t
enhanced_len(struct bytes line, int code)
{
    size_t subject, detail;

    if (line.len < 5 || line.ptr[0] != '0' + code / 100 || code / 100 == 3 ||
        line.ptr[1] != '.') {
        return 0;
    }
    subject = number_len(bytes_skip(line, 2));
    if (subject == 0 || 2 + subject == line.len ||
        line.ptr[2 + subject] != '.') {
        return 0;
    }
    detail = number_len(bytes_skip(line, 3 + subject));
    if (detail == 0) {
        return 0;
    }
    if (3 + subject + detail < line.len &&
        line.ptr[3 + subject + detail] != ' ') {
        return 0;
    }
    return 3 + subject + detail;
}

struct bytes
smtp_reply_enhanced(const struct smtp_reply *reply)
{
    struct bytes rest = reply->text;
    struct bytes line = { 0 };

    if (!smtp_reply_line(&rest, &line)) {
        return line;
    }
    return bytes_take(line, enhanced_len(line, reply->code));
}

/* Puts one line: the head (code, separator, enhanced), then text, cut. */
static void
put_line(struct buf *out, const char *head, struct bytes text)
{
    size_t room = OUT_LINE_MAX - strlen(head);

    buf_puts(out, head);
    text = bytes_take(text, room);
    if (!buf_reserve(out, text.len)) {
        return;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        buf_putc(out, c < ' ' || c > '~' ? '?' : (char)c);
    }
    buf_puts(out, "\r\n");
}

void
smtp_reply_relay(const struct smtp_reply *reply, int code, struct buf *out)
{
    struct bytes rest = reply->text;
    struct bytes line;

    while (smtp_reply_line(&rest, &line)) {
        char head[8]; /* "550-" and perhaps a class */
        bool recode = code / 100 != reply->code / 100 &&
                      enhanced_len(line, reply->code) > 0;

        (void)snprintf(head, sizeof(head), "%03d%c%.*s", code % 1000,
                       rest.len > 0 ? '-' : ' ', recode ? 1 : 0,
                       code / 100 == 2   ? "2"
                       : code / 100 == 4 ? "4"
                                         : "5");
        put_line(out, head, bytes_skip(line, recode ? 1 : 0));
    }
}

void
smtp_reply_put(struct buf *out, int code, const char *enhanced,
               const char *text)
{
    struct bytes rest = bytes_str(text);
    bool last = false;

    while (!last) {
        struct bytes line = bytes_take(rest, bytes_find(rest, '\n'));
        char head[24]; /* "550-5.123.123 " */

        last = line.len == rest.len;
        rest = bytes_skip(rest, line.len + (last ? 0 : 1));
        (void)snprintf(head, sizeof(head), "%03d%c%.12s%s", code % 1000,
                       last ? ' ' : '-', enhanced,
                       enhanced[0] == '\0' ? "" : " ");
        put_line(out, head, line);
    }
}
