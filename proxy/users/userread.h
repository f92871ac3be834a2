/*
 * userread - users.conf while it is read; for userfile.c, usersettings.c and
 * userquery.c only.
 */
#ifndef PROXY_USERS_USERREAD_H
#define PROXY_USERS_USERREAD_H

#include <proxy/users/strings.h>
#include <proxy/users/userfile.h>

enum {
    USERREAD_SELECTORS_MAX = 8
}; /* of one user */

#define USERREAD_NAME_RULE \
    "not a user's name; up to 190 octets without blanks, brackets and `;`"

/* Where a user's settings stand, for what is found later. */
struct user_lines {
    unsigned section;
    unsigned selector;
    unsigned upstream;
};

struct userfile_memory {
    struct strings strings;
    struct user_lines *lines; /* as users */
    size_t *by_name;          /* indices, sorted by name */
    size_t cap;
};

/* The user whose lines are being read: lists that still grow. */
struct userread {
    struct userfile *f;
    struct conf_errors *errors;
    struct view_from *from;
    size_t from_count;
    size_t from_cap;
    const char *selectors[USERREAD_SELECTORS_MAX];
    size_t selector_count;
    struct bytes culprit; /* of a list: the element that is wrong */
    unsigned line;
    unsigned seen; /* 1u << index in settings */
    bool skipping; /* a section whose name is faulty */
    bool bad;
    bool no_memory;
};

static inline struct view_user *
userread_user(struct userread *r)
{
    return r->f->users + r->f->count - 1;
}

static inline struct user_secret *
userread_secret(struct userread *r)
{
    return r->f->secrets + r->f->count - 1;
}

static inline struct user_lines *
userread_lines(struct userread *r)
{
    return r->f->memory->lines + r->f->count - 1;
}

static inline const char *
userread_keep(struct userread *r, struct bytes text)
{
    const char *copy = strings_copy(&r->f->memory->strings, text);

    r->no_memory = r->no_memory || copy == NULL;
    return copy == NULL ? "" : copy;
}

static inline const char *
userread_lower(struct userread *r, struct bytes text)
{
    const char *copy = strings_lower(&r->f->memory->strings, text);

    r->no_memory = r->no_memory || copy == NULL;
    return copy == NULL ? "" : copy;
}

/* Takes one setting of the user that is being read, or tells what is wrong
 * with it and what is allowed. */
void userread_setting(struct userread *r, const struct conf_entry *e);

#endif
