/*
 * test_reports - sums that are kept, reports that count once, and whether a
 * fall after a rotation is seen: at its bounds, and not without reports.
 */
#include "proxy/reports/days.h"
#include "proxy/reports/reports.h"
#include "tests/support/cmocka.h"
#include "tests/support/tempdir.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static void
test_days(void **state)
{
    char text[REPORTS_DAY];
    uint32_t day;

    (void)state;
    assert_true(reports_day_parse(BYTES_LIT("2026-11-22"), &day));
    assert_int_equal(day, 20779);
    assert_int_equal(reports_day_of(20779u * 86400ull + 86399), 20779);
    for (uint32_t d = 0; d < 40000; d += 13) {
        reports_day_text(d, text);
        assert_true(reports_day_parse(bytes_str(text), &day));
        assert_int_equal(day, d);
    }
    assert_false(reports_day_parse(BYTES_LIT("2026-02-30"), &day));
    assert_false(reports_day_parse(BYTES_LIT("2026/11/22"), &day));
    assert_false(reports_day_parse(BYTES_LIT("2026-11-2"), &day));
    assert_false(reports_day_parse(BYTES_LIT("1969-12-31"), &day));
    assert_false(reports_day_parse(BYTES_LIT("2026-00-01"), &day));
    assert_int_equal(reports_day_of(UINT64_MAX), 2932896);
}

static void
test_text(void **state)
{
    static const char text[] = "[reports]\n"
                               "seen += 2026-11-22 0123456789abcdef\n"
                               "sum += 2026-11-21 sp1 120 3\n"
                               "sum += 2026-11-22 sp1 1 0\n"
                               "sum += 2026-11-22 x._y-z 4294967295 0\n";
    static const char bad[] = "[reports]\n"
                              "seen += 2026-11-22 0123456789abcde\n"
                              "seen += 2026-11-22 0123456789abcdeX\n"
                              "seen += 2026-11-32 0123456789abcdef\n"
                              "sum += 2026-11-21 sp1 120\n"
                              "sum += 2026-11-21 s/1 120 1\n"
                              "sum += 2026-11-21 sp1 -1 1\n"
                              "sum += 2026-11-21 sp1 4294967296 1\n"
                              "other = x\n"
                              "[other]\n"
                              "sum += 2026-11-22 sp1 1 0\n";
    struct buf out = BUF_INIT;
    struct reports *r = reports_parse(bytes_str(text));

    (void)state;
    assert_non_null(r);
    reports_put(r, &out);
    assert_string_equal(buf_str(&out), text);
    reports_free(&r);
    r = reports_parse(bytes_str(bad));
    assert_non_null(r);
    buf_clear(&out);
    reports_put(r, &out);
    assert_string_equal(buf_str(&out), "[reports]\n");
    reports_free(&r);
    buf_free(&out);
}

static void
test_counting(void **state)
{
    struct reports *r = reports_parse(BYTES_LIT(""));
    uint64_t passed, failed;

    (void)state;
    assert_non_null(r);
    assert_false(reports_take(r, 10, BYTES_LIT("a.example 1")));
    assert_true(reports_take(r, 11, BYTES_LIT("a.example 1")));
    assert_false(reports_take(r, 11, BYTES_LIT("a.example 2")));
    assert_true(reports_add(r, 10, "sp1", 5, 1));
    assert_true(reports_add(r, 10, "SP1", 2, 0));
    assert_true(reports_add(r, 12, "sp1", 1, 1));
    assert_true(reports_add(r, 12, "sp2", 9, 9));
    assert_true(reports_add(r, 12, "not a selector", 9, 9));
    reports_sum(r, "sp1", 10, 11, &passed, &failed);
    assert_int_equal(passed, 7);
    assert_int_equal(failed, 1);
    reports_sum(r, NULL, 10, 12, &passed, &failed);
    assert_int_equal(passed, 17);
    assert_int_equal(failed, 11);
    reports_free(&r);
}

/* However many there are, memory and file are bounded: the oldest go. */
static void
test_bounds(void **state)
{
    struct reports *r = reports_parse(BYTES_LIT(""));
    uint64_t passed, failed;

    (void)state;
    for (uint32_t day = 0; day < REPORTS_LINES_MAX + 10; day++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "%u", (unsigned)day);
        assert_true(day > 30 || !reports_take(r, day, bytes_str(id)));
        if (day < 200 || day > REPORTS_LINES_MAX - 200) {
            assert_true(reports_add(r, day, "s", 1, 0));
        }
    }
    reports_sum(r, "s", 0, UINT32_MAX, &passed, &failed);
    assert_int_equal(passed, 409);
    reports_free(&r);
}

