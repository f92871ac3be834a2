/*
 * tls_sessions - see tls_sessions.h.
 *
 * Servers send two tickets after a full handshake and one after a resumed one;
 * a few for each place let connections that are made side by side resume, too.
 */
#include "proxy/net/tls_sessions.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <netinet/in.h>
#include <stdlib.h>

enum {
    KEY_OCTETS = 32 /* SHA-256 */
};

struct place_key {
    uint8_t octets[KEY_OCTETS];
};

struct kept {
    struct place_key key;
    int64_t proved_s;     /* when a full handshake has shown who the peer is */
    SSL_SESSION *session; /* owns; NULL: free */
    uint64_t turn;        /* of sessions.turns; the newest has most */
};

/* What a connection has of ours. */
struct origin {
    struct place_key key;
    int64_t now_s;     /* of its beginning */
    int64_t offered_s; /* proved_s of the session that was offered */
};

/* What a context has of ours. */
struct sessions {
    struct kept list[TLS_SESSIONS_MAX];
    uint64_t turns;
};

/* --- what OpenSSL keeps for us -------------------------------------------- */

static void
free_sessions(void *parent, void *sessions, CRYPTO_EX_DATA *data, int index,
              long number, void *arg)
{
    struct sessions *s = sessions;

    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)arg;
    for (size_t i = 0; s != NULL && i < TLS_SESSIONS_MAX; i++) {
        SSL_SESSION_free(s->list[i].session);
    }
    OPENSSL_free(s);
}

static void
free_origin(void *parent, void *origin, CRYPTO_EX_DATA *data, int index,
            long number, void *arg)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)arg;
    OPENSSL_free(origin);
}

static int
sessions_index(void)
{
    static int index = -1;

    if (index < 0) {
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_sessions);
    }
    return index;
}

static int
origin_index(void)
{
    static int index = -1;

    if (index < 0) {
        index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_origin);
    }
    return index;
}

static struct sessions *
sessions_of(const SSL *ssl)
{
    return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sessions_index());
}

/* --- keeping -------------------------------------------------------------- */

static bool
is_for(const struct kept *k, const struct place_key *key)
{
    return k->session != NULL && memcmp(&k->key, key, sizeof(*key)) == 0;
}

/* A free place; but of a place's own not more than its share, and when there
 * is none the oldest gives way. */
static struct kept *
room_for(struct sessions *s, const struct place_key *key)
{
    struct kept *oldest = &s->list[0], *own = NULL;
    size_t owned = 0;

    for (size_t i = 0; i < TLS_SESSIONS_MAX; i++) {
        struct kept *k = &s->list[i];

        if (is_for(k, key)) {
            owned++;
            own = own == NULL || k->turn < own->turn ? k : own;
        }
        oldest = k->turn < oldest->turn ? k : oldest;
    }
    return owned < TLS_SESSIONS_PEER_MAX ? oldest : own;
}

static void
drop(struct kept *k)
{
    SSL_SESSION_free(k->session);
    *k = (struct kept){ .session = NULL };
}

/* Takes session. RFC 8446 4.6.1: a ticket that came by a ticket is as old as
 * the first one. */
static void
keep(struct sessions *s, const struct origin *from, bool resumed,
     SSL_SESSION *session)
{
    struct kept *k = room_for(s, &from->key);

    drop(k);
    *k = (struct kept){ from->key, resumed ? from->offered_s : from->now_s,
                        session, ++s->turns };
}

/* 1: we have taken session. What the context demands of a peer is fulfilled
 * when the handshake is over, and this comes after it; we look all the same,
 * for a resumed connection is never checked again. */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
    struct sessions *s = sessions_of(ssl);
    const struct origin *from = SSL_get_ex_data(ssl, origin_index());

    if (s == NULL || from == NULL || SSL_SESSION_is_resumable(session) != 1 ||
        (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
         SSL_get_verify_result(ssl) != X509_V_OK)) {
        return 0;
    }
    keep(s, from, SSL_session_reused(ssl) == 1, session);
    return 1;
}

bool
tls_sessions_begin(SSL_CTX *ctx)
{
    struct sessions *s = OPENSSL_zalloc(sizeof(*s));

    if (s == NULL || SSL_CTX_set_ex_data(ctx, sessions_index(), s) != 1) {
        OPENSSL_free(s);
        return false;
    }
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
                                            SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    return true;
}

/* --- offering ------------------------------------------------------------- */

