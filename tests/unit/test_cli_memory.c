/*
 * test_cli_memory - the n-th allocation fails while a command loads its data.
 *
 * Memory ends (failmalloc.h). Either all of it is there, or the exit code says
 * that it is not: a command that goes on without the users would answer that
 * there are none.
 */
#include <proxy/cli/cli.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <tests/support/cmocka.h>
#include <tests/support/failmalloc.h>
#include <tests/support/tempdir.h>
#include <unistd.h>

struct site {
    struct tempdir dir;
    char path[TEMPDIR_PATH_MAX];
};

static int
setup(void **state)
{
    struct site *s = calloc(1, sizeof(*s));
    char text[2 * TEMPDIR_PATH_MAX];

    tempdir_make(&s->dir);
    (void)snprintf(text, sizeof(text),
                   "[server]\nhostname = relay.test\nstate_dir = %s\n"
                   "[listen a]\naddress = 127.0.0.1:2525\ntls = none\n"
                   "auth = none\ntrusted_networks = 127.0.0.1\nupstream = b\n"
                   "[upstream b]\naddress = 127.0.0.1:2526\ntls = none\n",
                   s->dir.path);
    tempdir_write(&s->dir, "conf", bytes_str(text), 0644);
    tempdir_write(&s->dir, "users.conf",
                  BYTES_LIT("[alice]\nfrom = example.com, *.example.org\n"
                            "selector = s1\n[bob]\nfrom = example.net\n"),
                  0600);
    (void)tempdir_name(&s->dir, "conf", s->path);
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    struct site *s = *state;

    tempdir_remove(&s->dir);
    free(s);
    return 0;
}

/* True: nothing failed for want of memory. */
static bool
load(const struct site *s, size_t successes)
{
    struct cli c = { .name = "test", .usage = "", .path = s->path };
    struct cli_data data = { .users_path = BUF_INIT };
    int code;
    bool all;

    failmalloc_left = successes;
    code = cli_conf(&c);
    if (code == CLI_GO_ON) {
        code = cli_load(&c, true, &data);
    }
    all = failmalloc_left > 0;
    failmalloc_left = SIZE_MAX;
    if (code == CLI_GO_ON) {
        assert_non_null(c.conf);
        assert_non_null(data.store);
        assert_non_null(data.users);
        assert_non_null(data.view);
        assert_int_equal(data.users->count, 2);
        assert_non_null(view_user(data.view, BYTES_LIT("bob")));
    } else {
        assert_false(all);
    }
    cli_data_free(&data);
    cli_free(&c);
    return all;
}

static void
test_load(void **state)
{
    assert_non_null(freopen("/dev/null", "w", stderr));
    for (int once = 0; once < 2; once++) {
        size_t n = 0;

        failmalloc_once = once == 1;
        while (!load(*state, n)) {
            n++;
        }
        assert_true(n > 50);
    }
    failmalloc_once = false;
}

/* No list of errors is not a list of no errors. */
static void
test_no_list(void **state)
{
    struct cli c = { .name = "test", .usage = "" };

    (void)state;
    assert_int_not_equal(cli_errors(&c, NULL), CLI_GO_ON);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_load, setup, teardown),
        cmocka_unit_test(test_no_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