/* --- may it rotate? ----------------------------------------------------- */

enum {
    BEGAN = 20700
};

static void
test_may_rotate(void **state)
{
    static const struct {
        const char *name;
        uint64_t before[2], after[2]; /* passed, failed */
        uint32_t after_day, today;
        bool may;
    } cases[] = {
        { "no reports", { 0, 0 }, { 0, 0 }, 1, 10, true },
        { "as before", { 99, 1 }, { 99, 1 }, 1, 10, true },
        { "fell", { 99, 1 }, { 50, 50 }, 1, 10, false },
        { "5 in 100", { 100, 0 }, { 95, 5 }, 1, 10, true },
        { "6 in 100", { 100, 0 }, { 94, 6 }, 1, 10, false },
        { "always was bad", { 50, 50 }, { 46, 54 }, 1, 10, true },
        { "99 after", { 100, 0 }, { 0, 99 }, 1, 10, true },
        { "99 before", { 99, 0 }, { 0, 100 }, 1, 10, true },
        { "on the day of the change", { 100, 0 }, { 0, 100 }, 0, 10, true },
        { "14 days ago", { 100, 0 }, { 0, 100 }, 1, 15, false },
        { "15 days ago", { 100, 0 }, { 0, 100 }, 1, 16, true },
        { "everything", { 100, 0 }, { 0, 100 }, 1, 10, false },
    };
    struct tempdir dir;
    char path[TEMPDIR_PATH_MAX];

    (void)state;
    tempdir_make(&dir);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reports_question q = { dir.path, "example.com", "new",
                                      BEGAN * 86400ull + 3600,
                                      (BEGAN + cases[i].today) * 86400ull };
        struct reports *r = reports_parse(BYTES_LIT(""));
        struct buf why = BUF_INIT;

        assert_true(reports_add(r, BEGAN - 30, "old", cases[i].before[0], 0));
        assert_true(reports_add(r, BEGAN - 1, "old", 0, cases[i].before[1]));
        assert_true(reports_add(r, BEGAN - 31, "old", 0, 1000)); /* too old */
        assert_true(reports_add(r, BEGAN + cases[i].after_day, "new",
                                cases[i].after[0], cases[i].after[1]));
        assert_true(reports_add(r, BEGAN + 2, "other", 0, 1000));
        assert_true(reports_save(r, dir.path, "example.com", BEGAN + 20));
        reports_free(&r);
        if (reports_may_rotate(&q, &why) != cases[i].may) {
            fail_msg("%s", cases[i].name);
        }
        assert_true(cases[i].may == (why.len == 0));
        buf_free(&why);
    }
    assert_int_equal(
        unlink(tempdir_name(&dir, "reports/example.com.conf", path)), 0);
    assert_int_equal(rmdir(tempdir_name(&dir, "reports", path)), 0);
    tempdir_remove(&dir);
}

static void
test_files(void **state)
{
    struct reports *r = reports_parse(BYTES_LIT(""));
    struct tempdir dir;
    char path[TEMPDIR_PATH_MAX];
    uint64_t passed, failed;

    (void)state;
    tempdir_make(&dir);
    assert_false(reports_save(r, dir.path, "../x", 1));
    assert_int_equal(errno, EINVAL);
    assert_null(reports_load(dir.path, "a/b"));
    assert_true(reports_add(r, 100, "s", 1, 0));
    assert_true(reports_add(r, 300, "s", 2, 0));
    assert_false(reports_take(r, 100, BYTES_LIT("old")));
    assert_true(reports_save(r, dir.path, "example.com", 301));
    reports_free(&r);
    r = reports_load(dir.path, "example.com");
    reports_sum(r, NULL, 0, UINT32_MAX, &passed, &failed);
    assert_int_equal(passed, 2); /* day 100 is too old to be kept */
    assert_false(reports_take(r, 301, BYTES_LIT("old")));
    reports_free(&r);
    assert_int_equal(
        unlink(tempdir_name(&dir, "reports/example.com.conf", path)), 0);
    assert_int_equal(rmdir(tempdir_name(&dir, "reports", path)), 0);
    tempdir_remove(&dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days),       cmocka_unit_test(test_text),
        cmocka_unit_test(test_counting),   cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_may_rotate), cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
