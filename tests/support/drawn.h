/*
 * drawn - surveys from a line of text.
 *
 * Words of two letters: the role (O owner, T target, R resolver) and what was
 * there (K key, C CNAME, M missing, X other, P p= empty, B broken, S silent):
 * "OC OC TK TK RK RK" is all well.
 */
#ifndef TESTS_SUPPORT_DRAWN_H
#define TESTS_SUPPORT_DRAWN_H

#include "proxy/domains/seen.h"

enum {
    DRAWN_MAX = 24
};

struct drawn {
    struct seen seen;
    struct seen_at at[DRAWN_MAX];
};

/* Every answer but a key's may be kept for ttl_s. Servers are "server 0" and
 * on. */
void draw(const char *text, uint32_t ttl_s, struct drawn *d);

#endif
