/*
 * line - CRLF framing with a hard limit.
 *
 * Only CRLF ends a line; a CR or LF alone is an octet like any other here and
 * makes the line unclean. No state: what is not whole stays in the input.
 *
 * RFC 5321 2.3.8, 4.5.3.1.4.
 */
#ifndef SMTP_LINE_H
#define SMTP_LINE_H

#include <base/bytes.h>

enum smtp_line_result {
    SMTP_LINE_MORE, /* no CRLF yet, *in untouched */
    SMTP_LINE_OK,
    SMTP_LINE_LONG /* no CRLF within max, *in untouched */
};

/*
 * Takes the next line off *in.
 * max       octets, CRLF included
 * line_out  the line without its CRLF, a view into *in; with OK only
 */
enum smtp_line_result smtp_line_next(struct bytes *in, size_t max,
                                     struct bytes *line_out);

/*
 * Throws away what is there of a line that was LONG, its CRLF included. A CR
 * at the end of *in stays: it may be half of the CRLF. Adds to *octets what
 * was thrown away without the CRLF. True: the line is over.
 */
bool smtp_line_discard(struct bytes *in, size_t *octets);

/* No NUL, no CR, no LF in it. */
bool smtp_line_clean(struct bytes line);

#endif
