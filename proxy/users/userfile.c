/*
 * userfile - users.conf, read; see userfile.h.
 *
 * The settings are in usersettings.c, what is asked of a file that was read
 * in userquery.c; useredit.c changes it.
 */
#include "proxy/users/userfile.h"

#include "proxy/users/userread.h"
#include "proxy/users/uservalue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- lines -------------------------------------------------------------- */

static void
fault(struct userread *r, const struct conf_entry *e, const char *text)
{
    r->bad = true;
    conf_error(r->errors, e->file, e->line, "%s", text);
}

/* The lists of the user that was read last become hers. */
static void
finish_user(struct userread *r)
{
    struct strings *s = &r->f->memory->strings;
    struct view_from *from;
    const char **selectors;

    if (r->f->count == 0 || r->skipping || r->no_memory) {
        return;
    }
    from = strings_array(s, r->from_count, sizeof(*from));
    selectors = strings_array(s, r->selector_count + 1, sizeof(*selectors));
    if (from == NULL || selectors == NULL) {
        r->no_memory = true;
        return;
    }
    for (size_t i = 0; i < r->from_count; i++) {
        from[i] = r->from[i];
    }
    for (size_t i = 0; i < r->selector_count; i++) {
        selectors[i] = r->selectors[i];
    }
    userread_user(r)->from = from;
    userread_user(r)->from_count = r->from_count;
    userread_user(r)->selectors = selectors;
}

/* Room for one more in the three arrays that run side by side. */
static bool
grow(struct userfile *f)
{
    struct userfile_memory *m = f->memory;
    size_t cap = m->cap == 0 ? 16 : m->cap * 2;
    void *moved;

    if (f->count < m->cap) {
        return true;
    }
    if ((moved = realloc(f->users, cap * sizeof(*f->users))) == NULL) {
        return false;
    }
    f->users = moved;
    if ((moved = realloc(f->secrets, cap * sizeof(*f->secrets))) == NULL) {
        return false;
    }
    f->secrets = moved;
    if ((moved = realloc(m->lines, cap * sizeof(*m->lines))) == NULL) {
        return false;
    }
    m->lines = moved;
    m->cap = cap;
    return true;
}

static void
begin_user(struct userread *r, const struct conf_entry *e)
{
    static const char *const none[] = { NULL };

    finish_user(r);
    r->from_count = 0;
    r->selector_count = 0;
    r->seen = 0;
    r->skipping = e->faulty || !uservalue_name(bytes_str(e->section));
    if (r->skipping && !e->faulty) {
        fault(r, e, USERREAD_NAME_RULE);
    }
    if (r->skipping) {
        return;
    }
    if (!grow(r->f)) {
        r->no_memory = true;
        r->skipping = true;
        return;
    }
    r->f->count++;
    *userread_user(r) = (struct view_user){ .selectors = none,
                                            .domain = "",
                                            .upstream = "",
                                            .upstream_username = "",
                                            .upstream_password_file = "" };
    userread_user(r)->name = userread_lower(r, bytes_str(e->section));
    *userread_secret(r) = (struct user_secret){ "", "" };
    *userread_lines(r) = (struct user_lines){ e->line, e->line, e->line };
}

static void
take_entry(const struct conf_entry *e, void *arg)
{
    struct userread *r = arg;

    if (r->no_memory) {
        return;
    }
    if (e->key == NULL) {
        begin_user(r, e);
        return;
    }
    if (e->section[0] == '\0') {
        fault(r, e,
              "a setting before the first user; [USER], then her "
              "settings");
        return;
    }
    if (!r->skipping) {
        userread_setting(r, e);
    }
}

/* --- the whole ---------------------------------------------------------- */

/* qsort() passes no context: rows carry what is compared. */
struct name_row {
    const char *name;
    size_t index;
};

static int
compare_rows(const void *a, const void *b)
{
    const struct name_row *ra = a;
    const struct name_row *rb = b;
    int order = strcmp(ra->name, rb->name);

    return order != 0 ? order
                      : (ra->index > rb->index) - (ra->index < rb->index);
}

