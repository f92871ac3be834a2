/*
 * sign - what the files of `sealpost sign` share.
 */
#ifndef PROXY_CLI_SIGN_H
#define PROXY_CLI_SIGN_H

#include <base/buf.h>

#include <dkim/sign.h>

#include <proxy/cli/cli.h>
#include <proxy/cli/message.h>

enum {
    SIGN_HEADERS_MAX = 64
};

/* One command: what was asked, the message, and what comes of it. */
struct signing {
    struct cli cli;
    const char *domain;
    const char *selector;
    const char *key_path;
    const char *user;
    const char *canon;
    const char *headers;
    uint64_t time_s;   /* UINT64_MAX: now */
    bool time_given;   /* the same octets each time */
    uint64_t expire_s; /* UINT64_MAX: not given */
    struct cli_message message;
    struct cli_data data;
    struct dkim_sign_params params;     /* of all signatures */
    uint8_t hash[DKIM_HASH_OCTETS_MAX]; /* of the body; params lends it */
    struct dkim_sign_headers names;
    struct buf names_text; /* --headers, parted with NULs */
    const char *sign_names[SIGN_HEADERS_MAX + 1];
    const char *oversign_names[SIGN_HEADERS_MAX + 1];
    struct buf added;  /* fields behind the header: Date, Message-ID */
    struct buf fields; /* DKIM-Signature fields, the last one first */
};

/* All: CLI_GO_ON, or an exit code that was explained. */

/* The options, and the configuration where it counts. */
int sign_take_options(struct signing *s);

/* A key of the store; the caller owns *key_out. */
int sign_stored_key(struct signing *s, const char *domain, const char *selector,
                    EVP_PKEY **key_out, enum dkim_alg *alg_out);
/* One more DKIM-Signature in s->fields. */
int sign_with(struct signing *s, EVP_PKEY *key, const char *domain,
              const char *selector, enum dkim_alg alg);

/* As the daemon treats the mail of s->user: fields taken away and added, then
 * every signature that was decided. */
int sign_as_user(struct signing *s);

#endif
