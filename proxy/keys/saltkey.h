/*
 * saltkey - the secret of this installation from which the salts of users
 * that do not exist are made.
 *
 * SCRAM tells a salt before it asks for a proof. A name that nobody has must
 * get one, too, and always the same, also after a restart: else two questions
 * tell who exists (RFC 5802 9). It lies beside the private keys, as
 * state_dir/keys/.saltkey, and nobody but keys_user reads it.
 */
#ifndef PROXY_KEYS_SALTKEY_H
#define PROXY_KEYS_SALTKEY_H

#include <proxy/keys/keystore.h>

enum {
    SALTKEY_OCTETS = 32
};

/*
 * Reads it, or makes it when it is missing. False: key_out untouched, error
 * (may be NULL) names the file and the mend.
 */
bool saltkey_load(const struct keystore_conf *conf,
                  uint8_t key_out[SALTKEY_OCTETS], struct buf *error);

#endif
