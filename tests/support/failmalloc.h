/*
 * failmalloc - memory that ends after a number of allocations.
 *
 * For programs linked with --wrap for what allocates (Makefile.am:
 * failmalloc_ldflags): what our own code allocates fails, and goes on failing
 * until there is memory again; what a library allocates for itself does not.
 */
#ifndef TESTS_SUPPORT_FAILMALLOC_H
#define TESTS_SUPPORT_FAILMALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* Allocations that still succeed; SIZE_MAX, as at the start: all of them. */
extern size_t failmalloc_left;
/* One fails and those behind it succeed: what nobody noticed goes through. */
extern bool failmalloc_once;
/* Only what is allocated while it is true counts and fails; NULL: all. */
extern const bool *failmalloc_while;

/* One allocation more, of a library that lets us make its own: does it fail? */
bool failmalloc_fails(void);

#endif
