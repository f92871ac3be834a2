/*
 * serial - the SOA serial in a zone file's text, and the one that is next.
 *
 * Only the SOA's own grammar is read (RFC 1035 5.1): words, quoted strings,
 * comments, parentheses. Everything else in the file stays as it is.
 */
#ifndef PROXY_PUBLISH_SERIAL_H
#define PROXY_PUBLISH_SERIAL_H

#include <base/buf.h>

/* Where the digits of the serial stand. False: there is no SOA with one. */
bool serial_find(struct bytes zone, size_t *at_out, size_t *len_out,
                 uint32_t *serial_out);

/*
 * Greater in the sense of RFC 1982. A serial that reads as YYYYMMDDnn with a
 * day up to today's becomes today's first when that is greater; any other is
 * a counter, and one is added. day: YYYYMMDD.
 */
uint32_t serial_next(uint32_t serial, uint32_t day);

/* The zone with its serial raised. False: as serial_find(), out untouched. */
bool serial_raise(struct bytes zone, uint32_t day, struct buf *out);

#endif
