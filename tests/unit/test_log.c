/*
 * test_log - whatever a value holds, a line stays one line with its own keys.
 */
#include "proxy/log/format.h"
#include "proxy/log/log.h"
#include "tests/support/cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void
test_values(void **state)
{
    const struct {
        const char *name;
        struct bytes value;
        const char *logfmt, *json;
    } values[] = {
        { "plain", BYTES_LIT("a@example.com"), "a@example.com",
          "\"a@example.com\"" },
        { "empty", BYTES_LIT(""), "\"\"", "\"\"" },
        { "space", BYTES_LIT("a b"), "\"a b\"", "\"a b\"" },
        { "equals", BYTES_LIT("a=b"), "\"a=b\"", "\"a=b\"" },
        { "quote", BYTES_LIT("a\"b"), "\"a\\\"b\"", "\"a\\\"b\"" },
        { "backslash", BYTES_LIT("a\\b"), "\"a\\\\b\"", "\"a\\\\b\"" },
        { "line", BYTES_LIT("a\r\nlevel=error"), "\"a\\x0d\\x0alevel=error\"",
          "\"a\\u000d\\u000alevel=error\"" },
        { "nul", BYTES_LIT("a\0b"), "\"a\\x00b\"", "\"a\\u0000b\"" },
        { "escape", BYTES_LIT("\x1b[2J"), "\"\\x1b[2J\"", "\"\\u001b[2J\"" },
        { "delete", BYTES_LIT("\x7f"), "\"\\x7f\"", "\"\\u007f\"" },
        { "utf-8", BYTES_LIT("\xc3\xa4"), "\"\\xc3\\xa4\"",
          "\"\\u00c3\\u00a4\"" },
        { "brace", BYTES_LIT("},{"), "},{", "\"},{\"" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct buf out = BUF_INIT;

        log_format_value(&out, CONF_LOGFMT, values[i].value, 1000);
        assert_string_equal(buf_str(&out), values[i].logfmt);
        buf_clear(&out);
        log_format_value(&out, CONF_JSON, values[i].value, 1000);
        assert_string_equal(buf_str(&out), values[i].json);
        buf_free(&out);
    }
}

/* A cut value keeps to its room, its quotes, whole escapes, and says "...". */
static void
test_cut(void **state)
{
    char filler[3][100];

    (void)state;
    memset(filler[0], 'a', sizeof(filler[0]));
    memset(filler[1], '\n', sizeof(filler[1]));
    memset(filler[2], '"', sizeof(filler[2]));
    for (size_t max = LOG_VALUE_MIN; max < 80; max++) {
        for (int f = 0; f < 6; f++) {
            struct buf out = BUF_INIT;
            struct bytes v = bytes_make(filler[f / 2], sizeof(filler[0]));

            log_format_value(&out, f % 2 == 0 ? CONF_LOGFMT : CONF_JSON, v,
                             max);
            assert_true(out.len <= max && out.len + 6 >= max);
            assert_non_null(strstr(buf_str(&out), "..."));
            if (out.ptr[0] == '"') {
                assert_true(bytes_ends_ci(buf_bytes(&out), BYTES_LIT("...\"")));
            }
            buf_free(&out);
        }
    }
}

static void
test_exact_fit(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    log_format_value(&out, CONF_JSON, BYTES_LIT("0123456789abcd"), 16);
    assert_string_equal(buf_str(&out), "\"0123456789abcd\"");
    buf_clear(&out);
    log_format_value(&out, CONF_JSON, BYTES_LIT("0123456789abcde"), 16);
    assert_string_equal(buf_str(&out), "\"0123456789a...\"");
    buf_free(&out);
}

static void
test_time(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    log_format_time(&out, 4294967296, 7);
    assert_string_equal(buf_str(&out), "2106-02-07T06:28:16.007Z");
    buf_free(&out);
}

/* What came into the file since the last call. */
static const char *
written(int fd)
{
    static char text[3 * LOG_LINE_MAX];
    ssize_t n;

    lseek(fd, 0, SEEK_SET);
    n = read(fd, text, sizeof(text) - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_int_equal(ftruncate(fd, 0), 0);
    lseek(fd, 0, SEEK_SET);
    return text;
}

static void
put_line(const char *hostile)
{
    struct log_line l;

    log_begin(&l, LOG_LEVEL_INFO, "message");
    log_text(&l, "id", "1-2");
    log_bytes(&l, "from", bytes_str(hostile));
    log_number(&l, "size", UINT64_MAX);
    log_text(&l, "outcome", "delivered");
    log_end(&l);
}

static void
test_lines(void **state)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    const char *text;

    (void)state;
    assert_true(fd >= 0);
    log_open(fd, CONF_LOGFMT, "worker/0");
    put_line("x\noutcome=refused");
    text = written(fd);
    assert_memory_equal(text, "time=2", 6);
    assert_string_equal(text + strlen("time=2026-01-01T00:00:00.000Z"),
                        " level=info process=worker/0 event=message id=1-2 "
                        "from=\"x\\x0aoutcome=refused\" "
                        "size=18446744073709551615 outcome=delivered\n");
    log_open(fd, CONF_JSON, "master");
    put_line("x\"}\n{");
    text = written(fd);
    assert_memory_equal(text, "{\"time\":\"2", 10);
    assert_string_equal(text + strlen("{\"time\":\"2026-01-01T00:00:00.000Z"),
                        "\",\"level\":\"info\",\"process\":\"master\","
                        "\"event\":\"message\",\"id\":\"1-2\","
                        "\"from\":\"x\\\"}\\u000a{\","
                        "\"size\":18446744073709551615,"
                        "\"outcome\":\"delivered\"}\n");
    log_open(fd, CONF_LOGFMT, "");
    log_event(LOG_LEVEL_DEBUG, "quiet", "%s", "not seen");
    assert_string_equal(written(fd), "");
    log_set_level(LOG_LEVEL_DEBUG);
    log_event(LOG_LEVEL_DEBUG, "loud", "%d %s", 1, "seen");
    assert_non_null(strstr(written(fd), " level=debug event=loud "
                                        "text=\"1 seen\"\n"));
    log_set_level(LOG_LEVEL_INFO);
    close(fd);
}

/* However long the values: one line, within its limit, the last key there. */
static void
test_long_lines(void **state)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    char *huge = malloc(20001);

    (void)state;
    assert_true(fd >= 0 && huge != NULL);
    memset(huge, '\n', 20000);
    huge[20000] = '\0';
    for (int format = CONF_LOGFMT; format <= CONF_JSON; format++) {
        const char *text;
        size_t len;

        log_open(fd, (enum conf_log_format)format, "worker/0");
        put_line(huge);
        text = written(fd);
        len = strlen(text);
        assert_true(len <= LOG_LINE_MAX && len > LOG_LINE_MAX / 3);
        assert_ptr_equal(strchr(text, '\n'), text + len - 1);
        assert_non_null(strstr(text, "delivered"));
    }
    for (int i = 0; i < 300; i++) {
        struct log_line l;
        size_t len;

        log_begin(&l, LOG_LEVEL_INFO, "many");
        for (int k = 0; k < i; k++) {
            log_text(&l, "key", huge);
            log_number(&l, "n", 12345678901234567890u);
        }
        log_end(&l);
        len = strlen(written(fd));
        assert_true(len <= LOG_LINE_MAX);
    }
    free(huge);
    close(fd);
}

