/*
 * hashcost - how long checking a password against this hash would take.
 *
 * A hash is data, and its cost is a number in it: one that asks for an hour
 * would hold a keeper thread for an hour. Refused when loaded is what takes
 * about a second or more: bcrypt above 14, SHA-512 above 2 000 000 rounds,
 * yescrypt beyond $y$jET$ (256 MiB).
 */
#ifndef PROXY_KEEPER_HASHCOST_H
#define PROXY_KEEPER_HASHCOST_H

#include <stdbool.h>

/* hash: a crypt(3) string. False: too dear, or not a kind that we know. */
bool hashcost_ok(const char *hash);

#endif
