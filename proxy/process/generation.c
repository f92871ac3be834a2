/*
 * generation - see generation.h.
 */
#include "proxy/process/generation.h"

#include "proxy/clock.h"
#include "proxy/log/log.h"
#include "proxy/process/child.h"
#include "proxy/process/outfit.h"
#include "proxy/stats/stats.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    START_S = 120,          /* keeper and workers must be ready by then */
    GRACE_S = 10,           /* beyond its own deadline a worker is stuck */
    KEEPER_AGAIN_MS = 1000, /* how often a worker may ask for it */
    DELAY_MAX_MS = 30000
};

enum phase {
    PHASE_KEEPER,
    PHASE_STARTING,
    PHASE_SERVING,
    PHASE_ENDING
};

struct worker_child {
    struct generation *generation;
    unsigned slot;
    unsigned stats;      /* its slot of the shared memory */
    pid_t pid;           /* 0: none now */
    int control;         /* -1 with pid 0 */
    struct event *input; /* on control */
    struct event *again; /* the next attempt */
    bool ready;
    bool adopted; /* another program has started it */
    uint64_t started_ms;
    uint64_t keeper_ms; /* was last given a connection to it */
    unsigned delay_ms;
};

struct generation {
    const struct generation_env *env; /* borrowed */
    struct conf *conf;                /* owns; and outfit's descriptor of it */
    struct outfit outfit;
    generation_callback *callback;
    void *arg;
    enum phase phase;
    int code;
    struct event *timer; /* the start took too long; or: tell that it ended */
    struct worker_child *workers;
    unsigned count;
};

static void
plan(struct event *event, unsigned ms)
{
    struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

    event_add(event, &tv);
}

static void
fail(struct generation *g, int code)
{
    g->code = code == 0 ? EX_SOFTWARE : code;
    g->phase = PHASE_ENDING;
    event_del(g->timer);
    g->callback(g, GENERATION_FAILED, g->arg);
}

/* --- one worker --------------------------------------------------------- */

static void
forget(struct worker_child *c)
{
    if (c->input != NULL) {
        event_free(c->input);
        c->input = NULL;
    }
    if (c->control >= 0) {
        (void)close(c->control);
    }
    if (c->pid > 0) {
        stats_slot_release(c->generation->env->stats, c->stats);
        c->stats = STATS_NO_SLOT;
    }
    c->control = -1;
    c->pid = 0;
    c->ready = false;
}

static void
send_keeper(struct worker_child *c)
{
    c->keeper_ms = clock_ms();
    outfit_send_keeper(&c->generation->outfit, c->control);
}

static bool
send_start(struct worker_child *c)
{
    c->keeper_ms = clock_ms();
    return outfit_send(&c->generation->outfit, c->control, c->slot, &c->stats);
}

static bool
all_ready(const struct generation *g)
{
    for (unsigned i = 0; i < g->count; i++) {
        if (!g->workers[i].ready) {
            return false;
        }
    }
    return true;
}

static void
on_control(evutil_socket_t fd, short what, void *arg)
{
    struct worker_child *c = arg;
    struct generation *g = c->generation;
    struct control_message m;

    (void)what;
    switch (control_receive(fd, &m)) {
    case CONTROL_END:
        event_del(c->input); /* SIGCHLD tells the rest */
        return;
    case CONTROL_MORE:
        return;
    default:
        break;
    }
    if (m.fd >= 0) {
        (void)close(m.fd); /* workers have none to give */
    }
    if (m.kind == CONTROL_KEEPER_LOST &&
        clock_ms() - c->keeper_ms >= KEEPER_AGAIN_MS) {
        send_keeper(c);
    }
    if (m.kind != CONTROL_READY) {
        return;
    }
    c->ready = true;
    if (g->phase == PHASE_STARTING && all_ready(g)) {
        g->phase = PHASE_SERVING;
        event_del(g->timer);
        g->callback(g, GENERATION_READY, g->arg);
    }
}

static void
start_again(struct worker_child *c)
{
    c->delay_ms = child_pause_ms(c->started_ms, c->delay_ms, DELAY_MAX_MS);
    plan(c->again, c->delay_ms);
}

static bool
listen_to(struct worker_child *c)
{
    c->input = event_new(c->generation->env->base, c->control,
                         EV_READ | EV_PERSIST, on_control, c);
    return c->input != NULL && event_add(c->input, NULL) == 0;
}

