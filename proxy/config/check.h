/*
 * check - parts of conf_check(); see conf.h.
 */
#ifndef PROXY_CONFIG_CHECK_H
#define PROXY_CONFIG_CHECK_H

#include <base/buf.h>

#include <proxy/config/identity.h>
#include <proxy/config/sections.h>

enum {
    CONF_CHECK_OCTETS_MAX = 1024 * 1024
}; /* of a file that is named */

struct conf_checking {
    const struct conf *conf;
    struct conf_errors *errors;
    struct conf_identity user;          /* whose rights are taken */
    bool only_warns;                    /* nothing that mail needs */
    const struct conf_place *elsewhere; /* where the name of the file stands,
                                           when not in a section of conf */
};

/* A file that a setting names. */
struct conf_named {
    const struct conf_section *section;
    const char *key;
    const char *path;
    bool secret; /* nobody but user and its groups may read it */
};

/*
 * Reads it with the user's rights into text, which the caller frees (and
 * wipes). False: an error with the mend was added.
 */
bool conf_check_read(struct conf_checking *c, const struct conf_named *file,
                     struct buf *text);

/* A directory that the user must search, and write when asked for. */
bool conf_check_directory(struct conf_checking *c, const struct conf_named *dir,
                          bool writes);

/* Certificates, chains and keys of a listener; now_s: seconds since 1970. */
void conf_check_listen_tls(struct conf_checking *c, const struct listen_conf *l,
                           int64_t now_s);
/* The authorities, and what is shown to an upstream that asks. */
void conf_check_upstream_tls(struct conf_checking *c,
                             const struct upstream_conf *u, int64_t now_s);

/* The files of [publish] and [notify], with the rights of keys_user. Warnings:
 * what publishes keys never stops mail. */
void conf_check_publish(const struct conf_checking *c);

__attribute__((format(printf, 3, 4))) void
conf_check_error(struct conf_checking *c, const struct conf_named *file,
                 const char *format, ...);

#endif
