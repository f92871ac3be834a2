/*
 * json - JSON text put together piece by piece (RFC 8259).
 *
 * Only what writes it: braces and commas are the caller's.
 */
#ifndef PROXY_JSON_JSON_H
#define PROXY_JSON_JSON_H

#include <base/buf.h>

/* A string with its quotes; octets that are no UTF-8 become U+FFFD. */
void json_string(struct buf *out, struct bytes text);

/* "key":"value", with a comma before it unless an object has just begun. */
void json_member(struct buf *out, const char *key, const char *value);

#endif
