/*
 * daybook - rows of text, merged; see daybook.h.
 *
 * Rows are gathered as they come and merged when they are looked at: sorted by
 * name, those of one name become one.
 */
#include <dkim/address.h>

#include <proxy/keeper/daybook.h>
#include <proxy/keeper/protocol.h>
#include <proxy/users/strings.h>
#include <stdlib.h>

/* Room for one more of size octets. */
static bool
grow(void **list, size_t count, size_t *cap, size_t size)
{
    size_t bigger = *cap == 0 ? 64 : *cap * 2;
    void *moved;

    if (count < *cap) {
        return true;
    }
    moved = realloc(*list, bigger * size);
    if (moved == NULL) {
        return false;
    }
    *list = moved;
    *cap = bigger;
    return true;
}

/* The next line without its end; false: there is none. */
static bool
next_line(struct bytes *text, struct bytes *line_out)
{
    size_t end = bytes_find(*text, '\n');

    if (text->len == 0) {
        return false;
    }
    *line_out = bytes_take(*text, end);
    *text = bytes_skip(*text, end < text->len ? end + 1 : end);
    return true;
}

/* Exactly four words, parted by single spaces. */
static bool
four_words(struct bytes line, struct bytes words[4])
{
    for (size_t i = 0; i < 4; i++) {
        size_t end = bytes_find(line, ' ');

        words[i] = bytes_take(line, end);
        if (words[i].len == 0 || (end == line.len) != (i == 3)) {
            return false;
        }
        line = bytes_skip(line, end < line.len ? end + 1 : end);
    }
    return true;
}

/* A name that can stand in a line. */
static bool
is_word(struct bytes word, size_t max)
{
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] <= ' ' || word.ptr[i] == 0x7f) {
            return false;
        }
    }
    return word.len > 0 && word.len <= max;
}

/* --- last-signed ---------------------------------------------------------- */

struct signed_book {
    struct signed_row *rows;
    size_t count;
    size_t cap;
    bool merged;
    struct strings strings;
};

static bool
add_signed(struct signed_book *b, struct bytes user, uint64_t time_s,
           struct bytes domain, struct bytes selector)
{
    void *list = b->rows;
    struct signed_row row = { .time_s = time_s };

    if (!is_word(user, KEEPER_USER_MAX) ||
        !is_word(domain, KEEPER_DOMAIN_MAX) ||
        !is_word(selector, KEEPER_SELECTOR_MAX)) {
        return true; /* not ours; left out */
    }
    if (!grow(&list, b->count, &b->cap, sizeof(row))) {
        return false;
    }
    b->rows = list;
    row.user = strings_lower(&b->strings, user);
    row.domain = strings_copy(&b->strings, domain);
    row.selector = strings_copy(&b->strings, selector);
    if (row.user == NULL || row.domain == NULL || row.selector == NULL) {
        return false;
    }
    b->rows[b->count++] = row;
    b->merged = false;
    return true;
}

struct signed_book *
signed_book_new(struct bytes text)
{
    struct signed_book *b = calloc(1, sizeof(*b));
    struct bytes line, words[4];
    uint64_t time_s;
    bool good = b != NULL;

    while (good && b->count < DAYBOOK_SIGNED_MAX && next_line(&text, &line)) {
        if (four_words(line, words) &&
            bytes_to_u64(words[1], UINT64_MAX, &time_s)) {
            good = add_signed(b, words[0], time_s, words[2], words[3]);
        }
    }
    if (!good) {
        signed_book_free(&b);
    }
    return b;
}

bool
signed_book_note(struct signed_book *b, const struct signed_row *row)
{
    return b->count < 2 * DAYBOOK_SIGNED_MAX &&
           add_signed(b, bytes_str(row->user), row->time_s,
                      bytes_str(row->domain), bytes_str(row->selector));
}

/* By name, the latest first; what else differs only makes it one order. */
static int
compare_signed(const void *a, const void *b)
{
    const struct signed_row *ra = a;
    const struct signed_row *rb = b;
    int order = strcmp(ra->user, rb->user);

    if (order == 0) {
        order = (ra->time_s < rb->time_s) - (ra->time_s > rb->time_s);
    }
    if (order == 0) {
        order = strcmp(ra->domain, rb->domain);
    }
    return order != 0 ? order : strcmp(ra->selector, rb->selector);
}

static void
merge_signed(struct signed_book *b)
{
    size_t kept = 0;

    if (b->merged || b->count == 0) {
        return;
    }
    qsort(b->rows, b->count, sizeof(*b->rows), compare_signed);
    for (size_t i = 0; i < b->count; i++) {
        if (kept == 0 || strcmp(b->rows[kept - 1].user, b->rows[i].user) != 0) {
            b->rows[kept++] = b->rows[i];
        }
    }
    b->count = kept;
    b->merged = true;
}

static int
compare_user(const void *name, const void *row)
{
    return strcmp(name, ((const struct signed_row *)row)->user);
}

const struct signed_row *
signed_book_find(struct signed_book *b, const char *user)
{
    merge_signed(b);
    return b->count == 0 ? NULL
                         : bsearch(user, b->rows, b->count, sizeof(*b->rows),
                                   compare_user);
}

