/*
 * test_keystore_notes - what stands beside each key: written and read again,
 * edited by hand, and everything that can be wrong in it.
 */
#include "proxy/keys/keynote.h"
#include "tests/support/cmocka.h"
#include "tests/support/store.h"

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
        store_add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_ACTIVE),
        KEY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct conf_errors *errors = conf_errors_new();
        struct keystore *s;

        store_write("a.example/s.conf", rows[i].text, 0600);
        s = keystore_load(&store_conf, errors);
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
        store_add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
        KEY_OK);
    s = keystore_load(&store_conf, errors);
    key = *keystore_find(s, "a.example", "s");
    assert_string_equal(key.life.reason, "");
    assert_int_equal(key.life.silent_count, 0);
    key.view.proved_s = 1795301319;
    key.life = (struct key_life){ 1795301315, 1795301316,
                                  14400,      1795301317,
                                  1795301318, KEY_FAULT_DIFFERS,
                                  1795301321, "two\nlines; and more",
                                  silent,     2 };
    assert_int_equal(keystore_update(&store_conf, &key), KEY_OK);
    keystore_free(&s);
    s = keystore_load(&store_conf, errors);
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
    struct keystore_key key = store_about("a.example", "s", VIEW_KEY_NEW);
    struct conf_errors *errors = conf_errors_new();
    struct buf text = BUF_INIT;
    struct keystore *s;

    (void)state;
    assert_int_equal(
        store_add("a.example", "s", DKIM_ALG_ED25519_SHA256, VIEW_KEY_NEW),
        KEY_OK);
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        buf_clear(&text);
        buf_printf(&text,
                   "[key]\nstate = new\ntype = ed25519\nbits = 256\n"
                   "public = AAAA\nnote =%s\n",
                   notes[i][0]);
        store_write("a.example/s.conf", buf_str(&text), 0600);
        for (int n = 0; n < 2; n++) {
            s = keystore_load(&store_conf, errors);
            key = *keystore_find(s, "a.example", "s");
            assert_string_equal(key.note, notes[i][1]);
            assert_int_equal(keystore_update(&store_conf, &key), KEY_OK);
            keystore_free(&s);
        }
    }
    store_write("a.example/s.conf",
                "[key]\nstate = new\ntype = ed25519\nbits = 256\n"
                "public = AAAA\nowner =;alice\n",
                0600);
    store_check_load(0, 1, "bad value of owner; a user's name");
    buf_free(&text);
    conf_errors_free(&errors);
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
        cmocka_unit_test_setup_teardown(test_notes, store_begin, store_end),
        cmocka_unit_test_setup_teardown(test_steps, store_begin, store_end),
        cmocka_unit_test_setup_teardown(test_edited_note, store_begin,
                                        store_end),
        cmocka_unit_test(test_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
