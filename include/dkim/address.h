/*
 * address - the one author of a message: the From field's only address.
 *
 * Signing and checking use this same parser. Display names, comments, quoted
 * strings, folds and groups are understood so that nobody's trick decides
 * whose address it is; anything doubtful is an error, never a guess.
 *
 * RFC 5322 3.4, 3.6.2, 4.4 (obsolete routes); 6532.
 */
#ifndef DKIM_ADDRESS_H
#define DKIM_ADDRESS_H

#include <base/bytes.h>
#include <dkim/header.h>

enum dkim_from_result {
    DKIM_FROM_OK,
    DKIM_FROM_NONE,     /* no From field */
    DKIM_FROM_SEVERAL,  /* more than one From field */
    DKIM_FROM_EMPTY,    /* a field without an address */
    DKIM_FROM_MANY,     /* more than one address */
    DKIM_FROM_SYNTAX,   /* not an address list */
    DKIM_FROM_RESULTS
};

enum {
    DKIM_LOCAL_MAX = 64, /* octets, RFC 5321 4.5.3.1 */
    DKIM_DOMAIN_MAX = 253
};

struct dkim_author {
    char local[DKIM_LOCAL_MAX + 1];   /* unquoted, as written */
    char domain[DKIM_DOMAIN_MAX + 1]; /* lower case, no final dot, no comment */
};

/* One sentence, without a full stop. */
const char *dkim_from_text(enum dkim_from_result result);

enum dkim_from_result dkim_from_parse(const struct dkim_header *header,
                                      struct dkim_author *author_out);

/*
 * A domain name as DKIM and DNS need it: labels of 1 to 63 letters, digits,
 * hyphens, underscores, octets over 127 only with utf8; at most 253 octets.
 * One final dot is allowed in and dropped. out: lower case, NUL-terminated,
 * room for DKIM_DOMAIN_MAX + 1. False, out untouched: not such a name.
 */
bool dkim_domain_parse(struct bytes text, bool utf8, char *out);

/* Well-formed UTF-8 (RFC 3629); ASCII is. */
bool dkim_utf8_valid(struct bytes text);

/* name is domain or below it. Both lower case. */
bool dkim_domain_within(const char *name, const char *domain);

#endif
