/*
 * test_keywalk - a store of thousands of domains, read by several threads:
 * they find what one finds, and say what one says, or fail as a whole.
 */
#include "proxy/keys/keystore.h"
#include "tests/support/cmocka.h"
#include "tests/support/failmalloc.h"
#include "tests/support/tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DOMAINS = 3100,
    BROKEN = 500, /* of those the first has a fault */
    FAULTS = (DOMAINS + BROKEN - 1) / BROKEN
};

static char dir[64];
static struct keystore_conf conf;
static unsigned threads_left, threads; /* that can be started, were */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg);

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                      void *(*run)(void *), void *arg)
{
    if (threads_left == 0) {
        return EAGAIN;
    }
    threads_left--;
    threads++;
    return __real_pthread_create(thread, attr, run, arg);
}

/* "" for a folder. */
static void
put(const char *name, const char *text)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/keys%s", dir, name);
    if (text[0] == '\0') {
        assert_int_equal(mkdir(path, 0700), 0);
        return;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static int
begin(void **state)
{
    char name[64];

    (void)state;
    tempdir_in_memory(dir, sizeof(dir));
    conf = (struct keystore_conf){ .state_dir = dir,
                                   .uid = (uid_t)-1,
                                   .gid = (gid_t)-1 };
    put("", "");
    for (int i = 0; i < DOMAINS; i++) {
        snprintf(name, sizeof(name), "/d%d.example", i);
        put(name, "");
        snprintf(name, sizeof(name), "/d%d.example/s.pem", i);
        put(name, "looked at, not read");
        snprintf(name, sizeof(name), "/d%d.example/s.conf", i);
        put(name, i % BROKEN == 0 ? "[key]\nstate = none\n"
                                  : "[key]\nstate = new\ntype = ed25519\n"
                                    "bits = 256\npublic = AAAA\n");
    }
    return 0;
}

static int
end(void **state)
{
    (void)state;
    return tempdir_erase(dir);
}

static struct keystore *
load(unsigned readers, struct conf_errors **errors_out)
{
    conf.readers = readers;
    *errors_out = conf_errors_new();
    return keystore_load(&conf, *errors_out);
}

static void
check_same(const struct keystore *a, const struct conf_errors *a_errors,
           const struct keystore *b, const struct conf_errors *b_errors)
{
    assert_int_equal(keystore_count(a), keystore_count(b));
    for (size_t i = 0; i < keystore_count(a); i++) {
        assert_string_equal(keystore_key_at(a, i)->view.domain,
                            keystore_key_at(b, i)->view.domain);
        assert_string_equal(keystore_key_at(a, i)->public_b64,
                            keystore_key_at(b, i)->public_b64);
    }
    assert_int_equal(conf_errors_count(a_errors), conf_errors_count(b_errors));
    for (size_t i = 0; i < conf_errors_count(a_errors); i++) {
        assert_string_equal(conf_errors_line(a_errors, i),
                            conf_errors_line(b_errors, i));
    }
}

/* So many readers, of whom so many get a thread. */
static void
check_readers(unsigned readers, unsigned can, unsigned wanted)
{
    struct conf_errors *one_errors, *errors;
    struct keystore *one = load(1, &one_errors);
    struct keystore *s;

    assert_int_equal(keystore_count(one), DOMAINS - FAULTS);
    assert_true(conf_errors_count(one_errors) >= FAULTS);
    threads_left = can;
    threads = 0;
    s = load(readers, &errors);
    assert_int_equal(threads, wanted);
    check_same(one, one_errors, s, errors);
    keystore_free(&one);
    keystore_free(&s);
    conf_errors_free(&one_errors);
    conf_errors_free(&errors);
}

static void
test_readers(void **state)
{
    (void)state;
    check_readers(0, 9, 0);
    check_readers(1, 9, 0);
    check_readers(2, 9, 1);
    check_readers(3, 9, 2);
    check_readers(64, 9, 2); /* a thousand domains each at least */
}

static void
test_no_threads(void **state)
{
    (void)state;
    check_readers(3, 0, 0);
    check_readers(3, 1, 1);
}

/* Nothing is missing without a word; lines: what there is to say anyway. True:
 * it came to the allocation that fails. In one thread, so that it is the same
 * one each time. */
static bool
check_no_memory(size_t left, size_t lines)
{
    struct conf_errors *errors = conf_errors_new();
    struct keystore *s;
    bool failed;

    threads_left = 0;
    conf.readers = 3;
    failmalloc_left = left;
    s = keystore_load(&conf, errors);
    failed = failmalloc_left == 0;
    failmalloc_left = SIZE_MAX;
    assert_true(s == NULL || keystore_count(s) == DOMAINS - FAULTS ||
                conf_errors_count(errors) > lines);
    keystore_free(&s);
    conf_errors_free(&errors);
    return failed;
}

static void
test_no_memory(void **state)
{
    struct conf_errors *errors;
    struct keystore *s = load(1, &errors);
    size_t lines = conf_errors_count(errors), left = 0;

    (void)state;
    keystore_free(&s);
    conf_errors_free(&errors);
    failmalloc_once = true; /* also the first key of the first share */
    for (; left < 80; left++) {
        assert_true(check_no_memory(left, lines));
    }
    failmalloc_once = false;
    while (check_no_memory(left, lines)) {
        left += 397;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers),
        cmocka_unit_test(test_no_threads),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
