/*
 * health - looks after each address of an [upstream] at intervals.
 *
 * Private to proxy/upstream. A check is a connection of its own: greeting,
 * EHLO (LHLO), TLS as for mail, NOOP, QUIT; nobody logs in.
 */
#ifndef PROXY_UPSTREAM_HEALTH_H
#define PROXY_UPSTREAM_HEALTH_H

#include "proxy/upstream/link.h"

/* With health_interval. NULL: no memory. */
struct health *health_new(struct upstream *u);
/* *h is NULL afterwards; NULL is fine. */
void health_free(struct health **h);

#endif
