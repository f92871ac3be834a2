/*
 * world_keeper - the keeper's client, the resolver and the listeners, as
 * sessions see them; see session_world.h.
 *
 * The functions are those of proxy/keeper/client.h, proxy/dns/resolver.h and
 * proxy/listener.h: linked before the library's, they stand in their place.
 * Answers come in a later turn of the loop, as the real ones do.
 */
#include "tests/support/session_world.h"

#include <openssl/evp.h>

#include <proxy/keys/keysign.h>
#include <sys/queue.h>

enum keeper_ask_kind {
    ASK_AUTH,
    ASK_ASSERT,
    ASK_SIGN
};

struct keeper_request {
    TAILQ_ENTRY(keeper_request) link;
    struct keeper_client *client;
    enum keeper_ask_kind kind;
    keeper_callback *cb;
    void *arg;
    bool good; /* password, listener or key */
    bool gone; /* the keeper that was asked is */
    uint64_t life;
    uint8_t digest[DKIM_SHA256_OCTETS];
    struct keeper_handle handle;
};

TAILQ_HEAD(request_list, keeper_request);

struct keeper_client {
    struct session_world *world;
    struct view *view;
    uint64_t life;
    uint64_t epoch;
    struct event *later;
    struct request_list requests;
    EVP_PKEY *key;
    bool lost; /* sessions have still to hear of it */
};

/* RFC 8032 7.1, TEST 1. */
static const uint8_t secret_key[32] = {
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
    0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
    0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60
};

static void
soon(struct event *later)
{
    static const struct timeval now = { 0, 0 };

    (void)event_add(later, &now);
}

/* --- the keeper ----------------------------------------------------------- */

static struct view *
make_view(uint64_t epoch, bool locked)
{
    static const struct view_from from = { VIEW_FROM_DOMAIN, "",
                                           "example.com" };
    static const char *const none[] = { NULL };
    const struct view_user alice = { .name = "alice",
                                     .from = &from,
                                     .from_count = 1,
                                     .selectors = none,
                                     .domain = "",
                                     .upstream = "",
                                     .locked = locked };
    const struct view_key key = { .domain = "example.com",
                                  .selector = "s1",
                                  .alg = DKIM_ALG_ED25519_SHA256,
                                  .bits = 256,
                                  .state = VIEW_KEY_ACTIVE,
                                  .activated_s = 1,
                                  .owner = "" };
    struct view_builder *b = view_builder_new();

    if (b == NULL || !view_builder_user(b, &alice) ||
        !view_builder_key(b, &key)) {
        world_fail("no view");
    }
    return view_build(&b, epoch);
}

static void
answer(struct keeper_client *k, struct keeper_request *r)
{
    struct keeper_reply reply = { .status = KEEPER_DENIED, .text = "" };
    uint8_t octets[KEYSIGN_OCTETS_MAX];
    uint8_t public_key[32];
    size_t public_len = sizeof(public_key);

    if (r->gone) {
        reply.status = KEEPER_GONE;
    } else if (r->good && r->kind != ASK_SIGN) {
        reply.status = KEEPER_OK;
        memset(reply.handle.octets, (int)(k->life % 250 + 1), 16);
        k->world->handles++;
    } else if (r->good && r->handle.octets[0] == k->life % 250 + 1) {
        size_t n = keysign(k->key, DKIM_ALG_ED25519_SHA256, r->digest, octets);

        reply.status = KEEPER_OK;
        reply.signature = bytes_make(octets, n);
        if (!k->world->keeper_trusted &&
            EVP_PKEY_get_raw_public_key(k->key, public_key, &public_len) == 1) {
            reply.public_key = bytes_make(public_key, public_len);
            public_key[0] ^= k->world->keeper_wrong;
        }
    }
    session_world_running = true;
    r->cb(&reply, r->arg);
    session_world_running = false;
    free(r);
}

static void
tell_lost(struct keeper_client *k)
{
    bool tell = k->lost;

    k->lost = false;
    if (tell) {
        session_world_running = true;
        session_keeper_lost(&k->world->worker);
        session_world_running = false;
    }
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
    struct keeper_client *k = arg;
    struct request_list kept;
    struct keeper_request *r;
    bool was_running = session_world_running;

    (void)fd;
    (void)what;
    session_world_running = false;
    TAILQ_INIT(&kept);
    tell_lost(k);
    /* A callback may cancel any other. */
    while ((r = TAILQ_FIRST(&k->requests)) != NULL &&
           (r->gone || !k->world->keeper_hold)) {
        TAILQ_REMOVE(&k->requests, r, link);
        k->world->moved = true;
        answer(k, r);
    }
    session_world_running = was_running;
}

