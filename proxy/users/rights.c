/*
 * rights - which From, which domain and which key are a user's; see rights.h
 * and decide.h.
 *
 * Reserved keys: one that a user's fixed `selector` names, or that is the
 * slot of a user, is nobody else's default key.
 */
#include "proxy/users/rights.h"

#include "proxy/users/decide.h"
#include "proxy/users/keychoice.h"

static bool
is_same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* name is strictly below domain. */
static bool
is_below(const char *name, const char *domain)
{
    return !is_same(name, domain) && dkim_domain_within(name, domain);
}

static bool
covers_domain(const struct view_from *from, const char *domain)
{
    switch (from->kind) {
    case VIEW_FROM_ANY:
        return true;
    case VIEW_FROM_BELOW:
        return is_below(domain, from->domain);
    case VIEW_FROM_DOMAIN:
    case VIEW_FROM_ADDRESS:
        return is_same(domain, from->domain);
    }
    return false;
}

bool
users_from_has(const struct view_user *user, const char *domain)
{
    for (size_t i = 0; i < user->from_count; i++) {
        if (covers_domain(user->from + i, domain)) {
            return true;
        }
    }
    return false;
}

bool
rights_domain(const struct view_user *user, const char *domain)
{
    return user == NULL || users_from_has(user, domain);
}

bool
users_from_covers(const struct view_user *user, const char *local,
                  const char *domain)
{
    for (size_t i = 0; i < user->from_count; i++) {
        const struct view_from *from = user->from + i;

        if (covers_domain(from, domain) &&
            (from->kind != VIEW_FROM_ADDRESS ||
             bytes_is_ci(bytes_str(from->local), local))) {
            return true;
        }
    }
    return false;
}

static bool
has_fixed_selector(const struct view_user *user, const char *selector)
{
    for (conf_list s = user->selectors; *s != NULL; s++) {
        if (is_same(*s, selector)) {
            return true;
        }
    }
    return false;
}

bool
rights_key(const struct view_user *user, const struct view_key *key)
{
    if (key->owner[0] != '\0' &&
        (user == NULL || !is_same(key->owner, user->name))) {
        return false;
    }
    return !key->reserved ||
           (user != NULL && (has_fixed_selector(user, key->selector) ||
                             is_same(key->owner, user->name)));
}

bool
users_may_sign(const struct view *view, const struct sign_conf *sign,
               const struct view_user *user, const char *domain,
               const char *selector)
{
    const struct view_key *key = view_key(view, domain, selector);

    if (key == NULL || !keychoice_signs(view, key) ||
        (user != NULL && user->locked)) {
        return false;
    }
    if (sign->also[0] != '\0' && is_same(domain, sign->also) &&
        rights_key(NULL, key)) {
        return true;
    }
    return rights_key(user, key) &&
           (user == NULL || rights_domain(user, domain) ||
            (user->domain[0] != '\0' && is_same(user->domain, domain)));
}
