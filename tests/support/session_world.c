/*
 * session_world - the worker, its time and its turns; see session_world.h.
 */
#include "tests/support/session_world.h"
#include "tests/support/world_describe.h"

#include <dkim/header.h>

#include <fcntl.h>
#include <proxy/log/log.h>
#include <proxy/net/conn_private.h>
#include <proxy/stats/stats.h>
#include <sys/mman.h>
#include <unistd.h>

bool session_world_running;

static const char conf_text[] = "[server]\n"
                                "hostname = relay.example.com\n"
                                "authserv_id = example.com\n"
                                "state_dir = /tmp\n"
                                "[spool]\n"
                                "directory = /tmp\n"
                                "memory_threshold = 4K\n"
                                "max_total = 1M\n"
                                "[listen submission]\n"
                                "address = 127.0.0.1:2587\n"
                                "mode = outbound\n"
                                "tls = none\n"
                                "require_tls = no\n"
                                "auth = required\n"
                                "upstream = far\n"
                                "max_message_size = 64K\n"
                                "[listen trusted]\n"
                                "address = 127.0.0.1:2588\n"
                                "mode = outbound\n"
                                "tls = none\n"
                                "auth = none\n"
                                "trusted_networks = 127.0.0.0/8\n"
                                "upstream = far\n"
                                "chunking = yes\n"
                                "max_message_size = 64K\n"
                                "[listen inbound]\n"
                                "address = 127.0.0.1:2525\n"
                                "mode = inbound\n"
                                "tls = none\n"
                                "relay_domains = example.com\n"
                                "upstream = far\n"
                                "chunking = yes\n"
                                "max_message_size = 64K\n"
                                "[check default]\n"
                                "dmarc = enforce\n"
                                "[limits]\n"
                                "recipients = 5\n"
                                "auth_failures = 3\n"
                                "[upstream far]\n"
                                "address = 192.0.2.1:25\n"
                                "tls = none\n"
                                "login = none\n"
                                "signatures = ed25519\n";
/* Behind it: who comes second waits. */
static const char few_text[] = "max_connections = 1\n"
                               "queue_timeout = 5s\n";

/* alice's key, a sender that we trust, one that is refused. */
static const char dns_text[] =
    "s1._domainkey.example.com TXT \"v=DKIM1; k=ed25519; "
    "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n"
    "friend.example TXT \"v=spf1 ip4:198.51.100.7 -all\"\n"
    "_dmarc.friend.example TXT \"v=DMARC1; p=reject\"\n"
    "stranger.example TXT \"v=spf1 -all\"\n"
    "_dmarc.stranger.example TXT \"v=DMARC1; p=reject\"\n"
    "slow.example * !TIMEOUT\n";

__attribute__((format(printf, 1, 2), noreturn)) void
world_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "session_world: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    abort();
}

/* --- the worker ----------------------------------------------------------- */

/* Read once: there are two for all. */
static struct conf *
configuration(bool few)
{
    static struct conf *both[2];
    struct conf *conf = both[few];
    struct conf_errors *errors;
    char path[40];
    int fd;

    if (conf != NULL) {
        return conf;
    }
    fd = memfd_create("sealpost.conf", MFD_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (write(fd, conf_text, sizeof(conf_text) - 1) < 0 ||
        (few && write(fd, few_text, sizeof(few_text) - 1) < 0)) {
        world_fail("no memory file");
    }
    conf_load(path, &conf, &errors);
    (void)close(fd);
    for (size_t i = 0; conf == NULL && i < conf_errors_count(errors); i++) {
        fprintf(stderr, "%s\n", conf_errors_line(errors, i));
    }
    conf_errors_free(&errors);
    if (conf == NULL) {
        world_fail("the configuration has a mistake");
    }
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), CONF_LOGFMT, "test");
    both[few] = conf;
    return conf;
}

static void
open_worker(struct session_world *w)
{
    struct worker *worker = &w->worker;
    struct buf error = BUF_INIT;

    worker->conf = configuration(w->small_buffers);
    worker->base = event_base_new();
    worker->loop = conn_loop_new(worker->base);
    worker->stats = stats_join(-1, STATS_NO_SLOT, 16);
    worker->resolver = (struct resolver *)(void *)w;
    worker->upstreams = w->upstreams;
    worker->listeners = w->listeners;
    w->upstreams[0] = upstream_new(worker, worker->conf->upstreams, &error);
    if (worker->loop == NULL || w->upstreams[0] == NULL ||
        !world_keeper_open(w)) {
        world_fail("no worker");
    }
    for (unsigned i = 0; i < WORLD_LISTENERS; i++) {
        w->listeners[i] = (struct worker_listener){
            .conf = &worker->conf->listens[i], .worker = worker, .index = i
        };
    }
}

