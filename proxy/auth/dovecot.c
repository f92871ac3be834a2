/*
 * dovecot - see dovecot.h.
 *
 * A callback may ask anew or cancel any request: after each the loop starts
 * again from what is there then.
 */
#include "proxy/auth/dovecot.h"

#include <base/wipe.h>

#include <errno.h>
#include <proxy/log/log.h>
#include <stdlib.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    HANDSHAKE_MS = 10 * 1000,
    TICK_S = 5,
    MAJOR = 1
};

struct dovecot_request {
    struct dovecot_request *next; /* asked later */
    struct dovecot *dovecot;
    dovecot_callback *cb;
    void *arg;
    uint32_t id;
    time_t since_s;
};

enum phase {
    PHASE_AWAY,
    PHASE_HANDSHAKE,
    PHASE_READY
};

struct dovecot {
    struct conn_loop *loop;
    const char *path;
    struct conn *conn; /* owns; NULL: AWAY */
    enum phase phase;
    struct event *timer; /* owns; AWAY: the next try, else ticks */
    struct buf held;     /* wiped; what is said behind the handshake */
    unsigned mechs;
    unsigned offered; /* by the handshake that is under way */
    uint32_t last_id;
    unsigned failures; /* to connect, in a row */
    time_t tried_s;
    bool known; /* a handshake was ever done */
    bool logged_away;
    struct dovecot_request *requests; /* owns; the oldest first */
    size_t request_count;
};

static time_t
now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void
set_timer(struct dovecot *d, unsigned seconds)
{
    struct timeval in = { (time_t)seconds, 0 };

    (void)event_add(d->timer, &in);
}

static void
wipe_held(struct dovecot *d)
{
    if (d->held.ptr != NULL) {
        wipe(d->held.ptr, d->held.cap);
    }
    buf_free(&d->held);
}

/* --- requests ------------------------------------------------------------- */

/* Where the pointer to r stands: r NULL for the end of the list. */
static struct dovecot_request **
place_of(struct dovecot *d, const struct dovecot_request *r)
{
    struct dovecot_request **at = &d->requests;

    while (*at != r) {
        at = &(*at)->next;
    }
    return at;
}

static void
request_free(struct dovecot *d, struct dovecot_request *r)
{
    *place_of(d, r) = r->next;
    d->request_count--;
    free(r);
}

static struct dovecot_request *
find(const struct dovecot *d, uint32_t id)
{
    struct dovecot_request *r = d->requests;

    while (r != NULL && r->id != id) {
        r = r->next;
    }
    return r;
}

/* The last word to a request, which is over. */
static void
answer(struct dovecot *d, struct dovecot_request *r,
       enum dovecot_verdict verdict, const char *text)
{
    dovecot_callback *cb = r->cb;
    void *arg = r->arg;

    request_free(d, r);
    cb(verdict, bytes_str(text), arg);
}

/* --- the connection ------------------------------------------------------- */

static void
log_away(struct dovecot *d, const char *why)
{
    if (!d->logged_away) {
        log_event(LOG_LEVEL_ERROR, "dovecot-down",
                  "%s: %s; nobody can log in there until Dovecot is back",
                  d->path, why);
    }
    d->logged_away = true;
}

/* Everybody who waits hears of it; those who ask anew in between have a
 * larger id. */
static void
lose(struct dovecot *d, const char *why)
{
    unsigned wait_s = 1u << (d->failures < 5 ? d->failures : 5);
    uint32_t last = d->last_id;
    struct dovecot_request *r;

    conn_free(&d->conn);
    wipe_held(d);
    d->phase = PHASE_AWAY;
    d->failures++;
    log_away(d, why);
    set_timer(d, wait_s < DOVECOT_BACK_OFF_MAX_S
                     ? wait_s
                     : (unsigned)DOVECOT_BACK_OFF_MAX_S);
    while ((r = d->requests) != NULL && r->id <= last) {
        answer(d, r, DOVECOT_LATER, "the connection to Dovecot was lost");
    }
}

static void
say(struct dovecot *d, const struct buf *line)
{
    if (d->phase == PHASE_READY) {
        conn_write(d->conn, buf_bytes(line));
    } else {
        buf_put(&d->held, buf_bytes(line));
    }
}

