/*
 * sights - what the servers of one name have said so far; for look.c.
 *
 * At most LOOK_SIGHTS_MAX; a sight is known by its number while questions are
 * under way.
 *
 * OWNERSHIP
 *   sights_init()    the caller's until sights_free(), which may come twice
 *   sights_add()     lends until sights_drop() or sights_end()
 *   sights_answer()  keeps a reference of its own to the answer
 */
#ifndef PROXY_SURVEY_SIGHTS_H
#define PROXY_SURVEY_SIGHTS_H

#include <proxy/survey/look.h>

struct sights {
    struct sight *list;
    size_t count;
    uint64_t no_way; /* bit a sight: IPv6 that this machine has not */
};

/* False: no memory. */
bool sights_init(struct sights *s);
void sights_free(struct sights *s);

/* One that waits for its answer. NULL: there are enough. */
struct sight *sights_add(struct sights *s, enum seen_role role,
                         const char *server, const char *name);

/* What list[n] has said. no_way: nothing, for this machine has no IPv6.
 * answer NULL unless end is ANSWERED. */
void sights_answer(struct sights *s, size_t n, enum direct_end end, bool no_way,
                   struct raw_answer *answer);

/* Without those of this role; numbers change. */
void sights_drop(struct sights *s, enum seen_role role);

/*
 * As they are handed over: by role and server. A machine without IPv6 says
 * nothing about the IPv6 addresses of a server: these go, unless they are all
 * that there is.
 */
void sights_end(struct sights *s);

#endif
