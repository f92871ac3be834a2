/*
 * live - `sealpostd -t --live`; see live.h.
 *
 * The upstreams' own code does it, in a worker that has nothing but them.
 * Each address is an upstream of its own here: failover would hide a dead
 * one.
 */
#include "proxy/live.h"

#include "proxy/net/tls_peer.h"
#include "proxy/survey/survey.h"
#include "proxy/upstream/upstream.h"
#include "proxy/worker.h"

#include <proxy/keys/keystore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct live;

/* One address of one upstream. */
struct trial {
    struct live *live;
    const struct upstream_conf *asked; /* as it is written */
    struct upstream_conf conf;         /* with one address, nothing is kept */
    struct upstream *upstream;         /* owns */
    struct upstream_wait *wait;        /* NULL: over */
    bool good;
    struct buf text; /* what came of it */
};

struct live {
    struct worker worker;
    struct trial *trials; /* owns */
    size_t count;
    size_t pending;
};

/* --- upstreams ------------------------------------------------------------ */

static void
end(struct live *live)
{
    if (--live->pending == 0) {
        event_base_loopbreak(live->worker.base);
    }
}

static void
put_success(const struct trial *t, const struct upstream_link *link,
            struct buf *out)
{
    const SSL *ssl = conn_ssl(upstream_link_conn(link));

    buf_printf(out, "%s, ", upstream_link_name(link));
    if (ssl == NULL) {
        buf_puts(out, "no TLS");
    } else {
        buf_printf(out, "%s %s", SSL_get_version(ssl),
                   tls_how_upstream(ssl, t->asked));
    }
    switch (t->asked->login) {
    case CONF_LOGIN_NONE:
        buf_puts(out, ", no login");
        break;
    case CONF_LOGIN_CLIENT:
        buf_puts(out, ", login = client: not tried");
        break;
    default:
        buf_printf(out, ", logged in as %s", t->asked->username);
        break;
    }
}

static void
ignore(struct conn *conn, enum conn_event event, void *arg)
{
    (void)conn;
    (void)event;
    (void)arg;
}

static void
on_link(struct upstream_link *link, const char *error, void *arg)
{
    struct trial *t = arg;

    t->wait = NULL;
    t->good = link != NULL;
    if (link == NULL) {
        buf_puts(&t->text, error);
    } else {
        conn_set_owner(upstream_link_conn(link), ignore, NULL);
        put_success(t, link, &t->text);
        upstream_put(&link, false); /* nothing is kept: QUIT */
    }
    end(t->live);
}

static void
start_trial(struct trial *t)
{
    t->upstream = upstream_new(&t->live->worker, &t->conf, &t->text);
    if (t->upstream == NULL) {
        return;
    }
    t->wait = upstream_get(t->upstream, NULL, on_link, t);
    if (t->wait == NULL) {
        buf_puts(&t->text, "no memory");
        return;
    }
    t->live->pending++;
}

static void
prepare(struct live *live, struct trial *t, const struct upstream_conf *conf,
        size_t address)
{
    t->live = live;
    t->asked = conf;
    t->conf = *conf;
    t->conf.addresses.list = &conf->addresses.list[address];
    t->conf.addresses.count = 1;
    t->conf.reuse_idle_s = 0;
    t->conf.health_interval_s = 0;
    if (conf->login == CONF_LOGIN_CLIENT) {
        t->conf.login = CONF_LOGIN_NONE;
    }
}

static bool
make_trials(struct live *live)
{
    const struct conf *conf = live->worker.conf;
    size_t n = 0;

    for (size_t i = 0; i < conf->upstream_count; i++) {
        live->count += conf->upstreams[i].addresses.count;
    }
    live->trials = calloc(live->count + 1, sizeof(*live->trials));
    for (size_t i = 0; live->trials != NULL && i < conf->upstream_count; i++) {
        for (size_t k = 0; k < conf->upstreams[i].addresses.count; k++) {
            prepare(live, &live->trials[n++], &conf->upstreams[i], k);
        }
    }
    return live->trials != NULL;
}

static bool
make_worker(struct live *live, struct conf *conf)
{
    struct worker *w = &live->worker;

    w->conf = conf;
    w->base = event_base_new();
    if (w->base == NULL) {
        return false;
    }
    w->loop = conn_loop_new(w->base);
    w->resolver = resolver_new(w->base, &conf->dns);
    return w->loop != NULL && w->resolver != NULL;
}

static void
live_free(struct live *live)
{
    for (size_t i = 0; live->trials != NULL && i < live->count; i++) {
        upstream_cancel(&live->trials[i].wait);
        upstream_free(&live->trials[i].upstream);
        buf_free(&live->trials[i].text);
    }
    free(live->trials);
    resolver_free(&live->worker.resolver);
    if (live->worker.loop != NULL) {
        conn_loop_free(&live->worker.loop);
    }
    if (live->worker.base != NULL) {
        event_base_free(live->worker.base);
    }
}

