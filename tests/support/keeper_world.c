/*
 * keeper_world - users, keys and a keeper for tests; see keeper_world.h.
 */
#include "tests/support/keeper_world.h"

#include <openssl/rsa.h>

#include <crypt.h>
#include <fcntl.h>
#include <ftw.h>
#include <proxy/keeper/keeper.h>
#include <proxy/keys/keystore.h>
#include <proxy/log/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Tells what failed and where; a test can't go on from here. */
#define MUST(condition)                                                \
    do {                                                               \
        if (!(condition)) {                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, \
                    #condition);                                       \
            abort();                                                   \
        }                                                              \
    } while (0)

static void
write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    MUST(f != NULL);
    MUST(fputs(text, f) >= 0);
    MUST(fchmod(fileno(f), 0600) == 0);
    MUST(fclose(f) == 0);
}

static void
load_conf(struct world *w)
{
    struct conf_errors *errors = NULL;
    struct buf text = BUF_INIT;
    char path[300];

    buf_printf(&text,
               "[server]\nhostname = relay.example.com\nstate_dir = %s\n"
               "keys_user = root\n" /* whether or not there is the default */
               "[listen one]\naddress = 127.0.0.1:2525\nmode = outbound\n"
               "tls = none\nupstream = out\n"
               "trusted_networks = 127.0.0.0/8\ntrusted_user = user0\n"
               "[listen two]\naddress = 127.0.0.1:2526\nmode = outbound\n"
               "tls = none\nupstream = out\n"
               "trusted_networks = 127.0.0.0/8\n"
               "[listen three]\naddress = 127.0.0.1:2527\nmode = outbound\n"
               "tls = none\nupstream = out\n"
               "[listen four]\naddress = 127.0.0.1:2529\nmode = outbound\n"
               "certificate = /none\nprivate_key = /none\nupstream = out\n"
               "auth_mechanisms = external\ntls_client_users = sha256:"
               "00112233445566778899aabbccddeeff"
               "00112233445566778899aabbccddeeff = User1\n"
               "[listen five]\naddress = 127.0.0.1:2530\nmode = outbound\n"
               "tls = none\nupstream = out\n"
               "auth_backend = dovecot:/nowhere\n"
               "[upstream out]\naddress = 127.0.0.1:2528\ntls = none\n",
               w->dir);
    (void)snprintf(path, sizeof(path), "%s/sealpost.conf", w->dir);
    write_file(path, buf_str(&text));
    buf_free(&text);
    conf_load(path, &w->conf, &errors);
    for (size_t i = 0; w->conf == NULL && i < conf_errors_count(errors); i++) {
        fprintf(stderr, "%s\n", conf_errors_line(errors, i));
    }
    MUST(w->conf != NULL && w->conf->listen_count == WORLD_LISTENERS);
    conf_errors_free(&errors);
}

EVP_PKEY *
world_add_key(struct world *w, const char *domain, const char *selector,
              enum dkim_alg alg, unsigned bits)
{
    struct keystore_key about = { .note = "", .public_b64 = "" };
    struct keystore_conf store;
    EVP_PKEY *key = NULL;

    about.view.domain = domain;
    about.view.selector = selector;
    about.view.owner = "";
    about.view.state = VIEW_KEY_ACTIVE;
    about.view.activated_s = 1000000000;
    keystore_conf_init(&store, &w->conf->server, false);
    MUST(keyfile_generate(alg, bits, false, &key) == KEY_OK);
    MUST(keystore_add(&store, key, &about) == KEY_OK);
    return key;
}

static EVP_PKEY *
add_user_key(struct world *w, unsigned n, enum dkim_alg alg, unsigned bits)
{
    char domain[64];

    (void)snprintf(domain, sizeof(domain), "user%u.example", n);
    return world_add_key(w, domain, "s1", alg, bits);
}

static char *
hash_of(unsigned n, unsigned long cost)
{
    char secret[32], salt[CRYPT_GENSALT_OUTPUT_SIZE];
    static struct crypt_data data;
    const char *hash;

    (void)snprintf(secret, sizeof(secret), "secret-%u", n);
    MUST(crypt_gensalt_rn("$y$", cost, NULL, 0, salt, sizeof(salt)) != NULL);
    hash = crypt_r(secret, salt, &data);
    MUST(hash != NULL);
    return strdup(hash);
}

