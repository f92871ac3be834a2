/*
 * format - how a value stands in a line: logfmt or JSON, escaped, bounded.
 *
 * Pure: text in, text out. Whatever octets a value holds, what is written is
 * one value of one line.
 */
#ifndef PROXY_LOG_FORMAT_H
#define PROXY_LOG_FORMAT_H

#include <base/buf.h>

#include <proxy/config/conf.h>

/*
 * Appends value, at most max octets of text with its quotes; a longer one is
 * cut and ends in "...". max is at least LOG_VALUE_MIN.
 *
 * logfmt: as it is, or quoted when it is empty or holds anything but plain
 * visible octets; octets outside 0x20-0x7e are \xHH.
 * JSON: always quoted; octets outside 0x20-0x7e are \u00HH, so that the
 * character's number is the octet's (RFC 8259 7).
 */
enum {
    LOG_VALUE_MIN = 16
};
void log_format_value(struct buf *out, enum conf_log_format format,
                      struct bytes value, size_t max);

/* "2026-01-31T23:59:59.123Z": UTC, RFC 3339. */
void log_format_time(struct buf *out, int64_t seconds, unsigned ms);

#endif