bool
signed_book_put(struct signed_book *b, const struct view *view, struct buf *out)
{
    merge_signed(b);
    for (size_t i = 0; i < b->count; i++) {
        const struct signed_row *row = &b->rows[i];

        if (strcmp(row->user, DAYBOOK_LOOPBACK) == 0 ||
            view_user(view, bytes_str(row->user)) != NULL) {
            buf_printf(out, "%s %llu %s %s\n", row->user,
                       (unsigned long long)row->time_s, row->domain,
                       row->selector);
        }
    }
    return !buf_failed(out);
}

void
signed_book_free(struct signed_book **b)
{
    if (*b != NULL) {
        strings_free(&(*b)->strings);
        free((*b)->rows);
        free(*b);
        *b = NULL;
    }
}

/* --- seen-from ------------------------------------------------------------ */

struct from_row {
    const char *domain;
    uint64_t first_day, last_day, count;
};

struct from_book {
    struct from_row *rows;
    size_t count;
    size_t cap;
    struct strings strings;
};

static bool
add_from(struct from_book *b, struct bytes domain, const struct from_row *days)
{
    char name[DKIM_DOMAIN_MAX + 1];
    struct from_row row = *days;
    void *list = b->rows;

    if (!dkim_domain_parse(domain, false, name)) {
        return true; /* what a worker says is not believed to be a domain */
    }
    if (!grow(&list, b->count, &b->cap, sizeof(row))) {
        return false;
    }
    b->rows = list;
    row.domain = strings_copy(&b->strings, bytes_str(name));
    if (row.domain == NULL) {
        return false;
    }
    b->rows[b->count++] = row;
    return true;
}

struct from_book *
from_book_new(struct bytes text)
{
    struct from_book *b = calloc(1, sizeof(*b));
    struct bytes line, words[4];
    bool good = b != NULL;

    while (good && b->count < DAYBOOK_FROM_MAX && next_line(&text, &line)) {
        struct from_row row = { .domain = NULL };

        if (four_words(line, words) &&
            bytes_to_u64(words[1], UINT32_MAX, &row.first_day) &&
            bytes_to_u64(words[2], UINT32_MAX, &row.last_day) &&
            bytes_to_u64(words[3], UINT64_MAX, &row.count)) {
            good = add_from(b, words[0], &row);
        }
    }
    if (!good) {
        from_book_free(&b);
    }
    return b;
}

bool
from_book_note(struct from_book *b, const char *domain, uint64_t day,
               uint64_t count)
{
    const struct from_row row = { NULL, day, day, count };

    return b->count < 2 * DAYBOOK_FROM_MAX &&
           add_from(b, bytes_str(domain), &row);
}

static int
compare_domain(const void *a, const void *b)
{
    const struct from_row *ra = a;
    const struct from_row *rb = b;

    return strcmp(ra->domain, rb->domain);
}

/* The newest first, then the most frequent. */
static int
compare_age(const void *a, const void *b)
{
    const struct from_row *ra = a;
    const struct from_row *rb = b;

    if (ra->last_day != rb->last_day) {
        return ra->last_day < rb->last_day ? 1 : -1;
    }
    if (ra->count != rb->count) {
        return ra->count < rb->count ? 1 : -1;
    }
    return strcmp(ra->domain, rb->domain);
}

static void
merge_row(struct from_row *row, const struct from_row *other)
{
    if (other->first_day < row->first_day) {
        row->first_day = other->first_day;
    }
    if (other->last_day > row->last_day) {
        row->last_day = other->last_day;
    }
    row->count = other->count > UINT64_MAX - row->count
                     ? UINT64_MAX
                     : row->count + other->count;
}

static void
merge_from(struct from_book *b)
{
    size_t kept = 0;

    if (b->count == 0) {
        return;
    }
    qsort(b->rows, b->count, sizeof(*b->rows), compare_domain);
    for (size_t i = 0; i < b->count; i++) {
        if (kept > 0 &&
            strcmp(b->rows[kept - 1].domain, b->rows[i].domain) == 0) {
            merge_row(&b->rows[kept - 1], &b->rows[i]);
        } else {
            b->rows[kept++] = b->rows[i];
        }
    }
    b->count = kept;
}

bool
from_book_put(struct from_book *b, const struct view *view, uint64_t day,
              struct buf *out)
{
    size_t put = 0;

    merge_from(b);
    if (b->count > 0) {
        qsort(b->rows, b->count, sizeof(*b->rows), compare_age);
    }
    for (size_t i = 0; i < b->count && put < DAYBOOK_FROM_MAX; i++) {
        const struct from_row *row = &b->rows[i];

        if (row->last_day + DAYBOOK_DAYS < day || row->last_day > day + 1 ||
            view_has_active_key(view, row->domain)) {
            continue;
        }
        buf_printf(out, "%s %llu %llu %llu\n", row->domain,
                   (unsigned long long)row->first_day,
                   (unsigned long long)row->last_day,
                   (unsigned long long)row->count);
        put++;
    }
    return !buf_failed(out);
}

void
from_book_free(struct from_book **b)
{
    if (*b != NULL) {
        strings_free(&(*b)->strings);
        free((*b)->rows);
        free(*b);
        *b = NULL;
    }
}
