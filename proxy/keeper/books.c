/*
 * books - read, merged, replaced; see books.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <proxy/keeper/books.h>
#include <proxy/keeper/daybook.h>
#include <proxy/keys/replace.h>
#include <proxy/log/log.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DAY_S = 24 * 60 * 60
};

struct from_count {
    char domain[KEEPER_DOMAIN_MAX + 1];
    uint64_t count;
};

struct books {
    const char *state_dir; /* borrowed */
    bool signed_news;
    size_t from_count;
    struct from_count from[BOOKS_FROM_MAX];
    bool signed_failed, from_failed; /* main thread: it was said */
};

struct books_draft {
    struct signed_copy {
        char user[KEEPER_USER_MAX + 1];
        char domain[KEEPER_DOMAIN_MAX + 1];
        char selector[KEEPER_SELECTOR_MAX + 1];
        uint64_t time_s;
    } * copies; /* owns */
    size_t signed_count;
    size_t from_count;
    struct from_count from[BOOKS_FROM_MAX];
};

/* STATE_DIR/keeper, or a file in it. */
static void
put_path(const struct books *b, const char *name, struct buf *out)
{
    buf_printf(out, "%s/keeper%s%s", b->state_dir, name[0] == '\0' ? "" : "/",
               name);
}

struct books *
books_new(const struct server_conf *conf)
{
    static const struct replace_owner owner = { (uid_t)-1, (gid_t)-1, 0750 };
    struct books *b = calloc(1, sizeof(*b));
    struct buf path = BUF_INIT;

    if (b != NULL) {
        b->state_dir = conf->state_dir;
        put_path(b, "", &path);
        if (buf_str(&path) != NULL) {
            (void)replace_mkdir(buf_str(&path), &owner); /* mostly there */
        }
        buf_free(&path);
    }
    return b;
}

void
books_free(struct books **b)
{
    free(*b);
    *b = NULL;
}

bool
books_news(const struct books *b)
{
    return b->signed_news || b->from_count > 0;
}

bool
books_signed(struct books *b, struct identity *identity, const char *domain,
             const char *selector, uint64_t now_s)
{
    bool first = !books_news(b);

    (void)bytes_copy(bytes_str(domain), identity->signed_domain,
                     sizeof(identity->signed_domain));
    (void)bytes_copy(bytes_str(selector), identity->signed_selector,
                     sizeof(identity->signed_selector));
    identity->signed_s = now_s;
    identity->signed_news = true;
    b->signed_news = true;
    return first;
}

bool
books_from(struct books *b, struct bytes domain, uint32_t count)
{
    bool first = !books_news(b);
    size_t i = 0;

    while (i < b->from_count && !bytes_is(domain, b->from[i].domain)) {
        i++;
    }
    if (i == BOOKS_FROM_MAX) {
        return false;
    }
    if (i == b->from_count) {
        b->from[i].count = 0;
        if (!bytes_copy(domain, b->from[i].domain, sizeof(b->from[i].domain))) {
            return false;
        }
        b->from_count++;
    }
    b->from[i].count += count;
    return first;
}

/* --- taken under the lock ------------------------------------------------- */

static void
count_news(struct identity *id, void *arg)
{
    struct books_draft *d = arg;

    d->signed_count += id->signed_news;
}

static void
copy_news(struct identity *id, void *arg)
{
    struct books_draft *d = arg;
    struct signed_copy *copy = &d->copies[d->signed_count];

    if (!id->signed_news) {
        return;
    }
    id->signed_news = false;
    memcpy(copy->user, id->name, sizeof(copy->user));
    memcpy(copy->domain, id->signed_domain, sizeof(copy->domain));
    memcpy(copy->selector, id->signed_selector, sizeof(copy->selector));
    copy->time_s = id->signed_s;
    d->signed_count++;
}

static void
draft_free(struct books_draft **d)
{
    if (*d != NULL) {
        free((*d)->copies);
        free(*d);
        *d = NULL;
    }
}

struct books_draft *
books_take(struct books *b, struct identities *ids)
{
    struct books_draft *d = calloc(1, sizeof(*d));

    if (d == NULL) {
        return NULL;
    }
    identities_each(ids, count_news, d);
    d->copies = calloc(d->signed_count + 1, sizeof(*d->copies));
    if (d->copies == NULL) {
        draft_free(&d);
        return NULL;
    }
    d->signed_count = 0;
    identities_each(ids, copy_news, d);
    memcpy(d->from, b->from, b->from_count * sizeof(b->from[0]));
    d->from_count = b->from_count;
    b->from_count = 0;
    b->signed_news = false;
    return d;
}

