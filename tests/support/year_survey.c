/*
 * year_survey - what the servers of year.h say, and the book of what was shown.
 */
#include "tests/support/cmocka.h"
#include "tests/support/year_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOUR_S = 3600,
    TTL_S = 300,
    OWNER_TTL_S = 3600,
    NEGATIVE_S = 5 * HOUR_S /* over 4 h: it must be waited for */
};

/* --- what servers say --------------------------------------------------- */

/* The text behind the name: through the owner's server, then a copy of the
 * zone. "" when there is nothing. */
static const char *
text_at(const struct year_name *n, unsigned owner, unsigned target)
{
    if (!n->owner_has[owner]) {
        return "";
    }
    return n->ours ? n->target[target] : n->owner_text;
}

static enum seen_what
what_of(const char *text, const char *public_b64)
{
    if (text[0] == '\0') {
        return SEEN_MISSING;
    }
    if (strcmp(text, "p=") == 0) {
        return SEEN_REVOKED;
    }
    return public_b64[0] != '\0' && strcmp(text + 2, public_b64) == 0
               ? SEEN_KEY
               : SEEN_OTHER;
}

static void
set_times(struct seen_at *at, uint32_t ttl_s)
{
    at->ttl_s = at->what == SEEN_MISSING ? 0 : ttl_s;
    at->negative_s = at->what == SEEN_MISSING ? NEGATIVE_S : 0;
}

static void
answer_owner(const struct year *y, const struct year_name *n,
             const char *public_b64, unsigned server, struct seen_at *at)
{
    at->role = SEEN_OWNER;
    snprintf(at->server, sizeof(at->server), "o%u.%s [192.0.2.%u]", server,
             n->domain, server);
    if (server == 1 && year_is_out(y, YEAR_OUT_SERVER)) {
        at->what = SEEN_SILENT;
    } else if (!n->owner_has[server]) {
        at->what = SEEN_MISSING;
    } else {
        at->what = n->ours ? SEEN_CNAME : what_of(n->owner_text, public_b64);
    }
    set_times(at, OWNER_TTL_S);
}

static void
answer_target(const struct year_name *n, const char *public_b64,
              unsigned server, struct seen_at *at)
{
    at->role = SEEN_TARGET;
    snprintf(at->server, sizeof(at->server), "t%u [198.51.100.%u]", server,
             server);
    at->what = what_of(n->target[server], public_b64);
    set_times(at, TTL_S);
}

static void
answer_resolver(struct year *y, struct year_name *n, const char *public_b64,
                unsigned server, struct seen_at *at)
{
    struct year_cache *c = n->cache + server;

    at->role = SEEN_RESOLVER;
    snprintf(at->server, sizeof(at->server), "r%u", server);
    if (y->now_s >= c->until_s || c->until_s > y->now_s + 2 * NEGATIVE_S) {
        snprintf(c->text, sizeof(c->text), "%s",
                 text_at(n, (unsigned)year_random(y, YEAR_OWNERS),
                         (unsigned)year_random(y, YEAR_TARGETS)));
        c->until_s = y->now_s + (c->text[0] == '\0' ? NEGATIVE_S : TTL_S);
    }
    at->what = what_of(c->text, public_b64);
    set_times(at, TTL_S);
}

static void
spoil(struct year *y, struct seen_at *at)
{
    static const enum seen_what lies[] = { SEEN_OTHER, SEEN_MISSING,
                                           SEEN_BROKEN, SEEN_REVOKED };

    if (year_chance(y, y->faults.silent)) {
        at->what = SEEN_SILENT;
    } else if (year_chance(y, y->faults.lying)) {
        at->what = lies[year_random(y, 4)];
        set_times(at, TTL_S);
    }
}

/* --- the book ----------------------------------------------------------- */

struct counts {
    unsigned good, bad, missing;
};

