/*
 * identity - tries files with the rights that the service will have.
 *
 * Only root can; without it the caller's own rights are the service's.
 */
#ifndef PROXY_CONFIG_IDENTITY_H
#define PROXY_CONFIG_IDENTITY_H

#include <base/bytes.h>

#include <sys/types.h>

enum {
    CONF_GROUPS_MAX = 64
};

struct conf_identity {
    char user[64];  /* for messages */
    char group[64]; /* the user's first group */
    bool switches;  /* we are root: the account's rights can be taken */
    uid_t uid;
    gid_t gid;
    gid_t groups[CONF_GROUPS_MAX];
    int group_count;
    /* Ours, while the others' are taken. */
    gid_t saved_gid;
    gid_t saved_groups[CONF_GROUPS_MAX];
    int saved_count;
};

/* Our own: nothing is switched. */
void conf_identity_self(struct conf_identity *id_out);

/* Of an account, or our own without root; false: none of that name. */
bool conf_identity_find(const char *user, struct conf_identity *id_out);

/*
 * Between the two, files are opened as the account would. Single-threaded
 * programs only. False: it could not be taken, nothing has changed; errno.
 * Rights that can't be given back end the program.
 */
bool conf_identity_take(struct conf_identity *id);
void conf_identity_return(struct conf_identity *id);

#endif
