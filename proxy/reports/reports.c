/*
 * reports - what receivers said about our signatures; see reports.h.
 */
#include "proxy/reports/reports.h"

#include "proxy/reports/days.h"

#include <dkim/address.h>

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <proxy/config/reader.h>
#include <proxy/keys/replace.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FILE_MAX = 8 * 1024 * 1024,
    BEFORE_DAYS = 30,
    AFTER_DAYS = 14,
    MESSAGES_MIN = 100,
    FALL_PERCENT = 5
};

struct seen_line {
    uint32_t day;
    uint64_t hash;
};

struct sum_line {
    uint32_t day;
    char selector[REPORTS_SELECTOR_MAX + 1];
    uint64_t passed, failed;
};

struct reports {
    struct seen_line *seen;
    size_t seen_count, seen_cap;
    struct sum_line *sums;
    size_t sum_count, sum_cap;
    bool failed; /* no memory */
};

/* --- lists -------------------------------------------------------------- */

/* Room for one more; at REPORTS_LINES_MAX the oldest, the first, goes. */
static void *
grow(struct reports *r, void *list, size_t *count, size_t *cap, size_t octets)
{
    void *bigger;

    if (*count == REPORTS_LINES_MAX) {
        (*count)--;
        memmove(list, (uint8_t *)list + octets, *count * octets);
        return list;
    }
    if (*count < *cap) {
        return list;
    }
    bigger = realloc(list, (*cap * 2 + 16) * octets);
    if (bigger == NULL) {
        r->failed = true;
        return list;
    }
    *cap = *cap * 2 + 16;
    return bigger;
}

static void
add_seen(struct reports *r, uint32_t day, uint64_t hash)
{
    r->seen = grow(r, r->seen, &r->seen_count, &r->seen_cap, sizeof(*r->seen));
    if (r->seen_count < r->seen_cap) {
        r->seen[r->seen_count++] = (struct seen_line){ day, hash };
    }
}

static bool
selector_is_good(struct bytes s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!byte_is_alpha(s.ptr[i]) && !byte_is_digit(s.ptr[i]) &&
            s.ptr[i] != '-' && s.ptr[i] != '_' && s.ptr[i] != '.') {
            return false;
        }
    }
    return s.len > 0 && s.len <= REPORTS_SELECTOR_MAX;
}

static uint64_t
plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX / 256 - b ? UINT64_MAX / 256 : a + b;
}

bool
reports_add(struct reports *r, uint32_t day, const char *selector,
            uint64_t passed, uint64_t failed)
{
    struct sum_line *s;

    if (!selector_is_good(bytes_str(selector)) || passed > UINT32_MAX ||
        failed > UINT32_MAX) {
        return true;
    }
    for (size_t i = 0; i < r->sum_count; i++) {
        s = &r->sums[i];
        if (s->day == day && bytes_is_ci(bytes_str(selector), s->selector)) {
            s->passed = plus(s->passed, passed);
            s->failed = plus(s->failed, failed);
            return true;
        }
    }
    r->sums = grow(r, r->sums, &r->sum_count, &r->sum_cap, sizeof(*r->sums));
    if (r->sum_count < r->sum_cap) {
        s = &r->sums[r->sum_count++];
        *s = (struct sum_line){ day, "", passed, failed };
        for (size_t i = 0; selector[i] != '\0'; i++) {
            s->selector[i] = (char)byte_lower((uint8_t)selector[i]);
        }
    }
    return !r->failed;
}

/* The first octets of SHA-256: nobody can make two reports look like one. */
static bool
hash_of(struct bytes id, uint64_t *hash_out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    uint64_t hash = 0;

    if (EVP_Digest(id.ptr, id.len, digest, NULL, EVP_sha256(), NULL) != 1) {
        return false;
    }
    for (size_t i = 0; i < 8; i++) {
        hash = hash << 8 | digest[i];
    }
    *hash_out = hash;
    return true;
}

bool
reports_take(struct reports *r, uint32_t day, struct bytes id)
{
    uint64_t hash;

    if (!hash_of(id, &hash)) {
        r->failed = true;
        return false;
    }
    for (size_t i = 0; i < r->seen_count; i++) {
        if (r->seen[i].hash == hash) {
            return true;
        }
    }
    add_seen(r, day, hash);
    return false;
}

