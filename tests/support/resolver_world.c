/*
 * resolver_world - see resolver_world.h.
 */
#include "resolver_world.h"

#include "cmocka.h"
#include "proxy/clock.h"

#include <stdio.h>
#include <stdlib.h>

struct resolver *
world_resolver_new(struct world *w, const char *hosts)
{
    struct resolver_options o = { .nameservers = &w->list,
                                  .resolv_conf = "/nonexistent",
                                  .hosts = hosts,
                                  .try_ms = TRY_MS,
                                  .question_ms = QUESTION_MS };

    return resolver_new_with(w->base, &o);
}

int
world_set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    w->base = event_base_new();
    w->script = dns_script_new(w->base);
    snprintf(w->host[0], sizeof(w->host[0]), "127.0.0.1");
    w->addresses[0].host = w->host[0];
    w->addresses[0].port = dns_script_port(w->script);
    w->list.list = w->addresses;
    w->list.count = 1;
    w->r = world_resolver_new(w, "/nonexistent");
    assert_non_null(w->r);
    *state = w;
    return 0;
}

int
world_tear_down(void **state)
{
    struct world *w = *state;

    resolver_free(&w->r);
    dns_script_free(&w->script);
    event_base_free(w->base);
    free(w);
    return 0;
}

static void
on_answer(const struct dns_answer *answer, void *arg)
{
    struct got *g = arg;

    g->calls++;
    g->status = answer->status;
    g->count = answer->count;
    g->ttl_s = answer->ttl_s;
    g->authenticated = answer->authenticated;
    if (answer->count > 0) {
        g->octets = answer->records[0].data.len;
        (void)bytes_copy(bytes_take(answer->records[0].data, 63), g->text,
                         sizeof(g->text));
    }
    if (g->cancel != NULL) {
        dns_cancel(g->cancel);
    }
}

struct dns_query *
world_ask(struct world *w, const char *name, struct got *g)
{
    struct dns_question q = { .type = DNS_TXT };

    snprintf(q.name, sizeof(q.name), "%s", name);
    return dns_ask(w->r, &q, on_answer, g);
}

void
world_run_until(struct world *w, const unsigned *calls, unsigned want)
{
    uint64_t end = clock_ms() + 3000;

    while (*calls < want && clock_ms() < end) {
        event_base_loop(w->base, EVLOOP_ONCE);
    }
    assert_int_equal(*calls, want);
}

struct got
world_ask_and_wait(struct world *w, const char *name)
{
    struct got g = { 0 };

    assert_non_null(world_ask(w, name, &g));
    assert_int_equal(g.calls, 0); /* never from inside */
    world_run_until(w, &g.calls, 1);
    return g;
}