void
world_open(struct session_world *w, unsigned offers, bool small_buffers)
{
    struct buf error = BUF_INIT;

    *w = (struct session_world){ .offers = offers,
                                 .small_buffers = small_buffers };
    for (unsigned n = 0; n < WORLD_CLIENTS; n++) {
        w->clients[n].fd = -1;
    }
    open_worker(w);
    w->dns = dns_file_parse("dns", bytes_str(dns_text), &error);
    if (w->dns == NULL) {
        world_fail("%s", buf_str(&error));
    }
}

/* --- turns ---------------------------------------------------------------- */

void
world_loop(struct session_world *w)
{
    session_world_running = true;
    for (int i = 0; i < 2; i++) {
        (void)event_base_loop(w->worker.base, EVLOOP_NONBLOCK);
    }
    session_world_running = false;
}

static bool
turn(struct session_world *w)
{
    w->moved = false;
    world_loop(w);
    world_clients_read(w);
    world_far_run(w);
    return w->moved;
}

void
world_turn(struct session_world *w)
{
    (void)turn(w);
    world_check(w);
}

/* Nothing of a client that was forgotten is under way. */
static bool
all_known(const struct session_world *w)
{
    unsigned open = 0;

    for (unsigned n = 0; n < WORLD_CLIENTS; n++) {
        open += w->clients[n].fd >= 0;
    }
    return !w->far_hold && w->connected == open;
}

static void
forget_doubts(struct session_world *w)
{
    w->orphans = false;
    for (unsigned n = 0; n < WORLD_CLIENTS; n++) {
        w->clients[n].unknown = false;
    }
    world_far_settled(w);
}

void
world_settle(struct session_world *w)
{
    unsigned idle = 0;

    for (unsigned turns = 0; idle < 2; turns++) {
        idle = turn(w) ? 0 : idle + 1;
        world_check(w);
        if (turns > 100000) {
            world_fail("it goes on and on");
        }
    }
    if (all_known(w)) {
        forget_doubts(w);
    }
}

/* --- time ----------------------------------------------------------------- */

/*
 * Time is not waited for: the timer that is due first runs now, and what is
 * armed later is due that much later. Each timer is noted when it is first
 * seen, with the time that had been skipped by then.
 */
static uint64_t
due_us(struct session_world *w, const struct event *event,
       const struct timeval *at)
{
    uint64_t us = (uint64_t)at->tv_sec * 1000000 + (uint64_t)at->tv_usec;
    struct world_timer *t = w->timers;

    for (size_t i = 0; i < WORLD_TIMERS; i++, t++) {
        if (t->event == event && t->at_us == us) {
            t->seen = true;
            return t->due_us;
        }
    }
    for (t = w->timers; t->event != NULL; t++) {
        if (t == &w->timers[WORLD_TIMERS - 1]) {
            world_fail("too many timers");
        }
    }
    *t = (struct world_timer){ event, us, us + w->skipped_us, true };
    return t->due_us;
}

struct earliest {
    struct session_world *world;
    const struct event *event;
    uint64_t at_us, due_us;
};

static int
note_earlier(const struct event_base *base, const struct event *event,
             void *arg)
{
    struct earliest *e = arg;
    struct timeval at;
    uint64_t due;

    (void)base;
    if (event_pending(event, EV_TIMEOUT, &at)) {
        due = due_us(e->world, event, &at);
        if (e->event == NULL || due < e->due_us) {
            e->event = event;
            e->due_us = due;
            e->at_us = (uint64_t)at.tv_sec * 1000000 + (uint64_t)at.tv_usec;
        }
    }
    return 0;
}

static void
note_timers(struct session_world *w, struct earliest *e)
{
    for (size_t i = 0; i < WORLD_TIMERS; i++) {
        w->timers[i].seen = false;
    }
    (void)event_base_foreach_event(w->worker.base, note_earlier, e);
    for (size_t i = 0; i < WORLD_TIMERS; i++) {
        if (!w->timers[i].seen) {
            w->timers[i].event = NULL;
        }
    }
}

bool
world_next_timer(struct session_world *w)
{
    struct earliest e = { .world = w };
    struct timeval now;
    uint64_t now_us;

    world_settle(w);
    note_timers(w, &e);
    if (e.event == NULL) {
        return false;
    }
    (void)evutil_gettimeofday(&now, NULL);
    now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec;
    if (e.due_us > now_us + w->skipped_us) {
        w->skipped_us = e.due_us - now_us;
    }
    event_active((struct event *)(uintptr_t)e.event, EV_TIMEOUT, 1);
    world_loop(w);
    return true;
}

