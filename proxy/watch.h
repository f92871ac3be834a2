/*
 * watch - asks DNS for the record of each key that signs, on a schedule.
 *
 * One worker of a generation does it (the keeper has no network). Each key
 * that is active, retiring, or proved is asked for once in a period, spread
 * over it. Two wrong answers in a row (no record, or one that is not this
 * key), the second after the first one's TTL, are an alarm, and the keeper is
 * told; so it is when the record is back. An error of DNS says nothing.
 *
 * OWNERSHIP
 *   watch_new()   lends base, resolver and keeper until watch_free()
 *   watch_view()  lends the view; what is needed of it is copied
 */
#ifndef PROXY_WATCH_H
#define PROXY_WATCH_H

#include <proxy/dns/resolver.h>
#include <proxy/keeper/client.h>

struct watch;

/* period_s: from one look at a key to the next; not 0. NULL: no memory. */
struct watch *watch_new(struct event_base *base, struct resolver *resolver,
                        struct keeper_client *keeper, unsigned period_s);
/* These are the keys soon: some are taken over each turn of the loop. view is
 * lent until the next one, or watch_free(). */
void watch_view(struct watch *w, const struct view *view);
/* *w is NULL afterwards; NULL is fine. Before its resolver and keeper. */
void watch_free(struct watch **w);

#endif
