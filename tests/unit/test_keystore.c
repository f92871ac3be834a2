/*
 * test_keystore - keys in a state directory: added, listed, changed, and
 * everything that can be wrong with the files.
 */
#include "proxy/keys/keynote.h"
#include "proxy/keys/keystore.h"
#include "tests/support/cmocka.h"
#include "tests/support/tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* 240 octets: only a selector of one letter leaves a name of 253. */
#define A20         "aaaaaaaaaaaaaaaaaaaa"
#define A63         A20 A20 A20 "aaa"
#define LONG_DOMAIN A63 "." A63 "." A63 "." A20 A20 "aaaaaaaa"

static char dir[64];
static struct keystore_conf conf;

static int
begin(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/sealpost-keystore-XXXXXX");
    assert_non_null(mkdtemp(dir));
    conf = (struct keystore_conf){ .state_dir = dir,
                                   .uid = (uid_t)-1,
                                   .gid = (gid_t)-1 };
    return 0;
}

static int
end(void **state)
{
    (void)state;
    return tempdir_erase(dir);
}

static struct keystore_key
about(const char *domain, const char *selector, enum view_key_state state)
{
    struct keystore_key key = { .created_s = 1795301313, .note = "a note" };

    key.view.domain = domain;
    key.view.selector = selector;
    key.view.state = state;
    key.view.owner = "";
    key.view.activated_s = state == VIEW_KEY_ACTIVE ? 1795301314 : 0;
    return key;
}

static enum key_err
add(const char *domain, const char *selector, enum dkim_alg alg,
    enum view_key_state state)
{
    struct keystore_key key = about(domain, selector, state);
    EVP_PKEY *pkey = NULL;
    enum key_err err;

    assert_int_equal(keyfile_generate(alg, 0, false, &pkey), KEY_OK);
    err = keystore_add(&conf, pkey, &key);
    EVP_PKEY_free(pkey);
    return err;
}

static const char *
in_store(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/keys/%s", dir, name);
    return path;
}

/* Loads, and demands so many keys; the first error line holds says. */
static void
check_load(size_t keys, size_t lines, const char *says)
{
    struct conf_errors *errors = conf_errors_new();
    struct keystore *s = keystore_load(&conf, errors);

    assert_non_null(s);
    if (conf_errors_count(errors) != lines ||
        (lines > 0 && strstr(conf_errors_line(errors, 0), says) == NULL)) {
        fail_msg("%zu lines, the first: %s", conf_errors_count(errors),
                 conf_errors_count(errors) > 0 ? conf_errors_line(errors, 0)
                                               : "");
    }
    assert_int_equal(keystore_count(s), keys);
    keystore_free(&s);
    conf_errors_free(&errors);
}

