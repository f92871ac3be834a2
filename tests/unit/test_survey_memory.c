/*
 * test_survey_memory - the n-th allocation fails, for every n.
 *
 * Memory ends (failmalloc.h); the nameserver is another process. Whatever
 * fails, a survey ends, says so or has its lines, and nothing is lost
 * (LeakSanitizer). The same for facts and findings.
 */
#include "proxy/survey/findings.h"
#include "proxy/survey/survey.h"
#include "tests/support/cmocka.h"
#include "tests/support/dns_server.h"
#include "tests/support/failmalloc.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ALLOCATIONS_MAX = 2000 /* more than a look takes */
};

/* --- a nameserver --------------------------------------------------------- */

struct world {
    char host[16];
    struct conf_address address;
    struct dns_conf dns;
    pid_t child;
};

static void
serve(int out)
{
    struct event_base *base = event_base_new();
    struct dns_script *script = dns_script_new(base);
    uint16_t port = dns_script_port(script);

    if (write(out, &port, sizeof(port)) == (ssize_t)sizeof(port)) {
        event_base_dispatch(base);
    }
    _exit(0);
}

static int
set_up(void **state)
{
    static struct world w = { .host = "127.0.0.1" };
    int pipes[2];

    assert_int_equal(pipe(pipes), 0);
    w.child = fork();
    assert_true(w.child >= 0);
    if (w.child == 0) {
        close(pipes[0]);
        serve(pipes[1]);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &w.address.port, sizeof(w.address.port)),
                     (int)sizeof(w.address.port));
    close(pipes[0]);
    w.address.host = w.host;
    w.dns.nameservers.list = &w.address;
    w.dns.nameservers.count = 1;
    w.dns.timeout_s = 1;
    w.dns.authoritative_port = w.address.port;
    *state = &w;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *w = *state;

    kill(w->child, SIGTERM);
    (void)waitpid(w->child, NULL, 0);
    return 0;
}

/* --- the tests ------------------------------------------------------------ */

/* True: nothing failed. */
static bool
survey_once(const struct world *w, size_t allocations)
{
    static const struct seen_question questions[] = {
        { "test", "ok", "ok.test", "", false },
        { "test", "nx", "", "", false },
    };
    struct survey survey = { .dns = &w->dns };
    struct seen seen[2];
    bool good, untouched;

    failmalloc_left = allocations;
    good = survey_ask(&survey, questions, 2, seen);
    untouched = failmalloc_left > 0;
    failmalloc_left = SIZE_MAX;
    assert_int_equal(good, seen[0].at != NULL);
    assert_int_equal(good, seen[1].at != NULL);
    if (good) {
        assert_true(seen[0].count > 0 && seen[1].count > 0);
        seen_free(seen, 2);
    }
    return good && untouched;
}

static void
surveys(void **state)
{
    size_t n = 0;

    while (!survey_once(*state, n)) {
        assert_true(++n < ALLOCATIONS_MAX);
    }
    assert_true(n > 10);
}

static bool
check_once(const struct world *w, size_t allocations)
{
    struct facts f = { .key = { .domain = "test",
                                .selector = "ok",
                                .target = "ok.test",
                                .public_b64 = "",
                                .zone = "" } };
    struct facts_options options = { .dns = &w->dns };
    struct findings found = { .count = 0 };
    bool good, untouched;

    failmalloc_left = allocations;
    good = facts_gather(&f, 1, &options);
    if (good) {
        findings_of_key(&f, &found);
    }
    untouched = failmalloc_left > 0;
    failmalloc_left = SIZE_MAX;
    findings_free(&found);
    facts_free(&f);
    return good && untouched && !found.failed;
}

static void
checks(void **state)
{
    size_t n = 0;

    while (!check_once(*state, n)) {
        assert_true(++n < ALLOCATIONS_MAX);
    }
    assert_true(n > 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(surveys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checks, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
