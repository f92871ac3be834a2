/*
 * rights - what a user may sign with. NULL stands for who is trusted without
 * being a user.
 */
#ifndef PROXY_USERS_RIGHTS_H
#define PROXY_USERS_RIGHTS_H

#include <proxy/users/view.h>

/* The user's `from` gives the right to sign with this d=. Nobody's: all. */
bool rights_domain(const struct view_user *user, const char *domain);

/* The key is nobody's, or this user's. */
bool rights_key(const struct view_user *user, const struct view_key *key);

#endif