static void
write_text(const char *name, const char *text, mode_t mode)
{
    FILE *f = fopen(in_store(name), "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(in_store(name), mode), 0);
}

/* --- life --------------------------------------------------------------- */

static void
add_three(void)
{
    assert_int_equal(
        add("example.com", "s1", DKIM_ALG_RSA_SHA256, VIEW_KEY_ACTIVE), KEY_OK);
    assert_int_equal(
        add("example.com", "e1", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
        KEY_OK);
    assert_int_equal(
        add("a.example", "s1", DKIM_ALG_ED25519_SHA256, VIEW_KEY_PUBLISHED),
        KEY_OK);
}

static void
test_add(void **state)
{
    struct stat st;

    (void)state;
    check_load(0, 0, "");
    add_three();
    assert_int_equal(
        add("example.com", "s1", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
        KEY_ERR_EXISTS);
    assert_int_equal(stat(in_store("example.com/s1.pem"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(in_store("example.com"), &st), 0);
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
    s = keystore_load(&conf, errors);
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
    assert_int_equal(keystore_private(&conf, "example.com", "s1", &key, &alg),
                     KEY_OK);
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
    s = keystore_load(&conf, errors);
    changed = *keystore_find(s, "example.com", "e1");
    changed.view.state = VIEW_KEY_ACTIVE;
    changed.view.activated_s = 1795309999;
    changed.view.owner = "alice";
    changed.test_mode = true;
    changed.note = "";
    assert_int_equal(keystore_update(&conf, &changed), KEY_OK);
    keystore_free(&s);
    s = keystore_load(&conf, errors);
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
            add(domains[i], "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
            KEY_ERR_NAME);
    }
    for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
        assert_int_equal(add("a.example", selectors[i], DKIM_ALG_ED25519_SHA256,
                             VIEW_KEY_NEW),
                         KEY_ERR_NAME);
    }
    assert_int_equal(
        add(LONG_DOMAIN, "s2", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
        KEY_ERR_LONG);
    assert_int_equal(keystore_private(&conf, LONG_DOMAIN, "s2", &key, NULL),
                     KEY_ERR_MISSING);
    assert_int_equal(
        add(LONG_DOMAIN, "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW), KEY_OK);
    assert_int_equal(keystore_remove(&conf, LONG_DOMAIN, "s"), KEY_OK);
    assert_int_equal(keystore_private(&conf, "../..", "x", &key, NULL),
                     KEY_ERR_NAME);
    assert_int_equal(keystore_private(&conf, "a.example", "../x", &key, NULL),
                     KEY_ERR_NAME);
    assert_int_equal(keystore_private(&conf, "a.example", "x", &key, NULL),
                     KEY_ERR_MISSING);
    assert_null(key);
}

static void
test_selectors(void **state)
{
    static const uint64_t november = 1795301313; /* 2026-11-21 */
    char name[16];

    (void)state;
    assert_true(keystore_new_selector(&conf, "a.example", november, name));
    assert_string_equal(name, "sp202611a");
    for (char c = 'a'; c <= 'z'; c++) {
        char want[16];

        snprintf(want, sizeof(want), "sp202611%c", c);
        assert_true(keystore_new_selector(&conf, "a.example", november, name));
        assert_string_equal(name, want);
        if (c == 'a') {
            assert_int_equal(
                add("a.example", name, DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
                KEY_OK);
        } else {
            char file[64];

            snprintf(file, sizeof(file), "a.example/%s.pem", name);
            write_text(file, "", 0600);
        }
    }
    assert_true(keystore_new_selector(&conf, "a.example", november, name));
    assert_string_equal(name, "sp202611aa");
    /* a store that cannot be looked into is not a full one */
    write_text("b.example", "", 0600);
    assert_false(keystore_new_selector(&conf, "b.example", november, name));
    assert_int_equal(errno, ENOTDIR);
}

/* --- what can be wrong -------------------------------------------------- */

static void
test_files(void **state)
{
    (void)state;
    assert_int_equal(
        add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_ACTIVE),
        KEY_OK);
    check_load(1, 0, "");
    assert_int_equal(chmod(in_store("a.example/s.pem"), 0644), 0);
    check_load(0, 1, "a.example/s.pem: group or others have access");
    assert_int_equal(chmod(in_store("a.example/s.pem"), 0600), 0);
    assert_int_equal(chmod(in_store("a.example/s.conf"), 0620), 0);
    check_load(0, 1, "a.example/s.conf: group or others may write");
    assert_int_equal(chmod(in_store("a.example/s.conf"), 0644), 0);
    check_load(1, 0, "");
    write_text("a.example/README", "x", 0600);
    check_load(1, 1, "README in the key store is not a key");
    assert_int_equal(unlink(in_store("a.example/README")), 0);
    write_text("a.example/t.pem", "x", 0600);
    check_load(1, 1, "t.pem in the key store has no .conf");
    assert_int_equal(unlink(in_store("a.example/t.pem")), 0);
    write_text("a.example/.s.conf.1.tmp", "x", 0600);
    check_load(1, 0, "");
    assert_int_equal(mkdir(in_store("UPPER.example"), 0700), 0);
    check_load(1, 1, "UPPER.example in keys/ is not a domain");
    assert_int_equal(rmdir(in_store("UPPER.example")), 0);
    assert_int_equal(unlink(in_store("a.example/s.pem")), 0);
    check_load(0, 1, "a.example/s.pem: there is no such key file");
    assert_int_equal(symlink("/dev/null", in_store("a.example/s.pem")), 0);
    check_load(0, 1, "not a regular file");
}

static void
test_directories(void **state)
{
    struct conf_errors *errors = conf_errors_new();

    (void)state;
    assert_int_equal(
        add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_ACTIVE),
        KEY_OK);
    assert_int_equal(chmod(in_store("a.example"), 0770), 0);
    check_load(0, 1, "may write the directory");
    assert_int_equal(chmod(in_store("a.example"), 0700), 0);
    assert_int_equal(chmod(in_store(""), 0702), 0);
    assert_null(keystore_load(&conf, errors));
    assert_int_equal(conf_errors_count(errors), 1);
    conf_errors_free(&errors);
    assert_int_equal(chmod(in_store(""), 0700), 0);
    check_load(1, 0, "");
}

static void
test_notes(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        { "", "s.conf: state is missing" },
        { "[key]\nstate = on\n", "s.conf:2: bad value of state" },
        { "[key]\nstate = new\ntype = ec\n", "s.conf:3: bad value of type" },
        { "[key]\nbits = 5000\n", "s.conf:2: bad value of bits" },
        { "[key]\nbits = -1\n", "s.conf:2: bad value of bits" },
        { "[key]\ncreated = yesterday\n", "s.conf:2: bad value of created" },
        { "[key]\ncreated = 2026-02-30T00:00:00Z\n", "s.conf:2: bad value" },
        { "[key]\ncreated = 2026-11-21 22:00:00Z\n", "s.conf:2: bad value" },
        { "[key]\ncreated = 1969-11-21T22:00:00Z\n", "s.conf:2: bad value" },
        { "[key]\npublic = a!b\n", "s.conf:2: bad value of public" },
        { "[key]\npublic += AAAA\n", "s.conf:2: `+=` without" },
        { "[key]\nstate = new\nstate = new\n", "s.conf:3: the setting stands" },
        { "[key]\nstate = new\nstate += new\n", "s.conf:3: the setting" },
        { "[key]\ntest_mode = maybe\n", "s.conf:2: bad value of test_mode" },
        { "[key]\nfoo = bar\n", "s.conf:2: unknown setting" },
        { "[lock]\n", "s.conf:1: not in [key]" },
        { "state = new\n", "s.conf:1: not in [key]" },
        { "[key]\nstate = new\ntype = rsa\nbits = 2048\n",
          "s.conf: public is missing" },
    };

    (void)state;
    assert_int_equal(
        add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_ACTIVE),
        KEY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct conf_errors *errors = conf_errors_new();
        struct keystore *s;

        write_text("a.example/s.conf", rows[i].text, 0600);
        s = keystore_load(&conf, errors);
        assert_non_null(s);
        assert_int_equal(keystore_count(s), 0);
        assert_true(conf_errors_count(errors) > 0);
        if (strstr(conf_errors_line(errors, 0), rows[i].says) == NULL) {
            fail_msg("%s\n  says %s", rows[i].text,
                     conf_errors_line(errors, 0));
        }
        keystore_free(&s);
        conf_errors_free(&errors);
    }
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
        add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW), KEY_OK);
    assert_int_equal(
        add("a.example", "t", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW), KEY_OK);
    s = keystore_load(&conf, errors);
    keystore_check_all(&conf, s, errors);
    assert_int_equal(conf_errors_count(errors), 0);
    {
        char from[256];

        snprintf(from, sizeof(from), "%s", in_store("a.example/t.pem"));
        assert_int_equal(rename(from, in_store("a.example/s.pem")), 0);
    }
    assert_int_equal(keystore_private(&conf, "a.example", "s", &pkey, NULL),
                     KEY_ERR_MISMATCH);
    assert_null(pkey);
    key = *keystore_find(s, "a.example", "s");
    key.view.state = VIEW_KEY_ACTIVE;
    assert_int_equal(keystore_update(&conf, &key), KEY_ERR_MISMATCH);
    keystore_check_all(&conf, s, errors);
    assert_int_equal(conf_errors_count(errors), 2); /* s differs, t is gone */
    assert_non_null(strstr(conf_errors_line(errors, 0), "a.example/s.pem: "));
    keystore_free(&s);
    conf_errors_free(&errors);
}

static void
check_text(const char *text, const char *want)
{
    char out[8];

    keynote_line(text, out, sizeof(out));
    assert_string_equal(out, want);
}

/* Each date and what was seen come back as they were written. */
static void
test_steps(void **state)
{
    static const struct key_silence silent[] = {
        { "ns1.example.net [192.0.2.1]", 1795301320 },
        { "ns2.example.net [2001:db8::1]", 1795301330 },
    };
    struct conf_errors *errors = conf_errors_new();
    const struct keystore_key *k;
    struct keystore_key key;
    struct keystore *s;

    (void)state;
    assert_int_equal(
        add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW), KEY_OK);
    s = keystore_load(&conf, errors);
    key = *keystore_find(s, "a.example", "s");
    assert_string_equal(key.life.reason, "");
    assert_int_equal(key.life.silent_count, 0);
    key.view.proved_s = 1795301319;
    key.life = (struct key_life){ 1795301315, 1795301316,
                                  14400,      1795301317,
                                  1795301318, KEY_FAULT_DIFFERS,
                                  1795301321, "two\nlines; and more",
                                  silent,     2 };
    assert_int_equal(keystore_update(&conf, &key), KEY_OK);
    keystore_free(&s);
    s = keystore_load(&conf, errors);
    assert_int_equal(conf_errors_count(errors), 0);
    k = keystore_find(s, "a.example", "s");
    assert_non_null(k);
    assert_int_equal(k->view.proved_s, 1795301319);
    assert_true(k->view.faulty);
    assert_int_equal(k->life.published_s, 1795301315);
    assert_int_equal(k->life.seen_s, 1795301316);
    assert_int_equal(k->life.wait_s, 14400);
    assert_int_equal(k->life.retired_s, 1795301317);
    assert_int_equal(k->life.revoked_s, 1795301318);
    assert_int_equal(k->life.fault, KEY_FAULT_DIFFERS);
    assert_int_equal(k->life.fault_s, 1795301321);
    assert_string_equal(k->life.reason, "two lines and more");
    assert_int_equal(k->life.silent_count, 2);
    assert_string_equal(k->life.silent[1].server, silent[1].server);
    assert_int_equal(k->life.silent[1].since_s, 1795301330);
    keystore_free(&s);
    conf_errors_free(&errors);
    check_text("a;b\t c ", "a b c");
    check_text("123456 8", "123456");
    check_text("\xff", "");
}

