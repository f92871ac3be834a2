/*
 * sessions - the connections of the load generator; see load.h.
 */
#include "sessions.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum {
    SAMPLES_MAX = 1 << 22,
    USERS_MAX = 4096,
    SLOW_OCTETS = 512, /* each SLOW_MS: 1 KB a second */
    SLOW_MS = 500,
    TURN_MS = 1 /* how often open loop and slow sessions are looked at */
};

SSL_CTX *session_context;
struct load_result session_result;

/* In the order in which they became free: to look through 10 000 each
 * millisecond would take all of a CPU. */
static TAILQ_HEAD(, session) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static struct session *sessions;
static struct load_content contents[USERS_MAX];
static bool begun; /* messages may be sent */
static uint64_t begin_us, end_us, next_due_us;
static size_t live, logged_in;
static int epoll_fd;

uint64_t
load_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void
session_fail(const struct session *s, const char *what)
{
    fprintf(stderr, "bench_load: %s at step %d: %.*s\n", what, (int)s->step,
            (int)s->held, s->line);
    exit(1);
}

void
session_watch(struct session *s, bool out)
{
    struct epoll_event ev = { .events = EPOLLIN | (out ? EPOLLOUT : 0u),
                              .data.ptr = s };

    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->wire.fd, &ev);
}

void
session_say(struct session *s, const char *text)
{
    size_t len = strlen(text);

    if (wire_send(&s->wire, text, len) != (ssize_t)len) {
        session_fail(s, "a command could not be sent");
    }
}

