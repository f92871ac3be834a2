/*
 * compose - a notice as JSON and as a message; see compose.h.
 */
#include "proxy/notices/compose.h"

#include <base/base64.h>

#include <proxy/json/json.h>
#include <proxy/keys/keynote.h>
#include <stdio.h>
#include <time.h>

enum {
    COLUMNS = 72,
    LINE_MAX_OCTETS = 900, /* RFC 5322 2.1.1: 998 */
    SUBJECT_MAX = 200,
    BASE64_OCTETS = 54 /* 72 columns of it (RFC 2045 6.8: at most 76) */
};

static const struct {
    const char *name;
    const char *says; /* behind the subject */
} kinds[] = {
    [NOTICE_DOMAIN_GREEN] = { "domain-green", "all is well again" },
    [NOTICE_DOMAIN_RED] = { "domain-red", "DKIM needs your attention" },
    [NOTICE_ROTATION_STUCK] = { "rotation-stuck", "the rotation is stuck" },
    [NOTICE_KEY_CHANGED] = { "key-changed", "a key's DNS record has changed" },
    [NOTICE_CERTIFICATE] = { "certificate", "the certificate runs out" },
    [NOTICE_TEST] = { "test", "notices arrive" },
};

const char *
notice_kind_name(enum notice_kind kind)
{
    return kinds[kind].name;
}

void
notice_put_json(const struct notice *n, const char *hostname, struct buf *out)
{
    struct buf object = BUF_INIT;
    char time[KEYNOTE_TIME];

    keynote_time(n->time_s, time);
    buf_puts(&object, "{\"version\":1");
    json_member(&object, "kind", notice_kind_name(n->kind));
    json_member(&object, "subject", n->subject);
    json_member(&object, "selector", n->selector);
    json_member(&object, "text", n->text);
    json_member(&object, "time", time);
    json_member(&object, "hostname", hostname);
    buf_puts(&object, "}\n");
    buf_put(out, buf_bytes(&object));
    out->failed = out->failed || buf_failed(&object);
    buf_free(&object);
}

/* --- a message ---------------------------------------------------------- */

/* A header's value is one line of printable ASCII, whatever is in it. */
static void
put_printable(const char *text, struct buf *out)
{
    struct bytes b = bytes_take(bytes_str(text), SUBJECT_MAX);

    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = b.ptr[i];

        buf_putc(out, c >= 0x20 && c <= 0x7e ? (char)c : '?');
    }
}

/* RFC 5322 3.3: names of days and months in English, whatever the locale. */
static void
put_date(uint64_t time_s, struct buf *out)
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed",
                                    "Thu", "Fri", "Sat" };
    static const char months[][4] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun",
        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
    };
    time_t t = (time_t)time_s;
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL) {
        t = 0;
        (void)gmtime_r(&t, &tm);
    }
    buf_printf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n",
               days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
               tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void
put_header(const struct notice *n, const struct notice_mail *m, bool plain,
           struct buf *out)
{
    buf_puts(out, "From: ");
    put_printable(m->from, out);
    buf_puts(out, "\r\nTo: ");
    put_printable(m->to, out);
    buf_puts(out, "\r\nSubject: [sealpost] ");
    put_printable(n->subject, out);
    buf_printf(out, ": %s\r\n", kinds[n->kind].says);
    put_date(n->time_s, out);
    buf_printf(out, "Message-ID: <%016jx%016jx@%s>\r\n", (uintmax_t)m->id[0],
               (uintmax_t)m->id[1], m->hostname);
    buf_puts(out, "Auto-Submitted: auto-generated\r\n"
                  "MIME-Version: 1.0\r\n");
    buf_printf(out,
               "Content-Type: text/plain; charset=%s\r\n"
               "Content-Transfer-Encoding: %s\r\n\r\n",
               plain ? "us-ascii" : "utf-8", plain ? "7bit" : "base64");
}

/* One line of text, folded at its spaces where there are some. */
static void
put_folded(struct bytes line, struct buf *out)
{
    while (line.len > COLUMNS) {
        size_t at = COLUMNS;

        while (at > 0 && line.ptr[at] != ' ') {
            at--;
        }
        at = at > 0 ? at : bytes_find(line, ' ');
        at = at < LINE_MAX_OCTETS ? at : LINE_MAX_OCTETS;
        buf_put(out, bytes_take(line, at));
        buf_puts(out, "\r\n");
        line = bytes_skip(line, at);
        line = bytes_skip(line, line.len > 0 && line.ptr[0] == ' ' ? 1 : 0);
    }
    buf_put(out, line);
    buf_puts(out, "\r\n");
}

static void
put_body(const struct notice *n, const char *hostname, struct buf *out)
{
    struct bytes rest = bytes_str(n->text);

    while (rest.len > 0) {
        size_t end = bytes_find(rest, '\n');

        put_folded(bytes_take(rest, end), out);
        rest = bytes_skip(rest, end < rest.len ? end + 1 : end);
    }
    if (n->selector[0] != '\0') {
        buf_puts(out, "\r\nSelector: ");
        put_printable(n->selector, out);
        buf_puts(out, "\r\n");
    }
    buf_printf(out,
               "\r\n-- \r\nSealpost on %s (%s); the same is not told again "
               "today.\r\n",
               hostname, notice_kind_name(n->kind));
}

/* Lines of printable ASCII: they can go as they are. */
static bool
is_plain(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++) {
        if ((b.ptr[i] < 0x20 && b.ptr[i] != '\n') || b.ptr[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static void
put_base64(struct bytes body, struct buf *out)
{
    char line[BASE64_LEN(BASE64_OCTETS)];

    while (body.len > 0) {
        struct bytes piece = bytes_take(body, BASE64_OCTETS);

        buf_put(out, bytes_make(line, base64_encode(piece, line)));
        buf_puts(out, "\r\n");
        body = bytes_skip(body, piece.len);
    }
}

void
notice_put_mail(const struct notice *n, const struct notice_mail *m,
                struct buf *out)
{
    struct buf body = BUF_INIT;
    bool plain = is_plain(bytes_str(n->text));

    put_body(n, m->hostname, &body);
    put_header(n, m, plain, out);
    if (plain) {
        buf_put(out, buf_bytes(&body));
    } else {
        put_base64(buf_bytes(&body), out);
    }
    out->failed = out->failed || buf_failed(&body);
    buf_free(&body);
}
