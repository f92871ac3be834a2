/*
 * keystore - the keys of a state directory, listed; see keystore.h.
 *
 * What they sign with is keyprivate.c's, changing them keychange.c's work.
 */
#include "proxy/keys/keystore.h"

#include "proxy/keys/keynote.h"
#include "proxy/keys/notefile.h"

#include <dkim/address.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SELECTOR_MAX = 63
}; /* octets: one DNS label, dots in it or not */

struct keystore {
    struct keystore_key *keys; /* sorted by domain, selector */
    size_t count;
    size_t cap;
    struct strings strings;
};

/* One walk through the directories. */
struct walk {
    const struct keystore_conf *conf;
    struct keystore *store;
    struct conf_errors *errors;
    const char *domain; /* of the directory that is read now */
    bool no_memory;
};

void
keystore_conf_init(struct keystore_conf *out, const struct server_conf *server,
                   bool short_keys)
{
    const struct passwd *pw = NULL;

    *out = (struct keystore_conf){ .state_dir = server->state_dir,
                                   .uid = (uid_t)-1,
                                   .gid = (gid_t)-1,
                                   .short_keys = short_keys };
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
    if (text.len == 0 || text.len > SELECTOR_MAX ||
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

/* --- one key ------------------------------------------------------------ */

/* Reads a .conf. False: an error was added. */
static bool
read_note(const struct keystore_conf *conf, const char *path, struct strings *s,
          struct keystore_key *key, struct conf_errors *errors)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    const char *fault;
    bool good = false;

    if (fd < 0) {
        conf_error(errors, path, 0, "cannot be opened: %s; a regular file",
                   strerror(errno));
        return false;
    }
    fault = notefile_judge(conf, fd);
    if (fault != NULL) {
        conf_error(errors, path, 0, "%s", fault);
    } else {
        good = keynote_read(fd, path, s, key, errors);
    }
    close(fd);
    return good;
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
    } else if (read_note(conf, (const char *)path.ptr, strings, key, errors)) {
        err = KEY_OK;
    }
    conf_errors_free(&errors);
    buf_free(&path);
    return err;
}

/* A revoked key may have been destroyed; all others must be there. */
static bool
judge_pem(struct walk *w, const struct keystore_key *key, const char *path)
{
    struct keyfile_rules rules = { w->conf->uid, w->conf->short_keys };
    enum key_err err = keyfile_check(path, &rules);

    if (err == KEY_OK ||
        (err == KEY_ERR_MISSING && key->view.state == VIEW_KEY_REVOKED)) {
        return true;
    }
    conf_error(w->errors, path, 0, "%s", key_err_text(err));
    return false;
}

static bool
keep_key(struct keystore *s, const struct keystore_key *key)
{
    if (s->count == s->cap) {
        size_t cap = s->cap == 0 ? 64 : s->cap * 2;
        struct keystore_key *keys = realloc(s->keys, cap * sizeof(*keys));

        if (keys == NULL) {
            return false;
        }
        s->keys = keys;
        s->cap = cap;
    }
    s->keys[s->count++] = *key;
    return true;
}

static void
take_key(struct walk *w, const char *selector)
{
    struct strings *s = &w->store->strings;
    struct keystore_key key = { .note = "" };
    struct buf note = BUF_INIT;
    struct buf pem = BUF_INIT;

    key.view.domain = w->domain;
    key.view.selector = strings_copy(s, bytes_str(selector));
    keystore_path(w->conf, w->domain, selector, ".conf", &note);
    keystore_path(w->conf, w->domain, selector, ".pem", &pem);
    if (key.view.selector == NULL || buf_failed(&note) || buf_failed(&pem)) {
        w->no_memory = true;
    } else if (read_note(w->conf, (const char *)note.ptr, s, &key, w->errors) &&
               judge_pem(w, &key, (const char *)pem.ptr)) {
        w->no_memory = !keep_key(w->store, &key);
    }
    buf_free(&note);
    buf_free(&pem);
}

/* --- the directories ---------------------------------------------------- */

