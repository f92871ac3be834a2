/*
 * xclient - what XCLIENT and XFORWARD say of the client that an MTA or a
 * proxy speaks for.
 *
 * A pure grammar. Whether it may be said is smtp/server.h's business, whether
 * it is believed the caller's.
 *
 * Postfix: XCLIENT_README, XFORWARD_README; xtext: RFC 3461 4.
 */
#ifndef SMTP_XCLIENT_H
#define SMTP_XCLIENT_H

#include <base/buf.h>

#include <smtp/command.h>

enum smtp_xattr {
    SMTP_XATTR_NAME,
    SMTP_XATTR_ADDR, /* numeric; "IPv6:" is taken off */
    SMTP_XATTR_PORT, /* 0 to 65535 */
    SMTP_XATTR_PROTO,
    SMTP_XATTR_HELO,
    SMTP_XATTR_LOGIN,    /* XCLIENT only, as the next two */
    SMTP_XATTR_DESTADDR, /* as ADDR */
    SMTP_XATTR_DESTPORT, /* as PORT */
    SMTP_XATTR_IDENT,    /* XFORWARD only, as the next one */
    SMTP_XATTR_SOURCE,   /* LOCAL or REMOTE */
    SMTP_XATTR_COUNT
};

enum {
    SMTP_XVALUE_MAX = 255
}; /* octets, decoded */

struct smtp_xattrs {
    unsigned given; /* 1u << enum smtp_xattr */
    /* Decoded, NUL-terminated, without control characters; "" when it was
     * not given or is [UNAVAILABLE] or [TEMPUNAVAIL]. */
    char value[SMTP_XATTR_COUNT][SMTP_XVALUE_MAX + 1];
};

/*
 * arg is all that stands behind the verb, XCLIENT or XFORWARD. SYNTAX: not
 * NAME=VALUE, or none of the verb's names; PARAM_VALUE; PARAM_TWICE. *out is
 * untouched then.
 */
enum smtp_err smtp_xclient_parse(enum smtp_verb verb, struct bytes arg,
                                 struct smtp_xattrs *out);

/* The attributes that an EHLO keyword names: 1u << enum smtp_xattr. */
unsigned smtp_xattr_names(enum smtp_verb verb, struct bytes args);

/*
 * Puts "XCLIENT NAME=VALUE ...\r\n": what attrs gives of what the server takes
 * (its `offered` names). A value that was given and is "" is [UNAVAILABLE].
 * False, nothing put: none is left to be said.
 */
bool smtp_xclient_put(struct buf *out, enum smtp_verb verb, unsigned offered,
                      const struct smtp_xattrs *attrs);

#endif