static bool
is_good(const struct kept *k, int64_t now_s)
{
    X509 *cert = SSL_SESSION_get0_peer(k->session);
    int64_t age_s = now_s - k->proved_s;
    time_t now = (time_t)now_s;

    return SSL_SESSION_is_resumable(k->session) == 1 && age_s >= 0 &&
           age_s < TLS_SESSIONS_LIFE_S && cert != NULL &&
           X509_cmp_time(X509_get0_notAfter(cert), &now) > 0;
}

/* The newest one that is still good, or NULL; others of the place are dropped
 * on the way. */
static struct kept *
find(struct sessions *s, const struct place_key *key, int64_t now_s)
{
    struct kept *newest = NULL;

    for (size_t i = 0; i < TLS_SESSIONS_MAX; i++) {
        struct kept *k = &s->list[i];

        if (!is_for(k, key)) {
            continue;
        }
        if (!is_good(k, now_s)) {
            drop(k);
        } else if (newest == NULL || k->turn > newest->turn) {
            newest = k;
        }
    }
    return newest;
}

static void
offer(SSL *ssl, struct origin *origin, struct kept *k)
{
    (void)SSL_set_session(ssl, k->session);
    origin->offered_s = k->proved_s;
    if (SSL_SESSION_get_protocol_version(k->session) >= TLS1_3_VERSION) {
        drop(k);
    }
}

static bool
put_address(EVP_MD_CTX *md, const struct sockaddr *address)
{
    const struct sockaddr_in *v4 =
        (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 =
        (const struct sockaddr_in6 *)(const void *)address;

    if (address->sa_family == AF_INET6) {
        return EVP_DigestUpdate(md, &v6->sin6_addr, sizeof(v6->sin6_addr)) &&
               EVP_DigestUpdate(md, &v6->sin6_scope_id,
                                sizeof(v6->sin6_scope_id)) &&
               EVP_DigestUpdate(md, &v6->sin6_port, sizeof(v6->sin6_port));
    }
    return EVP_DigestUpdate(md, &v4->sin_addr, sizeof(v4->sin_addr)) &&
           EVP_DigestUpdate(md, &v4->sin_port, sizeof(v4->sin_port));
}

static int
by_octets(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct place_key));
}

/* As a set: servers of DNS tell them in turns. */
static bool
put_records(EVP_MD_CTX *md, const struct tls_place *place)
{
    struct place_key digests[TLS_SESSIONS_RECORDS_MAX];

    if (place->record_count > TLS_SESSIONS_RECORDS_MAX) {
        return false;
    }
    for (size_t i = 0; i < place->record_count; i++) {
        if (EVP_Digest(place->records[i].ptr, place->records[i].len,
                       digests[i].octets, NULL, EVP_sha256(), NULL) != 1) {
            return false;
        }
    }
    qsort(digests, place->record_count, sizeof(digests[0]), by_octets);
    return EVP_DigestUpdate(md, digests,
                            place->record_count * sizeof(digests[0])) == 1;
}

static bool
make_key(const struct tls_place *place, struct place_key *key_out)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good =
        md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
        EVP_DigestUpdate(md, place->host, strlen(place->host) + 1) == 1 &&
        put_address(md, place->address) && put_records(md, place) &&
        EVP_DigestFinal_ex(md, key_out->octets, NULL) == 1;

    EVP_MD_CTX_free(md);
    return good;
}

void
tls_sessions_use(SSL *ssl, const struct tls_place *place, bool resume,
                 int64_t now_s)
{
    struct sessions *s = sessions_of(ssl);
    struct origin *origin = OPENSSL_zalloc(sizeof(*origin));
    struct kept *k = NULL;

    if (s == NULL || origin == NULL || !make_key(place, &origin->key) ||
        SSL_set_ex_data(ssl, origin_index(), origin) != 1) {
        OPENSSL_free(origin);
        ERR_clear_error();
        return;
    }
    origin->now_s = now_s;
    if (resume) {
        k = find(s, &origin->key, now_s);
    }
    if (k != NULL) {
        offer(ssl, origin, k);
    }
    ERR_clear_error();
}

void
tls_sessions_forget(const SSL *ssl)
{
    struct sessions *s = ssl == NULL ? NULL : sessions_of(ssl);
    const struct origin *from =
        ssl == NULL ? NULL : SSL_get_ex_data(ssl, origin_index());

    for (size_t i = 0; s != NULL && from != NULL && i < TLS_SESSIONS_MAX; i++) {
        if (is_for(&s->list[i], &from->key)) {
            drop(&s->list[i]);
        }
    }
}
