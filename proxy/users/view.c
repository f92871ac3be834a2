/*
 * view - users and keys without secrets; see view.h.
 *
 * Two sorted arrays and the strings they point to. A key is reserved when
 * some user's fixed selector names it in a domain that this user may sign
 * for; a thousand users who share a selector must not make that quadratic,
 * so every such right is one row of a sorted table of claims.
 */
#include "proxy/users/view.h"

#include "proxy/users/strings.h"

#include <stdlib.h>

struct view {
    uint64_t epoch;
    struct view_user *users; /* sorted by name */
    size_t user_count;
    struct view_key *keys; /* sorted by domain, selector */
    size_t key_count;
    struct strings strings;
};

struct view_builder {
    struct view view;
    size_t user_cap;
    size_t key_cap;
};

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
compare_users(const void *a, const void *b)
{
    const struct view_user *ua = a;
    const struct view_user *ub = b;

    return strcmp(ua->name, ub->name);
}

static int
compare_keys(const void *a, const void *b)
{
    const struct view_key *ka = a;
    const struct view_key *kb = b;
    int order = strcmp(ka->domain, kb->domain);

    return order != 0 ? order : strcmp(ka->selector, kb->selector);
}

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

/* --- looking up --------------------------------------------------------- */

const struct view_user *
view_user(const struct view *v, struct bytes name)
{
    char lower[512];
    struct view_user wanted = { .name = lower };

    if (!bytes_copy(name, lower, sizeof(lower)) || v->user_count == 0) {
        return NULL;
    }
    for (size_t i = 0; i < name.len; i++) {
        lower[i] = (char)byte_lower((uint8_t)lower[i]);
    }
    return bsearch(&wanted, v->users, v->user_count, sizeof(*v->users),
                   compare_users);
}

const struct view_key *
view_key(const struct view *v, const char *domain, const char *selector)
{
    const struct view_key wanted = { .domain = domain, .selector = selector };

    if (v->key_count == 0) {
        return NULL;
    }
    return bsearch(&wanted, v->keys, v->key_count, sizeof(*v->keys),
                   compare_keys);
}

