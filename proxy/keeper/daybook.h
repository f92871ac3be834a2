/*
 * daybook - what the keeper remembers of the days: texts of two small files
 * in STATE_DIR/keeper, which commands read.
 *
 *   last-signed   USER SECONDS DOMAIN SELECTOR
 *                 the last signature of each user and its key; the time is
 *                 since 1970; "[]" is the loopback identity
 *   seen-from     DOMAIN FIRST_DAY LAST_DAY COUNT
 *                 From domains of the last 30 days that have no key of their
 *                 own; days are since 1970-01-01
 *
 * Two keepers may live side by side for a while, so a file is read, merged
 * and replaced. A line that is none is left out. Pure: texts in and out.
 *
 * OWNERSHIP
 *   *_new()         caller owns the book until *_free()
 *   what is noted   is copied
 */
#ifndef PROXY_KEEPER_DAYBOOK_H
#define PROXY_KEEPER_DAYBOOK_H

#include <base/buf.h>

#include <proxy/users/view.h>

enum {
    DAYBOOK_OCTETS_MAX = 64 * 1024 * 1024, /* of a file */
    DAYBOOK_SIGNED_MAX = 200 * 1000,       /* lines that are kept */
    DAYBOOK_FROM_MAX = 10 * 1000,
    DAYBOOK_DAYS = 30
};

#define DAYBOOK_LOOPBACK "[]"

/* --- last-signed ---------------------------------------------------------- */

struct signed_row {
    const char *user; /* lower case */
    uint64_t time_s;
    const char *domain;
    const char *selector;
};

struct signed_book;

/* NULL: no memory. */
struct signed_book *signed_book_new(struct bytes text);
/* The later of two times of a user holds. False: no memory, or too many. */
bool signed_book_note(struct signed_book *b, const struct signed_row *row);
/* NULL: nothing is known of the user. Lent until the book is changed. */
const struct signed_row *signed_book_find(struct signed_book *b,
                                          const char *user);
/* The text, of users that the view has. False: no memory. */
bool signed_book_put(struct signed_book *b, const struct view *view,
                     struct buf *out);
void signed_book_free(struct signed_book **b);

/* --- seen-from ------------------------------------------------------------ */

struct from_book;

/* NULL: no memory. */
struct from_book *from_book_new(struct bytes text);
/* count more messages on that day. False: no memory. */
bool from_book_note(struct from_book *b, const char *domain, uint64_t day,
                    uint64_t count);
/*
 * The text as of that day, without what is older than DAYBOOK_DAYS, without
 * domains that have an active key in the view, and with the DAYBOOK_FROM_MAX
 * newest. False: no memory.
 */
bool from_book_put(struct from_book *b, const struct view *view, uint64_t day,
                   struct buf *out);
void from_book_free(struct from_book **b);

#endif
