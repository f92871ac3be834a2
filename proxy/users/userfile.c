/*
 * userfile - users.conf, read; see userfile.h.
 *
 * A row of `settings` is a setting; the parser of each says what is allowed
 * when the value is not. Editing the file is useredit.c's work.
 */
#include "proxy/users/userfile.h"

#include "proxy/keys/keystore.h"
#include "proxy/users/strings.h"
#include "proxy/users/uservalue.h"

#include <dkim/address.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SELECTORS_MAX = 8
}; /* of one user */

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
struct reading {
    struct userfile *f;
    struct conf_errors *errors;
    struct view_from *from;
    size_t from_count;
    size_t from_cap;
    const char *selectors[SELECTORS_MAX];
    size_t selector_count;
    unsigned line;
    unsigned seen; /* 1u << index in settings */
    bool skipping; /* a section whose name is faulty */
    bool bad;
    bool no_memory;
};

/* Takes the value; NULL, or what is wrong and what is allowed. */
typedef const char *setter(struct reading *r, const char *value);

static struct view_user *
user(struct reading *r)
{
    return r->f->users + r->f->count - 1;
}

static struct user_secret *
secret(struct reading *r)
{
    return r->f->secrets + r->f->count - 1;
}

static struct user_lines *
lines(struct reading *r)
{
    return r->f->memory->lines + r->f->count - 1;
}

static const char *
keep(struct reading *r, struct bytes text)
{
    const char *copy = strings_copy(&r->f->memory->strings, text);

    r->no_memory = r->no_memory || copy == NULL;
    return copy == NULL ? "" : copy;
}

static const char *
keep_lower(struct reading *r, struct bytes text)
{
    const char *copy = strings_lower(&r->f->memory->strings, text);

    r->no_memory = r->no_memory || copy == NULL;
    return copy == NULL ? "" : copy;
}

/* --- values ------------------------------------------------------------- */

static const char *
set_password(struct reading *r, const char *value)
{
    if (value[0] == '\0') {
        return "empty password; a crypt(3) string as `sealpost user passwd` "
               "writes it, or no `password` at all";
    }
    if (!uservalue_hash(value)) {
        return "the password is not a crypt(3) string; yescrypt ($y$), bcrypt "
               "($2b$) or SHA-512 ($6$), as `sealpost user passwd` writes it";
    }
    secret(r)->password = keep(r, bytes_str(value));
    return NULL;
}

static const char *
set_scram(struct reading *r, const char *value)
{
    if (value[0] != '\0' &&
        !bytes_starts_ci(bytes_str(value), "SCRAM-SHA-256$")) {
        return "not an RFC 5803 string; SCRAM-SHA-256$ITERATIONS:SALT$KEY:KEY";
    }
    secret(r)->scram = keep(r, bytes_str(value));
    return NULL;
}

static void
push_from(struct reading *r, const struct view_from *from)
{
    if (r->from_count == r->from_cap) {
        size_t cap = r->from_cap == 0 ? 16 : r->from_cap * 2;
        struct view_from *list = realloc(r->from, cap * sizeof(*list));

        if (list == NULL) {
            r->no_memory = true;
            return;
        }
        r->from = list;
        r->from_cap = cap;
    }
    r->from[r->from_count].kind = from->kind;
    r->from[r->from_count].local = keep(r, bytes_str(from->local));
    r->from[r->from_count].domain = keep(r, bytes_str(from->domain));
    r->from_count++;
}

static const char *
set_from(struct reading *r, const char *value)
{
    struct bytes rest = bytes_str(value);
    struct bytes item;

    while (!r->no_memory && uservalue_item(&rest, &item)) {
        struct uservalue_from from;

        if (r->from_count == USERFILE_FROM_MAX) {
            return "more than 1000 `from` entries; *.DOMAIN covers all "
                   "domains below one";
        }
        if (!uservalue_from(item, &from)) {
            return "not a `from` entry; DOMAIN, *.DOMAIN, LOCAL@DOMAIN or *, "
                   "domains in their xn-- form";
        }
        push_from(r, &(struct view_from){ from.kind, from.local, from.domain });
    }
    return NULL;
}

static const char *
set_selector(struct reading *r, const char *value)
{
    struct bytes rest = bytes_str(value);
    struct bytes item;
    char selector[DKIM_DOMAIN_MAX + 1];

    lines(r)->selector = r->line;
    while (uservalue_item(&rest, &item)) {
        bool own = bytes_is_ci(item, "own");

        if (user(r)->own_selector || (own && r->selector_count > 0)) {
            return "`own` beside another selector; `own` alone, or selectors";
        }
        if (own) {
            user(r)->own_selector = true;
        } else if (!keystore_selector_parse(item, selector)) {
            return "not a selector; letters, digits, hyphens, underscores "
                   "and dots, at most 63, or `own`";
        } else if (r->selector_count == SELECTORS_MAX) {
            return "more than 8 selectors; one an algorithm";
        } else {
            r->selectors[r->selector_count++] = keep(r, bytes_str(selector));
        }
    }
    return NULL;
}