/* The first key that is not before (domain, ""). */
static size_t
first_of_domain(const struct view *v, const char *domain)
{
    size_t low = 0;
    size_t high = v->key_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(v->keys[mid].domain, domain) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

const struct view_key *
view_domain(const struct view *v, const char *domain, size_t *count_out)
{
    size_t first = first_of_domain(v, domain);
    size_t end = first;

    while (end < v->key_count && strcmp(v->keys[end].domain, domain) == 0) {
        end++;
    }
    *count_out = end - first;
    return end == first ? NULL : v->keys + first;
}

bool
view_has_active_key(const struct view *v, const char *domain)
{
    size_t count;
    const struct view_key *keys = view_domain(v, domain, &count);

    for (size_t i = 0; i < count; i++) {
        if (keys[i].state == VIEW_KEY_ACTIVE) {
            return true;
        }
    }
    return false;
}

uint64_t
view_epoch(const struct view *v)
{
    return v->epoch;
}

size_t
view_user_count(const struct view *v)
{
    return v->user_count;
}

const struct view_user *
view_user_at(const struct view *v, size_t n)
{
    return n < v->user_count ? v->users + n : NULL;
}

size_t
view_key_count(const struct view *v)
{
    return v->key_count;
}

const struct view_key *
view_key_at(const struct view *v, size_t n)
{
    return n < v->key_count ? v->keys + n : NULL;
}

/* --- making ------------------------------------------------------------- */

/* Room for one more element; the array itself is malloc's. */
static bool
grow(void **list, size_t count, size_t *cap, size_t size)
{
    size_t bigger = *cap == 0 ? 16 : *cap * 2;
    void *moved;

    if (count < *cap) {
        return true;
    }
    if (bigger > SIZE_MAX / 2 / size) {
        return false;
    }
    moved = realloc(*list, bigger * size);
    if (moved == NULL) {
        return false;
    }
    *list = moved;
    *cap = bigger;
    return true;
}

struct view_builder *
view_builder_new(void)
{
    return calloc(1, sizeof(struct view_builder));
}

static bool
copy_from(struct strings *s, const struct view_user *user,
          const struct view_from **out)
{
    struct view_from *from =
        strings_array(s, user->from_count, sizeof(*user->from));

    if (from == NULL) {
        return false;
    }
    for (size_t i = 0; i < user->from_count; i++) {
        from[i].kind = user->from[i].kind;
        from[i].local = strings_copy(s, bytes_str(user->from[i].local));
        from[i].domain = strings_lower(s, bytes_str(user->from[i].domain));
        if (from[i].local == NULL || from[i].domain == NULL) {
            return false;
        }
    }
    *out = from;
    return true;
}

static bool
copy_selectors(struct strings *s, conf_list list, conf_list *out)
{
    size_t count = 0;
    const char **copy;

    while (list != NULL && list[count] != NULL) {
        count++;
    }
    copy = strings_array(s, count + 1, sizeof(*copy));
    if (copy == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        copy[i] = strings_lower(s, bytes_str(list[i]));
        if (copy[i] == NULL) {
            return false;
        }
    }
    *out = copy;
    return true;
}

static const char *
copy_or_empty(struct strings *s, const char *text)
{
    return strings_copy(s, bytes_str(text == NULL ? "" : text));
}

bool
view_builder_user(struct view_builder *b, const struct view_user *user)
{
    struct view *v = &b->view;
    struct strings *s = &v->strings;
    struct view_user copy = *user;
    void *list = v->users;

    if (!grow(&list, v->user_count, &b->user_cap, sizeof(copy))) {
        return false;
    }
    v->users = list;
    copy.name = strings_lower(s, bytes_str(user->name));
    copy.domain = strings_lower(s, bytes_str(user->domain));
    copy.upstream = strings_copy(s, bytes_str(user->upstream));
    copy.upstream_username = copy_or_empty(s, user->upstream_username);
    copy.upstream_password_file =
        copy_or_empty(s, user->upstream_password_file);
    if (copy.name == NULL || copy.domain == NULL || copy.upstream == NULL ||
        copy.upstream_username == NULL || copy.upstream_password_file == NULL ||
        !copy_from(s, user, &copy.from) ||
        !copy_selectors(s, user->selectors, &copy.selectors)) {
        return false;
    }
    v->users[v->user_count++] = copy;
    return true;
}

bool
view_builder_key(struct view_builder *b, const struct view_key *key)
{
    struct view *v = &b->view;
    struct view_key copy = *key;
    void *list = v->keys;

    if (!grow(&list, v->key_count, &b->key_cap, sizeof(copy))) {
        return false;
    }
    v->keys = list;
    copy.domain = strings_lower(&v->strings, bytes_str(key->domain));
    copy.selector = strings_lower(&v->strings, bytes_str(key->selector));
    copy.owner = strings_lower(&v->strings, bytes_str(key->owner));
    copy.reserved = false; /* view_build() finds out */
    if (copy.domain == NULL || copy.selector == NULL || copy.owner == NULL) {
        return false;
    }
    v->keys[v->key_count++] = copy;
    return true;
}

static void
free_contents(struct view *v)
{
    free(v->users);
    free(v->keys);
    strings_free(&v->strings);
}

void
view_builder_free(struct view_builder **b)
{
    if (*b != NULL) {
        free_contents(&(*b)->view);
        free(*b);
        *b = NULL;
    }
}

void
view_free(struct view **v)
{
    if (*v != NULL) {
        free_contents(*v);
        free(*v);
        *v = NULL;
    }
}

/* --- reserved keys ------------------------------------------------------ */

static size_t
count_claims(const struct view *v)
{
    size_t count = 0;

    for (size_t i = 0; i < v->user_count; i++) {
        for (conf_list s = v->users[i].selectors; *s != NULL; s++) {
            count += v->users[i].from_count + 1;
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

static bool
mark_reserved(struct view *v)
{
    struct claims c = { NULL, 0 };
    size_t total = count_claims(v);

    if (total == 0) {
        return true;
    }
    c.list = calloc(total, sizeof(*c.list));
    if (c.list == NULL) {
        return false;
    }
    for (size_t i = 0; i < v->user_count; i++) {
        for (conf_list s = v->users[i].selectors; *s != NULL; s++) {
            claim_for_user(&c, v->users + i, *s);
        }
    }
    qsort(c.list, c.count, sizeof(*c.list), compare_claims);
    for (size_t i = 0; i < v->key_count; i++) {
        v->keys[i].reserved = is_claimed(&c, v->keys + i);
    }
    free(c.list);
    return true;
}

static bool
is_sorted(const uint8_t *at, size_t count, size_t size,
          int (*compare)(const void *, const void *))
{
    for (size_t i = 1; i < count; i++) {
        if (compare(at + (i - 1) * size, at + i * size) >= 0) {
            return false;
        }
    }
    return true;
}

/* Sorts, and keeps one of several elements that compare equal. What the
 * keeper has packed is in order: a worker must not sort it again while its
 * sessions wait. */
static size_t
sort_unique(void *list, size_t count, size_t size,
            int (*compare)(const void *, const void *))
{
    uint8_t *at = list;
    size_t kept = 1;

    if (is_sorted(at, count, size, compare)) {
        return count;
    }
    qsort(list, count, size, compare);
    for (size_t i = 1; i < count; i++) {
        if (compare(at + (kept - 1) * size, at + i * size) != 0) {
            memmove(at + kept * size, at + i * size, size);
            kept++;
        }
    }
    return kept;
}

struct view *
view_build(struct view_builder **b, uint64_t epoch)
{
    struct view *v = malloc(sizeof(*v));

    if (v == NULL) {
        view_builder_free(b);
        return NULL;
    }
    *v = (*b)->view; /* all that the builder owned is the view's now */
    free(*b);
    *b = NULL;
    v->epoch = epoch;
    v->user_count =
        sort_unique(v->users, v->user_count, sizeof(*v->users), compare_users);
    v->key_count =
        sort_unique(v->keys, v->key_count, sizeof(*v->keys), compare_keys);
    if (!mark_reserved(v)) {
        view_free(&v);
    }
    return v;
}