static void
open_socket(struct world *w)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    (void)snprintf(w->socket_path, sizeof(w->socket_path), "%s/keeper.sock",
                   w->dir);
    MUST(strlen(w->socket_path) < sizeof(addr.sun_path));
    memcpy(addr.sun_path, w->socket_path, strlen(w->socket_path));
    w->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    MUST(w->listen_fd >= 0);
    MUST(bind(w->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
    MUST(listen(w->listen_fd, 64) == 0);
}

struct world *
world_new(unsigned users, unsigned rsa, unsigned big, unsigned long hash_cost)
{
    struct world *w = calloc(1, sizeof(*w));
    const char *tmp = getenv("TMPDIR");

    MUST(w != NULL);
    w->users = users;
    (void)snprintf(w->dir, sizeof(w->dir), "%s/keeper-XXXXXX",
                   tmp == NULL ? "/tmp" : tmp);
    MUST(mkdtemp(w->dir) != NULL);
    (void)snprintf(w->log_path, sizeof(w->log_path), "%s/log", w->dir);
    load_conf(w);
    w->keys = calloc(users, sizeof(*w->keys));
    w->hashes = calloc(users, sizeof(*w->hashes));
    w->locked = calloc(users, sizeof(*w->locked));
    MUST(w->keys != NULL && w->hashes != NULL && w->locked != NULL);
    for (unsigned i = 0; i < users; i++) {
        bool is_rsa = i < rsa + big;

        w->keys[i] = add_user_key(
            w, i, is_rsa ? DKIM_ALG_RSA_SHA256 : DKIM_ALG_ED25519_SHA256,
            i < rsa ? 2048 : 4096);
        w->hashes[i] = hash_of(i, hash_cost);
    }
    world_write_users(w, "");
    open_socket(w);
    return w;
}

void
world_write_users(struct world *w, const char *extra)
{
    struct buf text = BUF_INIT;
    char path[300];

    for (unsigned i = 0; i < w->users; i++) {
        buf_printf(&text, "[user%u]\npassword = %s\nfrom = user%u.example\n%s",
                   i, w->hashes[i], i, w->locked[i] ? "locked = yes\n" : "");
    }
    buf_puts(&text, extra);
    (void)snprintf(path, sizeof(path), "%s/users.conf", w->dir);
    write_file(path, buf_str(&text));
    buf_free(&text);
}

static int
remove_one(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
    (void)st;
    (void)what;
    (void)ftw;
    return remove(path);
}

void
world_free(struct world **wp)
{
    struct world *w = *wp;

    if (w->keeper != 0) {
        world_signal(w, SIGTERM);
        MUST(world_wait(w) == 0);
    }
    close(w->listen_fd);
    (void)nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    for (unsigned i = 0; i < w->users; i++) {
        EVP_PKEY_free(w->keys[i]);
        free(w->hashes[i]);
    }
    free(w->keys);
    free(w->hashes);
    free(w->locked);
    conf_free(&w->conf);
    free(w);
    *wp = NULL;
}

/* --- the process ---------------------------------------------------------- */

static void
be_keeper(const struct world *w, unsigned threads, int ready_fd, pid_t parent)
{
    struct keeper_conf conf = { .conf = w->conf,
                                .listen_fd = w->listen_fd,
                                .worker_uid = geteuid(),
                                .ready_fd = ready_fd,
                                .parent = parent,
                                .threads = threads };
    int log_fd =
        open(w->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int code;

    log_open(log_fd, CONF_LOGFMT, "keeper");
    code = keeper_run(&conf);
    /* A leak checker attaches to the process that it checks. */
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    exit(code);
}

bool
world_start(struct world *w, unsigned threads)
{
    pid_t self = getpid();
    int ready[2];
    char octet = 0;
    ssize_t n;

    MUST(pipe2(ready, O_CLOEXEC) == 0);
    (void)fflush(NULL);
    w->keeper = fork();
    MUST(w->keeper >= 0);
    if (w->keeper == 0) {
        close(ready[0]);
        be_keeper(w, threads, ready[1], self);
    }
    close(ready[1]);
    n = read(ready[0], &octet, 1);
    close(ready[0]);
    return n == 1 && octet == '1';
}

void
world_signal(struct world *w, int sig)
{
    MUST(w->keeper > 0 && kill(w->keeper, sig) == 0);
}

int
world_wait(struct world *w)
{
    int status;

    MUST(waitpid(w->keeper, &status, 0) == w->keeper);
    w->keeper = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
world_connect(const struct world *w)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    MUST(fd >= 0);
    memcpy(addr.sun_path, w->socket_path, strlen(w->socket_path));
    MUST(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
    return fd;
}

bool
world_log_has(const struct world *w, const char *text)
{
    char line[8192];
    FILE *f = fopen(w->log_path, "re");
    bool found = false;

    MUST(f != NULL);
    while (!found && fgets(line, sizeof(line), f) != NULL) {
        found = strstr(line, text) != NULL;
    }
    fclose(f);
    return found;
}

bool
world_verify(EVP_PKEY *key, const uint8_t *digest, struct bytes signature)
{
    EVP_PKEY_CTX *rsa = NULL;
    EVP_MD_CTX *ed = NULL;
    bool good;

    if (EVP_PKEY_base_id(key) == EVP_PKEY_RSA) {
        rsa = EVP_PKEY_CTX_new(key, NULL);
        good =
            EVP_PKEY_verify_init(rsa) == 1 &&
            EVP_PKEY_CTX_set_rsa_padding(rsa, RSA_PKCS1_PADDING) == 1 &&
            EVP_PKEY_CTX_set_signature_md(rsa, EVP_sha256()) == 1 &&
            EVP_PKEY_verify(rsa, signature.ptr, signature.len, digest, 32) == 1;
        EVP_PKEY_CTX_free(rsa);
        return good;
    }
    ed = EVP_MD_CTX_new();
    good = EVP_DigestVerifyInit(ed, NULL, NULL, NULL, key) == 1 &&
           EVP_DigestVerify(ed, signature.ptr, signature.len, digest, 32) == 1;
    EVP_MD_CTX_free(ed);
    return good;
}

/* --- a worker's side ------------------------------------------------------ */

static void
on_view(const struct view *view, void *arg)
{
    struct worker_end *e = arg;

    e->views += view != NULL;
    e->gone += view == NULL;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

void
worker_end_open(struct worker_end *e, const struct world *w)
{
    const struct timeval second = { 1, 0 };

    *e = (struct worker_end){ .base = event_base_new() };
    MUST(e->base != NULL);
    e->tick = event_new(e->base, -1, EV_PERSIST, on_tick, NULL);
    MUST(e->tick != NULL && event_add(e->tick, &second) == 0);
    e->client = keeper_client_new(e->base, world_connect(w), on_view, e);
    MUST(e->client != NULL);
}

void
worker_end_close(struct worker_end *e)
{
    keeper_client_free(&e->client);
    event_free(e->tick);
    event_base_free(e->base);
}

static time_t
now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void
run_until(struct worker_end *e, time_t until_s)
{
    MUST(now_s() < until_s);
    MUST(event_base_loop(e->base, EVLOOP_ONCE) >= 0);
}

void
worker_end_run(struct worker_end *e, const bool *done)
{
    time_t until_s = now_s() + 20;

    while (!*done) {
        run_until(e, until_s);
    }
}

void
worker_end_views(struct worker_end *e, unsigned views)
{
    time_t until_s = now_s() + 20;

    while (e->views < views) {
        run_until(e, until_s);
    }
}

void
worker_answered(const struct keeper_reply *reply, void *arg)
{
    struct answer *a = arg;

    a->came = true;
    a->status = reply->status;
    a->handle = reply->handle;
    a->len = reply->signature.len;
    if (a->len > 0) {
        memcpy(a->signature, reply->signature.ptr, a->len);
    }
    a->public_len = reply->public_key.len;
    if (a->public_len > 0) {
        memcpy(a->public_key, reply->public_key.ptr, a->public_len);
    }
}

struct answer
worker_auth(struct worker_end *e, const char *user, const char *secret)
{
    struct answer a = { 0 };

    MUST(keeper_auth(e->client, user, secret, worker_answered, &a) != NULL);
    worker_end_run(e, &a.came);
    return a;
}

struct answer
worker_assert(struct worker_end *e, unsigned listener, const char *user)
{
    struct answer a = { 0 };

    MUST(keeper_assert(e->client, listener, user, worker_answered, &a) != NULL);
    worker_end_run(e, &a.came);
    return a;
}

struct answer
worker_sign(struct worker_end *e, const struct keeper_handle *handle,
            const char *domain, const char *selector, enum dkim_alg alg,
            const uint8_t *digest)
{
    struct answer a = { 0 };

    MUST(keeper_sign(e->client, handle, domain, selector, alg, digest,
                     worker_answered, &a) != NULL);
    worker_end_run(e, &a.came);
    return a;
}
