/*
 * upstream - see proxy/upstream/upstream.h.
 *
 * What its files and addresses are like; its connections are pool.c's.
 */
#include "proxy/upstream/health.h"
#include "proxy/upstream/link.h"

#include <proxy/clock.h>
#include <proxy/config/secret.h>
#include <proxy/log/log.h>
#include <proxy/net/tls.h>
#include <proxy/worker.h>
#include <stdlib.h>

/* --- making and unmaking it ----------------------------------------------- */

/* What the files hold; all or nothing. */
static bool
load(struct upstream *u, struct buf *error)
{
    const struct upstream_conf *conf = u->conf;
    char *password = NULL;
    SSL_CTX *tls = NULL;

    if (conf->login == CONF_LOGIN_PASSWORD) {
        password = login_read(conf->password_file, "password",
                              CONF_PASSWORD_MAX, error);
        if (password == NULL) {
            return false;
        }
    }
    if (conf->tls != CONF_TLS_NONE) {
        tls = tls_client_new(conf, error);
        if (tls == NULL) {
            login_secret_free(&password);
            return false;
        }
    }
    login_secret_free(&u->password);
    SSL_CTX_free(u->tls);
    u->password = password;
    u->tls = tls;
    return true;
}

static void
set_numbers(struct upstream *u)
{
    const struct upstream_conf *conf = u->conf;
    unsigned workers = u->worker->conf->server.workers;
    unsigned share =
        workers == 0 ? conf->max_connections : conf->max_connections / workers;

    u->connections_max = conf->max_connections > 0 && share == 0 ? 1 : share;
    u->balance = (struct balance_conf){
        .fail_timeout_ms = (uint64_t)conf->fail_timeout_s * 1000,
        .slow_start_ms = (uint64_t)conf->slow_start_s * 1000,
        .rise = conf->health_rise,
        .fall = conf->health_fall,
    };
    for (size_t i = 0; i < conf->addresses.count; i++) {
        u->targets[i].address = &conf->addresses.list[i];
        u->balances[i].weight = conf->addresses.list[i].weight;
    }
}

struct upstream *
upstream_new(struct worker *w, const struct upstream_conf *conf,
             struct buf *error)
{
    struct upstream *u = calloc(1, sizeof(*u));
    size_t count = conf->addresses.count;

    if (u == NULL) {
        buf_puts(error, "no memory");
        return NULL;
    }
    u->worker = w;
    u->conf = conf;
    u->targets = calloc(count, sizeof(u->targets[0]));
    u->balances = calloc(count, sizeof(u->balances[0]));
    u->order = calloc(count, sizeof(u->order[0]));
    if (u->targets == NULL || u->balances == NULL || u->order == NULL ||
        !upstream_pool_open(u) || !load(u, error)) {
        upstream_free(&u);
        return NULL;
    }
    set_numbers(u);
    if (conf->health_interval_s > 0) {
        u->health = health_new(u);
        if (u->health == NULL) {
            upstream_free(&u);
        }
    }
    return u;
}

void
upstream_reload(struct upstream *u, struct buf *error)
{
    (void)load(u, error);
}

void
upstream_free(struct upstream **up)
{
    struct upstream *u = *up;

    if (u == NULL) {
        return;
    }
    health_free(&u->health);
    upstream_pool_close(u);
    login_secret_free(&u->password);
    SSL_CTX_free(u->tls);
    free(u->targets);
    free(u->balances);
    free(u->order);
    free(u);
    *up = NULL;
}

const struct upstream_conf *
upstream_settings(const struct upstream *u)
{
    return u->conf;
}

/* --- what its addresses are like ------------------------------------------ */

const struct smtp_caps *
upstream_caps(const struct upstream *u)
{
    return u->caps_known ? &u->caps : NULL;
}

/* The smaller one of two limits, 0 being none. */
static unsigned
least(unsigned a, unsigned b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void
intersect(struct smtp_caps *caps, const struct smtp_caps *theirs)
{
    caps->offers &= theirs->offers;
    caps->mechs &= theirs->mechs;
    caps->xclient &= theirs->xclient;
    caps->xforward &= theirs->xforward;
    if (caps->size == 0 || (theirs->size != 0 && theirs->size < caps->size)) {
        caps->size = theirs->size;
    }
    caps->rcpt_max = least(caps->rcpt_max, theirs->rcpt_max);
    caps->mail_max = least(caps->mail_max, theirs->mail_max);
    caps->rcpt_domain_max =
        least(caps->rcpt_domain_max, theirs->rcpt_domain_max);
}

static void
learn(struct upstream *u)
{
    u->caps_known = false;
    for (size_t i = 0; i < u->conf->addresses.count; i++) {
        if (!u->targets[i].caps_known) {
            continue;
        }
        if (u->caps_known) {
            intersect(&u->caps, &u->targets[i].caps);
        } else {
            u->caps = u->targets[i].caps;
        }
        u->caps_known = true;
    }
}

void
upstream_log_target(const struct upstream *u, size_t target, const char *by,
                    const char *error)
{
    const struct conf_address *a = u->targets[target].address;
    bool up = error == NULL;
    struct log_line l;

    log_begin(&l, up ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
              up ? "upstream-up" : "upstream-down");
    log_text(&l, "upstream", u->conf->name);
    log_format(&l, "address", "%s:%u", a->host, (unsigned)a->port);
    log_text(&l, "by", by);
    if (!up) {
        log_text(&l, "error", error);
    }
    log_end(&l);
}

void
upstream_target_good(struct upstream *u, size_t target,
                     const struct smtp_caps *caps)
{
    u->targets[target].caps = *caps;
    u->targets[target].caps_known = true;
    learn(u);
    if (balance_good(&u->balances[target], clock_ms())) {
        upstream_log_target(u, target, "mail", NULL);
    }
}

void
upstream_target_failed(struct upstream *u, size_t target, const char *error)
{
    if (balance_failed(&u->balances[target], &u->balance, clock_ms())) {
        upstream_log_target(u, target, "mail", error);
    }
}

/* --- links ---------------------------------------------------------------- */

struct conn *
upstream_link_conn(const struct upstream_link *link)
{
    return link->conn;
}

const struct smtp_caps *
upstream_link_caps(const struct upstream_link *link)
{
    return &link->caps;
}

const char *
upstream_link_name(const struct upstream_link *link)
{
    return link->name;
}
