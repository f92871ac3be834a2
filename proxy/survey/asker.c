/*
 * asker - many questions, a bounded number at a time; see asker.h.
 */
#include "proxy/survey/asker.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

struct asked {
    TAILQ_ENTRY(asked) link; /* of waiting or under_way */
    struct asker *asker;
    struct direct_options options;
    struct direct *direct; /* NULL: waiting */
    direct_callback *cb;
    void *arg;
};

TAILQ_HEAD(asked_list, asked);

struct asker {
    struct event_base *base; /* borrowed */
    struct event *start;     /* something waits, and there is a place */
    unsigned try_ms;
    size_t in_flight;
    struct asked_list waiting;
    struct asked_list under_way;
};

static void
start_next(struct asker *a)
{
    if (a->in_flight < ASKER_IN_FLIGHT_MAX && !TAILQ_EMPTY(&a->waiting)) {
        event_active(a->start, EV_TIMEOUT, 0);
    }
}

static void
asked_free(struct asked *q)
{
    direct_free(&q->direct);
    free(q);
}

static void
tell(struct asked *q, enum direct_end end, struct raw_answer *answer)
{
    q->cb(end, answer, q->arg);
    asked_free(q);
}

static void
on_direct(enum direct_end end, struct raw_answer *answer, void *arg)
{
    struct asked *q = arg;
    struct asker *a = q->asker;

    TAILQ_REMOVE(&a->under_way, q, link);
    a->in_flight--;
    tell(q, end, answer);
    start_next(a);
}

static void
on_start(evutil_socket_t fd, short what, void *arg)
{
    struct asker *a = arg;
    struct asked *q;

    (void)fd;
    (void)what;
    while (a->in_flight < ASKER_IN_FLIGHT_MAX &&
           (q = TAILQ_FIRST(&a->waiting)) != NULL) {
        TAILQ_REMOVE(&a->waiting, q, link);
        q->direct = direct_start(&q->options);
        if (q->direct == NULL) {
            tell(q, DIRECT_OURS, NULL);
            continue;
        }
        TAILQ_INSERT_TAIL(&a->under_way, q, link);
        a->in_flight++;
    }
}

bool
asker_ask(struct asker *a, const struct asker_question *question,
          direct_callback *cb, void *arg)
{
    struct asked *q = calloc(1, sizeof(*q));

    if (q == NULL ||
        !packet_name_make(question->name, &q->options.question.name)) {
        free(q);
        return false;
    }
    q->asker = a;
    q->cb = cb;
    q->arg = arg;
    q->options.base = a->base;
    q->options.server = question->server;
    q->options.question.type = (enum dns_type)question->type;
    q->options.question.edns = true;
    q->options.question.want_ad = question->recurse;
    q->options.question.no_recurse = !question->recurse;
    q->options.question.check_disabled = question->check_disabled;
    q->options.try_ms = a->try_ms;
    q->options.tries = ASKER_TRIES;
    q->options.cb = on_direct;
    q->options.arg = q;
    TAILQ_INSERT_TAIL(&a->waiting, q, link);
    start_next(a);
    return true;
}

struct asker *
asker_new(struct event_base *base, unsigned try_ms)
{
    struct asker *a = calloc(1, sizeof(*a));

    if (a == NULL) {
        return NULL;
    }
    a->base = base;
    a->try_ms = try_ms;
    TAILQ_INIT(&a->waiting);
    TAILQ_INIT(&a->under_way);
    a->start = evtimer_new(base, on_start, a);
    if (a->start == NULL) {
        asker_free(&a);
    }
    return a;
}

static void
drop(struct asked_list *list)
{
    struct asked *q;

    while ((q = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, q, link);
        asked_free(q);
    }
}

void
asker_free(struct asker **a)
{
    if (*a == NULL) {
        return;
    }
    drop(&(*a)->waiting);
    drop(&(*a)->under_way);
    if ((*a)->start != NULL) {
        event_free((*a)->start);
    }
    free(*a);
    *a = NULL;
}

const char *
asker_end_text(enum direct_end end)
{
    static const char *const texts[] = {
        [DIRECT_ANSWERED] = "it answered",
        [DIRECT_SILENT] = "no answer in time",
        [DIRECT_NOBODY] = "nobody listens there",
        [DIRECT_NO_ROUTE] = "no way there from this machine",
        [DIRECT_NO_TCP] = "the answer needs TCP, and TCP fails",
        [DIRECT_GARBLED] = "what came is no DNS answer",
        [DIRECT_OURS] = "no memory or no sockets here",
    };

    return texts[end];
}

const char *
asker_rcode_text(unsigned rcode, char *text)
{
    static const char *const names[] = { "NOERROR",  "FORMERR", "SERVFAIL",
                                         "NXDOMAIN", "NOTIMP",  "REFUSED" };

    if (rcode < sizeof(names) / sizeof(names[0])) {
        snprintf(text, 16, "%s", names[rcode]);
    } else {
        snprintf(text, 16, "RCODE %u", rcode & 0xfff);
    }
    return text;
}
