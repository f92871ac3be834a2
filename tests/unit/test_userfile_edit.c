/*
 * test_userfile_edit - users.conf where it lies: who may read it, and edited.
 */
#include "proxy/users/useredit.h"
#include "proxy/users/userfile.h"
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
        cmocka_unit_test(test_file),      cmocka_unit_test(test_file_types),
        cmocka_unit_test(test_edit),      cmocka_unit_test(test_edit_new_file),
        cmocka_unit_test(test_edit_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
