/*
 * watch - the records of our keys in DNS, looked at now and then; see
 * watch.h.
 */
#include "proxy/watch.h"

#include "proxy/clock.h"
#include "proxy/log/log.h"

#include <base/namehash.h>

#include <dkim/keyrecord.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdlib.h>
#include <time.h>

enum {
    IN_FLIGHT_MAX = 64, /* questions at once */
    TICK_MS_MIN = 50,
    TICK_MS_MAX = 1000,
    WRONG_AGAIN_S = 300, /* a key that is wrong is looked at more often */
    AGAIN_S = 60, /* after an error, or a wrong answer whose TTL is less */
    WRONG_ANSWERS = 2,
    FIRST_PART = 10,   /* the first round takes this part of a period */
    KEYS_A_TURN = 1000 /* of a new view: some 0.3 ms */
};

/* A key, and what DNS has said about it. */
struct watched {
    struct watch *watch;
    const char *domain; /* both in texts */
    const char *selector;
    uint8_t public_hash[VIEW_PUBLIC_HASH];
    enum dkim_alg alg;
    bool active;
    bool faulty;           /* the view says so */
    enum keeper_seen told; /* GOOD until an alarm */
    unsigned wrong;        /* answers in a row */
    uint64_t due_ms;
    struct dns_query *query;
    bool taken_over; /* while a new list is made */
    char texts[];    /* there may be 100 000 keys */
};

/* A new list on its way, some keys a turn; the old one serves until then. */
struct merge {
    struct event *turn;
    const struct view *view; /* lent until the next one; NULL: none is */
    size_t at;               /* the view's next key */
    size_t known;            /* where it would be in the old list */
    struct watched **keys;   /* owned */
    size_t count;
};

struct watch {
    struct resolver *resolver;    /* borrowed */
    struct keeper_client *keeper; /* borrowed */
    uint64_t period_ms;
    struct event *tick;
    struct watched **keys; /* owned, sorted by domain and selector */
    size_t count;
    size_t next; /* where the next tick begins to look */
    unsigned in_flight;
    struct merge merge;
};

/* --- what an answer says -------------------------------------------------- */

/* RFC 6376 3.6.1 has an RSA key as SubjectPublicKeyInfo; many publish the
 * RSAPublicKey in it, which is the same key. */
static bool
is_our_key(const struct watched *k, const struct dkim_key_record *record,
           EVP_PKEY *pkey)
{
    uint8_t hash[VIEW_PUBLIC_HASH];
    unsigned char *der = NULL;
    int len;
    bool same;

    same = EVP_Digest(record->p, record->p_len, hash, NULL, EVP_sha256(),
                      NULL) == 1 &&
           memcmp(hash, k->public_hash, sizeof(hash)) == 0;
    if (same || k->alg != DKIM_ALG_RSA_SHA256) {
        return same;
    }
    len = i2d_PUBKEY(pkey, &der);
    same = len > 0 &&
           EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1 &&
           memcmp(hash, k->public_hash, sizeof(hash)) == 0;
    OPENSSL_free(der);
    return same;
}

struct finding {
    bool certain; /* false: an error of DNS, which says nothing */
    enum keeper_seen word;
    const char *why; /* static */
};

static struct finding
judge(const struct watched *k, const struct dns_answer *answer)
{
    struct dkim_key_record record;
    enum dkim_key_err err = dkim_key_from_answer(answer, &record);
    EVP_PKEY *pkey = NULL;
    unsigned bits;
    struct finding f = { true, KEEPER_SEEN_DIFFERS, "it is another key" };

    if (err == DKIM_KEY_OK) {
        err = dkim_key_load(&record, k->alg, false, &pkey, &bits);
    }
    if (err == DKIM_KEY_TEMPFAIL) {
        f.certain = false;
    } else if (err == DKIM_KEY_NONE) {
        f.word = KEEPER_SEEN_GONE;
        f.why = "there is no record";
    } else if (err != DKIM_KEY_OK) {
        f.why = dkim_key_err_text(err);
    } else if (is_our_key(k, &record, pkey)) {
        f.word = KEEPER_SEEN_GOOD;
        f.why = "the record is this key";
    }
    EVP_PKEY_free(pkey);
    return f;
}

