/*
 * path - reverse-path, forward-path and mailbox (RFC 5321 4.1.2, 6531 3.3).
 *
 * Private to the room.
 */
#ifndef SMTP_PATH_H
#define SMTP_PATH_H

#include <smtp/command.h>

enum {
    SMTP_LOCAL_MAX = 64,   /* octets, quotes included: RFC 5321 4.5.3.1.1 */
    SMTP_DOMAIN_MAX = 255, /* octets: RFC 5321 4.5.3.1.2 */
    SMTP_LABEL_MAX = 63    /* octets: RFC 1035 2.3.4 */
};

enum smtp_path_kind {
    SMTP_PATH_REVERSE, /* MAIL: <> is fine */
    SMTP_PATH_FORWARD  /* RCPT: <postmaster> is fine */
};

/*
 * Takes "<...>" off the front of *in; what follows is the caller's. On an
 * error *in is where it was.
 */
enum smtp_err smtp_path_take(struct bytes *in, enum smtp_path_kind kind,
                             struct smtp_path *path_out);

/* Well-formed UTF-8 as RFC 3629 has it: no overlong form, no surrogate. */
bool smtp_utf8_valid(struct bytes text);

/* Holds an octet over 127. */
bool smtp_has_8bit(struct bytes text);

#endif