static void
start(struct worker_child *c)
{
    c->started_ms = clock_ms();
    c->pid = child_start_worker(c->slot, &c->control);
    if (c->pid < 0) {
        log_event(LOG_LEVEL_ERROR, "worker-failed", "cannot start it: %s",
                  strerror(errno));
        c->pid = 0;
        start_again(c);
        return;
    }
    c->adopted = false;
    if (!listen_to(c) || !send_start(c)) {
        /* Half of it would wait for ever, or miss a listener. */
        log_event(LOG_LEVEL_ERROR, "worker-failed",
                  "cannot give it what it needs: %s", strerror(errno));
        (void)kill(c->pid, SIGKILL); /* SIGCHLD tells the rest */
    }
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
    struct worker_child *c = arg;

    (void)fd;
    (void)what;
    if (c->generation->phase != PHASE_ENDING && c->pid == 0) {
        start(c);
    }
}

static void
log_death(const struct worker_child *c, int status)
{
    bool fault = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    struct log_line l;

    log_begin(&l, fault ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
              fault ? "worker-died" : "worker-ended");
    log_number(&l, "slot", c->slot);
    log_number(&l, "pid", (uint64_t)c->pid);
    child_log_status(&l, status);
    log_end(&l);
}

/* --- all of them -------------------------------------------------------- */

static bool
is_empty(const struct generation *g)
{
    for (unsigned i = 0; i < g->count; i++) {
        if (g->workers[i].pid != 0) {
            return false;
        }
    }
    return true;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct generation *g = arg;

    (void)fd;
    (void)what;
    if (g->phase == PHASE_ENDING && is_empty(g)) {
        g->callback(g, GENERATION_ENDED, g->arg);
        return;
    }
    if (g->phase == PHASE_ENDING) {
        log_event(LOG_LEVEL_ERROR, "worker-stuck",
                  "workers that should have ended are killed");
        generation_kill(g);
        return;
    }
    log_event(LOG_LEVEL_ERROR, "start-failed",
              "keeper and workers were not ready within %d s", START_S);
    fail(g, EX_TEMPFAIL);
}

struct generation *
generation_new(const struct generation_env *env, struct conf *conf, int conf_fd,
               unsigned keeper, generation_callback *cb, void *arg)
{
    struct generation *g = calloc(1, sizeof(*g));

    if (g == NULL) {
        conf_free(&conf);
        (void)close(conf_fd);
        return NULL;
    }
    g->env = env;
    g->conf = conf;
    g->outfit =
        (struct outfit){ env, conf, conf_fd, keeper, conf->server.workers };
    g->callback = cb;
    g->arg = arg;
    g->timer = evtimer_new(env->base, on_timer, g);
    g->workers = calloc(conf->server.workers, sizeof(*g->workers));
    if (g->timer == NULL || g->workers == NULL) {
        generation_free(&g);
        return NULL;
    }
    for (unsigned i = 0; i < conf->server.workers; i++) {
        struct worker_child *c = &g->workers[i];

        *c = (struct worker_child){ .generation = g, .slot = i, .control = -1 };
        c->again = evtimer_new(env->base, on_again, c);
        g->count++;
        if (c->again == NULL) {
            generation_free(&g);
            return NULL;
        }
    }
    plan(g->timer, START_S * 1000);
    return g;
}

static void
adopt(struct generation *g, const struct handover_worker *w)
{
    struct worker_child *c = &g->workers[w->slot];

    c->pid = w->pid;
    c->control = w->control;
    c->ready = true;
    c->adopted = true;
    c->started_ms = clock_ms();
    if (!listen_to(c)) {
        (void)kill(c->pid, SIGKILL); /* as if it had died: another starts */
    }
}

struct generation *
generation_adopt(const struct generation_env *env, struct conf *conf,
                 const struct handover *h, generation_callback *cb, void *arg)
{
    struct generation *g =
        generation_new(env, conf, h->conf_fd, h->keeper, cb, arg);

    if (g == NULL) {
        return NULL;
    }
    event_del(g->timer);
    g->phase = PHASE_SERVING;
    for (size_t i = 0; i < h->worker_count; i++) {
        if (h->workers[i].slot < g->count) {
            adopt(g, &h->workers[i]);
        }
    }
    for (unsigned i = 0; i < g->count; i++) {
        if (g->workers[i].pid == 0) {
            start_again(&g->workers[i]);
        }
    }
    return g;
}

