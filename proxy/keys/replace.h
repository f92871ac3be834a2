/*
 * replace - files that are read whole, and written whole or not at all.
 *
 * The new contents go to a temporary file in the same directory, are synced,
 * and take the name in one step; who reads meanwhile sees the old or the new.
 */
#ifndef PROXY_KEYS_REPLACE_H
#define PROXY_KEYS_REPLACE_H

#include <base/buf.h>

#include <sys/types.h>

struct replace_owner {
    uid_t uid; /* (uid_t)-1: as we run; only root can give files away */
    gid_t gid;
    mode_t mode;
};

/* The account of STATE_DIR/keys, which is keys_user's: so that its timer can
 * replace what root has written. As we run when there is no such folder. */
struct replace_owner replace_owner_of_keys(const char *state_dir, mode_t mode);

/*
 * All octets of fd up to its end, behind those in out. False: errno; EFBIG
 * when out would hold more than octets_max. Growing may leave copies: not for
 * private keys.
 */
bool replace_read(int fd, size_t octets_max, struct buf *out);

/* False: errno says why, and the old file stands as it was. */
bool replace_file(const char *path, struct bytes contents,
                  const struct replace_owner *owner);

/*
 * Waits for the exclusive right to change what path (a lock file, made when
 * missing) guards. The descriptor ends it when closed. -1: errno.
 */
int replace_lock(const char *path, const struct replace_owner *owner);

/* A directory of this owner and mode, when it is missing. False: errno. */
bool replace_mkdir(const char *path, const struct replace_owner *owner);

#endif
