/*
 * test_config_secret - the password or token in a file's first line.
 */
#include "tests/support/cmocka.h"
#include "tests/support/tempdir.h"

#include <base/buf.h>

#include <errno.h>
#include <proxy/config/secret.h>

#define TEXT(s) "" s, sizeof(s) - 1

static const struct {
    const char *text;
    size_t octets;
    const char *line; /* NULL: there is none */
} rows[] = {
    { TEXT("12345678"), "12345678" },
    { TEXT("secret\nnot this\n"), "secret" },
    { TEXT("secret\r\nnot this\r\n"), "secret" },
    { TEXT("12345678\r\n"), "12345678" },
    { TEXT(" a b \n"), " a b " },
    { TEXT("a\rb\n"), "a\rb" },
    { TEXT("a\nb\0c"), "a" },
    { TEXT(""), NULL },
    { TEXT("\nsecret\n"), NULL },
    { TEXT("\r\nsecret\r\n"), NULL },
    { TEXT("a\0b\n"), NULL },
    { TEXT("123456789\n"), NULL },
    { TEXT("12345678\r\r\n"), NULL },
};

enum {
    ROWS = sizeof(rows) / sizeof(rows[0]),
    OCTETS_MAX = 8
};

static struct bytes
row(size_t i)
{
    return bytes_make(rows[i].text, rows[i].octets);
}

static void
test_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct bytes line = BYTES_LIT("untouched");
        bool good = conf_secret_line(row(i), OCTETS_MAX, &line);

        assert_int_equal(good, rows[i].line != NULL);
        assert_true(bytes_is(line, good ? rows[i].line : "untouched"));
    }
}

static void
test_read(void **state)
{
    struct tempdir dir;
    char out[OCTETS_MAX + 1];
    char path[TEMPDIR_PATH_MAX];

    (void)state;
    tempdir_make(&dir);
    (void)tempdir_name(&dir, "secret", path);
    errno = 0;
    assert_int_equal(conf_secret_read(path, OCTETS_MAX, out), CONF_SECRET_FILE);
    assert_int_equal(errno, ENOENT);
    assert_string_equal(out, "");
    for (size_t i = 0; i < ROWS; i++) {
        bool good = rows[i].line != NULL;

        tempdir_write(&dir, "secret", row(i), 0600);
        assert_int_equal(conf_secret_read(path, OCTETS_MAX, out),
                         good ? CONF_SECRET_OK : CONF_SECRET_LINE);
        assert_string_equal(out, good ? rows[i].line : "");
    }
    tempdir_remove(&dir);
}

/* The longest there may be, with what it may end in; and one octet more. */
static void
test_longest(void **state)
{
    static char out[CONF_TOKEN_MAX + 1];
    struct tempdir dir;
    struct buf text = BUF_INIT;
    char path[TEMPDIR_PATH_MAX];

    (void)state;
    tempdir_make(&dir);
    (void)tempdir_name(&dir, "secret", path);
    for (size_t i = 0; i < CONF_TOKEN_MAX; i++) {
        buf_putc(&text, 'x');
    }
    buf_puts(&text, "\r\nmore");
    tempdir_write(&dir, "secret", buf_bytes(&text), 0600);
    assert_int_equal(conf_secret_read(path, CONF_TOKEN_MAX, out),
                     CONF_SECRET_OK);
    assert_int_equal(strlen(out), CONF_TOKEN_MAX);
    text.ptr[CONF_TOKEN_MAX] = 'x';
    tempdir_write(&dir, "secret", buf_bytes(&text), 0600);
    assert_int_equal(conf_secret_read(path, CONF_TOKEN_MAX, out),
                     CONF_SECRET_LINE);
    assert_string_equal(out, "");
    buf_free(&text);
    tempdir_remove(&dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
