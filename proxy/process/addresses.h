/*
 * addresses - how many connections each client address has now.
 *
 * An address that has none takes no memory, so the connections' own limit
 * bounds the table. Hashed under a random key: clients choose addresses.
 */
#ifndef PROXY_PROCESS_ADDRESSES_H
#define PROXY_PROCESS_ADDRESSES_H

#include <stdbool.h>

struct addresses;

/* NULL: no memory. */
struct addresses *addresses_new(void);
void addresses_free(struct addresses **a);

unsigned addresses_count(const struct addresses *a, const char *address);
/* False: no memory. */
bool addresses_add(struct addresses *a, const char *address);
void addresses_remove(struct addresses *a, const char *address);

#endif
