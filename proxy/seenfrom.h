/*
 * seenfrom - From domains of outbound mail that have no key of their own.
 *
 * Counted here and told to the keeper now and then, which keeps the record
 * (keeper/daybook.h): a domain that is not signed for, or only by its parent,
 * is something that `sealpost domain check` must know.
 */
#ifndef PROXY_SEENFROM_H
#define PROXY_SEENFROM_H

#include <event2/event.h>

#include <proxy/keeper/client.h>

struct seenfrom;

/* keeper is lent until seenfrom_free(). NULL: no memory. */
struct seenfrom *seenfrom_new(struct event_base *base,
                              struct keeper_client *keeper);
/* A message with this From domain is on its way; view decides whether it has
 * a key. s NULL: nothing is kept. Never waits; what can't be kept is lost. */
void seenfrom_note(struct seenfrom *s, const struct view *view,
                   const char *domain);
/* Tells what is left. *s is NULL afterwards; NULL is fine. */
void seenfrom_free(struct seenfrom **s);

#endif