static const char *
set_domain(struct reading *r, const char *value)
{
    char domain[DKIM_DOMAIN_MAX + 1];

    if (value[0] == '\0') {
        return NULL;
    }
    if (!dkim_domain_parse(bytes_str(value), false, domain)) {
        return "not a domain; one domain, in its xn-- form";
    }
    user(r)->domain = keep(r, bytes_str(domain));
    return NULL;
}

static const char *
set_other_from(struct reading *r, const char *value)
{
    static const char *const words[] = { "", "reject", "unsigned",
                                         "sign-as-user" };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(value, words[i]) == 0) {
            user(r)->other_from = (enum conf_other_from)i;
            return NULL;
        }
    }
    return "not a word of other_from; reject, unsigned or sign-as-user";
}

static const char *
set_no_key(struct reading *r, const char *value)
{
    static const char *const words[] = { "", "unsigned", "tempfail", "reject" };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(value, words[i]) == 0) {
            user(r)->no_key = (enum conf_no_key)i;
            return NULL;
        }
    }
    return "not a word of no_key; unsigned, tempfail or reject";
}

static const char *
set_upstream(struct reading *r, const char *value)
{
    lines(r)->upstream = r->line;
    user(r)->upstream = keep(r, bytes_str(value));
    return NULL;
}

static const char *
set_rate(struct reading *r, const char *value)
{
    return value[0] == '\0' ||
                   uservalue_rate(bytes_str(value), &user(r)->rate_count,
                                  &user(r)->rate_s)
               ? NULL
               : "not a rate; COUNT/s, /m, /h or /d, as 500/h";
}

static const char *
set_locked(struct reading *r, const char *value)
{
    user(r)->locked = strcmp(value, "yes") == 0;
    return user(r)->locked || strcmp(value, "no") == 0
               ? NULL
               : "not yes or no; yes or no";
}

static const char *
set_name(struct reading *r, const char *value)
{
    if (!uservalue_name(bytes_str(value))) {
        return "not a user's name; 1 to 255 octets, no blanks, no control "
               "characters";
    }
    user(r)->name = keep_lower(r, bytes_str(value));
    return NULL;
}

/* --- lines -------------------------------------------------------------- */

static const struct {
    const char *name;
    setter *set;
    bool append; /* a list: may go on with += */
} settings[] = {
    { "name", set_name, false },
    { "password", set_password, false },
    { "scram", set_scram, false },
    { "from", set_from, true },
    { "selector", set_selector, true },
    { "domain", set_domain, false },
    { "other_from", set_other_from, false },
    { "no_key", set_no_key, false },
    { "upstream", set_upstream, false },
    { "rate", set_rate, false },
    { "locked", set_locked, false },
};
enum {
    SETTINGS = sizeof(settings) / sizeof(settings[0])
};

static void
fault(struct reading *r, const struct conf_entry *e, const char *text)
{
    r->bad = true;
    conf_error(r->errors, e->file, e->line, "%s", text);
}

/* The lists of the user that was read last become hers. */
static void
finish_user(struct reading *r)
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
    user(r)->from = from;
    user(r)->from_count = r->from_count;
    user(r)->selectors = selectors;
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
begin_user(struct reading *r, const struct conf_entry *e)
{
    static const char *const none[] = { NULL };

    finish_user(r);
    r->from_count = 0;
    r->selector_count = 0;
    r->seen = 0;
    r->skipping = !uservalue_name(bytes_str(e->section));
    if (r->skipping) {
        fault(r, e,
              "not a user's name; 1 to 255 octets, no blanks, no "
              "control characters");
        return;
    }
    if (!grow(r->f)) {
        r->no_memory = true;
        r->skipping = true;
        return;
    }
    r->f->count++;
    *user(r) =
        (struct view_user){ .selectors = none, .domain = "", .upstream = "" };
    user(r)->name = keep_lower(r, bytes_str(e->section));
    *secret(r) = (struct user_secret){ "", "" };
    *lines(r) = (struct user_lines){ e->line, e->line, e->line };
}

static void
take_setting(struct reading *r, const struct conf_entry *e, unsigned i)
{
    const char *wrong;

    if (e->append && !settings[i].append) {
        fault(r, e, "`+=` behind a setting that is no list; `=`");
        return;
    }
    if (!e->append && (r->seen & 1u << i) != 0) {
        fault(r, e, "the setting stands here twice; once, or `+=` for a list");
        return;
    }
    r->seen |= 1u << i;
    r->line = e->line;
    wrong = settings[i].set(r, e->value);
    if (wrong != NULL) {
        fault(r, e, wrong);
    }
}

static void
take_entry(const struct conf_entry *e, void *arg)
{
    struct reading *r = arg;

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
    for (unsigned i = 0; i < SETTINGS && !r->skipping; i++) {
        if (strcmp(e->key, settings[i].name) == 0) {
            take_setting(r, e, i);
            return;
        }
    }
    if (!r->skipping) {
        fault(r, e,
              "unknown setting; password, scram, from, selector, "
              "domain, other_from, no_key, upstream, rate, locked, "
              "name");
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
index_names(struct reading *r, const char *file)
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
    struct reading r = { .f = file_new(), .errors = errors };
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
        conf_error(errors, path, 0, "cannot be opened: %s; a regular file",
                   strerror(errno));
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

/* --- what others ask ---------------------------------------------------- */

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