/* Timers that are due together are told in no order. */
void
world_timers_describe(struct session_world *w, struct buf *out)
{
    enum {
        SECONDS = 4000
    };
    static uint8_t due[SECONDS];
    struct earliest e = { .world = w };
    struct timeval now;
    uint64_t now_us;

    note_timers(w, &e);
    memset(due, 0, sizeof(due));
    (void)evutil_gettimeofday(&now, NULL);
    now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec;
    for (size_t i = 0; i < WORLD_TIMERS; i++) {
        uint64_t at = w->timers[i].due_us, t = now_us + w->skipped_us;

        if (w->timers[i].event != NULL) {
            t = at > t ? (at - t + 500000) / 1000000 : 0;
            due[t < SECONDS ? t : SECONDS - 1]++;
        }
    }
    for (unsigned i = 0; i < SECONDS; i++) {
        for (; due[i] > 0; due[i]--) {
            char text[20];

            (void)snprintf(text, sizeof(text), "timer %u\n", i);
            buf_puts(out, text);
        }
    }
}

/* --- what must hold ------------------------------------------------------- */

static void
check_session(const struct session *s)
{
    enum smtp_phase phase = s->server.phase;
    const struct transaction *tx = s->tx;

    if (tx == NULL && phase >= SMTP_PHASE_MAIL && !s->closing &&
        !s->client_gone) {
        world_fail("phase %d without a transaction", (int)phase);
    }
    if (tx != NULL && phase < SMTP_PHASE_MAIL && s->owed != OWED_MAIL) {
        world_fail("a transaction in phase %d", (int)phase);
    }
    if (conn_input(s->client).len > CONN_INPUT_MAX + CONN_INPUT_ROOM ||
        conn_pending(s->client) + s->out.len > 256 * 1024) {
        world_fail("too much is held for the client");
    }
    if (tx == NULL) {
        return;
    }
    if (tx->rcpt_count > 5 || tx->rcpt_answered > tx->rcpt_count ||
        tx->rcpt_accepted > tx->rcpt_answered) {
        world_fail("recipients do not add up");
    }
    if (tx->head.len > DKIM_HEADER_OCTETS_MAX + CONN_INPUT_ROOM ||
        (tx->link != NULL &&
         conn_pending(upstream_link_conn(tx->link)) > 1024 * 1024)) {
        world_fail("too much is held of the message");
    }
    if (tx->up == UP_DOT && (tx->spool != NULL || tx->out_head.len > 0)) {
        world_fail("content is kept behind its dot");
    }
}

void
world_check(struct session_world *w)
{
    size_t count = 0;

    for (const struct session *s = w->worker.sessions; s != NULL; s = s->next) {
        check_session(s);
        count++;
    }
    if (count != w->worker.session_count || count != w->connected) {
        world_fail("%zu sessions, counted %zu and %u", count,
                   w->worker.session_count, w->connected);
    }
    if (count == 0 && w->worker.spool_octets != 0) {
        world_fail("the spool holds what nobody owns");
    }
}

void
world_release(struct session_world *w)
{
    w->far_hold = false;
    world_dial_release(w, false);
    for (unsigned n = 0; n < WORLD_CLIENTS; n++) {
        w->clients[n].stalled = false;
    }
    world_keeper_release(w, false);
    world_dns_release(w, false);
    world_settle(w);
    /* Who got no answer upstream waits for time. */
    for (unsigned i = 0; i < 1000; i++) {
        bool waits = false;

        for (unsigned n = 0; n < WORLD_CLIENTS; n++) {
            waits = waits || world_client_waits(&w->clients[n]);
        }
        if (!waits) {
            return;
        }
        if (!world_next_timer(w)) {
            break;
        }
        world_settle(w);
    }
    world_fail("a command was never answered");
}

/* --- the end -------------------------------------------------------------- */

void
world_drain(struct session_world *w, bool stopping)
{
    w->worker.draining = true;
    w->worker.stopping = w->worker.stopping || stopping;
    session_world_running = true;
    session_drain_all(&w->worker, 30);
    session_world_running = false;
}

void
world_close(struct session_world *w)
{
    for (unsigned n = 0; n < WORLD_CLIENTS; n++) {
        world_hang_up(w, n);
    }
    for (unsigned i = 0; w->worker.sessions != NULL; i++) {
        world_settle(w);
        if (w->worker.sessions != NULL && (i == 1000 || !world_next_timer(w))) {
            world_fail("a session does not end");
        }
    }
    world_settle(w);
    upstream_free(&w->upstreams[0]);
    world_far_free(w);
    world_keeper_free(w);
    dns_file_free(&w->dns);
    stats_free(&w->worker.stats);
    for (unsigned n = 0; n < WORLD_CLIENTS; n++) {
        world_client_free(&w->clients[n]);
    }
    conn_loop_free(&w->worker.loop);
    event_base_free(w->worker.base);
}