/* An alarm is for the key that signs; of the others it is as well to know. */
static void
log_finding(const struct watched *k, const struct finding *f)
{
    static const char *const events[] = {
        [KEEPER_SEEN_GOOD] = "key-record-back",
        [KEEPER_SEEN_GONE] = "key-record-gone",
        [KEEPER_SEEN_DIFFERS] = "key-record-differs",
    };
    enum log_level bad = k->active ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN;
    struct log_line l;

    log_begin(&l, f->word == KEEPER_SEEN_GOOD ? LOG_LEVEL_INFO : bad,
              events[f->word]);
    log_text(&l, "domain", k->domain);
    log_text(&l, "selector", k->selector);
    log_format(&l, "name", "%s._domainkey.%s", k->selector, k->domain);
    log_text(&l, "text", f->why);
    if (f->word != KEEPER_SEEN_GOOD) {
        log_format(&l, "mend", "sealpost key show %s %s", k->domain,
                   k->selector);
    }
    log_end(&l);
}

static void
tell(struct watched *k, const struct finding *f)
{
    struct view_key key = { .domain = k->domain, .selector = k->selector };

    memcpy(key.public_hash, k->public_hash, sizeof(key.public_hash));
    if (k->told != f->word) {
        log_finding(k, f);
        k->told = f->word;
    }
    keeper_seen(k->watch->keeper, &key, f->word);
}

static uint64_t
sooner_ms(const struct watch *w, uint64_t ms)
{
    return ms < w->period_ms ? ms : w->period_ms;
}

static void
on_answer(const struct dns_answer *answer, void *arg)
{
    struct watched *k = arg;
    struct watch *w = k->watch;
    struct finding f = judge(k, answer);
    uint64_t wait_ms = w->period_ms;

    k->query = NULL;
    w->in_flight--;
    if (!f.certain) {
        wait_ms = sooner_ms(w, AGAIN_S * 1000);
    } else if (f.word == KEEPER_SEEN_GOOD) {
        k->wrong = 0;
        if (k->faulty || k->told != KEEPER_SEEN_GOOD) {
            tell(k, &f);
        }
    } else if (++k->wrong < WRONG_ANSWERS) {
        /* Caches must have forgotten it before it counts twice. */
        wait_ms = ((uint64_t)answer->ttl_s + 1) * 1000;
        if (wait_ms < sooner_ms(w, AGAIN_S * 1000)) {
            wait_ms = sooner_ms(w, AGAIN_S * 1000);
        }
    } else {
        wait_ms = sooner_ms(w, WRONG_AGAIN_S * 1000);
        if (!k->faulty || k->told != f.word) {
            tell(k, &f);
        }
    }
    k->due_ms = clock_ms() + wait_ms;
}

/* --- asking --------------------------------------------------------------- */

static void
ask(struct watched *k, uint64_t now)
{
    struct watch *w = k->watch;
    struct dns_question q;

    k->due_ms = now + w->period_ms;
    if (!dkim_key_question(k->selector, k->domain, &q)) {
        return; /* such a key can't be in DNS; others say so */
    }
    k->query = dns_ask(w->resolver, &q, on_answer, k);
    w->in_flight += k->query != NULL;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct watch *w = arg;
    uint64_t now = clock_ms();

    (void)fd;
    (void)what;
    for (size_t n = 0; n < w->count && w->in_flight < IN_FLIGHT_MAX; n++) {
        struct watched *k = w->keys[w->next % w->count];

        w->next = (w->next + 1) % w->count;
        if (k->query == NULL && now >= k->due_ms) {
            ask(k, now);
        }
    }
}

/* --- the keys ------------------------------------------------------------- */

/* What signs, or may stand in for what does. */
static bool
is_wanted(const struct view_key *key)
{
    static const uint8_t unknown[VIEW_PUBLIC_HASH];

    return memcmp(key->public_hash, unknown, sizeof(unknown)) != 0 &&
           (key->state == VIEW_KEY_ACTIVE || key->state == VIEW_KEY_RETIRING ||
            (key->state == VIEW_KEY_PUBLISHED && key->proved_s != 0));
}

static int
compare(const struct watched *k, const struct view_key *key)
{
    int order = strcmp(k->domain, key->domain);

    return order != 0 ? order : strcmp(k->selector, key->selector);
}

/* Spreads keys over the time that they are first asked in; the same in every
 * life, so that a daemon that restarts often still asks for all. */
static uint64_t
spread(const struct watched *k, uint64_t over_ms)
{
    uint32_t hash = name_hash(name_hash(NAME_HASH_FIRST, bytes_str(k->domain)),
                              bytes_str(k->selector));

    return over_ms == 0 ? 0 : hash % over_ms;
}

static struct watched *
new_watched(struct watch *w, const struct view_key *key)
{
    size_t domain = strlen(key->domain) + 1;
    size_t selector = strlen(key->selector) + 1;
    struct watched *k = calloc(1, sizeof(*k) + domain + selector);

    if (k == NULL) {
        return NULL;
    }
    memcpy(k->texts, key->domain, domain);
    memcpy(k->texts + domain, key->selector, selector);
    k->domain = k->texts;
    k->selector = k->texts + domain;
    k->watch = w;
    k->told = KEEPER_SEEN_GOOD;
    memcpy(k->public_hash, key->public_hash, sizeof(k->public_hash));
    k->due_ms = clock_ms() + spread(k, w->period_ms / FIRST_PART);
    return k;
}