static void
on_done(struct dovecot *d)
{
    if (d->logged_away) {
        log_event(LOG_LEVEL_INFO, "dovecot-up", "%s", d->path);
    }
    d->logged_away = false;
    d->failures = 0;
    d->known = true;
    d->mechs = d->offered;
    d->phase = PHASE_READY;
    conn_set_deadline(d->conn, 0);
    if (d->held.len > 0) {
        conn_write(d->conn, buf_bytes(&d->held));
    }
    wipe_held(d);
    set_timer(d, TICK_S);
}

static void
on_verdict(struct dovecot *d, const struct dovecot_line *line)
{
    struct dovecot_request *r = find(d, line->id);

    if (r == NULL) {
        return; /* cancelled */
    }
    if (line->word == DOVECOT_CONT) {
        r->since_s = now_s();
        r->cb(DOVECOT_CHALLENGE, line->challenge, r->arg);
    } else if (line->word == DOVECOT_OK) {
        answer(d, r, DOVECOT_RIGHT, line->user);
    } else {
        answer(d, r, line->temporary ? DOVECOT_LATER : DOVECOT_WRONG,
               line->reason[0] == '\0' ? "credentials" : line->reason);
    }
}

/* NULL: it fits; else what does not. */
static const char *
take_line(struct dovecot *d, struct bytes text)
{
    struct dovecot_line line;

    if (!dovecot_line_parse(text, &line)) {
        return "it does not speak the auth protocol; is this its auth-client "
               "socket?";
    }
    switch (line.word) {
    case DOVECOT_VERSION:
        return line.major == MAJOR ? NULL
                                   : "another version of the auth protocol";
    case DOVECOT_MECH:
        d->offered |= line.mech;
        return NULL;
    case DOVECOT_DONE:
        if (d->phase == PHASE_HANDSHAKE) {
            on_done(d);
        }
        return NULL;
    case DOVECOT_CONT:
    case DOVECOT_OK:
    case DOVECOT_FAIL:
        on_verdict(d, &line);
        return NULL;
    case DOVECOT_OTHER:
    default:
        return NULL;
    }
}

/* One line a turn: its callback may change everything. */
static bool
read_one(struct dovecot *d)
{
    struct bytes in = conn_input(d->conn);
    size_t end = bytes_find(in, '\n');
    struct buf line = BUF_INIT;
    const char *wrong = NULL;

    if (end == in.len) {
        if (in.len >= DOVECOT_LINE_MAX) {
            lose(d, "a line without an end");
        }
        return false;
    }
    buf_put(&line, bytes_take(in, end)); /* callbacks may move the input */
    conn_consume(d->conn, end + 1);
    wrong = buf_failed(&line) ? "no memory" : take_line(d, buf_bytes(&line));
    buf_free(&line);
    if (wrong != NULL) {
        lose(d, wrong);
    }
    return d->conn != NULL;
}

static void
on_conn(struct conn *conn, enum conn_event event, void *arg)
{
    struct dovecot *d = arg;
    struct buf hello = BUF_INIT;

    switch (event) {
    case CONN_CONNECTED:
        dovecot_put_hello(&hello, (long)getpid());
        conn_write(conn, buf_bytes(&hello));
        buf_free(&hello);
        break;
    case CONN_INPUT:
        while (read_one(d)) {
        }
        break;
    case CONN_TIMEOUT:
        lose(d, "no handshake in time");
        break;
    case CONN_EOF:
        lose(d, "it closed the connection");
        break;
    case CONN_GONE:
        lose(d, conn_error(conn));
        break;
    case CONN_DRAINED:
    case CONN_TLS_DONE:
    default:
        break;
    }
}

static void
connect_now(struct dovecot *d)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };

    d->tried_s = now_s();
    (void)bytes_copy(bytes_str(d->path), to.sun_path, sizeof(to.sun_path));
    d->conn = conn_connect(d->loop, (const struct sockaddr *)&to, sizeof(to),
                           on_conn, d);
    if (d->conn == NULL) {
        lose(d, strerror(errno));
        return;
    }
    d->phase = PHASE_HANDSHAKE;
    d->offered = 0;
    conn_set_deadline(d->conn, HANDSHAKE_MS);
}

