/*
 * test_spool - bodies in memory and in files, limits and failures.
 */
#include "tests/support/cmocka.h"

#include <dirent.h>
#include <malloc.h>
#include <proxy/spool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[] = "/tmp/test-spool-XXXXXX";
static uint64_t total;

static uint8_t
octet(size_t i)
{
    return (uint8_t)(i * 31 + i / 251);
}

/* What octet() makes, appended in pieces of the given size. */
static struct spool *
filled(const struct spool_conf *conf, size_t octets, size_t piece)
{
    struct spool *sp = spool_new(conf, &total);
    uint8_t *all = malloc(octets + 1);

    assert_non_null(sp);
    assert_non_null(all);
    for (size_t i = 0; i < octets; i++) {
        all[i] = octet(i);
    }
    for (size_t i = 0; i < octets; i += piece) {
        struct bytes b =
            bytes_make(all + i, octets - i < piece ? octets - i : piece);

        assert_int_equal(spool_append(sp, b), SPOOL_OK);
    }
    free(all);
    return sp;
}

static void
check_octets(struct spool *sp, size_t octets)
{
    struct bytes out;
    size_t n = 0;

    assert_int_equal(spool_octets(sp), octets);
    do {
        assert_int_equal(spool_at_end(sp), n == octets);
        assert_int_equal(spool_read(sp, &out), SPOOL_OK);
        for (size_t i = 0; i < out.len; i++) {
            assert_int_equal(out.ptr[i], octet(n + i));
        }
        n += out.len;
    } while (out.len > 0);
    assert_int_equal(n, octets);
}

static unsigned
files(void)
{
    DIR *d = opendir(directory);
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n - 2;
}

static void
test_sizes(void **state)
{
    static const size_t sizes[] = { 0,     1,     4095,   4096,   4097,   65535,
                                    65536, 65537, 131072, 300001, 3000001 };
    struct spool_conf conf = { directory, 4096, UINT64_MAX };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t piece = 1; piece < 100000; piece = piece * 7 + 1) {
            struct spool *sp = filled(&conf, sizes[i], piece);

            assert_int_equal(total, sizes[i]);
            check_octets(sp, sizes[i]);
            assert_int_equal(files(), 0); /* unlinked while in use */
            spool_free(&sp);
            assert_null(sp);
            assert_int_equal(total, 0);
        }
    }
}

static void
test_full(void **state)
{
    struct spool_conf conf = { directory, 4096, 10000 };
    struct spool *first = filled(&conf, 6000, 100);
    struct spool *second = filled(&conf, 4000, 100);

    (void)state;
    assert_int_equal(spool_append(second, BYTES_LIT("x")), SPOOL_FULL);
    assert_int_equal(spool_append(second, BYTES_LIT("x")), SPOOL_FULL);
    assert_int_equal(total, 6000); /* a failed spool holds nothing */
    spool_free(&second);
    assert_int_equal(spool_append(first, BYTES_LIT("x")), SPOOL_OK);
    spool_free(&first);
    assert_int_equal(total, 0);
}

static void
test_room(void **state)
{
    struct spool_conf conf = { directory, 4096, 10000 };

    (void)state;
    assert_int_equal(spool_room(&conf, 0, 0), SPOOL_OK);
    assert_int_equal(spool_room(&conf, 0, 10000), SPOOL_OK);
    assert_int_equal(spool_room(&conf, 0, 10001), SPOOL_FULL);
    assert_int_equal(spool_room(&conf, 6000, 4000), SPOOL_OK);
    assert_int_equal(spool_room(&conf, 6000, 4001), SPOOL_FULL);
    assert_int_equal(spool_room(&conf, 12000, 1), SPOOL_FULL);

    conf.max_total = UINT64_MAX;
    assert_int_equal(spool_room(&conf, 0, (uint64_t)1 << 60), SPOOL_FAILED);
    assert_int_equal(spool_room(&conf, UINT64_MAX, 1), SPOOL_FULL);
    conf.memory_threshold = (uint64_t)1 << 60; /* no file will be needed */
    assert_int_equal(spool_room(&conf, 0, (uint64_t)1 << 60), SPOOL_OK);
    conf = (struct spool_conf){ "/nonexistent/spool", 10, UINT64_MAX };
    assert_int_equal(spool_room(&conf, 0, 4096), SPOOL_OK);
}

static void
test_no_directory(void **state)
{
    struct spool_conf conf = { "/nonexistent/spool", 10, UINT64_MAX };
    struct spool *sp = spool_new(&conf, &total);

    (void)state;
    assert_int_equal(spool_append(sp, BYTES_LIT("0123456789")), SPOOL_OK);
    assert_int_equal(spool_append(sp, BYTES_LIT("x")), SPOOL_FAILED);
    assert_string_equal(spool_error(sp), "No such file or directory");
    assert_int_equal(total, 0);
    spool_free(&sp);
    spool_free(&sp);
}

/* What waits for an upstream costs its own octets and a quarter at most. */
static void
test_held(void **state)
{
    struct spool_conf conf = { directory, 1 << 20, UINT64_MAX };

    (void)state;
    for (size_t piece = 1; piece < 20000; piece = piece * 7 + 1) {
        size_t before = mallinfo2().uordblks;
        struct spool *sp = filled(&conf, 17000, piece);

        assert_true(mallinfo2().uordblks - before < 17000 / 4 * 5 + 512);
        spool_free(&sp);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_full),
        cmocka_unit_test(test_room),  cmocka_unit_test(test_no_directory),
        cmocka_unit_test(test_held),
    };
    int failed;

    if (mkdtemp(directory) == NULL) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
