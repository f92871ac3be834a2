/*
 * books - the keeper's day books (daybook.h) on the disk; private to the
 * keeper.
 *
 * What happens is gathered in memory and written by the main thread, at most
 * once a minute and at the end of life. A book that can't be written is said
 * once; nothing else suffers.
 */
#ifndef PROXY_KEEPER_BOOKS_H
#define PROXY_KEEPER_BOOKS_H

#include <base/bytes.h>

#include <proxy/config/conf.h>
#include <proxy/keeper/identities.h>
#include <proxy/users/view.h>

enum {
    BOOKS_PAUSE_MS = 60 * 1000,
    BOOKS_FROM_MAX = 1024 /* domains between two writings; more are lost */
};

struct books;

/* Makes STATE_DIR/keeper when it can: before confine(). NULL: no memory. */
struct books *books_new(const struct server_conf *conf);
void books_free(struct books **b);

/* Locked. The identity has signed with this key. True: there was no news. */
bool books_signed(struct books *b, struct identity *identity,
                  const char *domain, const char *selector, uint64_t now_s);
/* Locked. Messages with a From in domain, which may be anything. True: there
 * was no news. */
bool books_from(struct books *b, struct bytes domain, uint32_t count);

/* Locked. Something is not written yet. */
bool books_news(const struct books *b);

/* What there is to write: taken under the lock, written without it. */
struct books_draft;
/* Locked; NULL: no memory, it is kept for the next time. */
struct books_draft *books_take(struct books *b, struct identities *ids);
/* Unlocked, main thread. *d is NULL afterwards. */
void books_write(struct books *b, struct books_draft **d,
                 const struct view *view, uint64_t now_s);

#endif
