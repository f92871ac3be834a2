/*
 * canon_ref - body canonicalization as RFC 6376 3.4 words it, step by step on
 * the whole body: slow, obvious, and what the streaming one is held against.
 */
#ifndef TESTS_CANON_REF_H
#define TESTS_CANON_REF_H

#include <base/buf.h>

#include <dkim/hash.h>

/* The caller frees it. */
struct buf canon_ref_body(enum dkim_canon_mode mode, struct bytes body);

#endif
