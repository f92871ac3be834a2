/*
 * notefile - the notes of a state directory; see notefile.h.
 */
#include "proxy/keys/notefile.h"

#include <sys/stat.h>
#include <unistd.h>

struct replace_owner
notefile_owner(const struct keystore_conf *conf, mode_t mode)
{
    return (struct replace_owner){ conf->uid, conf->gid, mode };
}

const char *
notefile_judge(const struct keystore_conf *conf, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return "not a regular file; put the file itself there";
    }
    if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != conf->uid) {
        return "the file belongs to another account; chown it to keys_user";
    }
    if (st.st_mode & (S_IWGRP | S_IWOTH)) {
        return "group or others may write the file; chmod 600";
    }
    return NULL;
}

int
notefile_lock(const struct keystore_conf *conf, const char *folder)
{
    struct replace_owner dir = notefile_owner(conf, 0700);
    struct replace_owner file = notefile_owner(conf, 0600);
    struct replace_owner state = { (uid_t)-1, (gid_t)-1, 0755 };
    struct buf path = BUF_INIT;
    int fd = -1;

    buf_printf(&path, "%s/%s", conf->state_dir, folder);
    if (buf_str(&path) != NULL && replace_mkdir(conf->state_dir, &state) &&
        replace_mkdir((const char *)path.ptr, &dir)) {
        buf_puts(&path, "/.lock");
        if (buf_str(&path) != NULL) {
            fd = replace_lock((const char *)path.ptr, &file);
        }
    }
    buf_free(&path);
    return fd;
}
