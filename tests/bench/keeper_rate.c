/*
 * keeper_rate - signatures a second, through the protocol.
 *
 *   tests/bench/keeper_rate [THREADS [SECONDS]]
 *
 * One worker keeps 20 requests in flight, spread over 10 users. Also what a
 * light user gets beside one with an RSA-4096 key who always has 10 waiting.
 */
#include "tests/support/keeper_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    USERS_EACH = 10,
    RSA_FROM = 0,
    BIG_FROM = USERS_EACH,
    ED25519_FROM = USERS_EACH + 1,
    USERS = 2 * USERS_EACH + 1,
    IN_FLIGHT = 20
};

struct load {
    struct worker_end *end;
    struct keeper_handle handles[USERS];
    unsigned from;
    unsigned users;
    unsigned next;
    unsigned long done;
    unsigned long failed;
    unsigned pending;
    bool ending;
    enum dkim_alg alg;
};

static double
now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ask(struct load *l);

static void
on_answer(const struct keeper_reply *reply, void *arg)
{
    struct load *l = arg;

    l->pending--;
    l->done++;
    l->failed += reply->status != KEEPER_OK;
    if (!l->ending) {
        ask(l);
    }
}

static void
ask(struct load *l)
{
    static const uint8_t digest[32] = { 1 };
    unsigned user = l->from + l->next++ % l->users;
    char domain[64];

    (void)snprintf(domain, sizeof(domain), "user%u.example", user);
    l->pending += keeper_sign(l->end->client, &l->handles[user], domain, "s1",
                              l->alg, digest, on_answer, l) != NULL;
}

static struct load
make_load(struct worker_end *e, unsigned from, unsigned users,
          enum dkim_alg alg)
{
    struct load l = { .end = e, .from = from, .users = users, .alg = alg };

    for (unsigned i = from; i < from + users; i++) {
        char name[32], secret[32];

        (void)snprintf(name, sizeof(name), "user%u", i);
        (void)snprintf(secret, sizeof(secret), "secret-%u", i);
        l.handles[i] = worker_auth(e, name, secret).handle;
    }
    return l;
}

static void
turn(struct load *loads, size_t count, double seconds)
{
    double end = now_s() + seconds;
    bool more;

    do {
        more = now_s() < end;
        for (size_t i = 0; i < count; i++) {
            loads[i].ending = !more;
            more = more || loads[i].pending > 0;
        }
        (void)event_base_loop(loads[0].end->base,
                              more ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
    } while (more);
}

/* The first second fills the cache and is not counted. */
static void
measure(const char *name, struct load *loads, size_t count, double seconds)
{
    static const unsigned in_flight[2] = { IN_FLIGHT, 10 };
    double start;

    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count; i++) {
            loads[i].done = loads[i].failed = 0;
            loads[i].ending = false;
            for (unsigned k = 0; k < in_flight[i]; k++) {
                ask(&loads[i]);
            }
        }
        start = now_s();
        turn(loads, count, pass == 0 ? 1.0 : seconds);
    }
    seconds = now_s() - start;
    printf("%-28s %8.0f/s", name, (double)loads[0].done / seconds);
    if (count > 1) {
        printf("   heavy %6.0f/s", (double)loads[1].done / seconds);
    }
    printf("%s\n", loads[0].failed > 0 ? "   FAILURES" : "");
}

int
main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
    double seconds = argc > 2 ? atof(argv[2]) : 3;
    struct world *w = world_new(USERS, USERS_EACH, 1, WORLD_CHEAP_HASH);
    struct worker_end e;
    struct load rsa, ed, mixed[2];

    if (!world_start(w, threads)) {
        fprintf(stderr, "the keeper did not start; see %s\n", w->log_path);
        return 1;
    }
    worker_end_open(&e, w);
    rsa = make_load(&e, RSA_FROM, USERS_EACH, DKIM_ALG_RSA_SHA256);
    ed = make_load(&e, ED25519_FROM, USERS_EACH, DKIM_ALG_ED25519_SHA256);
    mixed[1] = make_load(&e, BIG_FROM, 1, DKIM_ALG_RSA_SHA256);
    measure("RSA-2048", &rsa, 1, seconds);
    measure("Ed25519", &ed, 1, seconds);
    mixed[0] = rsa;
    measure("RSA-2048 beside RSA-4096", mixed, 2, seconds);
    mixed[0] = ed;
    measure("Ed25519 beside RSA-4096", mixed, 2, seconds);
    worker_end_close(&e);
    world_free(&w);
    return 0;
}
