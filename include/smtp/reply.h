/*
 * reply - SMTP replies: read from an upstream, written to a client.
 *
 * A reply that is not exactly what RFC 5321 4.2 describes is BAD: the caller
 * drops that connection. Mixed codes, bare LF, codes outside 200-599, lines
 * over SMTP_REPLY_LINE_MAX, more than SMTP_REPLY_LINES_MAX of them or more than
 * SMTP_REPLY_OCTETS_MAX in all are BAD.
 */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include <base/buf.h>
#include <base/bytes.h>

enum {
    SMTP_REPLY_LINE_MAX = 4096, /* octets without CRLF */
    SMTP_REPLY_LINES_MAX = 100,
    SMTP_REPLY_OCTETS_MAX = 64 * 1024 /* with codes and CRLFs */
};

enum smtp_reply_result {
    SMTP_REPLY_MORE, /* not whole yet, *in untouched */
    SMTP_REPLY_OK,
    SMTP_REPLY_BAD
};

/* One whole reply. Views point into the input it was read from. */
struct smtp_reply {
    int code;            /* 200 to 599 */
    unsigned lines;      /* at least 1 */
    struct bytes text;   /* the raw lines, codes and CRLFs included */
};

/*
 * Reads one whole reply off the front of *in. No state: with MORE the caller
 * keeps the octets and calls again with more of them.
 */
enum smtp_reply_result smtp_reply_next(struct bytes *in,
                                       struct smtp_reply *reply_out);

/*
 * The next line's text, without code, separator and CRLF. Start with
 * rest = reply->text; false at the end.
 */
bool smtp_reply_line(struct bytes *rest, struct bytes *line_out);

/* The enhanced status code (RFC 2034) of the first line, or empty. */
struct bytes smtp_reply_enhanced(const struct smtp_reply *reply);

/*
 * Puts reply to out as we give it to a client: same code, same lines, each
 * octet outside 0x20-0x7e as '?', a line cut at 510 octets. With another
 * code than the reply's own, that code and its class in the enhanced code.
 */
void smtp_reply_relay(const struct smtp_reply *reply, int code,
                      struct buf *out);

/*
 * Puts our own reply: "CODE ENHANCED TEXT\r\n". enhanced is "" for a
 * greeting, EHLO and 3yz; text may hold '\n' for more lines. Octets outside
 * 0x20-0x7e go out as '?'.
 */
void smtp_reply_put(struct buf *out, int code, const char *enhanced,
                    const char *text);

#endif
