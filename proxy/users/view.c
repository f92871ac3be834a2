/*
 * view - users and keys without secrets; see view.h.
 *
 * Two sorted arrays and the strings they point to.
 */
#include "proxy/users/view.h"

#include "proxy/users/reserved.h"
#include "proxy/users/strings.h"

#include <stdlib.h>

struct view {
    uint64_t epoch;
    struct view_user *users; /* sorted by name */
    size_t user_count;
    struct view_key *keys; /* sorted by domain, selector */
    size_t key_count;
    size_t faulty_count;
    const char *upstreams[VIEW_UPSTREAMS_MAX]; /* that users name */
    size_t upstream_count; /* VIEW_UPSTREAMS_MAX + 1: more than these */
    struct strings strings;
};

struct view_builder {
    struct view view;
    size_t user_cap;
    size_t key_cap;
    bool unsorted; /* something came before what it belongs behind */
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

size_t
view_faulty_count(const struct view *v)
{
    return v->faulty_count;
}

bool
view_names_upstream(const struct view *v, const char *name)
{
    if (v->upstream_count > VIEW_UPSTREAMS_MAX) {
        return true;
    }
    for (size_t i = 0; i < v->upstream_count; i++) {
        if (strcmp(v->upstreams[i], name) == 0) {
            return true;
        }
    }
    return false;
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

static void
note_upstream(struct view *v, const char *name)
{
    if (name[0] == '\0' || view_names_upstream(v, name)) {
        return;
    }
    if (v->upstream_count < VIEW_UPSTREAMS_MAX) {
        v->upstreams[v->upstream_count] = name;
    }
    v->upstream_count++;
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
    b->unsorted = b->unsorted ||
                  (v->user_count > 0 &&
                   compare_users(&v->users[v->user_count - 1], &copy) >= 0);
    note_upstream(v, copy.upstream);
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
    if (copy.domain == NULL || copy.selector == NULL || copy.owner == NULL) {
        return false;
    }
    b->unsorted =
        b->unsorted || (v->key_count > 0 &&
                        compare_keys(&v->keys[v->key_count - 1], &copy) >= 0);
    v->faulty_count += copy.state == VIEW_KEY_ACTIVE && copy.faulty;
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

/* --- the whole of it ---------------------------------------------------- */

/* Sorts, and keeps one of several elements that compare equal. */
static size_t
sort_unique(void *list, size_t count, size_t size,
            int (*compare)(const void *, const void *))
{
    uint8_t *at = list;
    size_t kept = 1;

    if (count == 0) {
        return 0; /* list may be NULL */
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

static size_t
count_faulty(const struct view *v)
{
    size_t n = 0;

    for (size_t i = 0; i < v->key_count; i++) {
        n += v->keys[i].state == VIEW_KEY_ACTIVE && v->keys[i].faulty;
    }
    return n;
}

static void
sort(struct view *v)
{
    v->user_count =
        sort_unique(v->users, v->user_count, sizeof(*v->users), compare_users);
    v->key_count =
        sort_unique(v->keys, v->key_count, sizeof(*v->keys), compare_keys);
    v->faulty_count = count_faulty(v); /* one of several is left */
}

struct view *
view_build_copy(struct view_builder **b, uint64_t epoch)
{
    struct view *v = (*b)->unsorted ? NULL : malloc(sizeof(*v));

    if (v == NULL) {
        view_builder_free(b);
        return NULL;
    }
    *v = (*b)->view; /* all that the builder owned is the view's now */
    v->epoch = epoch;
    free(*b);
    *b = NULL;
    return v;
}

struct view *
view_build(struct view_builder **b, uint64_t epoch)
{
    struct view *v;

    if ((*b)->unsorted) {
        sort(&(*b)->view);
        (*b)->unsorted = false;
    }
    v = view_build_copy(b, epoch);
    if (v != NULL &&
        !reserved_mark(v->users, v->user_count, v->keys, v->key_count)) {
        view_free(&v);
    }
    return v;
}
