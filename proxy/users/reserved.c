/*
 * reserved - which keys are some user's own; see reserved.h.
 *
 * A thousand users who share a selector must not make this quadratic, so every
 * right to a selector is one row of a sorted table of claims.
 */
#include "proxy/users/reserved.h"

#include <stdlib.h>

/* "selector in domain" (or below it, or anywhere) belongs to a user. */
struct claim {
    const char *selector;
    const char *domain;
    enum view_from_kind kind;
};

struct claims {
    struct claim *list;
    size_t count;
};

static int
compare_claims(const void *a, const void *b)
{
    const struct claim *ca = a;
    const struct claim *cb = b;
    int order = strcmp(ca->selector, cb->selector);

    if (order == 0) {
        order = (ca->kind > cb->kind) - (ca->kind < cb->kind);
    }
    return order != 0 ? order : strcmp(ca->domain, cb->domain);
}

static size_t
count_claims(const struct view_user *users, size_t user_count)
{
    size_t count = 0;

    for (size_t i = 0; i < user_count; i++) {
        for (conf_list s = users[i].selectors; *s != NULL; s++) {
            count += users[i].from_count + 1;
        }
    }
    return count;
}

static void
claim_for_user(struct claims *c, const struct view_user *u,
               const char *selector)
{
    for (size_t i = 0; i < u->from_count; i++) {
        c->list[c->count].selector = selector;
        c->list[c->count].domain = u->from[i].domain;
        c->list[c->count].kind = u->from[i].kind == VIEW_FROM_ADDRESS
                                     ? VIEW_FROM_DOMAIN
                                     : u->from[i].kind;
        c->count++;
    }
    if (u->domain[0] != '\0') {
        c->list[c->count].selector = selector;
        c->list[c->count].domain = u->domain;
        c->list[c->count].kind = VIEW_FROM_DOMAIN;
        c->count++;
    }
}

static bool
has_claim(const struct claims *c, const char *selector,
          enum view_from_kind kind, const char *domain)
{
    const struct claim wanted = { selector, domain, kind };

    return bsearch(&wanted, c->list, c->count, sizeof(*c->list),
                   compare_claims) != NULL;
}

static bool
is_claimed(const struct claims *c, const struct view_key *key)
{
    if (has_claim(c, key->selector, VIEW_FROM_ANY, "") ||
        has_claim(c, key->selector, VIEW_FROM_DOMAIN, key->domain)) {
        return true;
    }
    for (const char *dot = strchr(key->domain, '.'); dot != NULL;
         dot = strchr(dot + 1, '.')) {
        if (has_claim(c, key->selector, VIEW_FROM_BELOW, dot + 1)) {
            return true;
        }
    }
    return false;
}

bool
reserved_mark(const struct view_user *users, size_t user_count,
              struct view_key *keys, size_t key_count)
{
    struct claims c = { NULL, 0 };

    c.list = calloc(count_claims(users, user_count) + 1, sizeof(*c.list));
    if (c.list == NULL) {
        return false;
    }
    for (size_t i = 0; i < user_count; i++) {
        for (conf_list s = users[i].selectors; *s != NULL; s++) {
            claim_for_user(&c, users + i, *s);
        }
    }
    qsort(c.list, c.count, sizeof(*c.list), compare_claims);
    for (size_t i = 0; i < key_count; i++) {
        keys[i].reserved = is_claimed(&c, keys + i);
    }
    free(c.list);
    return true;
}
