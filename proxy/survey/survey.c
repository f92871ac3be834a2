/*
 * survey - what DNS says about many keys; see survey.h.
 *
 * look.h finds what there is to be seen, judge.h says what it means.
 */
#include "proxy/survey/survey.h"

#include "proxy/survey/judge.h"
#include "proxy/survey/look.h"

#include <stdlib.h>
#include <time.h>

struct call {
    const struct survey *survey;
    const struct seen_question *questions;
    struct dns_question *names; /* owns */
    struct look_name *looks;    /* owns */
    struct seen *seen;
};

static bool
on_sights(void *arg, size_t index, const struct sight *sights, size_t count)
{
    const struct call *c = arg;
    struct seen *seen = &c->seen[index];

    seen->at = calloc(count == 0 ? 1 : count, sizeof(*seen->at));
    if (seen->at == NULL) {
        return false;
    }
    seen->time_s = (uint64_t)time(NULL);
    seen->count = count;
    for (size_t i = 0; i < count; i++) {
        judge_sight(&c->questions[index], &sights[i], &seen->at[i]);
    }
    return true;
}

static void
on_progress(void *arg, size_t done, size_t count)
{
    const struct call *c = arg;

    if (c->survey->progress != NULL) {
        c->survey->progress(c->survey->progress_arg, done, count);
    }
}

/* A name that is too long is asked about by its domain: nothing is there. */
static void
name_question(const struct seen_question *q, struct dns_question *name)
{
    if (!dkim_key_question(q->selector, q->domain, name)) {
        (void)bytes_copy(bytes_take(bytes_str(q->domain), DNS_NAME_MAX),
                         name->name, sizeof(name->name));
    }
}

bool
survey_ask(void *arg, const struct seen_question *questions, size_t count,
           struct seen *seen_out)
{
    struct call c = { .survey = arg, .questions = questions, .seen = seen_out };
    struct look_options options = { .dns = c.survey->dns,
                                    .done = on_sights,
                                    .progress = on_progress,
                                    .arg = &c };
    unsigned roles = c.survey->prove == CONF_PROVE_RESOLVER
                         ? LOOK_RESOLVER
                         : LOOK_OWNER | LOOK_TARGET | LOOK_RESOLVER;
    bool good;

    memset(seen_out, 0, count * sizeof(*seen_out));
    c.names = calloc(count + 1, sizeof(*c.names));
    c.looks = calloc(count + 1, sizeof(*c.looks));
    good = c.names != NULL && c.looks != NULL;
    for (size_t i = 0; good && i < count; i++) {
        name_question(&questions[i], &c.names[i]);
        c.looks[i] = (struct look_name){ .name = c.names[i].name,
                                         .target = questions[i].target,
                                         .type = RAW_TYPE_TXT,
                                         .roles = roles };
    }
    good = good && look(&options, c.looks, count);
    free(c.names);
    free(c.looks);
    for (size_t i = 0; !good && i < count; i++) {
        free(seen_out[i].at);
        seen_out[i] = (struct seen){ 0 };
    }
    return good;
}
