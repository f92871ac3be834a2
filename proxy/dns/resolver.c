/*
 * resolver - questions, who waits for them, and the cache; see resolver.h.
 *
 * A question is one name and type on its way; queries are those who wait for
 * it. Their callbacks are called by delivery.c alone: never from inside
 * dns_ask(), and never while a list here is walked.
 */
#include "proxy/dns/resolver.h"

#include "proxy/clock.h"
#include "proxy/dns/cache.h"
#include "proxy/dns/delivery.h"
#include "proxy/dns/hosts.h"
#include "proxy/dns/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/random.h>

enum {
    QUESTION_MS = 15000,
    TRY_DEFAULT_S = 5,
    IN_FLIGHT_MAX = 512, /* sockets */
    WAITING_MAX = 10000, /* beyond: a temporary failure at once */
    BUCKETS = 256
};

struct question {
    LIST_ENTRY(question) same; /* of its bucket */
    TAILQ_ENTRY(question) waiting;
    struct resolver *r;
    struct dns_question q;
    struct query_list queries;
    struct exchange *x;
    uint64_t asked[PACKET_HOPS_MAX + 1]; /* names so far, hashed */
    size_t asked_count;
    unsigned hops;
    uint32_t ttl_s;
    bool authenticated;
    uint64_t deadline_ms;
    bool started; /* false: in waiting, for a place */
};

LIST_HEAD(question_bucket, question);
TAILQ_HEAD(question_list, question);

struct resolver {
    struct event_base *base; /* borrowed */
    struct dns_servers servers;
    unsigned try_ms;
    struct dns_cache *cache;
    struct hosts *hosts;
    struct question_bucket questions[BUCKETS];
    struct question_list waiting;
    size_t waiting_count;
    size_t in_flight;
    struct delivery delivery;
    struct event *expire; /* at the deadline of the first that waits */
    unsigned question_ms;
    bool check_disabled;
    uint64_t seed;
};

struct event_base *
resolver_base(struct resolver *r)
{
    return r->base;
}

const struct hosts *
resolver_hosts(const struct resolver *r)
{
    return r->hosts;
}

/* --- questions under way -------------------------------------------------- */

/* Of one that is in no list, or whose lists end. */
static void
question_end(struct question *qn)
{
    exchange_free(&qn->x);
    free(qn);
}

static void
question_free(struct question *qn)
{
    struct resolver *r = qn->r;

    LIST_REMOVE(qn, same);
    if (qn->started) {
        r->in_flight--;
    } else {
        TAILQ_REMOVE(&r->waiting, qn, waiting);
        r->waiting_count--;
    }
    question_end(qn);
}

/* All who wait get the result; NULL: a temporary failure. */
static void
question_done(struct question *qn, struct dns_result *result)
{
    struct resolver *r = qn->r;
    enum dns_status status = DNS_TEMPFAIL;
    struct dns_query *query;
    uint32_t ttl_s;

    if (result != NULL) {
        status = result->answer.status;
        result->answer.authenticated = qn->authenticated;
    }
    ttl_s = cache_ttl(status, qn->ttl_s);
    if (result != NULL) {
        cache_put(r->cache, &qn->q, result, ttl_s, clock_ms());
    }
    /* With the last who waits dns_cancel() ends the question, too. */
    assert(!TAILQ_EMPTY(&qn->queries));
    while ((query = TAILQ_FIRST(&qn->queries)) != NULL) {
        TAILQ_REMOVE(&qn->queries, query, link);
        delivery_add(&r->delivery, query, result, ttl_s);
    }
    question_free(qn);
}

static void
question_failed(struct question *qn)
{
    struct dns_result *failure =
        result_new(DNS_TEMPFAIL, NULL, 0, bytes_make(NULL, 0));

    question_done(qn, failure);
    result_unref(&failure);
}

static void start_waiting(struct resolver *r);
static void on_exchange(enum packet_verdict verdict,
                        struct packet_answer *answer, void *arg);

