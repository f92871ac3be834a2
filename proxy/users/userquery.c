/*
 * userquery - what is asked of a users.conf that was read; see userfile.h.
 */
#include "proxy/users/userfile.h"
#include "proxy/users/userread.h"

#include <base/buf.h>

#include <stdlib.h>

enum {
    SCRAM_NAMES_MAX = 20 /* in one warning */
};

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

/* A selector that some key has, and the state of the one nearest to signing. */
struct known {
    const char *selector;
    bool active;
};

static int
compare_known(const void *a, const void *b)
{
    const struct known *ka = a;
    const struct known *kb = b;

    return strcmp(ka->selector, kb->selector);
}

/* All selectors of the view, sorted, each once; *count_out of them. */
static struct known *
list_known(const struct view *v, size_t *count_out)
{
    size_t keys = view_key_count(v);
    struct known *list = calloc(keys + 1, sizeof(*list));
    size_t n = 0;

    if (list == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < keys; i++) {
        const struct view_key *key = view_key_at(v, i);

        list[i] =
            (struct known){ key->selector, key->state == VIEW_KEY_ACTIVE };
    }
    qsort(list, keys, sizeof(*list), compare_known);
    for (size_t i = 0; i < keys; i++) {
        if (n > 0 && strcmp(list[n - 1].selector, list[i].selector) == 0) {
            list[n - 1].active = list[n - 1].active || list[i].active;
        } else {
            list[n++] = list[i];
        }
    }
    *count_out = n;
    return list;
}

void
userfile_check_selectors(const struct userfile *f, const char *path,
                         const struct view *v, struct conf_errors *errors)
{
    size_t count;
    struct known *list = list_known(v, &count);

    if (list == NULL) {
        return; /* only a warning would be lost */
    }
    for (size_t i = 0; i < f->count; i++) {
        for (conf_list s = f->users[i].selectors; *s != NULL; s++) {
            const struct known wanted = { *s, false };
            const struct known *found =
                bsearch(&wanted, list, count, sizeof(*list), compare_known);

            if (found == NULL) {
                conf_warning(errors, path, f->memory->lines[i].selector,
                             "no key has the selector %s of user %s; "
                             "sealpost key generate DOMAIN %s",
                             *s, f->users[i].name, *s);
            } else if (!found->active) {
                conf_warning(errors, path, f->memory->lines[i].selector,
                             "the key of selector %s of user %s is not "
                             "active, and another one signs; sealpost key "
                             "list, or sealpost user set %s --selector S",
                             *s, f->users[i].name, f->users[i].name);
            }
        }
    }
    free(list);
}

/* Has a password, and could not log in by SCRAM. */
static bool
lacks_scram(const struct userfile *f, size_t i)
{
    return f->secrets[i].password[0] != '\0' && f->secrets[i].scram[0] == '\0';
}

void
userfile_check_scram(const struct userfile *f, const char *path,
                     const struct conf *conf, struct conf_errors *errors)
{
    struct buf names = BUF_INIT;
    size_t lacking = 0;

    for (size_t i = 0; i < f->count && conf_has_scram(conf); i++) {
        if (lacks_scram(f, i) && lacking++ < SCRAM_NAMES_MAX) {
            buf_printf(&names, "%s%s", lacking > 1 ? ", " : "",
                       f->users[i].name);
        }
    }
    if (lacking > 0 && buf_str(&names) != NULL) {
        conf_warning(errors, path, 0,
                     "no SCRAM secret for %s%s; their clients fall back to "
                     "PLAIN or fail; sealpost user passwd USER",
                     (const char *)names.ptr,
                     lacking > SCRAM_NAMES_MAX ? " and others" : "");
    }
    buf_free(&names);
}

void
userfile_check_upstreams(const struct userfile *f, const char *path,
                         const struct conf *conf, struct conf_errors *errors)
{
    for (size_t i = 0; i < f->count; i++) {
        const char *name = f->users[i].upstream;

        if ((f->users[i].upstream_username[0] == '\0') !=
            (f->users[i].upstream_password_file[0] == '\0')) {
            conf_error(errors, path, f->memory->lines[i].section,
                       "upstream_username and upstream_password_file go "
                       "together; both of them, or neither");
        }
        if (name[0] != '\0' && conf_upstream(conf, name) == NULL) {
            conf_error(errors, path, f->memory->lines[i].upstream,
                       "there is no [upstream %s]; the name of one", name);
        }
        if (name[0] != '\0' && conf_upstream(conf, name) != NULL &&
            conf_upstream(conf, name)->login == CONF_LOGIN_CLIENT) {
            conf_error(errors, path, f->memory->lines[i].upstream,
                       "[upstream %s] has login = client: only who logs in to "
                       "it can use it; another one",
                       name);
        }
    }
}

void
userfile_check_secrets(const struct userfile *f, const char *path,
                       const struct conf *conf, struct conf_errors *errors)
{
    for (size_t i = 0; i < f->count; i++) {
        const char *file = f->users[i].upstream_password_file;

        if (file[0] != '\0') {
            conf_check_secret(conf, path, f->memory->lines[i].section,
                              "upstream_password_file", file, errors);
        }
    }
}

void
userfile_check_client_users(const struct userfile *f, const struct conf *conf,
                            struct conf_errors *errors)
{
    size_t index;

    for (size_t i = 0; i < conf->listen_count; i++) {
        const struct conf_client_users *users =
            &conf->listens[i].tls_client_users;

        for (size_t k = 0; k < users->count; k++) {
            const char *user = users->list[k].user;

            if (!userfile_find(f, bytes_str(user), &index)) {
                conf_error(errors, conf->path, 0,
                           "[listen %s] tls_client_users: %s is not in "
                           "users.conf; sealpost user add %s",
                           conf->listens[i].name, user, user);
            }
        }
    }
}