/* As the issue says it, not as the planner does. */
static bool
was_complete(const struct year *y, struct year_name *n, const struct seen *seen)
{
    struct counts counts[SEEN_RESOLVER + 1] = { { 0, 0, 0 } };
    unsigned left_out = 0;

    for (size_t i = 0; i < seen->count; i++) {
        const struct seen_at *at = seen->at + i;
        struct counts *c = counts + at->role;

        if (at->what == SEEN_KEY || at->what == SEEN_CNAME) {
            c->good++;
        } else if (at->what != SEEN_SILENT && at->what != SEEN_BROKEN) {
            c->bad++;
        } else if (at->role == SEEN_RESOLVER) {
            c->bad += at->what == SEEN_BROKEN;
        } else if (n->silent_s[i] == 0 ||
                   y->now_s - n->silent_s[i] < 24 * HOUR_S) {
            c->missing++;
        } else {
            left_out++;
        }
    }
    n->lost = (counts[SEEN_OWNER].good == 0 && counts[SEEN_OWNER].bad > 0) ||
              (counts[SEEN_TARGET].good == 0 && counts[SEEN_TARGET].bad > 0);
    if (left_out > 0 && counts[SEEN_RESOLVER].good < 2) {
        return false;
    }
    if (counts[SEEN_RESOLVER].good == 0 || counts[SEEN_RESOLVER].bad > 0 ||
        counts[SEEN_OWNER].good == 0 || counts[SEEN_OWNER].bad > 0 ||
        counts[SEEN_OWNER].missing > 0) {
        return false;
    }
    return !n->ours ||
           (counts[SEEN_TARGET].good > 0 && counts[SEEN_TARGET].bad == 0 &&
            counts[SEEN_TARGET].missing == 0);
}

uint64_t
year_least_wait(const struct year_name *n)
{
    uint64_t least_s = (n->ours && n->used ? 24 : 4) * HOUR_S;

    return n->wait_s > least_s ? n->wait_s : least_s;
}

static void
keep_book(struct year *y, struct year_name *n, const struct seen *seen,
          const char *public_b64)
{
    bool contrary = false;

    if (strcmp(n->public_b64, public_b64) != 0) { /* another key is in it */
        snprintf(n->public_b64, sizeof(n->public_b64), "%s", public_b64);
        n->complete_s = 0;
        n->wait_s = 0;
        n->proved = false;
    }
    for (size_t i = 0; i < seen->count; i++) {
        const struct seen_at *at = seen->at + i;
        bool silent = at->what == SEEN_SILENT || at->what == SEEN_BROKEN;

        n->silent_s[i] = !silent               ? 0
                         : n->silent_s[i] == 0 ? y->now_s
                                               : n->silent_s[i];
        if (n->silent_s[i] > y->now_s) {
            n->silent_s[i] = y->now_s;
        }
        if (!silent && at->what != SEEN_KEY && at->what != SEEN_CNAME) {
            uint64_t kept_s = at->ttl_s + at->negative_s;

            contrary = true;
            n->wait_s = kept_s > n->wait_s ? kept_s : n->wait_s;
        }
    }
    n->asked_s = y->now_s;
    n->complete = was_complete(y, n, seen);
    if (contrary) {
        n->complete_s = 0;
        n->proved = false;
    } else if (n->complete && n->complete_s == 0) {
        n->complete_s = y->now_s;
    }
    n->proved = n->proved || (n->complete && n->complete_s != 0 &&
                              n->complete_s + year_least_wait(n) <= y->now_s);
}

static struct year_name *
name_of(struct year *y, const struct seen_question *q)
{
    struct year_name *n = year_find(y, q->domain, q->selector);

    return n != NULL
               ? n
               : year_add_name(y, q->domain, q->selector, q->target[0] != '\0');
}

bool
year_survey(void *arg, const struct seen_question *questions, size_t count,
            struct seen *seen_out)
{
    struct year *y = arg;

    for (size_t i = 0; i < count; i++) {
        const struct seen_question *q = questions + i;
        struct year_name *n = name_of(y, q);
        struct seen *s = seen_out + i;

        assert_true(n->ours == (q->target[0] != '\0'));
        *s = (struct seen){ y->now_s, calloc(YEAR_SERVERS, sizeof(*s->at)), 0 };
        assert_non_null(s->at);
        if (year_chance(y, y->faults.unknown)) {
            n->complete = false;
            n->lost = false;
            continue;
        }
        for (unsigned k = 0; k < YEAR_OWNERS; k++) {
            answer_owner(y, n, q->public_b64, k, s->at + s->count++);
        }
        for (unsigned k = 0; n->ours && k < YEAR_TARGETS; k++) {
            answer_target(n, q->public_b64, k, s->at + s->count++);
        }
        for (unsigned k = 0; k < YEAR_RESOLVERS; k++) {
            answer_resolver(y, n, q->public_b64, k, s->at + s->count++);
        }
        for (size_t k = 0; k < s->count; k++) {
            spoil(y, s->at + k);
        }
        if (q->public_b64[0] != '\0') {
            keep_book(y, n, s, q->public_b64);
        }
    }
    return true;
}