void
reports_sum(const struct reports *r, const char *selector, uint32_t first_day,
            uint32_t last_day, uint64_t *passed_out, uint64_t *failed_out)
{
    *passed_out = *failed_out = 0;
    for (size_t i = 0; i < r->sum_count; i++) {
        const struct sum_line *s = &r->sums[i];

        if (s->day >= first_day && s->day <= last_day &&
            (selector == NULL ||
             bytes_is_ci(bytes_str(selector), s->selector))) {
            *passed_out = plus(*passed_out, s->passed);
            *failed_out = plus(*failed_out, s->failed);
        }
    }
}

/* --- reading and writing ------------------------------------------------ */

/* The next word of a value; empty at its end. */
static struct bytes
next_word(struct bytes *rest)
{
    struct bytes word;

    *rest = bytes_trim(*rest);
    word = bytes_take(*rest, bytes_find(*rest, ' '));
    *rest = bytes_skip(*rest, word.len);
    return word;
}

static bool
hash_parse(struct bytes text, uint64_t *hash_out)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (!byte_is_digit(c) && (c < 'a' || c > 'f')) {
            return false;
        }
        hash =
            hash << 4 | (uint64_t)(byte_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    *hash_out = hash;
    return text.len == 16;
}

static void
take_entry(const struct conf_entry *e, void *arg)
{
    struct reports *r = arg;
    struct bytes rest = bytes_str(e->value);
    struct bytes word = next_word(&rest);
    char selector[REPORTS_SELECTOR_MAX + 1];
    uint64_t passed, failed, hash;
    uint32_t day;

    if (e->key == NULL || strcmp(e->section, "reports") != 0 ||
        !reports_day_parse(word, &day)) {
        return;
    }
    word = next_word(&rest);
    if (strcmp(e->key, "seen") == 0 && hash_parse(word, &hash)) {
        add_seen(r, day, hash);
    } else if (strcmp(e->key, "sum") == 0 &&
               bytes_copy(word, selector, sizeof(selector)) &&
               bytes_to_u64(next_word(&rest), UINT32_MAX, &passed) &&
               bytes_to_u64(next_word(&rest), UINT32_MAX, &failed)) {
        (void)reports_add(r, day, selector, passed, failed);
    }
}

struct reports *
reports_parse(struct bytes text)
{
    struct reports *r = calloc(1, sizeof(*r));
    struct conf_errors *errors = conf_errors_new();

    if (r != NULL && errors != NULL) {
        (void)conf_read_text(text, "reports", take_entry, r, errors);
    }
    if (r != NULL && (errors == NULL || r->failed)) {
        reports_free(&r);
    }
    conf_errors_free(&errors);
    return r;
}

void
reports_put(const struct reports *r, struct buf *out)
{
    char day[REPORTS_DAY];

    buf_puts(out, "[reports]\n");
    for (size_t i = 0; i < r->seen_count; i++) {
        reports_day_text(r->seen[i].day, day);
        buf_printf(out, "seen += %s %016jx\n", day, (uintmax_t)r->seen[i].hash);
    }
    for (size_t i = 0; i < r->sum_count; i++) {
        const struct sum_line *s = &r->sums[i];

        reports_day_text(s->day, day);
        buf_printf(
            out, "sum += %s %s %ju %ju\n", day, s->selector,
            (uintmax_t)(s->passed < UINT32_MAX ? s->passed : UINT32_MAX),
            (uintmax_t)(s->failed < UINT32_MAX ? s->failed : UINT32_MAX));
    }
}

void
reports_free(struct reports **r)
{
    if (*r != NULL) {
        free((*r)->seen);
        free((*r)->sums);
        free(*r);
        *r = NULL;
    }
}

/* --- the file ----------------------------------------------------------- */

/* A domain's name only: nothing else may become a path. */
static const char *
path_of(const char *state_dir, const char *domain, struct buf *out)
{
    char name[DKIM_DOMAIN_MAX + 1];

    if (!dkim_domain_parse(bytes_str(domain), false, name)) {
        errno = EINVAL;
        return NULL;
    }
    buf_printf(out, "%s/reports/%s.conf", state_dir, name);
    errno = ENOMEM;
    return buf_str(out);
}

