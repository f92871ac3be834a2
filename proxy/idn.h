/*
 * idn - domain names of other scripts, as DNS knows them.
 *
 * A domain in UTF-8 (RFC 6532) has a policy like any other, under its
 * A-labels. Who does not convert it finds no policy: a From that is spelt
 * with U-labels would escape DMARC. RFC 5891; UTS 46, not transitional, as
 * browsers and mail programs show such names.
 */
#ifndef PROXY_IDN_H
#define PROXY_IDN_H

#include <base/bytes.h>

#include <dkim/address.h>

enum {
    IDN_NAME_MAX = 253, /* octets, without the NUL */
    IDN_MAILBOX_MAX = 320
};

/*
 * domain in A-labels and lower case, without a final dot; one that is ASCII
 * stays what it is. ascii_out: room for IDN_NAME_MAX + 1. False, out
 * untouched: not a domain name.
 */
bool idn_domain(struct bytes domain, char *ascii_out);

/*
 * "local@domain" with its domain in A-labels. Lends out, of at least
 * IDN_MAILBOX_MAX octets, or mailbox itself when there is nothing to convert
 * or it cannot be converted.
 */
struct bytes idn_mailbox(struct bytes mailbox, char *out);

/*
 * From the one author of a message: dkim_from_parse(), and her domain as keys
 * and users.conf spell it, in A-labels (RFC 8616 5). A domain that has none
 * is DKIM_FROM_SYNTAX.
 */
enum dkim_from_result idn_author(const struct dkim_header *header,
                                 struct dkim_author *author_out);

#endif