/* "NAME.conf" to NAME; false for any other name. */
static bool
selector_of(const char *file, const char *suffix, char *selector)
{
    struct bytes name = bytes_str(file);
    struct bytes tail = bytes_str(suffix);

    if (!bytes_ends_ci(name, tail)) {
        return false;
    }
    name.len -= tail.len;
    return keystore_selector_parse(name, selector) &&
           bytes_is(name, selector); /* in lower case, as it is looked for */
}

static bool
exists(int dir, const char *selector, const char *suffix)
{
    char name[SELECTOR_MAX + 8];
    struct stat st;

    snprintf(name, sizeof(name), "%s%s", selector, suffix);
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
take_file(struct walk *w, int dir, const char *file)
{
    char selector[SELECTOR_MAX + 1];

    if (file[0] == '.') {
        return; /* temporary files and locks, too */
    }
    if (selector_of(file, ".conf", selector)) {
        take_key(w, selector);
    } else if (!selector_of(file, ".pem", selector)) {
        conf_warning(w->errors, w->domain, 0,
                     "%s in the key store is not a key; SELECTOR.pem and "
                     "SELECTOR.conf in lower case",
                     file);
    } else if (!exists(dir, selector, ".conf")) {
        conf_warning(w->errors, w->domain, 0,
                     "%s in the key store has no .conf and signs nothing; "
                     "move it away, then sealpost key import",
                     file);
    }
}

/* A directory that only its owner can change. NULL: said so. */
static DIR *
open_directory(const struct walk *w, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    DIR *dir = NULL;

    if (fd < 0 || fstat(fd, &st) != 0) {
        conf_error(w->errors, path, 0, "cannot be opened: %s; %s",
                   strerror(errno),
                   errno == EACCES ? "be root or keys_user"
                                   : "a directory of keys_user");
    } else if (st.st_uid != 0 && st.st_uid != geteuid() &&
               st.st_uid != w->conf->uid) {
        conf_error(w->errors, path, 0,
                   "the directory belongs to another "
                   "account; chown it to keys_user");
    } else if (st.st_mode & (S_IWGRP | S_IWOTH)) {
        conf_error(w->errors, path, 0,
                   "group or others may write the directory; chmod 700");
    } else if ((dir = fdopendir(fd)) == NULL) {
        conf_error(w->errors, path, 0, "cannot be read: %s", strerror(errno));
    }
    if (dir == NULL && fd >= 0) {
        close(fd);
    }
    return dir;
}

/* NULL: the end, also of memory; or an error, for keys that are not seen
 * would be keys that do not sign. */
static const struct dirent *
next_entry(struct walk *w, DIR *dir, const char *path)
{
    const struct dirent *entry = NULL;

    if (!w->no_memory) {
        errno = 0;
        entry = readdir(dir);
        if (entry == NULL && errno != 0) {
            conf_error(w->errors, path, 0, "cannot be read to its end: %s",
                       strerror(errno));
        }
    }
    return entry;
}

/* name: lent by the store. */
static void
take_domain(struct walk *w, const char *name)
{
    char domain[DKIM_DOMAIN_MAX + 1];
    struct buf path = BUF_INIT;
    const struct dirent *entry;
    const char *text;
    DIR *dir;

    if (name[0] == '.') {
        return;
    }
    if (!dkim_domain_parse(bytes_str(name), false, domain) ||
        strcmp(domain, name) != 0) {
        conf_warning(w->errors, w->conf->state_dir, 0,
                     "%s in keys/ is not a domain; a domain in lower case",
                     name);
        return;
    }
    w->domain = name;
    buf_printf(&path, "%s/keys/%s", w->conf->state_dir, domain);
    text = buf_str(&path);
    if (text == NULL) {
        w->no_memory = true;
        goto out;
    }
    dir = open_directory(w, text);
    while (dir != NULL && (entry = next_entry(w, dir, text)) != NULL) {
        take_file(w, dirfd(dir), entry->d_name);
    }
    if (dir != NULL) {
        closedir(dir);
    }
out:
    buf_free(&path);
}

static int
compare_keys(const void *a, const void *b)
{
    const struct keystore_key *ka = a;
    const struct keystore_key *kb = b;
    int order = strcmp(ka->view.domain, kb->view.domain);

    return order != 0 ? order : strcmp(ka->view.selector, kb->view.selector);
}

/* The domains of a directory, before they are looked into. */
struct found {
    ino_t inode;
    const char *name; /* lent by the store */
};

struct list {
    struct found *found; /* owns */
    size_t count;
    size_t cap;
};

static int
compare_inodes(const void *a, const void *b)
{
    const struct found *fa = a;
    const struct found *fb = b;

    return (fa->inode > fb->inode) - (fa->inode < fb->inode);
}

static bool
keep_name(struct walk *w, struct list *l, const struct dirent *entry)
{
    const char *name =
        strings_copy(&w->store->strings, bytes_str(entry->d_name));

    if (l->count == l->cap) {
        size_t cap = l->cap == 0 ? 64 : l->cap * 2;
        struct found *found = realloc(l->found, cap * sizeof(*found));

        if (found == NULL) {
            return false;
        }
        l->found = found;
        l->cap = cap;
    }
    l->found[l->count++] = (struct found){ entry->d_ino, name };
    return name != NULL;
}

/* In the order of their inodes, which is about that of their blocks: readdir()
 * of ext4 gives names by their hash, and a disk would have to seek for each. */
static void
take_domains(struct walk *w, DIR *dir, const char *path)
{
    struct list l = { NULL, 0, 0 };
    const struct dirent *entry;

    while ((entry = next_entry(w, dir, path)) != NULL) {
        w->no_memory = !keep_name(w, &l, entry);
    }
    if (l.count > 0) {
        qsort(l.found, l.count, sizeof(*l.found), compare_inodes);
    }
    for (size_t i = 0; !w->no_memory && i < l.count; i++) {
        take_domain(w, l.found[i].name);
    }
    free(l.found);
}

/* False: the directory cannot be trusted, or no memory. */
static bool
walk_all(struct walk *w)
{
    struct buf path = BUF_INIT;
    const char *text;
    bool good = true;
    struct stat st;
    DIR *dir;

    buf_printf(&path, "%s/keys", w->conf->state_dir);
    text = buf_str(&path);
    if (text == NULL) {
        good = false;
    } else if (lstat(text, &st) != 0 && errno == ENOENT) {
        good = true; /* a store in which nothing was put yet */
    } else if ((dir = open_directory(w, text)) == NULL) {
        good = false;
    } else {
        take_domains(w, dir, text);
        closedir(dir);
        good = !w->no_memory;
    }
    buf_free(&path);
    return good;
}

struct keystore *
keystore_load(const struct keystore_conf *conf, struct conf_errors *errors)
{
    struct keystore *s = calloc(1, sizeof(*s));
    struct walk w = { conf, s, errors, NULL, false };

    if (s == NULL) {
        return NULL;
    }
    if (!walk_all(&w)) {
        keystore_free(&s);
        return NULL;
    }
    if (s->count > 0) {
        qsort(s->keys, s->count, sizeof(*s->keys), compare_keys);
    }
    return s;
}

void
keystore_free(struct keystore **s)
{
    if (*s != NULL) {
        free((*s)->keys);
        strings_free(&(*s)->strings);
        free(*s);
        *s = NULL;
    }
}

size_t
keystore_count(const struct keystore *s)
{
    return s->count;
}

const struct keystore_key *
keystore_key_at(const struct keystore *s, size_t n)
{
    return n < s->count ? s->keys + n : NULL;
}

const struct keystore_key *
keystore_find(const struct keystore *s, const char *domain,
              const char *selector)
{
    const struct keystore_key wanted = { .view = { .domain = domain,
                                                   .selector = selector } };

    return s->count == 0 ? NULL
                         : bsearch(&wanted, s->keys, s->count, sizeof(*s->keys),
                                   compare_keys);
}

bool
keystore_to_view(const struct keystore *s, struct view_builder *b)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!view_builder_key(b, &s->keys[i].view)) {
            return false;
        }
    }
    return true;
}