/* Whom Dovecot has forgotten; NULL: nobody. */
static struct dovecot_request *
find_forgotten(const struct dovecot *d, time_t before_s)
{
    struct dovecot_request *r = d->requests;

    while (r != NULL && r->since_s > before_s) {
        r = r->next;
    }
    return r;
}

/* Looks from the start each time: who hears of it may cancel others. */
static void
end_patience(struct dovecot *d)
{
    time_t before_s = now_s() - DOVECOT_PATIENCE_S;
    struct dovecot_request *r;

    while ((r = find_forgotten(d, before_s)) != NULL) {
        answer(d, r, DOVECOT_LATER, "Dovecot does not answer");
    }
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct dovecot *d = arg;

    (void)fd;
    (void)what;
    if (d->phase == PHASE_AWAY) {
        connect_now(d);
    } else {
        end_patience(d);
        set_timer(d, TICK_S);
    }
}

/* --- asking --------------------------------------------------------------- */

/* Somebody waits: not later than a second after the last try. */
static bool
is_reachable(struct dovecot *d)
{
    if (d->phase == PHASE_AWAY && now_s() > d->tried_s) {
        connect_now(d);
    }
    return d->phase != PHASE_AWAY;
}

struct dovecot_request *
dovecot_ask(struct dovecot *d, const struct dovecot_asked *asked,
            dovecot_callback *cb, void *arg, const char **why_out)
{
    struct dovecot_asked numbered = *asked;
    struct dovecot_request *r = NULL;
    struct buf line = BUF_INIT;

    *why_out = "Dovecot is away";
    if (!is_reachable(d)) {
        return NULL;
    }
    *why_out = "too many logins wait for Dovecot";
    if (d->request_count >= DOVECOT_REQUESTS_MAX) {
        return NULL;
    }
    numbered.id = ++d->last_id;
    *why_out = "longer than Dovecot reads";
    if (dovecot_put_auth(&line, &numbered)) {
        *why_out = "no memory";
        r = buf_failed(&line) ? NULL : calloc(1, sizeof(*r));
    }
    if (r != NULL) {
        *r = (struct dovecot_request){ .dovecot = d,
                                       .cb = cb,
                                       .arg = arg,
                                       .id = numbered.id,
                                       .since_s = now_s() };
        *place_of(d, NULL) = r;
        d->request_count++;
        say(d, &line);
    }
    if (line.ptr != NULL) {
        wipe(line.ptr, line.cap);
    }
    buf_free(&line);
    return r;
}

bool
dovecot_go_on(struct dovecot_request *r, struct bytes base64)
{
    struct buf line = BUF_INIT;
    bool fits = dovecot_put_cont(&line, r->id, base64);

    r->since_s = now_s();
    if (fits) {
        say(r->dovecot, &line);
    }
    if (line.ptr != NULL) {
        wipe(line.ptr, line.cap);
    }
    buf_free(&line);
    return fits;
}

void
dovecot_cancel(struct dovecot_request **rp)
{
    struct dovecot_request *r = *rp;
    struct buf line = BUF_INIT;

    *rp = NULL;
    if (r == NULL) {
        return;
    }
    dovecot_put_cancel(&line, r->id);
    say(r->dovecot, &line);
    buf_free(&line);
    request_free(r->dovecot, r);
}

/* --- making and unmaking it ----------------------------------------------- */

struct dovecot *
dovecot_new(struct event_base *base, struct conn_loop *loop, const char *path)
{
    struct dovecot *d = calloc(1, sizeof(*d));

    if (d == NULL) {
        return NULL;
    }
    d->loop = loop;
    d->path = path;
    d->timer = evtimer_new(base, on_timer, d);
    if (d->timer == NULL) {
        free(d);
        return NULL;
    }
    set_timer(d, 0);
    return d;
}

void
dovecot_free(struct dovecot **dp)
{
    struct dovecot *d = *dp;
    struct dovecot_request *r;

    *dp = NULL;
    if (d == NULL) {
        return;
    }
    while ((r = d->requests) != NULL) {
        d->requests = r->next;
        free(r);
    }
    conn_free(&d->conn);
    wipe_held(d);
    event_free(d->timer);
    free(d);
}

unsigned
dovecot_mechs(const struct dovecot *d)
{
    return d->known ? d->mechs : ~0u;
}