static struct keeper_request *
ask(struct keeper_client *k, enum keeper_ask_kind kind, bool good,
    keeper_callback *cb, void *arg)
{
    struct keeper_request *r = calloc(1, sizeof(*r));

    if (r == NULL) {
        return NULL;
    }
    *r = (struct keeper_request){ .client = k,
                                  .kind = kind,
                                  .cb = cb,
                                  .arg = arg,
                                  .good = good,
                                  .life = k->life };
    TAILQ_INSERT_TAIL(&k->requests, r, link);
    soon(k->later);
    return r;
}

struct keeper_request *
keeper_auth(struct keeper_client *k, const char *user, const char *secret,
            keeper_callback *cb, void *arg)
{
    bool good = strcmp(user, "alice") == 0 && strcmp(secret, "secret") == 0;

    return ask(k, ASK_AUTH, good, cb, arg);
}

/* Nobody here has a SCRAM secret. */
struct keeper_request *
keeper_scram(struct keeper_client *k, const struct keeper_scram *scram,
             const char *message, keeper_callback *cb, void *arg)
{
    (void)scram;
    (void)message;
    return ask(k, ASK_AUTH, false, cb, arg);
}

struct keeper_request *
keeper_proof(struct keeper_client *k, const struct keeper_handle *exchange,
             const char *message, keeper_callback *cb, void *arg)
{
    (void)exchange;
    (void)message;
    return ask(k, ASK_AUTH, false, cb, arg);
}

struct keeper_request *
keeper_assert(struct keeper_client *k, unsigned listener, const char *user,
              keeper_callback *cb, void *arg)
{
    return ask(k, ASK_ASSERT, listener == WORLD_TRUSTED && user[0] == '\0', cb,
               arg);
}

struct keeper_request *
keeper_sign(struct keeper_client *k, const struct keeper_handle *handle,
            const char *domain, const char *selector, enum dkim_alg alg,
            const uint8_t *digest, keeper_callback *cb, void *arg)
{
    struct keeper_request *r = ask(k, ASK_SIGN,
                                   alg == DKIM_ALG_ED25519_SHA256 &&
                                       strcmp(domain, "example.com") == 0 &&
                                       strcmp(selector, "s1") == 0,
                                   cb, arg);

    if (r != NULL) {
        memcpy(r->digest, digest, sizeof(r->digest));
        r->handle = *handle;
    }
    return r;
}

void
keeper_seen(struct keeper_client *k, const struct view_key *key,
            enum keeper_seen word)
{
    (void)k;
    (void)key;
    (void)word;
}

void
keeper_from(struct keeper_client *k, const char *domain, uint32_t count)
{
    (void)k;
    (void)domain;
    (void)count;
}

void
keeper_release(struct keeper_client *k, const struct keeper_handle *handle)
{
    if (handle->octets[0] != k->life % 250 + 1) {
        return; /* died with its keeper */
    }
    if (k->world->handles == 0) {
        world_fail("a handle was given back twice");
    }
    k->world->handles--;
}

void
keeper_cancel(struct keeper_request **request)
{
    struct keeper_request *r = *request;

    *request = NULL;
    if (r != NULL) {
        TAILQ_REMOVE(&r->client->requests, r, link);
        free(r);
    }
}

const struct view *
keeper_client_view(const struct keeper_client *k)
{
    return k->view;
}

uint64_t
keeper_client_life(const struct keeper_client *k)
{
    return k->life;
}

bool
world_keeper_open(struct session_world *w)
{
    struct keeper_client *k = calloc(1, sizeof(*k));

    if (k == NULL) {
        return false;
    }
    TAILQ_INIT(&k->requests);
    k->world = w;
    k->view = make_view(++k->epoch, false);
    k->later = event_new(w->worker.base, -1, 0, on_later, k);
    k->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret_key,
                                          sizeof(secret_key));
    w->worker.keeper = k;
    return k->view != NULL && k->later != NULL && k->key != NULL;
}

