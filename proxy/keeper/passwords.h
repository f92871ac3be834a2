/*
 * passwords - is this secret the one of this user?
 *
 * Hashes are crypt(3) strings. A user that does not exist, or has none, costs
 * the same as one that does: the secret is hashed with the setting of some
 * real user, always the same one for the same name.
 *
 * Successes are remembered for PASSWORDS_REMEMBER_S as an HMAC-SHA-256 under
 * a random key of this process, and only for the data they were checked
 * against: a reload forgets them all.
 *
 * All calls may come from several threads at once.
 */
#ifndef PROXY_KEEPER_PASSWORDS_H
#define PROXY_KEEPER_PASSWORDS_H

#include <base/bytes.h>

#include <proxy/keeper/client.h>
#include <proxy/keeper/data.h>

enum {
    PASSWORDS_REMEMBER_S = 300,
    PASSWORDS_REMEMBERED_MAX = 65536 /* about the newest ones */
};

struct passwords;

/* NULL: no memory or no random octets. */
struct passwords *passwords_new(void);
void passwords_free(struct passwords **p);

/*
 * True: checked not long ago, against the same data, and right. Costs
 * microseconds. now_s: monotonic seconds.
 */
bool passwords_known(struct passwords *p, const struct keeper_data *data,
                     struct bytes user, struct bytes secret, uint64_t now_s);

/*
 * KEEPER_OK, KEEPER_LOCKED (right, but the user is locked), KEEPER_DENIED
 * or KEEPER_FAILED (no memory). Costs what the hash costs, 1 to 1000 ms.
 */
enum keeper_status passwords_check(struct passwords *p,
                                   const struct keeper_data *data,
                                   struct bytes user, struct bytes secret,
                                   uint64_t now_s);

#endif
