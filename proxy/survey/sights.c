/*
 * sights - what servers have said so far; see sights.h.
 */
#include "proxy/survey/sights.h"

#include "proxy/dns/internal.h"

#include <stdio.h>
#include <stdlib.h>

bool
sights_init(struct sights *s)
{
    *s = (struct sights){ .list = calloc(LOOK_SIGHTS_MAX, sizeof(*s->list)) };
    return s->list != NULL;
}

static void
sight_free(struct sight *sight)
{
    struct raw_answer *answer = (struct raw_answer *)sight->answer;

    raw_free(&answer);
    sight->answer = NULL;
}

void
sights_free(struct sights *s)
{
    for (size_t i = 0; i < s->count; i++) {
        sight_free(&s->list[i]);
    }
    free(s->list);
    s->list = NULL;
    s->count = 0;
}

struct sight *
sights_add(struct sights *s, enum seen_role role, const char *server,
           const char *name)
{
    struct sight *sight = &s->list[s->count];

    if (s->count == LOOK_SIGHTS_MAX) {
        return NULL;
    }
    s->count++;
    *sight = (struct sight){ .role = role, .end = DIRECT_OURS };
    snprintf(sight->server, sizeof(sight->server), "%.290s", server);
    snprintf(sight->name, sizeof(sight->name), "%s", name);
    return sight;
}

void
sights_answer(struct sights *s, size_t n, enum direct_end end, bool no_way,
              struct raw_answer *answer)
{
    s->list[n].end = end;
    s->list[n].answer = answer == NULL ? NULL : raw_ref(answer);
    if (no_way) {
        s->no_way |= UINT64_C(1) << n;
    }
}

static bool
has_way(const struct sights *s, enum seen_role role)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->list[i].role == role && (s->no_way & UINT64_C(1) << i) == 0) {
            return true;
        }
    }
    return false;
}

static void
drop_unreachable(struct sights *s)
{
    size_t kept = 0;
    bool goes[LOOK_SIGHTS_MAX];

    for (size_t i = 0; i < s->count; i++) {
        goes[i] =
            (s->no_way & UINT64_C(1) << i) != 0 && has_way(s, s->list[i].role);
    }
    for (size_t i = 0; i < s->count; i++) {
        if (!goes[i]) {
            s->list[kept++] = s->list[i];
        } else {
            sight_free(&s->list[i]);
        }
    }
    s->count = kept;
    s->no_way = 0;
}

void
sights_drop(struct sights *s, enum seen_role role)
{
    size_t kept = 0;

    drop_unreachable(s);
    for (size_t i = 0; i < s->count; i++) {
        if (s->list[i].role != role) {
            s->list[kept++] = s->list[i];
        } else {
            sight_free(&s->list[i]);
        }
    }
    s->count = kept;
}

static int
compare(const void *left, const void *right)
{
    const struct sight *a = left;
    const struct sight *b = right;

    if (a->role != b->role) {
        return a->role < b->role ? -1 : 1;
    }
    return strcmp(a->server, b->server);
}

void
sights_end(struct sights *s)
{
    drop_unreachable(s);
    qsort(s->list, s->count, sizeof(s->list[0]), compare);
}