/* False: no memory, or the name has been asked before (a loop). */
static bool
ask_servers(struct question *qn, const struct packet_name *name)
{
    uint64_t hash = cache_hash_name(qn->r->seed, name->text);

    for (size_t i = 0; i < qn->asked_count; i++) {
        if (qn->asked[i] == hash) {
            return false;
        }
    }
    qn->asked[qn->asked_count++] = hash;
    exchange_free(&qn->x);
    qn->x = exchange_start(&(struct exchange_options){
        .base = qn->r->base,
        .servers = &qn->r->servers,
        .name = name,
        .type = qn->q.type,
        .check_disabled = qn->r->check_disabled,
        .hops_left = PACKET_HOPS_MAX - qn->hops,
        .try_ms = qn->r->try_ms,
        .deadline_ms = qn->deadline_ms,
        .cb = on_exchange,
        .arg = qn,
    });
    return qn->x != NULL;
}

static void
on_exchange(enum packet_verdict verdict, struct packet_answer *answer,
            void *arg)
{
    struct question *qn = arg;
    struct resolver *r = qn->r;

    if (answer == NULL) {
        question_failed(qn);
        start_waiting(r);
        return;
    }
    qn->hops += answer->hops;
    qn->authenticated = qn->authenticated && answer->authenticated;
    if (answer->ttl_s < qn->ttl_s) {
        qn->ttl_s = answer->ttl_s;
    }
    if (verdict == PACKET_ANSWER) {
        question_done(qn, answer->result);
        result_unref(&answer->result);
    } else if (!ask_servers(qn, &answer->target)) {
        question_failed(qn);
    }
    start_waiting(r);
}

/* --- more questions than places ------------------------------------------- */

static void
on_expire(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *r = arg;
    struct question *qn;
    uint64_t now_ms = clock_ms();

    (void)fd;
    (void)what;
    while ((qn = TAILQ_FIRST(&r->waiting)) != NULL &&
           qn->deadline_ms <= now_ms) {
        question_failed(qn);
    }
    start_waiting(r);
}

static void
arm_expire(struct resolver *r)
{
    struct question *qn = TAILQ_FIRST(&r->waiting);
    uint64_t now_ms = clock_ms();
    uint64_t left_ms;
    struct timeval tv;

    if (qn == NULL) {
        evtimer_del(r->expire);
        return;
    }
    left_ms = qn->deadline_ms > now_ms ? qn->deadline_ms - now_ms : 0;
    tv.tv_sec = (time_t)(left_ms / 1000);
    tv.tv_usec = (suseconds_t)(left_ms % 1000 * 1000);
    (void)evtimer_add(r->expire, &tv);
}

static bool
start_question(struct question *qn)
{
    struct resolver *r = qn->r;
    struct packet_name name;

    TAILQ_REMOVE(&r->waiting, qn, waiting);
    r->waiting_count--;
    r->in_flight++;
    qn->started = true;
    return packet_name_make(qn->q.name, &name) && ask_servers(qn, &name);
}

static void
start_waiting(struct resolver *r)
{
    struct question *qn;

    while (r->in_flight < IN_FLIGHT_MAX &&
           (qn = TAILQ_FIRST(&r->waiting)) != NULL) {
        if (!start_question(qn)) {
            question_failed(qn);
        }
    }
    arm_expire(r);
}

/* --- asking --------------------------------------------------------------- */

static struct question_bucket *
bucket_of(struct resolver *r, const struct dns_question *q)
{
    return &r->questions[cache_hash(r->seed, q) % BUCKETS];
}

static struct question *
find_question(struct resolver *r, const struct dns_question *q)
{
    struct question *qn;

    LIST_FOREACH (qn, bucket_of(r, q), same) {
        if (cache_same(&qn->q, q)) {
            return qn;
        }
    }
    return NULL;
}

static struct question *
new_question(struct resolver *r, const struct dns_question *q)
{
    struct question *qn;

    if (r->waiting_count >= WAITING_MAX ||
        (qn = calloc(1, sizeof(*qn))) == NULL) {
        return NULL;
    }
    qn->r = r;
    qn->q = *q;
    TAILQ_INIT(&qn->queries);
    qn->ttl_s = UINT32_MAX;
    qn->authenticated = true;
    qn->deadline_ms = clock_ms() + r->question_ms;
    LIST_INSERT_HEAD(bucket_of(r, q), qn, same);
    TAILQ_INSERT_TAIL(&r->waiting, qn, waiting);
    r->waiting_count++;
    return qn;
}

