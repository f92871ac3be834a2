/*
 * strings - memory for many small things that are given back together.
 *
 * Views, users.conf and the key store hold some hundred thousand short
 * strings; each is a piece of a large block here. Everything is wiped when it
 * is given back, since some of it is secret.
 */
#ifndef PROXY_USERS_STRINGS_H
#define PROXY_USERS_STRINGS_H

#include <base/bytes.h>

struct strings_block;

/* Zero is empty and usable. */
struct strings {
    struct strings_block *blocks; /* private */
};

/* count objects of size octets, aligned for any type, zeroed. NULL: no
 * memory (or an overflow). count 0 gives a pointer that holds nothing. */
void *strings_array(struct strings *s, size_t count, size_t size);
/* A NUL-terminated copy. NULL: no memory. */
char *strings_copy(struct strings *s, struct bytes text);
/* The same with ASCII letters in lower case. */
char *strings_lower(struct strings *s, struct bytes text);
/* What from has belongs to s now; from is empty. */
void strings_take(struct strings *s, struct strings *from);
void strings_free(struct strings *s);

#endif