static void
open_session(struct session *s)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(load.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
    int one = 1;

    s->wire.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(s->wire.fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        perror("bench_load: connect");
        exit(1);
    }
    setsockopt(s->wire.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(s->wire.fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->wire.fd, &ev);
    session_result.connections++;
    s->done = 0;
    s->held = 0;
    s->step = GREETING;
    if (load.tls == LOAD_IMPLICIT) {
        s->step = SHAKING;
        wire_tls(&s->wire, session_context, s->resume, false);
        (void)wire_shake(&s->wire);
    }
}

static void
close_session(struct session *s)
{
    if (load.resume && s->wire.ssl != NULL) {
        SSL_SESSION_free(s->resume);
        s->resume = SSL_get1_session(s->wire.ssl);
    }
    session_say(s, "QUIT\r\n");
    wire_close(&s->wire);
}

/* Who has nothing to send does not come back before: no client does. */
void
session_reconnect(struct session *s)
{
    wire_close(&s->wire);
    if (s->step == WAITING && begun) {
        s->closed = true;
        return;
    }
    if (s->step == WAITING) {
        TAILQ_REMOVE(&waiting, s, link);
        logged_in--;
    }
    s->put_off = s->put_off || s->step == MAIL;
    open_session(s);
}

/* --- messages ------------------------------------------------------------- */

static void
begin_message(struct session *s)
{
    char address[128], line[200];

    load_address(s->user, address, sizeof(address));
    (void)snprintf(line, sizeof(line), "MAIL FROM:<%s>\r\n", address);
    s->step = MAIL;
    session_say(s, line);
}

static void
begin(void)
{
    begun = true;
    begin_us = next_due_us = load_now_us();
    end_us = begin_us + (uint64_t)(load.seconds * 1e6);
}

static void
wait_for_message(struct session *s)
{
    s->step = WAITING;
    TAILQ_INSERT_TAIL(&waiting, s, link);
}

void
session_next_message(struct session *s)
{
    uint64_t now = load_now_us();

    if (!begun) {
        wait_for_message(s);
        if (++logged_in == load.sessions) {
            session_result.connections = 0; /* from now on, as all else */
            begin();
        }
        return;
    }
    if (now >= end_us) {
        if (!s->closed) {
            close_session(s);
        }
        s->step = OVER;
        live--;
        return;
    }
    if (load.per_connection > 0 && s->done == load.per_connection) {
        close_session(s);
        open_session(s);
        return;
    }
    if (s->put_off) {
        s->put_off = false;
        begin_message(s);
        return;
    }
    s->due_us = now;
    if (load.rate > 0) {
        if (now < next_due_us) {
            wait_for_message(s);
            return;
        }
        s->due_us = next_due_us;
        next_due_us += (uint64_t)(1e6 / load.rate);
        if (now - s->due_us > session_result.late_us) {
            session_result.late_us = now - s->due_us;
        }
    }
    if (s->closed) {
        s->closed = false;
        s->put_off = true;
        open_session(s);
        return;
    }
    begin_message(s);
}

static void
send_content(struct session *s)
{
    const struct load_content *c = &contents[s->user];
    size_t left = c->count - s->sent;
    ssize_t n;

    if (s->slow) {
        uint64_t now = load_now_us();

        if (now < s->slow_us) {
            return;
        }
        s->slow_us = now + SLOW_MS * 1000;
        left = left < SLOW_OCTETS ? left : SLOW_OCTETS;
    }
    n = wire_send(&s->wire, c->octets + s->sent, left);
    if (n < 0) {
        session_fail(s, "content could not be sent");
    }
    s->sent += (size_t)n;
    session_watch(s, s->sent < c->count && !s->slow);
}

void
session_begin_content(struct session *s)
{
    s->step = CONTENT;
    s->sent = 0;
    s->slow_us = 0;
    send_content(s);
}

void
session_ask_for_data(struct session *s)
{
    char line[64];

    if (!load.chunking) {
        s->step = DATA;
        session_say(s, "DATA\r\n");
        return;
    }
    (void)snprintf(line, sizeof(line), "BDAT %zu LAST\r\n",
                   contents[s->user].count);
    session_say(s, line);
    session_begin_content(s);
}

void
session_message_done(struct session *s, int code)
{
    uint64_t us = load_now_us() - s->due_us;

    if (code != 250) {
        session_result.refused++;
    } else if (!s->slow && session_result.messages < SAMPLES_MAX) {
        session_result.samples_us[session_result.messages++] = (uint32_t)us;
    }
    s->done++;
    session_next_message(s);
}

/* --- the whole run -------------------------------------------------------- */

static void
on_event(struct session *s, uint32_t events)
{
    if (s->step == SHAKING) {
        session_shake(s);
        return;
    }
    if ((events & EPOLLOUT) != 0 && s->step == CONTENT &&
        s->sent < contents[s->user].count) {
        send_content(s);
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0 && s->step != OVER) {
        session_readable(s);
    }
}

static void
go_on_slowly(void)
{
    for (size_t i = 0; i < load.sessions; i++) {
        struct session *s = &sessions[i];

        if (s->step == CONTENT && s->slow &&
            s->sent < contents[s->user].count) {
            send_content(s);
        }
    }
}

/* What no event of a socket brings about. */
static void
turn(void)
{
    uint64_t now = load_now_us();
    struct session *s;

    while (begun && (s = TAILQ_FIRST(&waiting)) != NULL &&
           (now >= next_due_us || now >= end_us)) {
        TAILQ_REMOVE(&waiting, s, link);
        session_next_message(s);
    }
    if (load.slow > 0) {
        go_on_slowly();
    }
}

static void
report_since(uint64_t since_us, void (*report)(struct load_result *))
{
    session_result.seconds = (double)(load_now_us() - since_us) / 1e6;
    report(&session_result);
    session_result =
        (struct load_result){ .samples_us = session_result.samples_us };
}

static bool
prepare(void)
{
    sessions = calloc(load.sessions, sizeof(*sessions));
    session_result.samples_us = calloc(SAMPLES_MAX, sizeof(uint32_t));
    session_context = wire_client();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (sessions == NULL || session_result.samples_us == NULL ||
        session_context == NULL || load.users > USERS_MAX) {
        fputs("bench_load: no memory, or too many users\n", stderr);
        return false;
    }
    for (unsigned i = 0; i < load.users; i++) {
        if (!load_content_make(i, &contents[i])) {
            return false;
        }
    }
    return true;
}

static void
open_all(void)
{
    if (!load.up_first) {
        begin();
    }
    for (live = 0; live < load.sessions; live++) {
        sessions[live].user = (unsigned)(live % load.users);
        sessions[live].slow = live % 100 < load.slow;
        open_session(&sessions[live]);
    }
}

bool
load_run(void (*report)(struct load_result *))
{
    bool turns = load.rate > 0 || load.slow > 0 || load.up_first;
    uint64_t interval_us = (uint64_t)(load.interval * 1e6);
    uint64_t reported = 0; /* intervals */

    if (!prepare()) {
        return false;
    }
    open_all();
    while (live > 0) {
        struct epoll_event evs[256];
        int n = epoll_wait(epoll_fd, evs, 256, turns ? TURN_MS : -1);

        for (int i = 0; i < n; i++) {
            on_event(evs[i].data.ptr, evs[i].events);
        }
        if (begun && interval_us > 0 &&
            load_now_us() >= begin_us + (reported + 1) * interval_us) {
            report_since(begin_us + reported++ * interval_us, report);
        }
        if (turns) {
            turn();
        }
    }
    if (interval_us == 0) {
        report_since(begin_us, report);
    }
    return true;
}