/* A note that somebody has edited keeps no key from going on. */
static void
test_edited_note(void **state)
{
    static const char *const notes[][2] = { { ";by hand", "by hand" },
                                            { "a;b", "a b" },
                                            { "f\xc3\xbcr", "f\xc3\xbcr" } };
    struct keystore_key key = about("a.example", "s", VIEW_KEY_NEW);
    struct conf_errors *errors = conf_errors_new();
    struct buf text = BUF_INIT;
    struct keystore *s;

    (void)state;
    assert_int_equal(
        add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW), KEY_OK);
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        buf_clear(&text);
        buf_printf(&text,
                   "[key]\nstate = new\ntype = ed25519\nbits = 256\n"
                   "public = AAAA\nnote =%s\n",
                   notes[i][0]);
        write_text("a.example/s.conf", buf_str(&text), 0600);
        for (int n = 0; n < 2; n++) {
            s = keystore_load(&conf, errors);
            key = *keystore_find(s, "a.example", "s");
            assert_string_equal(key.note, notes[i][1]);
            assert_int_equal(keystore_update(&conf, &key), KEY_OK);
            keystore_free(&s);
        }
    }
    write_text("a.example/s.conf",
               "[key]\nstate = new\ntype = ed25519\nbits = 256\n"
               "public = AAAA\nowner =;alice\n",
               0600);
    check_load(0, 1, "bad value of owner; a user's name");
    buf_free(&text);
    conf_errors_free(&errors);
}

