/*
 * trace - see proxy/trace.h.
 */
#include "proxy/trace.h"

#include <string.h>
#include <time.h>

static void
put_date(struct buf *out, uint64_t now_s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)now_s;
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL) {
        memset(&tm, 0, sizeof(tm));
    }
    buf_printf(out, "%.3s, %d %.3s %d %02d:%02d:%02d +0000",
               days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
               tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* RFC 3848; 6531 3.7.3. */
static void
put_with(struct buf *out, const struct trace *t)
{
    bool tls = strcmp(t->tls, "-") != 0;

    if (!t->esmtp) {
        buf_puts(out, "SMTP");
        return;
    }
    buf_puts(out, t->utf8 ? "UTF8SMTP" : "ESMTP");
    buf_puts(out, tls ? "S" : "");
    buf_puts(out, t->authenticated ? "A" : "");
}

void
trace_received(struct buf *out, const struct trace *t)
{
    bool six = strchr(t->address, ':') != NULL;
    const char *tag = six ? "IPv6:" : "";

    if (t->helo != NULL) {
        buf_printf(out, "Received: from %s ([%s%s])\r\n", t->helo, tag,
                   t->address);
    } else {
        buf_printf(out, "Received: from [%s%s]\r\n", tag, t->address);
    }
    buf_printf(out, "\tby %s (Sealpost) with ", t->hostname);
    put_with(out, t);
    buf_printf(out, " id %s\r\n", t->id);
    if (strcmp(t->tls, "-") != 0) {
        buf_printf(out, "\t(%s)\r\n", t->tls);
    }
    if (t->recipient.len > 0) {
        buf_puts(out, "\tfor <");
        buf_put(out, t->recipient);
        buf_puts(out, ">\r\n");
    }
    out->len -= buf_failed(out) ? 0 : 2;
    buf_puts(out, ";\r\n\t");
    put_date(out, t->now_s);
    buf_puts(out, "\r\n");
}

void
trace_date(struct buf *out, uint64_t now_s)
{
    buf_puts(out, "Date: ");
    put_date(out, now_s);
    buf_puts(out, "\r\n");
}

void
trace_message_id(struct buf *out, const char *id, const char *hostname)
{
    buf_printf(out, "Message-ID: <%s@%s>\r\n", id, hostname);
}
