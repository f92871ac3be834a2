/*
 * test_spawn - programs are run to their end, with nothing of ours but what
 * is meant for them; their last line, whatever they say and however it comes.
 */
#include "proxy/spawn/spawn.h"
#include "proxy/spawn/tail.h"
#include "tests/support/cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static enum spawn_end
shell(const char *command, const char *input, unsigned timeout_s,
      struct spawn_result *r)
{
    struct spawn s = { .input = bytes_str(input), .timeout_s = timeout_s };

    return spawn_shell(command, &s, r);
}

static void
test_ends(void **state)
{
    static const struct {
        const char *command;
        enum spawn_end end;
        int code;
        const char *line;
    } cases[] = {
        { "true", SPAWN_GOOD, 0, "" },
        { "exit 3", SPAWN_EXIT, 3, "" },
        { "echo out; echo err >&2; exit 1", SPAWN_EXIT, 1, "err" },
        { "echo out; exit 1", SPAWN_EXIT, 1, "out" },
        { "echo first >&2; echo last >&2; echo >&2; echo '  ' >&2; exit 1",
          SPAWN_EXIT, 1, "last" },
        { "printf 'no newline' >&2; exit 1", SPAWN_EXIT, 1, "no newline" },
        { "kill -9 $$", SPAWN_SIGNAL, 9, "" },
        { "cat >&2; exit 1", SPAWN_EXIT, 1, "what was given" },
        { "cat </dev/stdin >&2; exit 1", SPAWN_EXIT, 1, "what was given" },
        { "pwd >&2; exit 1", SPAWN_EXIT, 1, "/" },
        { "cd /proc/self/fd && echo * >&2; exit 1", SPAWN_EXIT, 1, "0 1 2 3" },
        { "env | sort | tr '\\n' ' ' >&2; exit 1", SPAWN_EXIT, 1, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct spawn_result r;

        assert_int_equal(
            shell(cases[i].command, "ignored\nwhat was given\n", 10, &r),
            cases[i].end);
        assert_int_equal(r.code, cases[i].code);
        if (cases[i].line != NULL) {
            assert_string_equal(r.line, cases[i].line);
        } else {
            assert_null(strstr(r.line, "SEALPOST_SECRET"));
            assert_non_null(strstr(r.line, "LC_ALL=C"));
        }
    }
}

static void
test_extra_and_start(void **state)
{
    const char *argv[] = { "/bin/sh", "-c", "echo $A $B >&2; exit 1", NULL };
    const char *none[] = { "/nowhere/program", NULL };
    const char *extra[] = { "A=1", "B=two words", NULL };
    struct spawn s = { argv, extra, BYTES_LIT(""), 10 };
    struct buf text = BUF_INIT;
    struct spawn_result r;

    (void)state;
    assert_int_equal(spawn_run(&s, &r), SPAWN_EXIT);
    assert_string_equal(r.line, "1 two words");
    s.argv = none;
    assert_int_equal(spawn_run(&s, &r), SPAWN_START);
    assert_int_equal(r.code, ENOENT);
    spawn_explain(&s, &r, &text);
    assert_string_equal(buf_str(&text),
                        "cannot be started: No such file or directory");
    buf_clear(&text);
    assert_true(spawn_find("sh", &text));
    assert_false(spawn_find("no-such-program-here", &text));
    buf_free(&text);
}

/* Neither what ignores SIGTERM nor its children outlive their time. */
static void
test_timeout(void **state)
{
    struct spawn_result r;
    char *end;
    long pid;

    (void)state;
    assert_int_equal(
        shell("trap '' TERM; sleep 60 & echo $! >&2; wait; wait", "", 1, &r),
        SPAWN_TIMEOUT);
    pid = strtol(r.line, &end, 10);
    assert_true(pid > 1);
    for (int i = 0; i < 100 && kill((pid_t)pid, 0) == 0; i++) {
        char path[64], status[512] = "";
        FILE *f;

        /* killed but not yet reaped by whoever took it over */
        (void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
        f = fopen(path, "r");
        if (f != NULL) {
            (void)!fgets(status, sizeof(status), f);
            (void)fclose(f);
        }
        if (strstr(status, ") Z") != NULL || status[0] == '\0') {
            return;
        }
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    }
    assert_int_equal(kill((pid_t)pid, 0), -1);
}

static void
test_left_behind(void **state)
{
    struct spawn_result r;
    time_t begun = time(NULL);

    (void)state;
    assert_int_equal(shell("sleep 60 & echo done >&2; exit 0", "", 30, &r),
                     SPAWN_GOOD);
    assert_string_equal(r.line, "done");
    assert_true(time(NULL) - begun < 10);
    /* more than a pipe holds */
    assert_int_equal(
        shell("yes | head -c 300000; echo end >&2; exit 4", "", 30, &r),
        SPAWN_EXIT);
    assert_string_equal(r.line, "end");
}

static void
test_tail(void **state)
{
    static const char text[] = "one\r\n\x1b[2J two\ttab\n \n";
    char want[SPAWN_LINE_MAX], got[SPAWN_LINE_MAX];
    char line[1000];

    (void)state;
    for (size_t split = 0; split <= sizeof(text) - 1; split++) {
        struct spawn_tail t = { .len = 0 };

        spawn_tail_put(&t, bytes_make(text, split));
        spawn_tail_put(&t, bytes_make(text + split, sizeof(text) - 1 - split));
        assert_true(spawn_tail_line(&t, got));
        assert_string_equal(got, "?[2J two tab");
    }
    memset(line, 'x', sizeof(line));
    memset(want, 'x', sizeof(want) - 1);
    want[sizeof(want) - 1] = '\0';
    {
        struct spawn_tail t = { .len = 0 };

        assert_false(spawn_tail_line(&t, got));
        spawn_tail_put(&t, bytes_make(line, sizeof(line)));
        assert_true(spawn_tail_line(&t, got));
        assert_string_equal(got, want);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),    cmocka_unit_test(test_extra_and_start),
        cmocka_unit_test(test_timeout), cmocka_unit_test(test_left_behind),
        cmocka_unit_test(test_tail),
    };

    (void)setenv("SEALPOST_SECRET", "not for others", 1);
    (void)open("/dev/null", O_RDONLY); /* not close-on-exec */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
