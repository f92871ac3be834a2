/*
 * answer - what a token endpoint says, as JSON (RFC 6749 5.1, 5.2).
 *
 * Only computes. An answer is an access token or an error; whatever else
 * stands in it is passed over.
 */
#ifndef PROXY_OAUTH_ANSWER_H
#define PROXY_OAUTH_ANSWER_H

#include <base/bytes.h>

#include <proxy/config/secret.h>

enum {
    OAUTH_TOKEN_MAX = CONF_TOKEN_MAX, /* as an upstream's token_file may hold */
    OAUTH_TEXT_MAX = 400,
    OAUTH_LIFE_MIN_S = 60,
    OAUTH_LIFE_MAX_S = 7 * 86400
};

/* Holds secrets: wipe the whole of it. Texts are NUL-terminated, printable. */
struct oauth_answer {
    char access_token[OAUTH_TOKEN_MAX + 1];  /* "": there is none */
    char refresh_token[OAUTH_TOKEN_MAX + 1]; /* "": as before */
    unsigned life_s;                         /* how long it is good for */
    char error[OAUTH_TEXT_MAX + 1];          /* "invalid_grant"; or "" */
    char description[OAUTH_TEXT_MAX + 1];
};

/*
 * False: not JSON, or neither a token nor an error; *why_out says which, a
 * static phrase. status: of HTTP.
 */
bool oauth_answer_parse(struct bytes json, long status,
                        struct oauth_answer *out, const char **why_out);

#endif
