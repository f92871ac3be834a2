/*
 * userkeys - the keys that sign a user's mail now, for `sealpost user list`.
 */
#ifndef PROXY_CLI_USERKEYS_H
#define PROXY_CLI_USERKEYS_H

#include "proxy/cli/cli.h"
#include "proxy/users/decide.h"

enum {
    USERKEYS_MAX = 32
}; /* of one user; who has more has a `from` of many domains */

struct userkeys {
    const struct keystore_key *keys[USERKEYS_MAX]; /* lent by the store */
    size_t count;
    bool more;
};

/*
 * By the same rules as the daemon's, for each From domain that her `from`
 * names (what stands for many, `*` and `*.DOMAIN`, is left out) and with both
 * algorithms. A locked user's are those that would sign.
 */
void userkeys_find(const struct cli *c, const struct cli_data *data,
                   const struct view_user *user, struct userkeys *out);

/*
 * What DNS said of the key when it was last looked at by a command, one word:
 * "ok", "unproved" (never shown long enough, or activated by hand), "gone",
 * "differs", "revoked", "condemned".
 */
const char *userkeys_dns(const struct keystore_key *key);
/* The worst of all; "-": there is no key. */
const char *userkeys_worst(const struct userkeys *keys);

#endif
