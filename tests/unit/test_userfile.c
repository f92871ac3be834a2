/*
 * test_userfile - users.conf: what is read, and the line that every mistake
 * is given.
 */
#include "proxy/users/userfile.h"
#include "proxy/users/uservalue.h"
#include "tests/support/cmocka.h"

#define YESCRYPT \
    "$y$j9T$TDt7UhjG8TD1DnWbWiJX81$tbOHtD4.6kf22UMHbNwRF7SKIe6.I34oN8GUM8WX144"
#define BCRYPT "$2b$05$7E4mQ9t3bQ2Vn1m1z9yV5uGJ8g0n0q1r2s3t4u5v6w7x8y9z0A1B2"
#define SHA512                                                               \
    "$6$saltsalt$"                                                           \
    "0123456789012345678901234567890123456789012345678901234567890123456789" \
    "0123456789012345"

static struct userfile *
parse(const char *text, struct conf_errors **errors_out)
{
    *errors_out = conf_errors_new();
    assert_non_null(*errors_out);
    return userfile_parse(bytes_str(text), "users.conf", *errors_out);
}

/* --- values ------------------------------------------------------------- */

static const char people[] = "# people\n"
                             "[Alice]\n"
                             "password = " YESCRYPT "\n"
                             "scram = \n"
                             "from = Example.COM, *.example.org ; both\n"
                             "from += ceo@Example.net\n"
                             "selector = Alice2026, alice2026e\n"
                             "domain = HOST.example\n"
                             "other_from = sign-as-user\n"
                             "no_key = tempfail\n"
                             "upstream = second\n"
                             "rate = 500/h\n"
                             "locked = yes\n"
                             "[user-1]\n"
                             "name = Somebody@with.a.long.name.example\n"
                             "selector = own\n"
                             "from = *\n"
                             "[bare]\n";

static void
test_whole(void **state)
{
    struct conf_errors *errors;
    struct userfile *f = parse(people, &errors);
    const struct view_user *u;

    (void)state;
    assert_non_null(f);
    assert_int_equal(conf_errors_count(errors), 0);
    assert_int_equal(f->count, 3);
    u = f->users;
    assert_string_equal(u->name, "alice");
    assert_string_equal(f->secrets[0].password, YESCRYPT);
    assert_string_equal(f->secrets[0].scram, "");
    assert_int_equal(u->from_count, 3);
    assert_int_equal(u->from[0].kind, VIEW_FROM_DOMAIN);
    assert_string_equal(u->from[0].domain, "example.com");
    assert_int_equal(u->from[1].kind, VIEW_FROM_BELOW);
    assert_string_equal(u->from[1].domain, "example.org");
    assert_int_equal(u->from[2].kind, VIEW_FROM_ADDRESS);
    assert_string_equal(u->from[2].local, "ceo");
    assert_string_equal(u->from[2].domain, "example.net");
    assert_string_equal(u->selectors[0], "alice2026");
    assert_string_equal(u->selectors[1], "alice2026e");
    assert_null(u->selectors[2]);
    assert_string_equal(u->domain, "host.example");
    assert_int_equal(u->other_from, CONF_OTHER_AS_USER);
    assert_int_equal(u->no_key, CONF_NO_KEY_TEMPFAIL);
    assert_string_equal(u->upstream, "second");
    assert_int_equal(u->rate_count, 500);
    assert_int_equal(u->rate_s, 3600);
    assert_true(u->locked);
    u = f->users + 1;
    assert_string_equal(u->name, "somebody@with.a.long.name.example");
    assert_true(u->own_selector);
    assert_int_equal(u->from[0].kind, VIEW_FROM_ANY);
    u = f->users + 2;
    assert_int_equal(u->from_count, 0);
    assert_null(u->selectors[0]);
    assert_string_equal(f->secrets[2].password, "");
    userfile_free(&f);
    conf_errors_free(&errors);
}

