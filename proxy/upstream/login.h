/*
 * login - for whom a connection is made, and with which credentials.
 *
 * Private to proxy/upstream. A wish is what a session asks for, copied,
 * because the session's users may change while it waits. Credentials are read
 * at the moment of the handshake and wiped behind it, but for the upstream's
 * own password.
 */
#ifndef PROXY_UPSTREAM_LOGIN_H
#define PROXY_UPSTREAM_LOGIN_H

#include "proxy/upstream/upstream.h"

#include <smtp/xclient.h>

/* A struct upstream_wish of its own memory; "" and NULL as there. */
struct login_wish {
    char *username;
    char *secret_file;
    char *secret; /* wiped */
    unsigned mechs;
    struct smtp_xattrs *client;
    struct upstream_refusal *refusal; /* borrowed */
};

/* False: no memory, *out is empty. wish NULL: a zero one. */
bool login_wish_copy(const struct upstream_wish *wish, struct login_wish *out);
void login_wish_free(struct login_wish *wish);

/*
 * Puts text that is the same for two wishes when one's connection may be lent
 * to the other.
 */
void login_key(const struct upstream_wish *wish, struct buf *out);

/* Credentials of one handshake. */
struct login {
    const char *user; /* lent by wish or upstream; NULL: nobody logs in */
    char *secret;     /* owns, wiped; NULL: nobody logs in */
    unsigned mechs;   /* enum smtp_mech that may be used */
};

/* False: error names the file and the mend. Reads a file, a small one. */
bool login_load(const struct upstream *u, const struct login_wish *wish,
                struct login *out, struct buf *error);
void login_free(struct login *login);

/*
 * The first line of path, without its end: 1 to octets_max octets, no NUL.
 * NULL: error names the file and the mend; what: "password", "token". Free
 * it with login_secret_free().
 */
char *login_read(const char *path, const char *what, size_t octets_max,
                 struct buf *error);
/* Wipes. *secret is NULL afterwards; NULL is fine. */
void login_secret_free(char **secret);

#endif