/* An answer that needs no question: known, or a name that cannot exist. */
static struct dns_result *
answer_at_once(struct resolver *r, const struct dns_question *q,
               uint32_t *ttl_out)
{
    struct packet_name name;

    if (!packet_name_make(q->name, &name)) {
        *ttl_out = CACHE_NEGATIVE_MAX_S;
        return result_new(DNS_NXDOMAIN, NULL, 0, bytes_make(NULL, 0));
    }
    return cache_get(r->cache, q, clock_ms(), ttl_out);
}

static void
wait_for_question(struct dns_query *query, const struct dns_question *q)
{
    struct resolver *r = query->r;
    struct question *qn = find_question(r, q);
    bool fresh = qn == NULL;

    if (fresh) {
        qn = new_question(r, q);
    }
    if (qn == NULL) {
        delivery_add(&r->delivery, query, NULL, 0);
        return;
    }
    query->question = qn;
    TAILQ_INSERT_TAIL(&qn->queries, query, link);
    if (fresh) {
        start_waiting(r);
    }
}

struct dns_query *
dns_ask(struct resolver *r, const struct dns_question *q, dns_callback *cb,
        void *arg)
{
    struct dns_query *query = calloc(1, sizeof(*query));
    struct dns_result *known;
    uint32_t ttl_s = 0;

    if (query == NULL) {
        return NULL;
    }
    query->r = r;
    query->cb = cb;
    query->arg = arg;
    known = answer_at_once(r, q, &ttl_s);
    if (known != NULL) {
        delivery_add(&r->delivery, query, known, ttl_s);
        result_unref(&known);
    } else {
        wait_for_question(query, q);
    }
    return query;
}

void
dns_cancel(struct dns_query **query)
{
    struct dns_query *gone = *query;
    struct question *qn;
    struct resolver *r;

    *query = NULL;
    if (gone == NULL) {
        return;
    }
    qn = gone->question;
    r = gone->r;
    TAILQ_REMOVE(qn == NULL ? &r->delivery.ready : &qn->queries, gone, link);
    result_unref(&gone->result);
    free(gone);
    if (qn != NULL && TAILQ_EMPTY(&qn->queries)) {
        question_free(qn); /* nobody is interested any more */
        start_waiting(r);
    }
}

/* --- birth and death ------------------------------------------------------ */

struct resolver *
resolver_new_with(struct event_base *base,
                  const struct resolver_options *options)
{
    struct resolver *r = calloc(1, sizeof(*r));

    if (r == NULL) {
        return NULL;
    }
    TAILQ_INIT(&r->waiting);
    r->question_ms = options->question_ms;
    r->base = base;
    r->try_ms = options->try_ms;
    r->check_disabled = options->check_disabled;
    servers_set(&r->servers, options->nameservers, options->resolv_conf);
    r->expire = evtimer_new(base, on_expire, r);
    r->hosts = hosts_load(options->hosts);
    if (getrandom(&r->seed, sizeof(r->seed), 0) == (ssize_t)sizeof(r->seed)) {
        r->cache = cache_new(r->seed, CACHE_ENTRIES_MAX, CACHE_OCTETS_MAX);
    }
    if (!delivery_open(&r->delivery, base) || r->expire == NULL ||
        r->hosts == NULL || r->cache == NULL) {
        resolver_free(&r);
    }
    return r;
}

struct resolver *
resolver_new(struct event_base *base, const struct dns_conf *conf)
{
    struct resolver_options options = {
        .nameservers = &conf->nameservers,
        .resolv_conf = "/etc/resolv.conf",
        .hosts = "/etc/hosts",
        .try_ms =
            (conf->timeout_s == 0 ? TRY_DEFAULT_S : conf->timeout_s) * 1000,
        .question_ms = QUESTION_MS,
    };

    return resolver_new_with(base, &options);
}

static void
drop_questions(struct question_bucket *bucket)
{
    struct question *qn, *next;

    for (qn = LIST_FIRST(bucket); qn != NULL; qn = next) {
        next = LIST_NEXT(qn, same);
        queries_drop(&qn->queries);
        question_end(qn);
    }
}

void
resolver_free(struct resolver **resolver)
{
    struct resolver *r = *resolver;

    *resolver = NULL;
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        drop_questions(&r->questions[i]);
    }
    delivery_close(&r->delivery);
    if (r->expire != NULL) {
        event_free(r->expire);
    }
    cache_free(&r->cache);
    hosts_free(&r->hosts);
    free(r);
}