static void
print_line(bool good, const char *what, const char *name, struct buf *text)
{
    const char *line = buf_str(text);

    printf("%-5s  %-8s  %s: %s\n", good ? "good" : "WRONG", what, name,
           line == NULL ? "no memory" : line);
}

static bool
print_trials(struct live *live)
{
    bool good = true;

    for (size_t i = 0; i < live->count; i++) {
        struct trial *t = &live->trials[i];
        const struct conf_address *a = t->conf.addresses.list;
        struct buf line = BUF_INIT;

        if (!t->good) {
            buf_printf(&line, "%s:%u: ", a->host, (unsigned)a->port);
        }
        buf_put(&line, buf_bytes(&t->text));
        print_line(t->good, "upstream", t->asked->name, &line);
        good = good && t->good;
        buf_free(&line);
    }
    return good;
}

static bool
test_upstreams(struct conf *conf)
{
    struct live live = { .count = 0 };
    bool good = make_worker(&live, conf) && make_trials(&live);

    if (!good) {
        fputs("sealpostd: no memory\n", stderr);
    } else {
        for (size_t i = 0; i < live.count; i++) {
            start_trial(&live.trials[i]);
        }
        if (live.pending > 0) {
            (void)event_base_dispatch(live.worker.base);
        }
        good = print_trials(&live);
    }
    live_free(&live);
    return good;
}

/* --- keys ----------------------------------------------------------------- */

/* Every resolver sees exactly our key. */
static bool
judge_key(const struct seen *seen, struct buf *text)
{
    bool good = seen->count > 0;

    for (size_t i = 0; i < seen->count; i++) {
        const struct seen_at *at = &seen->at[i];

        if (at->what != SEEN_KEY) {
            buf_printf(text, "%s%s: %s", text->len > 0 ? "; " : "", at->server,
                       at->detail);
            good = false;
        }
    }
    if (good) {
        buf_printf(text, "seen by %zu resolver%s", seen->count,
                   seen->count == 1 ? "" : "s");
    }
    return good;
}

static bool
print_key(const struct seen_question *q, const struct seen *seen)
{
    struct buf text = BUF_INIT;
    struct buf name = BUF_INIT;
    bool good = judge_key(seen, &text);

    buf_printf(&name, "%s/%s", q->domain, q->selector);
    print_line(good, "key", buf_str(&name) == NULL ? "" : buf_str(&name),
               &text);
    buf_free(&text);
    buf_free(&name);
    return good;
}

static size_t
ask_for_active(const struct keystore *store, struct seen_question *questions)
{
    size_t count = 0;

    for (size_t i = 0; i < keystore_count(store); i++) {
        const struct keystore_key *k = keystore_key_at(store, i);

        if (k->view.state == VIEW_KEY_ACTIVE) {
            questions[count++] = (struct seen_question){
                .domain = k->view.domain,
                .selector = k->view.selector,
                .target = "",
                .public_b64 = k->public_b64,
                .ed25519 = k->view.alg == DKIM_ALG_ED25519_SHA256,
            };
        }
    }
    return count;
}

static bool
test_store(const struct conf *conf, const struct keystore *store)
{
    struct survey survey = { .dns = &conf->dns, .prove = CONF_PROVE_RESOLVER };
    size_t most = keystore_count(store) + 1;
    struct seen_question *questions = calloc(most, sizeof(*questions));
    struct seen *seen = calloc(most, sizeof(*seen));
    bool good = questions != NULL && seen != NULL;
    size_t count = good ? ask_for_active(store, questions) : 0;

    good = good && survey_ask(&survey, questions, count, seen);
    if (!good) {
        fputs("sealpostd: no memory\n", stderr);
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        good = print_key(&questions[i], &seen[i]) && good;
    }
    if (seen != NULL) {
        seen_free(seen, count);
    }
    free(seen);
    free(questions);
    return good;
}

/* Mistakes in the store are what -t has said already. */
static bool
test_keys(const struct conf *conf)
{
    struct conf_errors *errors = conf_errors_new();
    struct keystore *store = NULL;
    struct keystore_conf where;
    bool good = true;

    keystore_conf_init(&where, &conf->server, conf->sign.allow_short_keys);
    if (errors != NULL) {
        store = keystore_load(&where, errors);
    }
    if (store != NULL) {
        good = test_store(conf, store);
    }
    keystore_free(&store);
    conf_errors_free(&errors);
    return good;
}

bool
live_test(struct conf *conf)
{
    bool upstreams, keys;

    (void)signal(SIGPIPE, SIG_IGN);
    upstreams = test_upstreams(conf);
    keys = test_keys(conf);
    return upstreams && keys;
}
