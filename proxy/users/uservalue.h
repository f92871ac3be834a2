/*
 * uservalue - the values of users.conf, one grammar each.
 *
 * For the reader of the file, and for `sealpost user`, which checks what it
 * is told before it writes it.
 */
#ifndef PROXY_USERS_USERVALUE_H
#define PROXY_USERS_USERVALUE_H

#include <dkim/address.h>

#include <proxy/users/view.h>

enum {
    USERVALUE_NAME_MAX = 255,
    USERVALUE_EDIT_NAME_MAX = 190, /* `name = ` on a line of 199 */
    USERVALUE_RATE_MAX = 1000000000
};

/* A whole crypt(3) string: yescrypt ($y$), bcrypt ($2b$) or SHA-512 ($6$). */
bool uservalue_hash(const char *hash);

/* 1 to 255 octets without blanks, control characters, brackets, `;`. */
bool uservalue_name(struct bytes name);

/* The next of "a, b"; false at the end. Empty items are passed over. */
bool uservalue_item(struct bytes *rest, struct bytes *item_out);

struct uservalue_from {
    enum view_from_kind kind;
    char local[DKIM_LOCAL_MAX + 1];
    char domain[DKIM_DOMAIN_MAX + 1];
};

/* "example.com", "*.example.org", "ceo@example.net" or "*". */
bool uservalue_from(struct bytes text, struct uservalue_from *from_out);

/* "500/h": 500 in 3600 s. Units s, m, h, d. */
bool uservalue_rate(struct bytes text, unsigned *count_out,
                    unsigned *per_s_out);

#endif
