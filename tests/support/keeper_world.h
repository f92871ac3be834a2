/*
 * keeper_world - a state directory with users and keys, and a keeper on it.
 *
 * User N is "userN", may send as userN.example, and her password is
 * "secret-N". Her domain has one active key, selector "s1". Nothing here
 * needs root; all of it is below a fresh directory in TMPDIR.
 *
 * Every call aborts the program with a message when the system refuses it.
 */
#ifndef TESTS_SUPPORT_KEEPER_WORLD_H
#define TESTS_SUPPORT_KEEPER_WORLD_H

#include <base/buf.h>

#include <event2/event.h>
#include <openssl/evp.h>

#include <proxy/config/conf.h>
#include <proxy/keeper/client.h>
#include <sys/types.h>

/* The listeners of its sealpost.conf, by index. */
enum {
    WORLD_TRUSTS_USER0, /* trusted_user = user0 */
    WORLD_TRUSTS_LOCAL, /* trusted networks, loopback, no trusted_user */
    WORLD_TRUSTS_NOBODY,
    WORLD_TRUSTS_CERTIFICATE, /* tls_client_users: one of User1 */
    WORLD_BELIEVES,           /* Dovecot judges */
    WORLD_LISTENERS
};

enum {
    WORLD_CHEAP_HASH = 1,
    WORLD_DEFAULT_HASH = 5
};

struct world {
    char dir[256];
    char log_path[300];
    struct conf *conf;
    unsigned users;
    EVP_PKEY **keys; /* [users]: the pairs that were generated */
    char **hashes;   /* [users] */
    bool *locked;    /* [users]: written by world_write_users() */
    int listen_fd;
    char socket_path[300];
    pid_t keeper; /* 0: not running */
};

/*
 * The first rsa users have RSA-2048 keys, the next big RSA-4096, the others
 * Ed25519. hash_cost: yescrypt's, as of crypt_gensalt(3).
 */
struct world *world_new(unsigned users, unsigned rsa, unsigned big,
                        unsigned long hash_cost);
/* Ends the keeper, if there is one, and removes the directory. */
void world_free(struct world **w);

/* users.conf from w; extra is appended as it is. */
void world_write_users(struct world *w, const char *extra);
/* Another key of a user's domain: its own selector, no right for others. */
EVP_PKEY *world_add_key(struct world *w, const char *domain,
                        const char *selector, enum dkim_alg alg, unsigned bits);

/* Starts the keeper; true: it said that it is ready. */
bool world_start(struct world *w, unsigned threads);
/* Sends it a signal. */
void world_signal(struct world *w, int sig);
/* Waits for its end; the exit code, or 128 + the signal. */
int world_wait(struct world *w);
/* A connection to it, as a worker has. */
int world_connect(const struct world *w);
/* Has the keeper's log this text? */
bool world_log_has(const struct world *w, const char *text);

/* Does signature stand for digest under this key? */
bool world_verify(EVP_PKEY *key, const uint8_t *digest, struct bytes signature);

/* A worker's side: asks and runs the loop until the answer is there. */
struct worker_end {
    struct event_base *base;
    struct event *tick; /* the loop wakes up now and then */
    struct keeper_client *client;
    unsigned views; /* that came */
    unsigned gone;  /* how often the keeper was lost */
};

struct answer {
    bool came;
    enum keeper_status status;
    struct keeper_handle handle;
    uint8_t signature[512];
    size_t len;
    uint8_t public_key[640];
    size_t public_len;
};

void worker_end_open(struct worker_end *e, const struct world *w);
void worker_end_close(struct worker_end *e);
/* Runs the loop until *done, for 20 s at most. */
void worker_end_run(struct worker_end *e, const bool *done);
/* Runs it until that many views have come. */
void worker_end_views(struct worker_end *e, unsigned views);
struct answer worker_auth(struct worker_end *e, const char *user,
                          const char *secret);
struct answer worker_assert(struct worker_end *e, unsigned listener,
                            const char *user);
struct answer worker_sign(struct worker_end *e,
                          const struct keeper_handle *handle,
                          const char *domain, const char *selector,
                          enum dkim_alg alg, const uint8_t *digest);
/* The callback that fills a struct answer. */
void worker_answered(const struct keeper_reply *reply, void *arg);

#endif