/* A full disk loses lines, but what comes later starts on a line of its own. */
static void
test_failing_log(void **state)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    int fds[2];
    char text[65536];
    ssize_t n;

    (void)state;
    if (full >= 0) {
        log_open(full, CONF_LOGFMT, "worker/0");
        put_line("x");
        close(full);
    }
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096);
    log_open(fds[1], CONF_LOGFMT, "worker/0");
    memset(text, 'x', 5000);
    text[5000] = '\0';
    log_event(LOG_LEVEL_INFO, "long", "%s", text); /* does not fit */
    n = read(fds[0], text, sizeof(text));
    assert_int_equal(n, 4096);
    assert_null(memchr(text, '\n', 4096));
    put_line("x");
    n = read(fds[0], text, sizeof(text));
    assert_true(n > 0);
    assert_memory_equal(text, "\ntime=", 6);
    log_open(STDERR_FILENO, CONF_LOGFMT, "");
    close(fds[0]);
    close(fds[1]);
}

/* Standard error of a unit: the journal takes the level off the front. */
static void
test_journal(void **state)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    struct stat st;
    char stream[64];

    (void)state;
    assert_int_equal(fstat(fd, &st), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
             (uintmax_t)st.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_open(fd, CONF_LOGFMT, "worker/0");
    log_event(LOG_LEVEL_ERROR, "e", "x");
    assert_memory_equal(written(fd), "<3>time=", 8);
    log_open(fd, CONF_JSON, "worker/0");
    log_event(LOG_LEVEL_WARN, "w", "x");
    assert_memory_equal(written(fd), "<4>{\"time\":", 11);
    log_event(LOG_LEVEL_INFO, "i", "x");
    assert_memory_equal(written(fd), "<6>{", 4);
    log_set_fd(STDERR_FILENO); /* another file than that */
    assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
    log_open(fd, CONF_LOGFMT, "worker/0");
    log_event(LOG_LEVEL_ERROR, "e", "x");
    assert_memory_equal(written(fd), "time=", 5);
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
    log_open(STDERR_FILENO, CONF_LOGFMT, "");
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),      cmocka_unit_test(test_cut),
        cmocka_unit_test(test_exact_fit),   cmocka_unit_test(test_time),
        cmocka_unit_test(test_lines),       cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_failing_log), cmocka_unit_test(test_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
