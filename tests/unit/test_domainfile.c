/*
 * test_domainfile - notes about domains: read, refused, written, found.
 */
#include "proxy/domains/domainfile.h"
#include "tests/support/cmocka.h"
#include "tests/support/tempdir.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is refused says so, with its line. */
static void
test_refused(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        { "", "n: way is missing" },
        { "way = own\n", "n:1: stands in no section" },
        { "[x]\n", "n:1: unknown section" },
        { "[domain]\nway = mine\n", "n:2: bad value of way; delegated, own" },
        { "[domain]\nway = own\nway = own\n", "n:3: the setting stands here" },
        { "[domain]\nway = own\nx = y\n", "n:3: unknown setting" },
        { "[domain]\nway = own\nearlier += a\n", "n:3: the setting stands" },
        { "[domain]\nway = own\nearlier = A\n", "n:3: bad value of earlier" },
        { "[domain]\nway = own\nadded = today\n", "n:3: bad value of added" },
        { "[domain]\nway = own\ncolour = blue\n", "n:3: bad value of colour" },
        { "[domain]\nway = own\n[track]\ntype = dsa\n", "n:4: bad value of" },
        { "[domain]\nway = own\n[track]\nslot = a\n", "track 1 has 1 slots" },
        { "[domain]\nway = delegated\n[track]\n", "track 1 has 0 slots" },
        { "[domain]\nway = delegated\n[track]\nslot = a.b\n", "n:4: bad val" },
        { "[domain]\nway = delegated\n[track]\nslot = a now\n", "n:4: bad" },
        { "[domain]\nway = delegated\n[track]\nslot = a\nslot += b\n"
          "slot += c\nslot += d\n",
          "n:7: bad value of slot" },
        { "[domain]\nway = own\n[track]\n[track]\n", "tracks 1 and 2 have" },
        { "[domain]\nway = own\n[track]\nuser =;a\n", "n:4: bad value of" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct conf_errors *errors = conf_errors_new();

        assert_null(domainfile_read(bytes_str(cases[i].text), "a.example", "n",
                                    errors));
        if (conf_errors_count(errors) == 0 ||
            strstr(conf_errors_line(errors, 0), cases[i].says) == NULL) {
            fail_msg("case %zu: %s", i,
                     conf_errors_count(errors) == 0
                         ? "no line"
                         : conf_errors_line(errors, 0));
        }
        conf_errors_free(&errors);
    }
}

static void
check_again(const struct domain_file *f)
{
    assert_int_equal(f->way, DOMAIN_DELEGATED);
    assert_int_equal(f->added_s, 1800000000);
    assert_int_equal(f->colour, PLAN_RED);
    assert_int_equal(f->colour_s, 1800000001);
    assert_int_equal(f->checked_s, 1800000002);
    assert_string_equal(f->why, "two lines, of text");
    assert_string_equal(f->note, "f\xc3\xbcr sie");
    assert_int_equal(f->earlier_count, 2);
    assert_true(domainfile_is_earlier(f, "sp202611a"));
    assert_false(domainfile_is_earlier(f, "sp202611b"));
    assert_int_equal(f->track_count, 2);
    assert_int_equal(f->tracks[1].alg, DKIM_ALG_ED25519_SHA256);
    assert_string_equal(f->tracks[1].user, "alice");
    assert_int_equal(f->tracks[0].slots[1].used_s, 1800000003);
    assert_true(domainfile_is_slot(f, f->tracks[1].slots[2].token));
    assert_false(domainfile_is_slot(f, "sp202611a"));
}

static struct domain_file *
make(void)
{
    struct domain_file *f = domainfile_new("a.example", DOMAIN_DELEGATED);

    assert_non_null(f);
    f->added_s = 1800000000;
    f->colour = PLAN_RED;
    f->colour_s = 1800000001;
    f->checked_s = 1800000002;
    f->why = "two\nlines, of text";
    f->note = "f\xc3\xbcr; sie";
    assert_true(domainfile_earlier(f, "sp202611a"));
    assert_true(domainfile_earlier(f, "s2"));
    assert_true(domainfile_earlier(f, "s2"));
    assert_non_null(domainfile_track(f, DKIM_ALG_RSA_SHA256, "", true));
    assert_null(domainfile_track(f, DKIM_ALG_RSA_SHA256, "alice", false));
    assert_non_null(
        domainfile_track(f, DKIM_ALG_ED25519_SHA256, "Alice", true));
    assert_ptr_equal(
        domainfile_track(f, DKIM_ALG_ED25519_SHA256, "Alice", true),
        domainfile_track(f, DKIM_ALG_ED25519_SHA256, "alice", false));
    f->tracks[0].slots[1].used_s = 1800000003;
    return f;
}

static void
test_store(void **state)
{
    struct conf_errors *errors = conf_errors_new();
    struct strings strings = { NULL };
    struct tempdir dir;
    struct domain_file *f = make();
    struct domain_file *again;
    const char **names;
    char path[TEMPDIR_PATH_MAX];
    struct stat st;
    size_t count = 9;
    int lock;

    (void)state;
    tempdir_make(&dir);
    {
        const struct keystore_conf conf = { .state_dir = dir.path,
                                            .uid = (uid_t)-1,
                                            .gid = (gid_t)-1 };

        names = domainfile_names(&conf, &strings, &count, errors);
        assert_true(names != NULL && count == 0);
        lock = domainfile_lock(&conf);
        assert_true(lock >= 0);
        assert_true(domainfile_save(&conf, f));
        again = domainfile_load(&conf, "a.example", errors);
        assert_non_null(again);
        check_again(again);
        assert_null(domainfile_load(&conf, "b.example", errors));
        assert_null(domainfile_load(&conf, "../a.example", errors));
        names = domainfile_names(&conf, &strings, &count, errors);
        assert_int_equal(count, 1);
        assert_string_equal(names[0], "a.example");
        assert_int_equal(conf_errors_count(errors), 0);
        tempdir_name(&dir, "domains/a.example.conf", path);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(chmod(path, 0666), 0);
        assert_null(domainfile_load(&conf, "a.example", errors));
        assert_int_equal(conf_errors_count(errors), 1);
        assert_true(domainfile_remove(&conf, "a.example"));
        assert_true(domainfile_remove(&conf, "a.example"));
    }
    close(lock);
    assert_int_equal(unlink(tempdir_name(&dir, "domains/.lock", path)), 0);
    assert_int_equal(rmdir(tempdir_name(&dir, "domains", path)), 0);
    tempdir_remove(&dir);
    strings_free(&strings);
    domainfile_free(&f);
    domainfile_free(&again);
    conf_errors_free(&errors);
}

/* A token is a selector, and no two are alike. */
static void
test_tokens(void **state)
{
    char one[DOMAIN_TOKEN + 1];
    char two[DOMAIN_TOKEN + 1];
    char parsed[DOMAIN_TOKEN_MAX + 200];

    (void)state;
    assert_true(domainfile_token(one) && domainfile_token(two));
    assert_string_not_equal(one, two);
    assert_int_equal(strlen(one), DOMAIN_TOKEN);
    assert_true(keystore_selector_parse(bytes_str(one), parsed));
    assert_string_equal(parsed, one);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