/* What is known of the same key already; NULL: nothing. Keys come in their
 * order: *at is where the one before was, or would have been. */
static struct watched *
find_known(const struct watch *w, const struct view_key *key, size_t *at)
{
    while (*at < w->count && compare(w->keys[*at], key) < 0) {
        (*at)++;
    }
    return *at < w->count && compare(w->keys[*at], key) == 0 &&
                   memcmp(w->keys[*at]->public_hash, key->public_hash,
                          VIEW_PUBLIC_HASH) == 0
               ? w->keys[*at]
               : NULL;
}

/* Those of keys that no new list has taken over. */
static void
drop_left(struct watched **keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct watched *k = keys[i];

        if (k->taken_over) {
            k->taken_over = false;
            continue;
        }
        if (k->query != NULL) {
            dns_cancel(&k->query);
            k->watch->in_flight--;
        }
        free(k);
    }
    free(keys);
}

static void
merge_drop(struct merge *m)
{
    (void)event_del(m->turn);
    drop_left(m->keys, m->count);
    m->keys = NULL;
    m->count = 0;
    m->view = NULL;
}

static void
merge_key(struct watch *w, const struct view_key *key)
{
    struct merge *m = &w->merge;
    struct watched *known = find_known(w, key, &m->known);
    struct watched *k = known == NULL ? new_watched(w, key) : known;

    if (k != NULL) {
        k->taken_over = known != NULL;
        k->alg = key->alg;
        k->active = key->state == VIEW_KEY_ACTIVE;
        k->faulty = key->faulty;
        m->keys[m->count++] = k;
    }
}

static void
merge_end(struct watch *w)
{
    struct merge *m = &w->merge;

    drop_left(w->keys, w->count);
    w->keys = m->keys;
    w->count = m->count;
    w->next = 0;
    *m = (struct merge){ .turn = m->turn };
}

static void
on_merge(evutil_socket_t fd, short what, void *arg)
{
    /* 0 would come before what sockets have. */
    static const struct timeval next_turn = { 0, 1 };
    struct watch *w = arg;
    struct merge *m = &w->merge;

    (void)fd;
    (void)what;
    for (unsigned n = 0; m->at < view_key_count(m->view); n++) {
        const struct view_key *key = view_key_at(m->view, m->at);

        if (n >= KEYS_A_TURN && event_add(m->turn, &next_turn) == 0) {
            return;
        }
        m->at++;
        if (is_wanted(key)) {
            merge_key(w, key);
        }
    }
    merge_end(w);
}

void
watch_view(struct watch *w, const struct view *view)
{
    struct merge *m = &w->merge;

    merge_drop(m);
    m->keys = calloc(view_key_count(view) + 1, sizeof(struct watched *));
    if (m->keys == NULL) {
        return; /* the old list is better than none */
    }
    m->view = view;
    m->at = m->known = 0;
    on_merge(-1, 0, w);
}

static struct timeval
tick_length(uint64_t period_ms)
{
    uint64_t ms = period_ms / 20;

    ms = ms < TICK_MS_MIN ? TICK_MS_MIN : ms > TICK_MS_MAX ? TICK_MS_MAX : ms;
    return (struct timeval){ (time_t)(ms / 1000),
                             (suseconds_t)(ms % 1000 * 1000) };
}

struct watch *
watch_new(struct event_base *base, struct resolver *resolver,
          struct keeper_client *keeper, unsigned period_s)
{
    struct watch *w = calloc(1, sizeof(*w));
    struct timeval tick = tick_length((uint64_t)period_s * 1000);

    if (w == NULL) {
        return NULL;
    }
    w->resolver = resolver;
    w->keeper = keeper;
    w->period_ms = (uint64_t)period_s * 1000;
    w->tick = event_new(base, -1, EV_PERSIST, on_tick, w);
    w->merge.turn = evtimer_new(base, on_merge, w);
    if (w->tick == NULL || w->merge.turn == NULL ||
        event_add(w->tick, &tick) != 0) {
        watch_free(&w);
    }
    return w;
}

void
watch_free(struct watch **wp)
{
    struct watch *w = *wp;

    *wp = NULL;
    if (w == NULL) {
        return;
    }
    if (w->merge.turn != NULL) {
        merge_drop(&w->merge);
        event_free(w->merge.turn);
    }
    drop_left(w->keys, w->count);
    if (w->tick != NULL) {
        event_free(w->tick);
    }
    free(w);
}
