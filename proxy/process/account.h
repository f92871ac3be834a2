/*
 * account - the accounts that the processes run as, and dropping to one.
 *
 * Started by root: the network side becomes `user`, the keeper `keys_user`.
 * Started by anybody else: everything runs as that one.
 */
#ifndef PROXY_PROCESS_ACCOUNT_H
#define PROXY_PROCESS_ACCOUNT_H

#include <base/buf.h>

#include <proxy/config/conf.h>
#include <sys/types.h>

struct account {
    char name[64]; /* "" when not started by root */
    uid_t uid;
    gid_t gid;
};

/*
 * A default account that does not exist becomes `nobody`, for both (conf_check
 * warns of it). False: *error names a configured account that is missing.
 */
bool accounts_find(const struct server_conf *conf, struct account *user_out,
                   struct account *keys_out, struct buf *error);

/* The network's account alone, for one who can't become it. A configured one
 * that is missing: false; a default one: this process's own. */
bool accounts_network(const struct server_conf *conf, struct account *user_out,
                      struct buf *error);

/*
 * This process becomes the account for good: groups, gid, uid, and
 * no_new_privs. Not root: only no_new_privs. False: *error says why.
 */
bool account_become(const struct account *account, struct buf *error);

/* What the master may that others need not (CAP_NET_BIND_SERVICE) is not passed
 * on: a child, between fork and exec. */
void account_drop_capabilities(void);

#endif
