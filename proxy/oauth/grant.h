/*
 * grant - asks a token endpoint for an access token, and keeps it.
 *
 * Client credentials (RFC 6749 4.4) or a refresh token (6), by libcurl over
 * HTTPS. Blocks: for a command, never for a process that handles mail.
 */
#ifndef PROXY_OAUTH_GRANT_H
#define PROXY_OAUTH_GRANT_H

#include <base/buf.h>

#include <proxy/config/conf.h>

enum oauth_result {
    OAUTH_OK,
    OAUTH_LATER,  /* nobody answers, 5yz, 429: ask again */
    OAUTH_REFUSED /* the credentials, or what was asked for: a human must act */
};

/*
 * One token into conf->token_file (mode 0640, whole or not at all), and a new
 * refresh token, when there is one, into its file (0600). life_s_out: how long
 * it is good for. Otherwise error has one sentence with the mend.
 */
enum oauth_result oauth_renew(const struct oauth_conf *conf,
                              unsigned *life_s_out, struct buf *error);

#endif
