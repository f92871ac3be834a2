/*
 * userfile - users.conf: who may log in, and what for.
 *
 * It holds password hashes, so only the keeper and `sealpost user` read it,
 * and only from a regular file that nobody else can read. Each user is one
 * struct view_user (public) and one struct user_secret (never leaves the
 * keeper). All mistakes are collected as "FILE:LINE: what; what is allowed".
 *
 * OWNERSHIP
 *   userfile_load()  caller owns the file until userfile_free(), which wipes
 *                    the secrets. Everything in it is lent until then.
 */
#ifndef PROXY_USERS_USERFILE_H
#define PROXY_USERS_USERFILE_H

#include <proxy/config/reader.h>
#include <proxy/users/view.h>
#include <sys/types.h>

enum {
    USERFILE_OCTETS_MAX = 64 * 1024 * 1024,
    USERFILE_NAME_MAX = 255, /* octets; as SMTP_SASL_USER_MAX */
    USERFILE_FROM_MAX = 1000 /* `from` entries of one user */
};

struct user_secret {
    const char *password; /* crypt(3) string; "": no password log-in */
    const char *scram;    /* RFC 5803 string; "": none */
};

struct userfile {
    struct view_user *users;     /* in the file's order */
    struct user_secret *secrets; /* secrets[n] belongs to users[n] */
    size_t count;
    struct userfile_memory *memory; /* private */
};

/*
 * Reads path. owner: the account that may own it besides root and the caller
 * ((uid_t)-1: no other). A missing file is no users. NULL: an error was
 * added (or memory failed); warnings alone do not make it NULL.
 */
struct userfile *userfile_load(const char *path, uid_t owner,
                               struct conf_errors *errors);
/* The same from memory; name stands for the file in errors. */
struct userfile *userfile_parse(struct bytes text, const char *name,
                                struct conf_errors *errors);
void userfile_free(struct userfile **f);

/* name: any case. False: no such user; *index_out untouched. */
bool userfile_find(const struct userfile *f, struct bytes name,
                   size_t *index_out);
/* False: no memory. */
bool userfile_to_view(const struct userfile *f, struct view_builder *b);
/* Warns of each `selector` that no key of the view has, or none that is
 * active. */
void userfile_check_selectors(const struct userfile *f, const char *path,
                              const struct view *v, struct conf_errors *errors);
/* One warning that names those who have a password and no SCRAM secret, when
 * a listener lists SCRAM. */
void userfile_check_scram(const struct userfile *f, const char *path,
                          const struct conf *conf, struct conf_errors *errors);
/* Errors for each `upstream` that the configuration has no section for. */
void userfile_check_upstreams(const struct userfile *f, const char *path,
                              const struct conf *conf,
                              struct conf_errors *errors);
/* Errors for each `upstream_password_file` that the daemon's user may not read,
 * or that others may. Opens them. */
void userfile_check_secrets(const struct userfile *f, const char *path,
                            const struct conf *conf,
                            struct conf_errors *errors);
/* Errors for each user of tls_client_users that is not there. */
void userfile_check_client_users(const struct userfile *f,
                                 const struct conf *conf,
                                 struct conf_errors *errors);

#endif
