/*
 * secret - a password or a token: the first line of a file.
 *
 * What follows that line is left alone, so that a file may hold a note, too.
 */
#ifndef PROXY_CONFIG_SECRET_H
#define PROXY_CONFIG_SECRET_H

#include <base/bytes.h>

enum {
    CONF_PASSWORD_MAX = 1024, /* octets; as SMTP_SASL_SECRET_MAX */
    CONF_TOKEN_MAX = 8192     /* RFC 4954 4: 12288 octets in base64, with the
                                 rest */
};

enum conf_secret {
    CONF_SECRET_OK,
    CONF_SECRET_FILE, /* it can't be read; errno says why */
    CONF_SECRET_LINE  /* the line is empty, longer, or holds a NUL */
};

/*
 * The first line of text without its LF or CRLF, a view into text. False,
 * *line_out untouched: as CONF_SECRET_LINE.
 */
bool conf_secret_line(struct bytes text, size_t octets_max,
                      struct bytes *line_out);

/*
 * The same of a file, with the rights of this process. out has room for
 * octets_max (at most CONF_TOKEN_MAX) and a NUL; the caller wipes it. It is
 * empty when the result is not OK. No other copy stays in memory.
 */
enum conf_secret conf_secret_read(const char *path, size_t octets_max,
                                  char *out);

#endif