static void
test_remove(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(
        add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW), KEY_OK);
    assert_int_equal(keystore_remove(&conf, "a.example", "s"), KEY_OK);
    assert_int_equal(stat(in_store("a.example/s.pem"), &st), -1);
    assert_int_equal(stat(in_store("a.example/s.conf"), &st), -1);
    assert_int_equal(keystore_remove(&conf, "a.example", "s"), KEY_OK);
    assert_int_equal(keystore_remove(&conf, "a.example", "../s"), KEY_ERR_NAME);
    check_load(0, 0, "");
}

static void
test_time(void **state)
{
    char text[KEYNOTE_TIME];
    uint64_t time_s = 1;

    (void)state;
    keynote_time(0, text);
    assert_string_equal(text, "");
    keynote_time(4102444800, text);
    assert_string_equal(text, "2100-01-01T00:00:00Z");
    assert_false(keynote_time_parse("2100-02-30T00:00:00Z", &time_s));
    assert_false(keynote_time_parse("1969-12-31T23:59:59Z", &time_s));
    assert_true(keynote_time_parse(text, &time_s));
    assert_int_equal(time_s, 4102444800);
    assert_true(keynote_time_parse("", &time_s));
    assert_int_equal(time_s, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_add, begin, end),
        cmocka_unit_test_setup_teardown(test_load, begin, end),
        cmocka_unit_test_setup_teardown(test_update, begin, end),
        cmocka_unit_test_setup_teardown(test_names, begin, end),
        cmocka_unit_test_setup_teardown(test_selectors, begin, end),
        cmocka_unit_test_setup_teardown(test_files, begin, end),
        cmocka_unit_test_setup_teardown(test_directories, begin, end),
        cmocka_unit_test_setup_teardown(test_notes, begin, end),
        cmocka_unit_test_setup_teardown(test_exchanged, begin, end),
        cmocka_unit_test_setup_teardown(test_steps, begin, end),
        cmocka_unit_test_setup_teardown(test_edited_note, begin, end),
        cmocka_unit_test_setup_teardown(test_remove, begin, end),
        cmocka_unit_test(test_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
