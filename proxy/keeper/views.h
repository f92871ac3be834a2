/*
 * views - views of users and keys as they come from the keeper: unpacked some
 * entries a turn of the loop, so that no session waits for 100 000 of them.
 *
 * The old view serves until the new one is whole, and goes on when the new one
 * can't be read. What comes while one is unpacked waits behind it, the newest
 * alone: who reloads in quick succession gets each view late, but gets one.
 */
#ifndef PROXY_KEEPER_VIEWS_H
#define PROXY_KEEPER_VIEWS_H

#include <event2/event.h>

#include <proxy/users/view.h>

struct views;

/* A new one is whole. Pointers into the old one die with this call. */
typedef void views_callback(const struct view *view, void *arg);

/* base is lent until views_free(). NULL: no memory. */
struct views *views_new(struct event_base *base, views_callback *cb, void *arg);
/*
 * The keeper has sent one: fd, which is lent for the call, or -1 when there
 * was none. It is looked at only when its epoch is above all before it. A
 * small one is whole before this returns; cb is called from inside then.
 */
void views_take(struct views *v, uint64_t epoch, int fd);
/* The keeper is gone: forgets what is not whole; another one counts anew. */
void views_forget(struct views *v);
/* The newest that is whole; NULL before the first. Owned by v. */
const struct view *views_current(const struct views *v);
/* *v is NULL afterwards; NULL is fine. */
void views_free(struct views **v);

#endif
