/*
 * test_userfile - users.conf: what is read, and the line that every mistake
 * is given; then the same file edited.
 */
#include "proxy/users/useredit.h"
#include "proxy/users/userfile.h"
#include "proxy/users/uservalue.h"
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* --- the file ----------------------------------------------------------- */

struct world {
    char dir[64];
    char path[96];
};

static void
world_make(struct world *w, const char *text, mode_t mode)
{
    FILE *file;

    snprintf(w->dir, sizeof(w->dir), "/tmp/sealpost-users-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof(w->path), "%s/users.conf", w->dir);
    if (text != NULL) {
        file = fopen(w->path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(w->path, mode), 0);
    }
}

static void
world_remove(struct world *w)
{
    char lock[128];

    snprintf(lock, sizeof(lock), "%s.lock", w->path);
    (void)unlink(lock);
    (void)unlink(w->path);
    assert_int_equal(rmdir(w->dir), 0); /* no temporary file was left */
}

static void
test_file(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
        bool good;
        const char *says;
    } rows[] = {
        { "[a]\n", 0600, true, "" },
        { "[a]\n", 0400, true, "" },
        { "[a]\n", 0640, false, "chmod 600" },
        { "[a]\n", 0604, false, "chmod 600" },
        { "[a]\n", 0620, false, "chmod 600" },
        { NULL, 0, true, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct conf_errors *errors = conf_errors_new();
        struct userfile *f;
        struct world w;

        world_make(&w, rows[i].text, rows[i].mode);
        f = userfile_load(w.path, (uid_t)-1, errors);
        assert_int_equal(f != NULL, rows[i].good);
        if (!rows[i].good) {
            assert_non_null(strstr(conf_errors_line(errors, 0), w.path));
            assert_non_null(strstr(conf_errors_line(errors, 0), rows[i].says));
        }
        userfile_free(&f);
        conf_errors_free(&errors);
        world_remove(&w);
    }
}

static void
test_file_types(void **state)
{
    struct conf_errors *errors = conf_errors_new();
    struct world w;

    (void)state;
    world_make(&w, NULL, 0);
    assert_int_equal(symlink("/dev/null", w.path), 0);
    assert_null(userfile_load(w.path, (uid_t)-1, errors));
    assert_int_equal(unlink(w.path), 0);
    assert_int_equal(mkfifo(w.path, 0600), 0);
    assert_null(userfile_load(w.path, (uid_t)-1, errors)); /* not waited for */
    assert_int_equal(conf_errors_count(errors), 2);
    conf_errors_free(&errors);
    world_remove(&w);
}

/* --- editing ------------------------------------------------------------ */

static const char before[] = "# head\n"
                             "\n"
                             "[alice]   ; first\n"
                             "# her domains\n"
                             "from = a.example\n"
                             "from += b.example\n"
                             "rate = 5/h   ; slow\n"
                             "\n"
                             "# bob is next\n"
                             "[bob]\n"
                             "from = c.example";

struct step {
    char what; /* 'a'dd, 's'et, 'd'elete */
    const char *user;
    const char *key;
    const char *value;
};

static void
check_edit(const char *text, const struct step *step, enum useredit_result want,
           const char *after)
{
    const struct replace_owner owner = { (uid_t)-1, (gid_t)-1, 0600 };
    struct conf_errors *errors = conf_errors_new();
    enum useredit_result got = USEREDIT_OK;
    struct useredit e;
    struct world w;
    char now[4096] = "";
    struct stat st;
    FILE *file;

    world_make(&w, text, 0400);
    assert_int_equal(useredit_begin(&e, w.path, &owner), USEREDIT_OK);
    if (step->what == 'a') {
        got = useredit_add(&e, step->user);
    } else if (step->what == 's') {
        got = useredit_set(&e, step->user, step->key, step->value);
    } else {
        got = useredit_delete(&e, step->user);
    }
    if (got == USEREDIT_OK) {
        got = useredit_commit(&e, errors);
    }
    useredit_end(&e);
    assert_int_equal(got, want);
    file = fopen(w.path, "re");
    assert_non_null(file);
    assert_true(fread(now, 1, sizeof(now) - 1, file) > 0);
    assert_int_equal(fstat(fileno(file), &st), 0);
    if (text != NULL) {
        assert_int_equal(st.st_mode & 0777, 0400); /* kept */
    }
    fclose(file);
    assert_string_equal(now, after);
    conf_errors_free(&errors);
    world_remove(&w);
}

static void
test_edit(void **state)
{
    static const struct {
        struct step step;
        enum useredit_result want;
        const char *after; /* NULL: as before */
    } rows[] = {
        { { 's', "ALICE", "from", "z.example" },
          USEREDIT_OK,
          "# head\n\n[alice]   ; first\n# her domains\nfrom = z.example\n"
          "rate = 5/h   ; slow\n\n# bob is next\n[bob]\nfrom = c.example" },
        { { 's', "alice", "rate", NULL },
          USEREDIT_OK,
          "# head\n\n[alice]   ; first\n# her domains\nfrom = a.example\n"
          "from += b.example\n\n# bob is next\n[bob]\nfrom = c.example" },
        { { 's', "alice", "locked", "yes" },
          USEREDIT_OK,
          "# head\n\n[alice]   ; first\n# her domains\nfrom = a.example\n"
          "from += b.example\nrate = 5/h   ; slow\nlocked = yes\n\n"
          "# bob is next\n[bob]\nfrom = c.example" },
        { { 's', "bob", "rate", "1/s" },
          USEREDIT_OK,
          "# head\n\n[alice]   ; first\n# her domains\nfrom = a.example\n"
          "from += b.example\nrate = 5/h   ; slow\n\n# bob is next\n[bob]\n"
          "from = c.example\nrate = 1/s\n" },
        { { 'd', "alice", NULL, NULL },
          USEREDIT_OK,
          "# head\n\n\n# bob is next\n[bob]\nfrom = c.example" },
        { { 'd', "bob", NULL, NULL },
          USEREDIT_OK,
          "# head\n\n[alice]   ; first\n# her domains\nfrom = a.example\n"
          "from += b.example\nrate = 5/h   ; slow\n\n# bob is next\n" },
        { { 'a', "carol", NULL, NULL },
          USEREDIT_OK,
          "# head\n\n[alice]   ; first\n# her domains\nfrom = a.example\n"
          "from += b.example\nrate = 5/h   ; slow\n\n# bob is next\n[bob]\n"
          "from = c.example\n\n[carol]\n" },
        { { 'a', "Bob", NULL, NULL }, USEREDIT_EXISTS, NULL },
        { { 's', "nobody", "rate", "1/s" }, USEREDIT_NO_USER, NULL },
        { { 'd', "nobody", NULL, NULL }, USEREDIT_NO_USER, NULL },
        { { 's', "alice", "rate", "soon" }, USEREDIT_BAD, NULL },
        { { 's', "alice", "from", "x.example\n[root]\nfrom = *" },
          USEREDIT_BAD,
          NULL },
        { { 'a', "x]\n[y", NULL, NULL }, USEREDIT_BAD, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_edit(before, &rows[i].step, rows[i].want,
                   rows[i].after == NULL ? before : rows[i].after);
    }
}

static void
test_edit_new_file(void **state)
{
    static const struct step add = { 'a', "first", NULL, NULL };

    (void)state;
    check_edit(NULL, &add, USEREDIT_OK, "[first]\n");
}

/* A list that no line could hold, and a name that no section could. */
static void
test_edit_long(void **state)
{
    const struct replace_owner owner = { (uid_t)-1, (gid_t)-1, 0600 };
    struct conf_errors *errors = conf_errors_new();
    struct buf list = BUF_INIT;
    char name[121] = "";
    struct userfile *f;
    struct useredit e;
    struct world w;
    size_t i = 0;

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    for (unsigned n = 0; n < 200; n++) {
        buf_printf(&list, "%sdomain-number-%u.example", n == 0 ? "" : ", ", n);
    }
    world_make(&w, NULL, 0);
    assert_int_equal(useredit_begin(&e, w.path, &owner), USEREDIT_OK);
    assert_int_equal(useredit_add(&e, "user-1"), USEREDIT_OK);
    assert_int_equal(useredit_add(&e, name), USEREDIT_OK);
    assert_int_equal(useredit_add(&e, name), USEREDIT_EXISTS);
    assert_int_equal(useredit_set(&e, name, "from", buf_str(&list)),
                     USEREDIT_OK);
    assert_int_equal(useredit_commit(&e, errors), USEREDIT_OK);
    useredit_end(&e);
    f = userfile_load(w.path, (uid_t)-1, errors);
    assert_non_null(f);
    assert_true(userfile_find(f, bytes_str(name), &i));
    assert_int_equal(f->users[i].from_count, 200);
    assert_string_equal(f->users[i].from[199].domain,
                        "domain-number-199.example");
    userfile_free(&f);
    buf_free(&list);
    conf_errors_free(&errors);
    world_remove(&w);
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
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_file_types),
        cmocka_unit_test(test_edit),
        cmocka_unit_test(test_edit_new_file),
        cmocka_unit_test(test_edit_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
