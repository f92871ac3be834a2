/*
 * keystore - the keys of a state directory, listed; see keystore.h.
 *
 * What they sign with is keyprivate.c's, changing them keychange.c's work.
 */
#include "proxy/keys/keystore.h"

#include "proxy/keys/keywalk.h"

#include <dkim/address.h>

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    READERS = 8 /* more than CPUs: they wait for a disk */
};

struct keystore {
    struct keyset set; /* sorted by domain, selector */
};

void
keystore_conf_init(struct keystore_conf *out, const struct server_conf *server,
                   bool short_keys)
{
    const struct passwd *pw = NULL;

    *out = (struct keystore_conf){ .state_dir = server->state_dir,
                                   .uid = (uid_t)-1,
                                   .gid = (gid_t)-1,
                                   .short_keys = short_keys,
                                   .readers = READERS };
    if (geteuid() != 0) {
        return; /* what we write is ours */
    }
    pw = getpwnam(server->keys_user);
    if (pw == NULL && !server->keys_user_set) {
        pw = getpwnam("nobody"); /* product.md: the default's stand-in */
    }
    if (pw != NULL) {
        out->uid = pw->pw_uid;
        out->gid = pw->pw_gid;
    }
}

bool
keystore_selector_parse(struct bytes text, char *out)
{
    char name[DKIM_DOMAIN_MAX + 1];

    /* A selector is made of labels like a domain's (RFC 6376 3.1). */
    if (text.len == 0 || text.len > KEYSTORE_SELECTOR_MAX ||
        text.ptr[text.len - 1] == '.' ||
        !dkim_domain_parse(text, false, name)) {
        return false;
    }
    memcpy(out, name, text.len + 1);
    return true;
}

void
keystore_path(const struct keystore_conf *conf, const char *domain,
              const char *selector, const char *suffix, struct buf *out)
{
    buf_printf(out, "%s/keys/%s/%s%s", conf->state_dir, domain, selector,
               suffix);
    (void)buf_str(out);
}

enum key_err
keystore_note(const struct keystore_conf *conf, struct strings *strings,
              struct keystore_key *key)
{
    struct conf_errors *errors = conf_errors_new();
    struct buf path = BUF_INIT;
    enum key_err err = KEY_ERR_FORMAT;

    keystore_path(conf, key->view.domain, key->view.selector, ".conf", &path);
    if (errors == NULL || buf_failed(&path)) {
        err = KEY_ERR_NO_MEMORY;
    } else if (access((const char *)path.ptr, F_OK) != 0) {
        err = KEY_ERR_MISSING;
    } else if (keywalk_note(conf, (const char *)path.ptr, strings, key,
                            errors)) {
        err = KEY_OK;
    }
    conf_errors_free(&errors);
    buf_free(&path);
    return err;
}

static int
compare_keys(const void *a, const void *b)
{
    const struct keystore_key *ka = a;
    const struct keystore_key *kb = b;
    int order = strcmp(ka->view.domain, kb->view.domain);

    return order != 0 ? order : strcmp(ka->view.selector, kb->view.selector);
}

struct keystore *
keystore_load(const struct keystore_conf *conf, struct conf_errors *errors)
{
    struct keystore *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    if (!keywalk(conf, &s->set, errors)) {
        keystore_free(&s);
        return NULL;
    }
    if (s->set.count > 0) {
        qsort(s->set.keys, s->set.count, sizeof(*s->set.keys), compare_keys);
    }
    return s;
}

void
keystore_free(struct keystore **s)
{
    if (*s != NULL) {
        keywalk_free(&(*s)->set);
        free(*s);
        *s = NULL;
    }
}

size_t
keystore_count(const struct keystore *s)
{
    return s->set.count;
}

const struct keystore_key *
keystore_key_at(const struct keystore *s, size_t n)
{
    return n < s->set.count ? s->set.keys + n : NULL;
}

const struct keystore_key *
keystore_find(const struct keystore *s, const char *domain,
              const char *selector)
{
    const struct keystore_key wanted = { .view = { .domain = domain,
                                                   .selector = selector } };

    return s->set.count == 0 ? NULL
                             : bsearch(&wanted, s->set.keys, s->set.count,
                                       sizeof(*s->set.keys), compare_keys);
}

bool
keystore_to_view(const struct keystore *s, struct view_builder *b)
{
    for (size_t i = 0; i < s->set.count; i++) {
        if (!view_builder_key(b, &s->set.keys[i].view)) {
            return false;
        }
    }
    return true;
}
