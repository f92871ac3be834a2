/*
 * reserved - which keys are some user's own: her fixed selector names them in
 * a domain that she may sign for.
 */
#ifndef PROXY_USERS_RESERVED_H
#define PROXY_USERS_RESERVED_H

#include <proxy/users/view.h>

/* Sets `reserved` of each key. False: no memory. O(n log n). */
bool reserved_mark(const struct view_user *users, size_t user_count,
                   struct view_key *keys, size_t key_count);

#endif
