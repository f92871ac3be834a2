/*
 * keywalk - the folders of a key store, read; see keywalk.h.
 */
#include "proxy/keys/keywalk.h"

#include "proxy/keys/keynote.h"
#include "proxy/keys/notefile.h"

#include <dkim/address.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SHARE_MIN = 1000 /* domains that are worth a thread */
};

/* One walk through the folders. */
struct walk {
    const struct keystore_conf *conf;
    struct keyset *set;
    struct conf_errors *errors;
    const char *domain; /* of the folder that is read now */
    bool no_memory;
};

bool
keywalk_note(const struct keystore_conf *conf, const char *path,
             struct strings *s, struct keystore_key *key,
             struct conf_errors *errors)
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

/* --- one key ------------------------------------------------------------ */

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
make_room(struct keyset *set, size_t more)
{
    size_t cap = set->cap == 0 ? 64 : set->cap;
    struct keystore_key *keys;

    if (set->cap - set->count >= more) {
        return true;
    }
    while (cap - set->count < more) {
        cap *= 2;
    }
    keys = realloc(set->keys, cap * sizeof(*keys));
    if (keys == NULL) {
        return false;
    }
    set->keys = keys;
    set->cap = cap;
    return true;
}

static bool
keep_key(struct keyset *set, const struct keystore_key *key)
{
    if (!make_room(set, 1)) {
        return false;
    }
    set->keys[set->count++] = *key;
    return true;
}

static void
take_key(struct walk *w, const char *selector)
{
    struct strings *s = &w->set->strings;
    struct keystore_key key = { .note = "" };
    struct buf note = BUF_INIT;
    struct buf pem = BUF_INIT;

    key.view.domain = w->domain;
    key.view.selector = strings_copy(s, bytes_str(selector));
    keystore_path(w->conf, w->domain, selector, ".conf", &note);
    keystore_path(w->conf, w->domain, selector, ".pem", &pem);
    if (key.view.selector == NULL || buf_failed(&note) || buf_failed(&pem)) {
        w->no_memory = true;
    } else if (keywalk_note(w->conf, (const char *)note.ptr, s, &key,
                            w->errors) &&
               judge_pem(w, &key, (const char *)pem.ptr)) {
        w->no_memory = !keep_key(w->set, &key);
    }
    buf_free(&note);
    buf_free(&pem);
}

/* --- the folders -------------------------------------------------------- */

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
    char name[KEYSTORE_SELECTOR_MAX + 8];
    struct stat st;

    snprintf(name, sizeof(name), "%s%s", selector, suffix);
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
take_file(struct walk *w, int dir, const char *file)
{
    char selector[KEYSTORE_SELECTOR_MAX + 1];

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

/* The domains of a folder, before they are looked into. */
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
    const char *name = strings_copy(&w->set->strings, bytes_str(entry->d_name));

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

/* --- shares ------------------------------------------------------------- */

/* Domains that one thread looks into, with all that it finds there. */
struct share {
    struct walk walk; /* of the set and the errors below */
    struct keyset set;
    const struct found *found;
    size_t count;
    pthread_t thread;
    bool threaded;
};

static void *
take_share(void *arg)
{
    struct share *share = arg;

    for (size_t i = 0; !share->walk.no_memory && i < share->count; i++) {
        take_domain(&share->walk, share->found[i].name);
    }
    return NULL;
}

/* The last one is taken by the caller's thread, and what gets none. */
static void
take_shares(struct share *shares, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        shares[i].threaded =
            i + 1 < n && pthread_create(&shares[i].thread, NULL, take_share,
                                        &shares[i]) == 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (!shares[i].threaded) {
            (void)take_share(&shares[i]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (shares[i].threaded) {
            (void)pthread_join(shares[i].thread, NULL);
        }
    }
}

static void
begin_share(const struct walk *w, struct share *share)
{
    share->walk = (struct walk){ .conf = w->conf,
                                 .set = &share->set,
                                 .errors = conf_errors_new() };
    share->walk.no_memory = share->walk.errors == NULL;
}

/* What a share has found becomes the walk's. */
static void
end_share(struct walk *w, struct share *share)
{
    struct keyset *set = &share->set;

    w->no_memory =
        w->no_memory || share->walk.no_memory || !make_room(w->set, set->count);
    if (!w->no_memory && set->count > 0) {
        memcpy(w->set->keys + w->set->count, set->keys,
               set->count * sizeof(*set->keys));
        w->set->count += set->count;
    }
    strings_take(&w->set->strings, &set->strings);
    conf_errors_take(w->errors, &share->walk.errors);
    keywalk_free(set);
}

static size_t
share_count(const struct walk *w, size_t domains)
{
    size_t n = domains / SHARE_MIN;

    return n > w->conf->readers ? w->conf->readers : n;
}

static void
take_list(struct walk *w, const struct list *l)
{
    size_t n = share_count(w, l->count);
    struct share *shares = n > 1 ? calloc(n, sizeof(*shares)) : NULL;

    if (shares == NULL) {
        for (size_t i = 0; !w->no_memory && i < l->count; i++) {
            take_domain(w, l->found[i].name);
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        shares[i].found = l->found + l->count * i / n;
        shares[i].count = l->count * (i + 1) / n - l->count * i / n;
        begin_share(w, &shares[i]);
    }
    take_shares(shares, n);
    for (size_t i = 0; i < n; i++) {
        end_share(w, &shares[i]);
    }
    free(shares);
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
    take_list(w, &l);
    free(l.found);
}

bool
keywalk(const struct keystore_conf *conf, struct keyset *out,
        struct conf_errors *errors)
{
    struct walk w = { conf, out, errors, NULL, false };
    struct buf path = BUF_INIT;
    const char *text;
    bool good = true;
    struct stat st;
    DIR *dir;

    buf_printf(&path, "%s/keys", conf->state_dir);
    text = buf_str(&path);
    if (text == NULL) {
        good = false;
    } else if (lstat(text, &st) != 0 && errno == ENOENT) {
        good = true; /* a store in which nothing was put yet */
    } else if ((dir = open_directory(&w, text)) == NULL) {
        good = false;
    } else {
        take_domains(&w, dir, text);
        closedir(dir);
        good = !w.no_memory;
    }
    buf_free(&path);
    return good;
}

void
keywalk_free(struct keyset *set)
{
    free(set->keys);
    strings_free(&set->strings);
    *set = (struct keyset){ NULL, 0, 0, { NULL } };
}