bool
generation_hand_over(const struct generation *g, struct handover *h)
{
    h->keeper = g->outfit.keeper;
    h->conf_fd = g->outfit.conf_fd;
    for (unsigned i = 0; i < g->count; i++) {
        const struct worker_child *c = &g->workers[i];

        if (c->pid != 0 &&
            !handover_add_worker(
                h, (struct handover_worker){ c->slot, c->pid, c->control })) {
            return false;
        }
    }
    return true;
}

void
generation_free(struct generation **generation)
{
    struct generation *g = *generation;

    if (g == NULL) {
        return;
    }
    generation_kill(g);
    for (unsigned i = 0; i < g->count; i++) {
        forget(&g->workers[i]);
        if (g->workers[i].again != NULL) {
            event_free(g->workers[i].again);
        }
    }
    if (g->timer != NULL) {
        event_free(g->timer);
    }
    free(g->workers);
    conf_free(&g->conf);
    (void)close(g->outfit.conf_fd);
    free(g);
    *generation = NULL;
}

const struct conf *
generation_conf(const struct generation *g)
{
    return g->conf;
}

int
generation_conf_fd(const struct generation *g)
{
    return g->outfit.conf_fd;
}

unsigned
generation_keeper(const struct generation *g)
{
    return g->outfit.keeper;
}

int
generation_code(const struct generation *g)
{
    return g->code;
}

void
generation_keeper_ready(struct generation *g)
{
    bool first = g->phase == PHASE_KEEPER;

    g->phase = first ? PHASE_STARTING : g->phase;
    for (unsigned i = 0; i < g->count; i++) {
        if (first) {
            start(&g->workers[i]);
        } else if (g->workers[i].pid != 0) {
            send_keeper(&g->workers[i]);
        }
    }
}

void
generation_keeper_failed(struct generation *g, int code)
{
    if (g->phase == PHASE_KEEPER || g->phase == PHASE_STARTING) {
        fail(g, code);
    }
}

void
generation_send(struct generation *g, enum control_kind kind, uint32_t number,
                int fd)
{
    for (unsigned i = 0; i < g->count; i++) {
        struct worker_child *c = &g->workers[i];

        if (c->pid != 0 && !control_send(c->control, kind, number, fd)) {
            log_event(LOG_LEVEL_ERROR, "worker-deaf",
                      "worker %u, pid %ld, does not take a message", c->slot,
                      (long)c->pid);
            if (kind == CONTROL_DRAIN || kind == CONTROL_STOP) {
                (void)kill(c->pid, SIGTERM); /* or it takes clients on */
            }
        }
    }
}

void
generation_send_tickets(struct generation *g)
{
    for (unsigned i = 0; i < g->count; i++) {
        if (g->workers[i].pid != 0 && !g->workers[i].adopted) {
            (void)outfit_send_tickets(&g->outfit, g->workers[i].control);
        }
    }
}

void
generation_end(struct generation *g, enum control_kind kind, unsigned seconds)
{
    g->phase = PHASE_ENDING;
    event_del(g->timer);
    for (unsigned i = 0; i < g->count; i++) {
        event_del(g->workers[i].again);
    }
    generation_send(g, kind, seconds, -1);
    plan(g->timer, is_empty(g) ? 0 : (seconds + GRACE_S) * 1000);
}

void
generation_kill(struct generation *g)
{
    assert(g->workers != NULL || g->count == 0);
    for (unsigned i = 0; i < g->count; i++) {
        if (g->workers[i].pid != 0) {
            (void)kill(g->workers[i].pid, SIGKILL);
        }
    }
}

bool
generation_reap(struct generation *g, pid_t pid, int status)
{
    struct worker_child *c = NULL;

    for (unsigned i = 0; i < g->count; i++) {
        c = g->workers[i].pid == pid ? &g->workers[i] : c;
    }
    if (c == NULL) {
        return false;
    }
    log_death(c, status);
    forget(c);
    if (g->phase == PHASE_STARTING) {
        fail(g, WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE);
    } else if (g->phase == PHASE_SERVING) {
        start_again(c);
    } else if (is_empty(g)) {
        plan(g->timer, 0);
    }
    return true;
}
