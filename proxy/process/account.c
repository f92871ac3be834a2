/*
 * account - see account.h.
 */
#include "proxy/process/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool
find(const char *name, struct account *out)
{
    const struct passwd *pw = getpwnam(name);

    if (pw == NULL ||
        !bytes_copy(bytes_str(name), out->name, sizeof(out->name))) {
        return false;
    }
    out->uid = pw->pw_uid;
    out->gid = pw->pw_gid;
    return true;
}

static bool
missing(const char *key, const char *name, struct buf *error)
{
    buf_printf(error,
               "the account %s of [server] %s does not exist; make it with "
               "useradd --system --no-create-home %s",
               name, key, name);
    return false;
}

bool
accounts_find(const struct server_conf *conf, struct account *user_out,
              struct account *keys_out, struct buf *error)
{
    struct account user = { "", getuid(), getgid() };
    struct account keys = user;
    bool has_user, has_keys;

    if (geteuid() == 0) {
        has_user = find(conf->user, &user);
        has_keys = find(conf->keys_user, &keys);
        if (!has_user && conf->user_set) {
            return missing("user", conf->user, error);
        }
        if (!has_keys && conf->keys_user_set) {
            return missing("keys_user", conf->keys_user, error);
        }
        if ((!has_user && !find("nobody", &user)) ||
            (!has_keys && !find("nobody", &keys))) {
            return missing("user", "nobody", error);
        }
        if (!has_user && !conf->keys_user_set) {
            keys = user;
        }
        if (!has_keys && !conf->user_set) {
            user = keys;
        }
    }
    *user_out = user;
    *keys_out = keys;
    return true;
}

bool
accounts_network(const struct server_conf *conf, struct account *user_out,
                 struct buf *error)
{
    *user_out = (struct account){ "", getuid(), getgid() };
    return find(conf->user, user_out) || !conf->user_set ||
           missing("user", conf->user, error);
}

bool
account_become(const struct account *account, struct buf *error)
{
    if (geteuid() == 0 &&
        (initgroups(account->name, account->gid) != 0 ||
         setresgid(account->gid, account->gid, account->gid) != 0 ||
         setresuid(account->uid, account->uid, account->uid) != 0)) {
        buf_printf(error, "cannot become %s: %s", account->name,
                   strerror(errno));
        return false;
    }
    if (account->uid != 0 && setuid(0) == 0) {
        buf_printf(error, "%s can become root again", account->name);
        return false;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        buf_printf(error, "cannot set no_new_privs: %s", strerror(errno));
        return false;
    }
    return true;
}

void
account_drop_capabilities(void)
{
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}
