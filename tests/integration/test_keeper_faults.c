/*
 * test_keeper_faults - a real keeper whose keys go wrong: signatures that do
 * not verify, notes that name another key, records that are gone from DNS.
 */
#include "tests/support/cmocka.h"
#include "tests/support/keeper_world.h"

#include <openssl/evp.h>

#include <dlfcn.h>
#include <proxy/keeper/protocol.h>
#include <proxy/keys/keystore.h>
#include <proxy/users/keychoice.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    USERS = 6,
    RSA_USERS = 4, /* user0 to user3 */
    CHECKED_FIRST = 100,
    CHECKED_EVERY = 64
};

static struct world *world;
static struct worker_end end;
static unsigned views;         /* that end has seen */
static volatile bool *damaged; /* shared with the keeper: RSA goes wrong */

static const uint8_t digest[32] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

typedef int evp_sign(EVP_PKEY_CTX *ctx, unsigned char *sig, size_t *len,
                     const unsigned char *tbs, size_t tbs_len);

/* In the place of libcrypto's: a computer that makes a mistake. */
int
EVP_PKEY_sign(EVP_PKEY_CTX *ctx, unsigned char *sig, size_t *len,
              const unsigned char *tbs, size_t tbs_len)
{
    static evp_sign *real;
    int result;

    if (real == NULL) {
        void *found = dlsym(RTLD_NEXT, "EVP_PKEY_sign");

        memcpy(&real, &found, sizeof(real));
    }
    result = real(ctx, sig, len, tbs, tbs_len);
    if (damaged != NULL && *damaged && result == 1 && sig != NULL) {
        sig[*len / 2] ^= 1;
    }
    return result;
}

