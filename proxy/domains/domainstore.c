/*
 * domainstore - the notes about domains on disk; see domainfile.h.
 */
#include "proxy/domains/domainfile.h"
#include "proxy/keys/notefile.h"

#include <dkim/address.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FILE_OCTETS_MAX = 8 * 1024 * 1024
};

/* STATE_DIR/domains, with "/NAME" behind it unless name is "". */
static const char *
path_of(const struct keystore_conf *conf, const char *name, const char *suffix,
        struct buf *out)
{
    buf_printf(out, "%s/domains%s%s%s", conf->state_dir,
               name[0] == '\0' ? "" : "/", name, suffix);
    return buf_str(out);
}

static struct domain_file *
load_file(const struct keystore_conf *conf, const char *path,
          const char *domain, struct conf_errors *errors)
{
    struct domain_file *file = NULL;
    struct buf text = BUF_INIT;
    const char *fault;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        if (errno != ENOENT) {
            conf_error(errors, path, 0, "cannot be opened: %s; a regular file",
                       strerror(errno));
        }
        return NULL;
    }
    fault = notefile_judge(conf, fd);
    if (fault != NULL) {
        conf_error(errors, path, 0, "%s", fault);
    } else if (!replace_read(fd, FILE_OCTETS_MAX, &text)) {
        conf_error(errors, path, 0, "cannot be read: %s%s", strerror(errno),
                   text.len > FILE_OCTETS_MAX ? "; 8 MiB at most" : "");
    } else {
        file = domainfile_read(buf_bytes(&text), domain, path, errors);
    }
    close(fd);
    buf_free(&text);
    return file;
}

struct domain_file *
domainfile_load(const struct keystore_conf *conf, const char *domain,
                struct conf_errors *errors)
{
    struct domain_file *file = NULL;
    struct buf path = BUF_INIT;
    char name[DKIM_DOMAIN_MAX + 1];

    if (dkim_domain_parse(bytes_str(domain), false, name) &&
        path_of(conf, name, ".conf", &path) != NULL) {
        file = load_file(conf, (const char *)path.ptr, name, errors);
    }
    buf_free(&path);
    return file;
}

bool
domainfile_save(const struct keystore_conf *conf,
                const struct domain_file *file)
{
    struct replace_owner owner = notefile_owner(conf, 0600);
    struct buf path = BUF_INIT;
    struct buf text = BUF_INIT;
    bool good = false;
    int error;

    domainfile_put(file, &text);
    if (path_of(conf, file->domain, ".conf", &path) == NULL ||
        buf_failed(&text)) {
        errno = ENOMEM;
    } else {
        good = replace_file((const char *)path.ptr, buf_bytes(&text), &owner);
    }
    error = errno;
    buf_free(&path);
    buf_free(&text);
    errno = error;
    return good;
}

bool
domainfile_remove(const struct keystore_conf *conf, const char *domain)
{
    struct buf path = BUF_INIT;
    bool good;
    int error;

    good = path_of(conf, domain, ".conf", &path) != NULL &&
           (unlink((const char *)path.ptr) == 0 || errno == ENOENT);
    error = errno;
    buf_free(&path);
    errno = error;
    return good;
}

int
domainfile_lock(const struct keystore_conf *conf)
{
    return notefile_lock(conf, "domains");
}

/* --- all of them -------------------------------------------------------- */

struct names {
    struct strings *strings;
    const char **list; /* allocated */
    size_t count;
    size_t cap;
};

static bool
keep_name(struct names *names, const char *name)
{
    char *copy = strings_copy(names->strings, bytes_str(name));

    if (names->count == names->cap) {
        size_t cap = names->cap == 0 ? 64 : names->cap * 2;
        const char **list = realloc(names->list, cap * sizeof(*list));

        if (list == NULL) {
            return false;
        }
        names->list = list;
        names->cap = cap;
    }
    names->list[names->count++] = copy;
    return copy != NULL;
}

/* "DOMAIN.conf" in lower case; other files are nobody's. */
static bool
take_name(struct names *names, const char *file)
{
    char domain[DKIM_DOMAIN_MAX + 1];
    struct bytes name = bytes_str(file);

    if (file[0] == '.' || !bytes_ends_ci(name, bytes_str(".conf"))) {
        return true;
    }
    name.len -= 5;
    return !dkim_domain_parse(name, false, domain) || !bytes_is(name, domain) ||
           keep_name(names, domain);
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The list moves to the caller's memory. NULL: no memory. */
static const char **
settle(struct names *names)
{
    const char **list =
        strings_array(names->strings, names->count, sizeof(*list));

    if (list != NULL && names->count > 0) {
        qsort(names->list, names->count, sizeof(*list), compare_names);
        memcpy(list, names->list, names->count * sizeof(*list));
    }
    return list;
}

const char **
domainfile_names(const struct keystore_conf *conf, struct strings *s,
                 size_t *count_out, struct conf_errors *errors)
{
    struct names names = { .strings = s };
    struct buf path = BUF_INIT;
    const struct dirent *entry;
    const char **list = NULL;
    bool good = path_of(conf, "", "", &path) != NULL;
    DIR *dir = good ? opendir((const char *)path.ptr) : NULL;

    if (dir == NULL && good && errno != ENOENT) {
        conf_error(errors, (const char *)path.ptr, 0,
                   "cannot be opened: %s; a directory of keys_user",
                   strerror(errno));
        good = false;
    }
    while (dir != NULL && good && (entry = readdir(dir)) != NULL) {
        good = take_name(&names, entry->d_name);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    if (good) {
        list = settle(&names);
        *count_out = names.count;
    }
    free(names.list);
    buf_free(&path);
    return list;
}