static void
test_find(void **state)
{
    struct conf_errors *errors;
    struct userfile *f = parse(people, &errors);
    size_t i = 99;

    (void)state;
    assert_non_null(f);
    assert_true(userfile_find(f, BYTES_LIT("ALICE"), &i));
    assert_int_equal(i, 0);
    assert_true(
        userfile_find(f, BYTES_LIT("somebody@WITH.a.long.name.example"), &i));
    assert_int_equal(i, 1);
    i = 77;
    assert_false(userfile_find(f, BYTES_LIT("user-1"), &i));
    assert_false(userfile_find(f, BYTES_LIT("ali"), &i));
    assert_false(userfile_find(f, BYTES_LIT(""), &i));
    assert_int_equal(i, 77);
    userfile_free(&f);
    conf_errors_free(&errors);
}

/* A mistake a row: the text, the line, what the message holds. */
static const struct {
    const char *text;
    unsigned line;
    const char *says;
} mistakes[] = {
    { "[a]\n[b]\n[A]\n", 3, "user a is there twice, first in line 1" },
    { "[a]\nname = b\n[b]\n", 3, "user b is there twice" },
    { "[a]\npassword =\n", 2, "empty password" },
    { "[a]\npassword = secret\n", 2,
      ": password: the password is not a crypt(3) string" },
    { "[a]\npassword = $1$abc$0123456789012345678901\n", 2, "crypt(3)" },
    { "[a]\npassword = $y$j9T$x$short\n", 2, "crypt(3)" },
    { "[a]\npassword = " YESCRYPT "x\n", 2, "crypt(3)" },
    { "[a]\npassword = *" YESCRYPT "\n", 2, "crypt(3)" },
    { "[a]\nscram = SCRAM-SHA-1$1:2$3:4\n", 2, "RFC 5803" },
    { "[a]\nfrom = exa mple.com\n", 2, "not a `from` entry" },
    { "[a]\nfrom = a@b@\n", 2, "not a `from` entry" },
    { "[a]\nfrom = x.example, a@b@c.example\n", 2,
      ": from = a@b@c.example: not a `from` entry" },
    { "[a]\nfrom = a b@c.example\n", 2, "not a `from` entry" },
    { "[a]\nfrm = x\n", 2, "unknown setting frm; did you mean from?" },
    { "[a]\ncolour = x\n", 2, "unknown setting colour; sealpost-users" },
    { "[a]\nrate = 5/w\n", 2, ": rate = 5/w: not a rate; " },
    { "[a]\nfrom = @example.com\n", 2, "not a `from` entry" },
    { "[a]\nfrom = *.\n", 2, "not a `from` entry" },
    { "[a]\nfrom = **\n", 2, "not a `from` entry" },
    { "[a]\nfrom = *.*.example.com\n", 2, "not a `from` entry" },
    { "[a]\nfrom = ex\xc3\xa4mple.com\n", 2, "xn--" },
    { "[a]\nfrom = a.example\nfrom = b.example\n", 3, "twice" },
    { "[a]\nselector = a b\n", 2, "not a selector" },
    { "[a]\nselector = own, x\n", 2, "`own` beside another" },
    { "[a]\nselector = x\nselector += own\n", 3, "`own` beside another" },
    { "[a]\nselector = a,b,c,d,e,f,g,h,i\n", 2, "more than 8" },
    { "[a]\nselector = ../../x\n", 2, "not a selector" },
    { "[a]\ndomain = a,b\n", 2, "not a domain" },
    { "[a]\nother_from = maybe\n", 2, "reject, unsigned" },
    { "[a]\nno_key = maybe\n", 2, "unsigned, tempfail" },
    { "[a]\nrate = 500\n", 2, "not a rate" },
    { "[a]\nrate = 0/h\n", 2, "not a rate" },
    { "[a]\nrate = -5/h\n", 2, "not a rate" },
    { "[a]\nrate = 5/hh\n", 2, "not a rate" },
    { "[a]\nrate = 9999999999/h\n", 2, "not a rate" },
    { "[a]\nlocked = maybe\n", 2, "yes or no" },
    { "[a]\ndomain += x.example\n", 2, "`+=` behind a setting" },
    { "from = x.example\n", 1, "before the first user" },
    { "[a b]\n", 1, "not a user's name" },
    { "[a]\nname = x y\n", 2, "not a user's name" },
    { "[a]\n from = x.example\n", 2, "" }, /* indented */
    { "[a\n", 1, "" },
    { "[a]\nfrom\n", 2, "" },
};