static int
start(void **state)
{
    void *shared = mmap(NULL, sizeof(bool), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(shared, MAP_FAILED);
    world = world_new(USERS, RSA_USERS, 0, WORLD_CHEAP_HASH);
    damaged = shared;
    assert_true(world_start(world, 3));
    worker_end_open(&end, world);
    worker_end_views(&end, 1);
    views = 1;
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    worker_end_close(&end);
    world_free(&world);
    return 0;
}

static void
next_view(void)
{
    worker_end_views(&end, ++views);
}

static void
reload(void)
{
    world_signal(world, SIGHUP);
    next_view();
}

static const char *
domain_of(unsigned user)
{
    static char domain[64];

    (void)snprintf(domain, sizeof(domain), "user%u.example", user);
    return domain;
}

static const struct view_key *
key_of(unsigned user, const char *selector)
{
    const struct view_key *key =
        view_key(keeper_client_view(end.client), domain_of(user), selector);

    assert_non_null(key);
    return key;
}

static struct keeper_handle
login(unsigned user)
{
    char name[32], secret[32];
    struct answer a;

    (void)snprintf(name, sizeof(name), "user%u", user);
    (void)snprintf(secret, sizeof(secret), "secret-%u", user);
    a = worker_auth(&end, name, secret);
    assert_int_equal(a.status, KEEPER_OK);
    return a.handle;
}

static struct answer
sign_with(const struct keeper_handle *handle, unsigned user,
          const char *selector)
{
    return worker_sign(&end, handle, domain_of(user), selector,
                       user < RSA_USERS ? DKIM_ALG_RSA_SHA256
                                        : DKIM_ALG_ED25519_SHA256,
                       digest);
}

/* Writes the note of a key anew, as rotation does. */
static void
set_note(unsigned user, const char *selector, enum view_key_state state,
         const char *public_b64)
{
    struct conf_errors *errors = conf_errors_new();
    struct keystore_conf conf;
    struct keystore_key key;
    struct keystore *store;

    keystore_conf_init(&conf, &world->conf->server, false);
    store = keystore_load(&conf, errors);
    assert_non_null(store);
    assert_non_null(keystore_find(store, domain_of(user), selector));
    key = *keystore_find(store, domain_of(user), selector);
    key.view.state = state;
    key.public_b64 = public_b64 == NULL ? key.public_b64 : public_b64;
    assert_int_equal(keystore_update(&conf, &key), KEY_OK);
    keystore_free(&store);
    conf_errors_free(&errors);
}

/* A signature that our own public key refuses goes nowhere. */
static void
bad_signature_is_refused(void **state)
{
    struct keeper_handle handle = login(0);
    struct answer a;

    (void)state;
    assert_int_equal(sign_with(&handle, 0, "s1").status, KEEPER_OK);
    assert_false(world_log_has(world, "self-verify-failed"));
    *damaged = true;
    a = sign_with(&handle, 0, "s1");
    *damaged = false;
    assert_int_equal(a.status, KEEPER_BAD_KEY);
    assert_int_equal(a.len, 0);
    assert_int_equal(a.public_len, 0);
    assert_true(world_log_has(world, "event=self-verify-failed"));
    next_view();
    assert_true(key_of(0, "s1")->faulty);
    /* not used until a reload, whatever it would do now */
    assert_int_equal(sign_with(&handle, 0, "s1").status, KEEPER_BAD_KEY);
    /* and DNS has no say in that */
    keeper_seen(end.client, key_of(0, "s1"), KEEPER_SEEN_GOOD);
    assert_int_equal(sign_with(&handle, 0, "s1").status, KEEPER_BAD_KEY);
    reload();
    assert_false(key_of(0, "s1")->faulty);
    assert_int_equal(sign_with(&handle, 0, "s1").status, KEEPER_OK);
}

/* The first of a key, and then samples, come with the public key to check
 * the whole field by. */
static void
first_and_samples_are_checked(void **state)
{
    struct keeper_handle handle;
    unsigned checked = 0, n = 0;

    (void)state;
    reload(); /* counts from here */
    handle = login(1);
    for (; n < CHECKED_FIRST; n++) {
        struct answer a = sign_with(&handle, 1, "s1");

        assert_int_equal(a.status, KEEPER_OK);
        assert_true(a.public_len > 200);
    }
    for (; n < 4 * CHECKED_EVERY; n++) {
        checked += sign_with(&handle, 1, "s1").public_len > 0;
    }
    assert_int_equal(checked, 2); /* 128 and 192 */
}

/* The note is what was published; a private half of another key is refused,
 * and an older key stands in. */
static void
wrong_note_is_refused(void **state)
{
    struct keeper_handle handle = login(2);
    EVP_PKEY *key = NULL;
    struct buf other = BUF_INIT;
    char path[400];
    FILE *f;

    (void)state;
    assert_int_equal(keyfile_generate(DKIM_ALG_RSA_SHA256, 2048, false, &key),
                     KEY_OK);
    assert_int_equal(keyfile_put(key, &other), KEY_OK);
    (void)snprintf(path, sizeof(path), "%s/keys/user2.example/s1.pem",
                   world->dir);
    f = fopen(path, "we"); /* another private key, the same note */
    assert_non_null(f);
    assert_int_equal(fwrite(other.ptr, 1, other.len, f), other.len);
    assert_int_equal(fclose(f), 0);
    EVP_PKEY_free(key);
    buf_free(&other);

    EVP_PKEY_free(
        world_add_key(world, "user2.example", "s0", DKIM_ALG_RSA_SHA256, 2048));
    reload();
    assert_int_equal(sign_with(&handle, 2, "s1").status, KEEPER_BAD_KEY);
    next_view();
    assert_true(key_of(2, "s1")->faulty);
    assert_string_equal(keychoice_make(keeper_client_view(end.client),
                                       "user2.example", DKIM_ALG_RSA_SHA256, "")
                            .key->selector,
                        "s0");
    assert_int_equal(sign_with(&handle, 2, "s0").status, KEEPER_OK);
}

/* What a worker saw in DNS moves signing, among keys that were proved. */
static void
seen_moves_signing(void **state)
{
    struct keeper_handle handle = login(3);
    struct view_key other;

    (void)state;
    EVP_PKEY_free(world_add_key(world, "user3.example", "old",
                                DKIM_ALG_RSA_SHA256, 2048));
    set_note(3, "old", VIEW_KEY_RETIRING, NULL);
    reload();
    assert_int_equal(sign_with(&handle, 3, "old").status, KEEPER_NO_KEY);

    other = *key_of(3, "s1"); /* a key that had this name once */
    other.public_hash[0] ^= 1;
    keeper_seen(end.client, &other, KEEPER_SEEN_GONE);
    keeper_seen(end.client, key_of(3, "s1"), KEEPER_SEEN_GONE);
    next_view();
    assert_true(key_of(3, "s1")->faulty);
    assert_false(key_of(3, "old")->faulty);
    assert_int_equal(sign_with(&handle, 3, "old").status, KEEPER_OK);
    assert_int_equal(sign_with(&handle, 3, "s1").status, KEEPER_OK);

    reload(); /* what the notes do not know better holds on */
    assert_true(key_of(3, "s1")->faulty);
    assert_int_equal(sign_with(&handle, 3, "old").status, KEEPER_OK);

    keeper_seen(end.client, key_of(3, "old"), KEEPER_SEEN_DIFFERS);
    next_view();
    assert_true(key_of(3, "old")->faulty);
    assert_int_equal(sign_with(&handle, 3, "old").status, KEEPER_NO_KEY);
    assert_int_equal(sign_with(&handle, 3, "s1").status, KEEPER_OK);

    keeper_seen(end.client, key_of(3, "s1"), KEEPER_SEEN_GOOD);
    next_view();
    assert_false(key_of(3, "s1")->faulty);
    assert_int_equal(sign_with(&handle, 3, "old").status, KEEPER_NO_KEY);
    assert_int_equal(sign_with(&handle, 3, "s1").status, KEEPER_OK);
}

/* A worker that has gone mad can't keep the keeper busy with views. */
static void
words_are_gathered(void **state)
{
    struct keeper_handle handle = login(4);
    unsigned before = end.views;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        keeper_seen(end.client, key_of(4, "s1"),
                    i % 2 == 0 ? KEEPER_SEEN_GONE : KEEPER_SEEN_GOOD);
        if (i % 100 == 0) {
            assert_int_equal(sign_with(&handle, 4, "s1").status, KEEPER_OK);
        }
    }
    /* Threads take packets side by side: words of one moment have no order. */
    (void)nanosleep(&(struct timespec){ .tv_nsec = 300 * 1000 * 1000 }, NULL);
    keeper_seen(end.client, key_of(4, "s1"), KEEPER_SEEN_DIFFERS);
    while (!key_of(4, "s1")->faulty) {
        worker_end_views(&end, end.views + 1);
    }
    assert_true(end.views - before <= 4);
    views = end.views;
}

/* Passwords that were right are remembered over a view of faults. */
static void
handles_outlive_faults(void **state)
{
    struct keeper_handle handle = login(5);

    (void)state;
    keeper_seen(end.client, key_of(5, "s1"), KEEPER_SEEN_GONE);
    next_view();
    assert_true(key_of(5, "s1")->faulty);
    assert_int_equal(sign_with(&handle, 5, "s1").status, KEEPER_OK);
    (void)login(5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_signature_is_refused),
        cmocka_unit_test(first_and_samples_are_checked),
        cmocka_unit_test(wrong_note_is_refused),
        cmocka_unit_test(seen_moves_signing),
        cmocka_unit_test(words_are_gathered),
        cmocka_unit_test(handles_outlive_faults),
    };

    return cmocka_run_group_tests_name("keeper faults", tests, start, stop);
}
