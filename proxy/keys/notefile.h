/*
 * notefile - the notes of a state directory, in keys/ and domains/: whose
 * they are, who may have written them, and who may change them now.
 */
#ifndef PROXY_KEYS_NOTEFILE_H
#define PROXY_KEYS_NOTEFILE_H

#include <proxy/keys/keystore.h>
#include <proxy/keys/replace.h>

struct replace_owner notefile_owner(const struct keystore_conf *conf,
                                    mode_t mode);

/*
 * A note decides which key signs: it must be as safe from others as a key.
 * fd: it, opened. NULL: it is; else what is wrong, and the mend.
 */
const char *notefile_judge(const struct keystore_conf *conf, int fd);

/*
 * Makes what is missing and waits for the right to change STATE_DIR/FOLDER.
 * The descriptor ends it when closed. -1: errno.
 */
int notefile_lock(const struct keystore_conf *conf, const char *folder);

#endif