struct reports *
reports_load(const char *state_dir, const char *domain)
{
    struct buf path = BUF_INIT, text = BUF_INIT;
    const char *name = path_of(state_dir, domain, &path);
    struct reports *r = NULL;
    int fd = -1;

    if (name != NULL) {
        fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if ((fd >= 0 && replace_read(fd, FILE_MAX, &text)) ||
            (fd < 0 && errno == ENOENT)) {
            r = reports_parse(buf_bytes(&text));
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    buf_free(&path);
    buf_free(&text);
    return r;
}

static void
forget_old(struct reports *r, uint32_t today)
{
    uint32_t first = today > REPORTS_KEPT_DAYS ? today - REPORTS_KEPT_DAYS : 0;
    size_t n = 0;

    for (size_t i = 0; i < r->seen_count; i++) {
        if (r->seen[i].day >= first) {
            r->seen[n++] = r->seen[i];
        }
    }
    r->seen_count = n;
    n = 0;
    for (size_t i = 0; i < r->sum_count; i++) {
        if (r->sums[i].day >= first) {
            r->sums[n++] = r->sums[i];
        }
    }
    r->sum_count = n;
}

/* STATE_DIR/reports, made when missing. */
static bool
make_folder(const char *state_dir, struct buf *path)
{
    struct replace_owner owner = replace_owner_of_keys(state_dir, 0700);

    buf_printf(path, "%s/reports", state_dir);
    errno = ENOMEM;
    return buf_str(path) != NULL && replace_mkdir((char *)path->ptr, &owner);
}

int
reports_lock(const char *state_dir)
{
    struct replace_owner owner = replace_owner_of_keys(state_dir, 0600);
    struct buf path = BUF_INIT;
    int fd = -1, error;

    if (make_folder(state_dir, &path)) {
        buf_puts(&path, "/.lock");
        errno = ENOMEM;
        fd = buf_str(&path) == NULL ? -1
                                    : replace_lock((char *)path.ptr, &owner);
    }
    error = errno;
    buf_free(&path);
    errno = error;
    return fd;
}

bool
reports_save(struct reports *r, const char *state_dir, const char *domain,
             uint32_t today)
{
    struct replace_owner owner = replace_owner_of_keys(state_dir, 0600);
    struct buf folder = BUF_INIT, path = BUF_INIT, text = BUF_INIT;
    const char *name = path_of(state_dir, domain, &path);
    bool good = false;

    forget_old(r, today);
    reports_put(r, &text);
    if (name != NULL && !buf_failed(&text)) {
        good = make_folder(state_dir, &folder) &&
               replace_file(name, buf_bytes(&text), &owner);
    }
    buf_free(&folder);
    buf_free(&path);
    buf_free(&text);
    return good;
}

/* --- before a rotation -------------------------------------------------- */

struct share {
    uint64_t passed, failed;
};

static uint64_t
total(struct share s)
{
    return s.passed + s.failed;
}

static unsigned
percent(struct share s)
{
    return (unsigned)(s.passed * 100 / total(s));
}

/* More than FALL_PERCENT of 100 worse; 0.95 is not quite 95 in 100. */
static bool
has_fallen(struct share before, struct share after)
{
    double was = (double)before.passed / (double)total(before);
    double is = (double)after.passed / (double)total(after);

    return (was - is) * 100 > FALL_PERCENT + 1e-9;
}

bool
reports_may_rotate(const struct reports_question *q, struct buf *why_out)
{
    uint32_t began = reports_day_of(q->activated_s);
    uint32_t today = reports_day_of(q->now_s);
    struct reports *r = reports_load(q->state_dir, q->domain);
    struct share before, after;
    uint32_t from = began + 1; /* its first day is the last key's, too */
    char day[REPORTS_DAY];
    bool may = true;

    if (r == NULL || began < BEFORE_DAYS) {
        reports_free(&r);
        return true;
    }
    if (today > AFTER_DAYS && from < today - AFTER_DAYS) {
        from = today - AFTER_DAYS;
    }
    reports_sum(r, NULL, began - BEFORE_DAYS, began - 1, &before.passed,
                &before.failed);
    reports_sum(r, q->selector, from, today, &after.passed, &after.failed);
    if (total(before) >= MESSAGES_MIN && total(after) >= MESSAGES_MIN &&
        has_fallen(before, after)) {
        may = false;
        reports_day_text(began, day);
        buf_printf(why_out,
                   "receivers report that %u %% of the signatures of %s pass, "
                   "and %u %% did before it began to sign on %s; sealpost "
                   "domain check %s",
                   percent(after), q->selector, percent(before), day,
                   q->domain);
    }
    reports_free(&r);
    return may;
}