/* Sorts an index by name and reports who is there twice. */
static void
index_names(struct userread *r, const char *file)
{
    struct userfile *f = r->f;
    struct name_row *rows = calloc(f->count + 1, sizeof(*rows));

    f->memory->by_name = calloc(f->count + 1, sizeof(size_t));
    if (rows == NULL || f->memory->by_name == NULL) {
        r->no_memory = true;
        free(rows);
        return;
    }
    for (size_t i = 0; i < f->count; i++) {
        rows[i] = (struct name_row){ f->users[i].name, i };
    }
    qsort(rows, f->count, sizeof(*rows), compare_rows);
    for (size_t i = 0; i < f->count; i++) {
        f->memory->by_name[i] = rows[i].index;
        if (i > 0 && strcmp(rows[i].name, rows[i - 1].name) == 0) {
            r->bad = true;
            conf_error(r->errors, file, f->memory->lines[rows[i].index].section,
                       "user %s is there twice, first in line %u; each user "
                       "once, upper and lower case are the same",
                       rows[i].name,
                       f->memory->lines[rows[i - 1].index].section);
        }
    }
    free(rows);
}

static struct userfile *
file_new(void)
{
    struct userfile *f = calloc(1, sizeof(*f));

    if (f != NULL) {
        f->memory = calloc(1, sizeof(*f->memory));
        if (f->memory == NULL) {
            free(f);
            f = NULL;
        }
    }
    return f;
}

void
userfile_free(struct userfile **f)
{
    if (*f != NULL) {
        strings_free(&(*f)->memory->strings); /* wiped */
        free((*f)->memory->lines);
        free((*f)->memory->by_name);
        free((*f)->memory);
        free((*f)->users);
        free((*f)->secrets);
        free(*f);
        *f = NULL;
    }
}

/* Where the octets come from: a descriptor, or text when fd is -1. */
static struct userfile *
read_users(int fd, struct bytes text, const char *name,
           struct conf_errors *errors)
{
    struct userread r = { .f = file_new(), .errors = errors };
    bool good;

    if (r.f == NULL) {
        conf_error(errors, name, 0, "no memory; more memory");
        return NULL;
    }
    good = fd >= 0 ? conf_read_fd(fd, name, take_entry, &r, errors)
                   : conf_read_text(text, name, take_entry, &r, errors);
    finish_user(&r);
    free(r.from);
    if (!r.no_memory) {
        index_names(&r, name);
    }
    if (r.no_memory) {
        conf_error(errors, name, 0, "no memory; more memory");
    }
    if (!good || r.bad || r.no_memory) {
        userfile_free(&r.f);
    }
    return r.f;
}

struct userfile *
userfile_parse(struct bytes text, const char *name, struct conf_errors *errors)
{
    return read_users(-1, text, name, errors);
}

static const char *
judge_file(int fd, uid_t owner)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return "not a regular file; put the file itself there";
    }
    if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != owner) {
        return "the file belongs to another account; chown it to keys_user";
    }
    if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        return "group or others have access to the password hashes; chmod 600";
    }
    if (st.st_size > USERFILE_OCTETS_MAX) {
        return "the file is over 64 MiB; fewer users";
    }
    return NULL;
}

struct userfile *
userfile_load(const char *path, uid_t owner, struct conf_errors *errors)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct userfile *f = NULL;
    const char *wrong;

    if (fd < 0 && errno == ENOENT) {
        return userfile_parse(bytes_make(NULL, 0), path, errors);
    }
    if (fd < 0) {
        conf_error(errors, path, 0, "cannot be opened: %s; %s", strerror(errno),
                   errno == EACCES ? "be root or keys_user" : "a regular file");
        return NULL;
    }
    wrong = judge_file(fd, owner);
    if (wrong != NULL) {
        conf_error(errors, path, 0, "%s", wrong);
    } else {
        f = read_users(fd, bytes_make(NULL, 0), path, errors);
    }
    close(fd);
    return f;
}
