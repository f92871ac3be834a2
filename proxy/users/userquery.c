/*
 * userquery - what is asked of a users.conf that was read; see userfile.h.
 */
#include "proxy/users/userfile.h"
#include "proxy/users/userread.h"

#include <stdlib.h>

bool
userfile_find(const struct userfile *f, struct bytes name, size_t *index_out)
{
    char lower[USERFILE_NAME_MAX + 1];
    size_t low = 0;
    size_t high = f->count;

    if (!bytes_copy(name, lower, sizeof(lower))) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        lower[i] = (char)byte_lower((uint8_t)lower[i]);
    }
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        size_t i = f->memory->by_name[mid];
        int order = strcmp(f->users[i].name, lower);

        if (order == 0) {
            *index_out = i;
            return true;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return false;
}

bool
userfile_to_view(const struct userfile *f, struct view_builder *b)
{
    for (size_t i = 0; i < f->count; i++) {
        if (!view_builder_user(b, f->users + i)) {
            return false;
        }
    }
    return true;
}

static int
compare_text(const void *a, const void *b)
{
    const char *const *ta = a;
    const char *const *tb = b;

    return strcmp(*ta, *tb);
}

void
userfile_check_selectors(const struct userfile *f, const char *path,
                         const struct view *v, struct conf_errors *errors)
{
    size_t keys = view_key_count(v);
    const char **known = calloc(keys + 1, sizeof(*known));

    if (known == NULL) {
        return; /* only a warning would be lost */
    }
    for (size_t i = 0; i < keys; i++) {
        known[i] = view_key_at(v, i)->selector;
    }
    qsort(known, keys, sizeof(*known), compare_text);
    for (size_t i = 0; i < f->count; i++) {
        for (conf_list s = f->users[i].selectors; *s != NULL; s++) {
            if (bsearch(s, known, keys, sizeof(*known), compare_text) == NULL) {
                conf_warning(errors, path, f->memory->lines[i].selector,
                             "no key has the selector %s of user %s; "
                             "sealpost key generate DOMAIN %s",
                             *s, f->users[i].name, *s);
            }
        }
    }
    free(known);
}

void
userfile_check_upstreams(const struct userfile *f, const char *path,
                         const struct conf *conf, struct conf_errors *errors)
{
    for (size_t i = 0; i < f->count; i++) {
        const char *name = f->users[i].upstream;

        if (name[0] != '\0' && conf_upstream(conf, name) == NULL) {
            conf_error(errors, path, f->memory->lines[i].upstream,
                       "there is no [upstream %s]; the name of one", name);
        }
    }
}