static void
test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        struct conf_errors *errors;
        struct userfile *f = parse(mistakes[i].text, &errors);
        char where[64];
        const char *line;

        if (f != NULL) {
            fail_msg("taken: %s", mistakes[i].text);
        }
        assert_true(conf_errors_count(errors) >= 1);
        line = conf_errors_line(errors, 0);
        snprintf(where, sizeof(where), "users.conf:%u: ", mistakes[i].line);
        if (strncmp(line, where, strlen(where)) != 0 ||
            strstr(line, mistakes[i].says) == NULL) {
            fail_msg("%s\n  says %s\n  want %s%s", mistakes[i].text, line,
                     where, mistakes[i].says);
        }
        conf_errors_free(&errors);
    }
}

/* Not just the first one. */
static void
test_all_mistakes(void **state)
{
    struct conf_errors *errors;
    struct userfile *f = parse("[a]\nrate = x\n[b]\npassword =\nfoo = 1\n"
                               "[a]\n",
                               &errors);

    (void)state;
    assert_null(f);
    assert_int_equal(conf_errors_count(errors), 4);
    conf_errors_free(&errors);
}

static void
test_hashes(void **state)
{
    (void)state;
    assert_true(uservalue_hash(YESCRYPT));
    assert_true(uservalue_hash(BCRYPT));
    assert_true(uservalue_hash(SHA512));
    assert_false(uservalue_hash(""));
    assert_false(uservalue_hash("$"));
    assert_false(uservalue_hash("$y$"));
    assert_false(uservalue_hash("$6$"));
    assert_false(uservalue_hash("abJnggxhB/yWI")); /* DES */
    assert_false(uservalue_hash("$5$salt$0123456789012345678901234567890123456"
                                "789012"));
    assert_false(uservalue_hash("$6$salt\n$0123"));
}

static void
test_selector_warning(void **state)
{
    struct view_key key = { "example.com",
                            "known",
                            DKIM_ALG_RSA_SHA256,
                            2048,
                            VIEW_KEY_ACTIVE,
                            1,
                            "",
                            false,
                            0,
                            false,
                            { 0 } };
    struct view_key old = key;
    struct view_builder *b = view_builder_new();
    struct conf_errors *errors;
    struct userfile *f = parse("[a]\nfrom = *\nselector = known, unknown\n"
                               "[b]\nfrom = *\nselector = old\n",
                               &errors);
    struct view *v;

    (void)state;
    assert_non_null(f);
    old.selector = "old";
    old.state = VIEW_KEY_RETIRING;
    assert_true(view_builder_key(b, &key));
    assert_true(view_builder_key(b, &old));
    old.domain = "example.net";
    old.selector = "known"; /* active in the other domain */
    assert_true(view_builder_key(b, &old));
    assert_true(userfile_to_view(f, b));
    v = view_build(&b, 1);
    assert_non_null(v);
    userfile_check_selectors(f, "users.conf", v, errors);
    assert_int_equal(conf_errors_count(errors), 2);
    assert_true(conf_errors_is_warning(errors, 0));
    assert_non_null(strstr(conf_errors_line(errors, 0),
                           "users.conf:3: no key has the selector unknown"));
    assert_true(conf_errors_is_warning(errors, 1));
    assert_non_null(strstr(conf_errors_line(errors, 1),
                           "users.conf:6: the key of selector old of user b "
                           "is not active"));
    view_free(&v);
    userfile_free(&f);
    conf_errors_free(&errors);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_all_mistakes),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_selector_warning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
