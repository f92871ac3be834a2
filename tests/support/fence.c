/*
 * fence - see fence.h.
 */
#include "tests/support/fence.h"

#include "tests/support/cmocka.h"

#include <fcntl.h>
#include <proxy/confine/confine.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char fence_scratch[] = "/tmp/sealpost-confine-XXXXXX";
char fence_open_dir[64], fence_shut_dir[64];
char fence_open_file[80], fence_shut_file[80];

void
fence_write(const char *path)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs("text", f);
    assert_int_equal(fclose(f), 0);
}

bool
fence_can_open(const char *path, int flags)
{
    return open(path, flags | O_CLOEXEC, 0600) >= 0;
}

void
fence_set_up(void)
{
    assert_non_null(mkdtemp(fence_scratch));
    snprintf(fence_open_dir, sizeof(fence_open_dir), "%s/open", fence_scratch);
    snprintf(fence_shut_dir, sizeof(fence_shut_dir), "%s/shut", fence_scratch);
    snprintf(fence_open_file, sizeof(fence_open_file), "%s/file",
             fence_open_dir);
    snprintf(fence_shut_file, sizeof(fence_shut_file), "%s/file",
             fence_shut_dir);
    assert_int_equal(mkdir(fence_open_dir, 0700), 0);
    assert_int_equal(mkdir(fence_shut_dir, 0700), 0);
    fence_write(fence_open_file);
    fence_write(fence_shut_file);
}

int
fence_tear_down(void)
{
    (void)unlink(fence_open_file);
    (void)unlink(fence_shut_file);
    (void)rmdir(fence_open_dir);
    (void)rmdir(fence_shut_dir);
    return rmdir(fence_scratch);
}

bool
fence_missing(void)
{
    const struct confine_rules none = { .process = CONFINE_WORKER };
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        _exit(confine_landlock(&none) == 0 ? 77 : 0);
    }
    return !SEALPOST_CONFINE ||
           (waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 77);
}
