/*
 * test_keystore - keys in a state directory: added, listed, changed, and
 * what can be wrong with files and folders. The notes are in
 * test_keystore_notes.
 */
#include "tests/support/cmocka.h"
#include "tests/support/store.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* 240 octets: only a selector of one letter leaves a name of 253. */
#define A20         "aaaaaaaaaaaaaaaaaaaa"
#define A63         A20 A20 A20 "aaa"
#define LONG_DOMAIN A63 "." A63 "." A63 "." A20 A20 "aaaaaaaa"

/* --- life --------------------------------------------------------------- */

static void
add_three(void)
{
    assert_int_equal(
        store_add("example.com", "s1", DKIM_ALG_RSA_SHA256, VIEW_KEY_ACTIVE),
        KEY_OK);
    assert_int_equal(
        store_add("example.com", "e1", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
        KEY_OK);
    assert_int_equal(store_add("a.example", "s1", DKIM_ALG_ED25519_SHA256,
                               VIEW_KEY_PUBLISHED),
                     KEY_OK);
}

static void
test_add(void **state)
{
    struct stat st;

    (void)state;
    store_check_load(0, 0, "");
    add_three();
    assert_int_equal(
        store_add("example.com", "s1", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
        KEY_ERR_EXISTS);
    assert_int_equal(stat(store_path("example.com/s1.pem"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(store_path("example.com"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void
test_load(void **state)
{
    struct conf_errors *errors = conf_errors_new();
    const struct keystore_key *k;
    enum dkim_alg alg = DKIM_ALGS;
    EVP_PKEY *key = NULL;
    struct keystore *s;

    (void)state;
    add_three();
    s = keystore_load(&store_conf, errors);
    assert_non_null(s);
    assert_int_equal(conf_errors_count(errors), 0);
    assert_int_equal(keystore_count(s), 3);
    assert_string_equal(keystore_key_at(s, 0)->view.domain, "a.example");
    assert_string_equal(keystore_key_at(s, 1)->view.selector, "e1");
    assert_null(keystore_key_at(s, 3));
    assert_null(keystore_find(s, "example.com", "s2"));
    k = keystore_find(s, "example.com", "s1");
    assert_non_null(k);
    assert_int_equal(k->view.state, VIEW_KEY_ACTIVE);
    assert_int_equal(k->view.alg, DKIM_ALG_RSA_SHA256);
    assert_int_equal(k->view.bits, 2048);
    assert_int_equal(k->view.activated_s, 1795301314);
    assert_int_equal(k->created_s, 1795301313);
    assert_string_equal(k->note, "a note");
    assert_int_equal(strlen(k->public_b64), 392);
    assert_int_equal(
        keystore_private(&store_conf, "example.com", "s1", &key, &alg), KEY_OK);
    assert_int_equal(alg, DKIM_ALG_RSA_SHA256);
    EVP_PKEY_free(key);
    keystore_free(&s);
    conf_errors_free(&errors);
}

static void
test_update(void **state)
{
    struct conf_errors *errors = conf_errors_new();
    const struct keystore_key *k;
    struct keystore_key changed;
    struct keystore *s;

    (void)state;
    add_three();
    s = keystore_load(&store_conf, errors);
    changed = *keystore_find(s, "example.com", "e1");
    changed.view.state = VIEW_KEY_ACTIVE;
    changed.view.activated_s = 1795309999;
    changed.view.owner = "alice";
    changed.test_mode = true;
    changed.note = "";
    assert_int_equal(keystore_update(&store_conf, &changed), KEY_OK);
    keystore_free(&s);
    s = keystore_load(&store_conf, errors);
    k = keystore_find(s, "example.com", "e1");
    assert_int_equal(k->view.state, VIEW_KEY_ACTIVE);
    assert_int_equal(k->view.activated_s, 1795309999);
    assert_string_equal(k->view.owner, "alice");
    assert_string_equal(k->note, "");
    assert_true(k->test_mode);
    keystore_free(&s);
    assert_int_equal(conf_errors_count(errors), 0);
    conf_errors_free(&errors);
}

static void
test_names(void **state)
{
    static const char *const domains[] = { "",          "..",        "a/b",
                                           "A.example", "../../etc", "a..b",
                                           ".a" };
    static const char *const selectors[] = { "",   ".",   "..",   "a/b",
                                             "S1", "a b", "../x", "s1." };
    EVP_PKEY *key = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        assert_int_equal(
            store_add(domains[i], "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
            KEY_ERR_NAME);
    }
    for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
        assert_int_equal(store_add("a.example", selectors[i],
                                   DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
                         KEY_ERR_NAME);
    }
    assert_int_equal(
        store_add(LONG_DOMAIN, "s2", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
        KEY_ERR_LONG);
    assert_int_equal(
        keystore_private(&store_conf, LONG_DOMAIN, "s2", &key, NULL),
        KEY_ERR_MISSING);
    assert_int_equal(
        store_add(LONG_DOMAIN, "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
        KEY_OK);
    assert_int_equal(keystore_remove(&store_conf, LONG_DOMAIN, "s"), KEY_OK);
    assert_int_equal(keystore_private(&store_conf, "../..", "x", &key, NULL),
                     KEY_ERR_NAME);
    assert_int_equal(
        keystore_private(&store_conf, "a.example", "../x", &key, NULL),
        KEY_ERR_NAME);
    assert_int_equal(
        keystore_private(&store_conf, "a.example", "x", &key, NULL),
        KEY_ERR_MISSING);
    assert_null(key);
}

static void
test_selectors(void **state)
{
    static const uint64_t november = 1795301313; /* 2026-11-21 */
    char name[16];

    (void)state;
    assert_true(
        keystore_new_selector(&store_conf, "a.example", november, name));
    assert_string_equal(name, "sp202611a");
    for (char c = 'a'; c <= 'z'; c++) {
        char want[16];

        snprintf(want, sizeof(want), "sp202611%c", c);
        assert_true(
            keystore_new_selector(&store_conf, "a.example", november, name));
        assert_string_equal(name, want);
        if (c == 'a') {
            assert_int_equal(store_add("a.example", name,
                                       DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
                             KEY_OK);
        } else {
            char file[64];

            snprintf(file, sizeof(file), "a.example/%s.pem", name);
            store_write(file, "", 0600);
        }
    }
    assert_true(
        keystore_new_selector(&store_conf, "a.example", november, name));
    assert_string_equal(name, "sp202611aa");
    /* a store that cannot be looked into is not a full one */
    store_write("b.example", "", 0600);
    assert_false(
        keystore_new_selector(&store_conf, "b.example", november, name));
    assert_int_equal(errno, ENOTDIR);
}

/* --- what can be wrong -------------------------------------------------- */

static void
test_files(void **state)
{
    (void)state;
    assert_int_equal(
        store_add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_ACTIVE),
        KEY_OK);
    store_check_load(1, 0, "");
    assert_int_equal(chmod(store_path("a.example/s.pem"), 0644), 0);
    store_check_load(0, 1, "a.example/s.pem: group or others have access");
    assert_int_equal(chmod(store_path("a.example/s.pem"), 0600), 0);
    assert_int_equal(chmod(store_path("a.example/s.conf"), 0620), 0);
    store_check_load(0, 1, "a.example/s.conf: group or others may write");
    assert_int_equal(chmod(store_path("a.example/s.conf"), 0644), 0);
    store_check_load(1, 0, "");
    store_write("a.example/README", "x", 0600);
    store_check_load(1, 1, "README in the key store is not a key");
    assert_int_equal(unlink(store_path("a.example/README")), 0);
    store_write("a.example/t.pem", "x", 0600);
    store_check_load(1, 1, "t.pem in the key store has no .conf");
    assert_int_equal(unlink(store_path("a.example/t.pem")), 0);
    store_write("a.example/.s.conf.1.tmp", "x", 0600);
    store_check_load(1, 0, "");
    assert_int_equal(mkdir(store_path("UPPER.example"), 0700), 0);
    store_check_load(1, 1, "UPPER.example in keys/ is not a domain");
    assert_int_equal(rmdir(store_path("UPPER.example")), 0);
    assert_int_equal(unlink(store_path("a.example/s.pem")), 0);
    store_check_load(0, 1, "a.example/s.pem: there is no such key file");
    assert_int_equal(symlink("/dev/null", store_path("a.example/s.pem")), 0);
    store_check_load(0, 1, "not a regular file");
}

static void
test_directories(void **state)
{
    struct conf_errors *errors = conf_errors_new();

    (void)state;
    assert_int_equal(
        store_add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_ACTIVE),
        KEY_OK);
    assert_int_equal(chmod(store_path("a.example"), 0770), 0);
    store_check_load(0, 1, "may write the directory");
    assert_int_equal(chmod(store_path("a.example"), 0700), 0);
    assert_int_equal(chmod(store_path(""), 0702), 0);
    assert_null(keystore_load(&store_conf, errors));
    assert_int_equal(conf_errors_count(errors), 1);
    conf_errors_free(&errors);
    assert_int_equal(chmod(store_path(""), 0700), 0);
    store_check_load(1, 0, "");
}

/* Another key's file under this one's name must not sign. */
static void
test_exchanged(void **state)
{
    struct conf_errors *errors = conf_errors_new();
    struct keystore_key key;
    EVP_PKEY *pkey = NULL;
    struct keystore *s;

    (void)state;
    assert_int_equal(
        store_add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
        KEY_OK);
    assert_int_equal(
        store_add("a.example", "t", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
        KEY_OK);
    s = keystore_load(&store_conf, errors);
    keystore_check_all(&store_conf, s, errors);
    assert_int_equal(conf_errors_count(errors), 0);
    {
        char from[256];

        snprintf(from, sizeof(from), "%s", store_path("a.example/t.pem"));
        assert_int_equal(rename(from, store_path("a.example/s.pem")), 0);
    }
    assert_int_equal(
        keystore_private(&store_conf, "a.example", "s", &pkey, NULL),
        KEY_ERR_MISMATCH);
    assert_null(pkey);
    key = *keystore_find(s, "a.example", "s");
    key.view.state = VIEW_KEY_ACTIVE;
    assert_int_equal(keystore_update(&store_conf, &key), KEY_ERR_MISMATCH);
    keystore_check_all(&store_conf, s, errors);
    assert_int_equal(conf_errors_count(errors), 2); /* s differs, t is gone */
    assert_non_null(strstr(conf_errors_line(errors, 0), "a.example/s.pem: "));
    keystore_free(&s);
    conf_errors_free(&errors);
}

static void
test_remove(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(
        store_add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
        KEY_OK);
    assert_int_equal(keystore_remove(&store_conf, "a.example", "s"), KEY_OK);
    assert_int_equal(stat(store_path("a.example/s.pem"), &st), -1);
    assert_int_equal(stat(store_path("a.example/s.conf"), &st), -1);
    assert_int_equal(keystore_remove(&store_conf, "a.example", "s"), KEY_OK);
    assert_int_equal(keystore_remove(&store_conf, "a.example", "../s"),
                     KEY_ERR_NAME);
    store_check_load(0, 0, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_add, store_begin, store_end),
        cmocka_unit_test_setup_teardown(test_load, store_begin, store_end),
        cmocka_unit_test_setup_teardown(test_update, store_begin, store_end),
        cmocka_unit_test_setup_teardown(test_names, store_begin, store_end),
        cmocka_unit_test_setup_teardown(test_selectors, store_begin, store_end),
        cmocka_unit_test_setup_teardown(test_files, store_begin, store_end),
        cmocka_unit_test_setup_teardown(test_directories, store_begin,
                                        store_end),
        cmocka_unit_test_setup_teardown(test_exchanged, store_begin, store_end),
        cmocka_unit_test_setup_teardown(test_remove, store_begin, store_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
