/*
 * upkeep - what the main thread does when there is news; see server.h.
 *
 * A view of many keys is not cheap, so what workers say of faults is gathered
 * for a second: one that has gone mad can't keep the keeper busy with views.
 */
#include <proxy/clock.h>
#include <proxy/keeper/server.h>
#include <proxy/keeper/upkeep.h>
#include <proxy/log/log.h>
#include <time.h>
#include <unistd.h>

enum {
    VIEW_PAUSE_MS = 1000
};

static uint64_t
wall_s(void)
{
    return (uint64_t)time(NULL);
}

/* Locked. The main thread looks at what there is. */
static void
wake_main(struct server *s)
{
    const uint64_t one = 1;

    (void)!write(s->news_fd, &one, sizeof(one));
}

void
upkeep_seen(struct server *s, const struct view_key *key, enum keeper_seen word)
{
    if (faults_note(s->faults, key, word, wall_s())) {
        s->faults_news = true;
        wake_main(s);
    }
}

void
upkeep_refused(struct server *s, const char *domain, const char *selector)
{
    const struct view_key *key =
        view_key(data_notes(s->data), domain, selector);

    if (key != NULL) {
        upkeep_seen(s, key, KEEPER_SEEN_REFUSED);
    }
}

void
upkeep_signed(struct server *s, struct identity *identity, const char *domain,
              const char *selector)
{
    if (books_signed(s->books, identity, domain, selector, wall_s())) {
        wake_main(s);
    }
}

void
upkeep_from(struct server *s, struct bytes domain, uint32_t count)
{
    if (books_from(s->books, domain, count)) {
        wake_main(s);
    }
}

static void
log_faults(const struct keeper_data *data, size_t words)
{
    struct log_line l;
    size_t faulty = 0;

    for (size_t i = 0; i < view_key_count(data->view); i++) {
        faulty += view_key_at(data->view, i)->faulty;
    }
    log_begin(&l, LOG_LEVEL_INFO, "faults");
    log_number(&l, "epoch", data->epoch);
    log_number(&l, "faulty_keys", faulty);
    log_number(&l, "words", words);
    log_end(&l);
}

static void
publish_faults(struct server *s)
{
    struct keeper_data *data = NULL;
    struct keeper_data *base;
    struct faults *faults;

    server_lock(s);
    s->faults_news = false;
    base = server_data(s);
    faults = faults_copy(s->faults);
    server_unlock(s);
    if (faults != NULL) {
        data = data_with_faults(base, faults, base->epoch + 1);
    }
    data_drop(&base);
    if (data != NULL) {
        log_faults(data, faults_count(faults));
        reload_publish(s, data);
    } else {
        log_event(LOG_LEVEL_ERROR, "faults",
                  "no memory for a view of faulty keys; the next one shows "
                  "them");
    }
    faults_free(&faults);
}

static void
write_books(struct server *s)
{
    struct keeper_data *data;
    struct books_draft *draft;

    server_lock(s);
    draft = books_take(s->books, s->identities);
    data = server_data(s);
    server_unlock(s);
    if (draft != NULL) {
        books_write(s->books, &draft, data->view, wall_s());
    }
    data_drop(&data);
}

/* 0: now; else milliseconds from now until it may be done again. */
static uint64_t
rest_ms(uint64_t last_ms, uint64_t pause_ms, uint64_t now_ms)
{
    return last_ms == 0 || now_ms >= last_ms + pause_ms
               ? 0
               : last_ms + pause_ms - now_ms;
}

/* The shorter of two; -1: none. */
static int
sooner(int a_ms, uint64_t b_ms)
{
    return a_ms < 0 || b_ms < (uint64_t)a_ms ? (int)b_ms : a_ms;
}

int
upkeep_run(struct server *s, struct upkeep *u)
{
    uint64_t now_ms = clock_ms();
    uint64_t view_ms = rest_ms(u->view_ms, VIEW_PAUSE_MS, now_ms);
    uint64_t books_ms = rest_ms(u->books_ms, BOOKS_PAUSE_MS, now_ms);
    bool faults, books;
    int wait_ms = -1;

    server_lock(s);
    faults = s->faults_news;
    books = books_news(s->books);
    server_unlock(s);
    if (faults && view_ms == 0) {
        u->view_ms = now_ms;
        publish_faults(s);
    } else if (faults) {
        wait_ms = sooner(wait_ms, view_ms);
    }
    if (books && books_ms == 0) {
        u->books_ms = now_ms;
        write_books(s);
    } else if (books) {
        wait_ms = sooner(wait_ms, books_ms);
    }
    return wait_ms;
}

void
upkeep_end(struct server *s)
{
    if (books_news(s->books)) {
        write_books(s);
    }
}
