/*
 * worker_dovecots - a worker's connections to Dovecot's auth services, one
 * for each socket that listeners name.
 */
#ifndef PROXY_WORKER_DOVECOTS_H
#define PROXY_WORKER_DOVECOTS_H

#include <proxy/worker.h>

/* Makes w->dovecots. False: no memory; what was made is freed as ever. */
bool worker_dovecots_new(struct worker *w);
void worker_dovecots_free(struct worker *w);

#endif
