/*
 * identity - tries files with the rights of another account; see identity.h.
 *
 * The effective ids are changed and given back, so that the kernel judges:
 * modes, access lists and every directory above.
 */
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
put_name(char *out, size_t cap, const char *name, unsigned number)
{
    if (name == NULL || !bytes_copy(bytes_str(name), out, cap)) {
        (void)snprintf(out, cap, "%u", number);
    }
}

static void
set_group_name(struct conf_identity *id)
{
    const struct group *group = getgrgid(id->gid);

    put_name(id->group, sizeof(id->group),
             group == NULL ? NULL : group->gr_name, id->gid);
}

void
conf_identity_self(struct conf_identity *id_out)
{
    const struct passwd *account = getpwuid(geteuid());

    memset(id_out, 0, sizeof(*id_out));
    id_out->uid = geteuid();
    id_out->gid = getegid();
    put_name(id_out->user, sizeof(id_out->user),
             account == NULL ? NULL : account->pw_name, id_out->uid);
    set_group_name(id_out);
}

bool
conf_identity_find(const char *user, struct conf_identity *id_out)
{
    const struct passwd *account = getpwnam(user);
    struct conf_identity id;

    if (geteuid() != 0) {
        conf_identity_self(id_out);
        return true;
    }
    if (account == NULL) {
        return false;
    }
    memset(&id, 0, sizeof(id));
    id.switches = true;
    id.uid = account->pw_uid;
    id.gid = account->pw_gid;
    put_name(id.user, sizeof(id.user), account->pw_name, id.uid);
    id.group_count = CONF_GROUPS_MAX;
    if (getgrouplist(user, id.gid, id.groups, &id.group_count) < 0) {
        id.groups[0] = id.gid;
        id.group_count = 1;
    }
    set_group_name(&id);
    *id_out = id;
    return true;
}

static bool
give_back(const struct conf_identity *id)
{
    return seteuid(0) == 0 && setegid(id->saved_gid) == 0 &&
           setgroups((size_t)id->saved_count, id->saved_groups) == 0;
}

bool
conf_identity_take(struct conf_identity *id)
{
    if (!id->switches) {
        return true;
    }
    id->saved_gid = getegid();
    id->saved_count = getgroups(CONF_GROUPS_MAX, id->saved_groups);
    if (id->saved_count < 0) {
        return false;
    }
    if (setgroups((size_t)id->group_count, id->groups) != 0 ||
        setegid(id->gid) != 0 || seteuid(id->uid) != 0) {
        int saved = errno;

        conf_identity_return(id);
        errno = saved;
        return false;
    }
    return true;
}

void
conf_identity_return(struct conf_identity *id)
{
    if (id->switches && !give_back(id)) {
        abort(); /* going on with half of another's rights is worse */
    }
}
