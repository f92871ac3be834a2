/*
 * saltkey - read or made, under the lock of the key store; see saltkey.h.
 */
#include "proxy/keys/saltkey.h"

#include "proxy/keys/notefile.h"

#include <base/wipe.h>

#include <openssl/rand.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum saltkey_result {
    SALTKEY_OK,
    SALTKEY_MISSING,
    SALTKEY_BAD,  /* not ours, or not such a file */
    SALTKEY_ERROR /* errno */
};

static bool
file_ok(const struct keystore_conf *conf, int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
           (st.st_uid == 0 || st.st_uid == geteuid() ||
            st.st_uid == conf->uid) &&
           (st.st_mode & (S_IRWXG | S_IRWXO)) == 0 &&
           st.st_size == SALTKEY_OCTETS;
}

static enum saltkey_result
read_key(const struct keystore_conf *conf, const char *path, uint8_t *key)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool good;

    if (fd < 0) {
        return errno == ENOENT ? SALTKEY_MISSING : SALTKEY_ERROR;
    }
    good = file_ok(conf, fd) && read(fd, key, SALTKEY_OCTETS) == SALTKEY_OCTETS;
    close(fd);
    return good ? SALTKEY_OK : SALTKEY_BAD;
}

/* Locked: two keepers, or one and a command, make one key. */
static enum saltkey_result
make_key(const struct keystore_conf *conf, const char *path, uint8_t *key)
{
    struct replace_owner owner = notefile_owner(conf, 0600);
    enum saltkey_result result = SALTKEY_ERROR;
    int fd = notefile_lock(conf, "keys");

    if (fd < 0) {
        return SALTKEY_ERROR;
    }
    result = read_key(conf, path, key);
    if (result == SALTKEY_MISSING) {
        result =
            RAND_priv_bytes(key, SALTKEY_OCTETS) == 1 &&
                    replace_file(path, bytes_make(key, SALTKEY_OCTETS), &owner)
                ? SALTKEY_OK
                : SALTKEY_ERROR;
    }
    close(fd);
    return result;
}

static void
complain(enum saltkey_result result, const char *path, struct buf *error)
{
    if (error != NULL && result == SALTKEY_BAD) {
        buf_printf(error,
                   "%s: not %d octets that only keys_user can read; take the "
                   "file away, another is made",
                   path, SALTKEY_OCTETS);
    } else if (error != NULL) {
        buf_printf(error, "%s: %s; a place where keys_user can write", path,
                   strerror(errno));
    }
}

bool
saltkey_load(const struct keystore_conf *conf, uint8_t key_out[SALTKEY_OCTETS],
             struct buf *error)
{
    enum saltkey_result result = SALTKEY_ERROR;
    uint8_t key[SALTKEY_OCTETS];
    struct buf path = BUF_INIT;

    buf_printf(&path, "%s/keys/.saltkey", conf->state_dir);
    if (buf_str(&path) != NULL) {
        result = read_key(conf, (const char *)path.ptr, key);
        if (result == SALTKEY_MISSING) {
            result = make_key(conf, (const char *)path.ptr, key);
        }
        if (result != SALTKEY_OK) {
            complain(result, (const char *)path.ptr, error);
        }
    }
    if (result == SALTKEY_OK) {
        memcpy(key_out, key, sizeof(key));
    }
    wipe(key, sizeof(key));
    buf_free(&path);
    return result == SALTKEY_OK;
}
