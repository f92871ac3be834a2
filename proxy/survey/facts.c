/*
 * facts - all that DNS shows around one key; see facts.h.
 *
 * Two looks: at the record itself, and where that is not as it should be, at
 * the places where it may have gone instead.
 */
#include "proxy/survey/facts.h"

#include "proxy/survey/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

struct gathering {
    struct facts *list;
    const struct facts_options *options;
    struct look_name *names; /* owns */
    size_t *whose;           /* owns: index of the facts, by name */
    enum fact_place *places; /* owns */
    size_t count;
};

struct seen_question
facts_question(const struct fact_key *key)
{
    return (struct seen_question){ .domain = key->domain,
                                   .selector = key->selector,
                                   .target = key->target,
                                   .public_b64 = key->public_b64,
                                   .ed25519 = key->ed25519 };
}

/* --- names ---------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void
set_name(char *name, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(name, DNS_NAME_MAX + 1, format, args);
    va_end(args);
    if (n < 0 || n > DNS_NAME_MAX) {
        name[0] = '\0';
    }
}

static bool
set_names(struct facts *f)
{
    const char *d = f->key.domain;
    const char *s = f->key.selector;
    uint64_t random;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return false;
    }
    set_name(f->names[PLACE_RECORD], "%s._domainkey.%s", s, d);
    set_name(f->names[PLACE_ALIAS], "%s", f->names[PLACE_RECORD]);
    set_name(f->names[PLACE_RANDOM], "check-%016llx._domainkey.%s",
             (unsigned long long)random, d);
    set_name(f->names[PLACE_PREFIXED], "_domainkey.%s.%s", s, d);
    set_name(f->names[PLACE_BARE], "%s.%s", s, d);
    set_name(f->names[PLACE_PLAIN], "%s.domainkey.%s", s, d);
    set_name(f->names[PLACE_UNNAMED], "_domainkey.%s", d);
    set_name(f->names[PLACE_APEX], "%s", d);
    set_name(f->names[PLACE_DOUBLED], "%s._domainkey.%s.%s", s, d, d);
    return true;
}

/* --- looking -------------------------------------------------------------- */

static bool
on_sights(void *arg, size_t index, const struct sight *sights, size_t count)
{
    struct gathering *g = arg;
    struct facts *f = &g->list[g->whose[index]];
    enum fact_place place = g->places[index];
    struct sight *kept = calloc(count == 0 ? 1 : count, sizeof(*kept));

    if (kept == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        kept[i] = sights[i];
        if (kept[i].answer != NULL) {
            (void)raw_ref((struct raw_answer *)kept[i].answer);
        }
    }
    f->sights[place] = kept;
    f->counts[place] = count;
    return true;
}

static void
on_progress(void *arg, size_t done, size_t count)
{
    const struct gathering *g = arg;

    if (g->options->progress != NULL) {
        g->options->progress(g->options->arg, done, count);
    }
}

static unsigned
roles_of(const struct gathering *g, enum fact_place place)
{
    unsigned all = LOOK_OWNER | LOOK_TARGET | LOOK_RESOLVER;

    if (g->options->resolvers_only) {
        return LOOK_RESOLVER;
    }
    return place == PLACE_RECORD ? all : LOOK_OWNER;
}

static void
add_name(struct gathering *g, size_t whose, enum fact_place place)
{
    struct facts *f = &g->list[whose];

    if (f->names[place][0] == '\0') {
        return;
    }
    g->names[g->count] = (struct look_name){
        .name = f->names[place],
        .target = place == PLACE_RECORD ? f->key.target : "",
        .type = place == PLACE_ALIAS ? RAW_TYPE_CNAME : RAW_TYPE_TXT,
        .roles = roles_of(g, place),
    };
    g->whose[g->count] = whose;
    g->places[g->count++] = place;
}

static bool
look_now(struct gathering *g)
{
    struct look_options options = { .dns = g->options->dns,
                                    .done = on_sights,
                                    .progress = on_progress,
                                    .arg = g };
    bool good = look(&options, g->names, g->count);

    g->count = 0;
    return good;
}

/* Is the record as it should be wherever one was asked? */
static bool
is_well(const struct facts *f)
{
    struct seen_question q = facts_question(&f->key);
    bool found = false;

    for (size_t i = 0; i < f->counts[PLACE_RECORD]; i++) {
        const struct sight *sight = &f->sights[PLACE_RECORD][i];
        struct seen_at at;

        judge_sight(&q, sight, &at);
        if (at.role == SEEN_OWNER &&
            (at.what == SEEN_MISSING || at.what == SEEN_OTHER)) {
            return false;
        }
        found = found || at.what == SEEN_KEY;
    }
    return found;
}

static bool
gather(struct gathering *g, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!set_names(&g->list[i])) {
            return false;
        }
        for (enum fact_place p = PLACE_RECORD; p < PLACE_PREFIXED; p++) {
            add_name(g, i, p);
        }
    }
    if (!look_now(g)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        for (enum fact_place p = PLACE_PREFIXED;
             p < PLACES && !is_well(&g->list[i]); p++) {
            add_name(g, i, p);
        }
    }
    return look_now(g);
}

bool
facts_gather(struct facts *list, size_t count,
             const struct facts_options *options)
{
    struct gathering g = { .list = list, .options = options };
    size_t most = count * PLACES + 1;
    bool good;

    g.names = calloc(most, sizeof(*g.names));
    g.whose = calloc(most, sizeof(*g.whose));
    g.places = calloc(most, sizeof(*g.places));
    good = g.names != NULL && g.whose != NULL && g.places != NULL &&
           gather(&g, count);
    free(g.names);
    free(g.whose);
    free(g.places);
    return good;
}

void
facts_free(struct facts *facts)
{
    for (size_t p = 0; p < PLACES; p++) {
        for (size_t i = 0; i < facts->counts[p]; i++) {
            struct raw_answer *answer =
                (struct raw_answer *)facts->sights[p][i].answer;

            raw_free(&answer);
        }
        free(facts->sights[p]);
        facts->sights[p] = NULL;
        facts->counts[p] = 0;
    }
}