void
world_public_key(uint8_t out[32])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(
        EVP_PKEY_ED25519, NULL, secret_key, sizeof(secret_key));
    size_t len = 32;

    if (key == NULL || EVP_PKEY_get_raw_public_key(key, out, &len) != 1) {
        world_fail("no public key");
    }
    EVP_PKEY_free(key);
}

void
world_keeper_lose(struct session_world *w)
{
    struct keeper_client *k = w->worker.keeper;
    struct keeper_request *r;

    k->life++;
    w->handles = 0;
    k->lost = true;
    TAILQ_FOREACH (r, &k->requests, link) {
        r->gone = true;
    }
    soon(k->later);
}

void
world_keeper_reload(struct session_world *w, bool locked)
{
    struct keeper_client *k = w->worker.keeper;
    struct view *old = k->view;

    k->view = make_view(++k->epoch, locked);
    view_free(&old);
}

void
world_keeper_release(struct session_world *w, bool hold)
{
    w->keeper_hold = hold;
    soon(w->worker.keeper->later);
}

void
world_keeper_free(struct session_world *w)
{
    struct keeper_client *k = w->worker.keeper;

    if (!TAILQ_EMPTY(&k->requests)) {
        world_fail("a request to the keeper was left behind");
    }
    if (w->queries != NULL) {
        world_fail("a DNS question was left behind");
    }
    if (w->handles != 0) {
        world_fail("%u handles were not given back", w->handles);
    }
    event_free(k->later);
    view_free(&k->view);
    EVP_PKEY_free(k->key);
    free(k);
    w->worker.keeper = NULL;
}

/* --- the resolver --------------------------------------------------------- */

struct world_query {
    struct session_world *world;
    struct world_query *next;
    struct dns_question question;
    dns_callback *cb;
    void *arg;
    struct event *later;
};

/* struct dns_query is the library's name for it. */
struct dns_query {
    struct world_query q;
};

static void
query_free(struct world_query *q)
{
    struct world_query **at = &q->world->queries;

    while (*at != q) {
        at = &(*at)->next;
    }
    *at = q->next;
    event_free(q->later);
    free((struct dns_query *)(void *)q);
}

static void
on_answer(evutil_socket_t fd, short what, void *arg)
{
    struct world_query *q = arg;
    dns_callback *cb = q->cb;
    void *cb_arg = q->arg;
    struct dns_answer a;
    bool was_running = session_world_running;

    (void)fd;
    (void)what;
    if (q->world->dns_hold) {
        return;
    }
    session_world_running = false;
    q->world->moved = true;
    dns_file_ask(q->world->dns, &q->question, &a);
    query_free(q);
    session_world_running = was_running;
    cb(&a, cb_arg);
}

struct dns_query *
dns_ask(struct resolver *r, const struct dns_question *question,
        dns_callback *cb, void *arg)
{
    struct session_world *w = (struct session_world *)(void *)r;
    struct dns_query *query = calloc(1, sizeof(*query));

    if (query == NULL) {
        return NULL;
    }
    query->q = (struct world_query){ .world = w,
                                     .next = w->queries,
                                     .question = *question,
                                     .cb = cb,
                                     .arg = arg };
    query->q.later = event_new(w->worker.base, -1, 0, on_answer, &query->q);
    if (query->q.later == NULL) {
        free(query);
        return NULL;
    }
    w->queries = &query->q;
    soon(query->q.later);
    return query;
}

void
dns_cancel(struct dns_query **query)
{
    struct dns_query *q = *query;

    *query = NULL;
    if (q != NULL) {
        query_free(&q->q);
    }
}

void
world_dns_release(struct session_world *w, bool hold)
{
    w->dns_hold = hold;
    for (struct world_query *q = w->queries; !hold && q != NULL; q = q->next) {
        soon(q->later);
    }
}

/* --- the listener --------------------------------------------------------- */

void
listener_session_ended(struct worker *worker, const char *address)
{
    struct session_world *w = (struct session_world *)(void *)worker;

    (void)address;
    if (w->connected == 0) {
        world_fail("a session has ended twice");
    }
    w->connected--;
}

void
listener_session_authenticated(struct worker *worker, const char *address)
{
    (void)worker;
    (void)address;
}

void
listener_log_refusal(struct worker_listener *l, const char *id,
                     const char *address, const char *why)
{
    (void)l;
    (void)id;
    (void)address;
    (void)why;
}
