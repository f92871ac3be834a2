/*
 * password - asked for, hashed, and turned into what users.conf keeps.
 *
 * Everything that held a password is wiped.
 */
#ifndef PROXY_CLI_PASSWORD_H
#define PROXY_CLI_PASSWORD_H

#include <proxy/cli/cli.h>

enum {
    PASSWORD_MAX = 511
}; /* octets; libxcrypt's limit */

/*
 * from_stdin: one line of stdin. Else it is asked twice on the terminal with
 * echo off. CLI_GO_ON with *password_out NUL-terminated (room for
 * PASSWORD_MAX + 1; the caller wipes it), or an exit code.
 */
int password_read(const struct cli *c, bool from_stdin, char *password_out);

/* A yescrypt string with a new salt, appended. False: libxcrypt failed. */
bool password_crypt(const char *password, struct buf *out);

/* "SCRAM-SHA-256$4096:SALT$STORED:SERVER" (RFC 5803), appended. */
bool password_scram(const char *password, struct buf *out);

#endif
