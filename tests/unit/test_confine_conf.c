/*
 * test_confine_conf - the places that a configuration's worker may read.
 */
#include "tests/support/cmocka.h"
#include "tests/support/fence.h"

#include <fcntl.h>
#include <proxy/confine/confine.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char late_dir[64], late_file[80], conf_path[64];

enum {
    DID = 40, /* exit code: the deed succeeded */
    DENIED = 41
};

static int
set_up(void **state)
{
    (void)state;
    fence_set_up();
    snprintf(late_dir, sizeof(late_dir), "%s/late", fence_scratch);
    snprintf(late_file, sizeof(late_file), "%s/key", late_dir);
    snprintf(conf_path, sizeof(conf_path), "%s/conf", fence_scratch);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    return fence_tear_down();
}

static FILE *
begin_conf(void)
{
    FILE *f;

    assert_int_equal(mkdir(late_dir, 0700), 0);
    fence_write(late_file);
    f = fopen(conf_path, "w");
    assert_non_null(f);
    fprintf(f,
            "[server]\nstate_dir = %s/state\n[upstream b]\n"
            "address = 127.0.0.1:2\n[listen a]\naddress = 127.0.0.1:1\n"
            "upstream = b\n",
            fence_scratch);
    return f;
}

/* Its worker reads what is open and late_dir, and nothing that is shut. */
static void
check_conf(FILE *f)
{
    pid_t pid;
    int status;

    assert_int_equal(fclose(f), 0);
    pid = fork();
    if (pid == 0) {
        struct conf_errors *errors;
        struct conf *conf;

        conf_load(conf_path, &conf, &errors);
        if (conf == NULL) {
            _exit(1);
        }
        confine_worker(conf);
        _exit(!fence_can_open(late_file, O_RDONLY) ||
                      !fence_can_open(fence_open_file, O_RDONLY)
                  ? DENIED
              : fence_can_open(fence_shut_file, O_RDONLY) ? DID
                                                          : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(unlink(late_file), 0);
    assert_int_equal(rmdir(late_dir), 0);
    assert_int_equal(unlink(conf_path), 0);
}

/* More certificates than places: they share their folders. */
static void
many_certificates(void **state)
{
    FILE *f = begin_conf();

    (void)state;
    for (int i = 0; i < 200; i++) {
        fprintf(f, "certificate += %s/c%d\nprivate_key += %s/%s\n",
                fence_open_dir, i, i == 199 ? late_dir : fence_open_dir, "key");
    }
    check_conf(f);
}

/* Where OpenSSL looks for authorities when the environment says so. */
static void
authorities_of_the_environment(void **state)
{
    char folders[80];
    FILE *f = begin_conf();

    (void)state;
    snprintf(folders, sizeof(folders), "/nonexistent:%s", fence_open_dir);
    assert_int_equal(setenv("SSL_CERT_DIR", folders, 1), 0);
    assert_int_equal(setenv("SSL_CERT_FILE", late_file, 1), 0);
    fputs("tls = none\n", f);
    check_conf(f);
    assert_int_equal(unsetenv("SSL_CERT_DIR"), 0);
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_certificates),
        cmocka_unit_test(authorities_of_the_environment),
    };

    if (fence_missing()) {
        puts("no Landlock here, or a build that is not confined");
        return 77; /* skipped */
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