/* --- written without it --------------------------------------------------- */

/* What the file holds; one that is missing is empty. False: errno. */
static bool
read_book(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    uint8_t octets[65536];
    ssize_t n = 1;

    if (fd < 0) {
        return errno == ENOENT;
    }
    while (n > 0 && out->len < DAYBOOK_OCTETS_MAX) {
        n = read(fd, octets, sizeof(octets));
        if (n > 0) {
            buf_put(out, bytes_make(octets, (size_t)n));
        }
    }
    close(fd);
    return n >= 0 && !buf_failed(out);
}

static bool
note_signed(const struct books_draft *d, struct signed_book *book)
{
    for (size_t i = 0; i < d->signed_count; i++) {
        const struct signed_copy *c = &d->copies[i];
        const struct signed_row row = { c->user[0] == '\0' ? DAYBOOK_LOOPBACK
                                                           : c->user,
                                        c->time_s, c->domain, c->selector };

        if (!signed_book_note(book, &row)) {
            return false;
        }
    }
    return true;
}

/* What is new, merged with what the file holds. */
typedef bool merge_news(const struct books_draft *d, struct bytes old,
                        const struct view *view, uint64_t now_s,
                        struct buf *out);

static bool
merge_signed(const struct books_draft *d, struct bytes old,
             const struct view *view, uint64_t now_s, struct buf *out)
{
    struct signed_book *book = signed_book_new(old);
    bool good = book != NULL && note_signed(d, book) &&
                signed_book_put(book, view, out);

    (void)now_s; /* each signature has its own time */
    signed_book_free(&book);
    return good;
}

static bool
merge_from(const struct books_draft *d, struct bytes old,
           const struct view *view, uint64_t now_s, struct buf *out)
{
    struct from_book *book = from_book_new(old);
    bool good = book != NULL;

    for (size_t i = 0; good && i < d->from_count; i++) {
        good = from_book_note(book, d->from[i].domain, now_s / DAY_S,
                              d->from[i].count);
    }
    good = good && from_book_put(book, view, now_s / DAY_S, out);
    from_book_free(&book);
    return good;
}

/* Said once, until it works again. */
static void
report(const char *path, bool good, int error, bool *said)
{
    if (!good && !*said) {
        log_event(LOG_LEVEL_WARN, "books",
                  "%s can't be written: %s; STATE_DIR/keeper must be a "
                  "directory of keys_user, which sealpostd makes when root "
                  "starts it",
                  path, strerror(error));
    }
    *said = !good;
}

struct book {
    const char *name; /* of its file */
    merge_news *merge;
    bool *failed; /* borrowed: it was said */
};

static void
write_one(const struct books *b, const struct books_draft *d,
          const struct book *book, const struct view *view, uint64_t now_s)
{
    static const struct replace_owner owner = { (uid_t)-1, (gid_t)-1, 0640 };
    struct buf path = BUF_INIT, old = BUF_INIT, text = BUF_INIT;
    bool good;

    put_path(b, book->name, &path);
    errno = ENOMEM;
    good = buf_str(&path) != NULL && read_book(buf_str(&path), &old);
    if (good) {
        errno = ENOMEM;
        good = book->merge(d, buf_bytes(&old), view, now_s, &text);
    }
    good = good && replace_file(buf_str(&path), buf_bytes(&text), &owner);
    report(buf_failed(&path) ? book->name : (const char *)path.ptr, good, errno,
           book->failed);
    buf_free(&path);
    buf_free(&old);
    buf_free(&text);
}

void
books_write(struct books *b, struct books_draft **dp, const struct view *view,
            uint64_t now_s)
{
    const struct book last_signed = { "last-signed", merge_signed,
                                      &b->signed_failed };
    const struct book seen_from = { "seen-from", merge_from, &b->from_failed };
    const struct books_draft *d = *dp;

    if (d->signed_count > 0) {
        write_one(b, d, &last_signed, view, now_s);
    }
    if (d->from_count > 0) {
        write_one(b, d, &seen_from, view, now_s);
    }
    draft_free(dp);
}
