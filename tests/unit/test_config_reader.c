/*
 * test_config_reader - lines to entries, and what is refused on the way.
 *
 * Each case: a text, the entries it gives and the lines that are faulty.
 */
#include <base/buf.h>

#include <proxy/config/reader.h>
#include <stdio.h>
#include <sys/mman.h>
#include <tests/support/cmocka.h>
#include <unistd.h>

struct seen {
    struct buf text;
    unsigned last;
};

/* "LINE:[SECTION]", "LINE:SECTION/KEY=VALUE" or with "+=" */
static void
on_entry(const struct conf_entry *entry, void *arg)
{
    struct seen *seen = arg;

    assert_string_equal(entry->file, "f");
    assert_true(entry->line > seen->last);
    seen->last = entry->line;
    if (entry->key == NULL) {
        assert_string_equal(entry->value, "");
        buf_printf(&seen->text, "%u:[%s] ", entry->line, entry->section);
    } else {
        buf_printf(&seen->text, "%u:%s/%s%s%s ", entry->line, entry->section,
                   entry->key, entry->append ? "+=" : "=", entry->value);
    }
}

static void
put_faults(struct buf *out, const struct conf_errors *e)
{
    for (size_t i = 0; i < conf_errors_count(e); i++) {
        const char *line = conf_errors_line(e, i);

        assert_true(strncmp(line, "f:", 2) == 0);
        buf_printf(out, "%.*s ", (int)strcspn(line + 2, ":"), line + 2);
    }
}

static void
try_text(struct bytes text, const char *want, const char *faults)
{
    struct conf_errors *e = conf_errors_new();
    struct seen seen = { BUF_INIT, 0 };
    struct buf lines = BUF_INIT;
    bool good = conf_read_text(text, "f", on_entry, &seen, e);

    put_faults(&lines, e);
    assert_string_equal(buf_str(&seen.text), want);
    assert_string_equal(buf_str(&lines), faults);
    assert_int_equal(good, faults[0] == '\0');
    conf_errors_free(&e);
    buf_free(&seen.text);
    buf_free(&lines);
}

static void
test_texts(void **state)
{
    static const struct {
        const char *text, *want, *faults;
    } rows[] = {
        { "", "", "" },
        { "\n\r\n \n\t\n", "", "" },
        { "[a]", "1:[a] ", "" },
        { "[a]\n[b c]\r\n[ d ]\n", "1:[a] 2:[b c] 3:[d] ", "" },
        { "k=v", "1:/k=v ", "" },
        { "k = v\n[a]\nk=\nk = \n", "1:/k=v 2:[a] 3:a/k= 4:a/k= ", "" },
        { "[a]\nk += v\nk+=w\nk +=x\nk+ =y\n",
          "1:[a] 2:a/k+=v 3:a/k+=w 4:a/k+=x 5:a/k+=y ", "" },
        { "k = a = b\nk2 = a:b\nk3 =  [::]:25\n",
          "1:/k=a = b 2:/k2=a:b 3:/k3=[::]:25 ", "" },
        /* comments: at the start, or `;` behind a blank */
        { "; a\n# b\n  ; c\n\t# d\n", "", "" },
        { "k = v ; c\nk = v;c\nk = v\t;c;d ; e\nk = ;c\nk =;c\nk = v # c\n",
          "1:/k=v 2:/k=v;c 3:/k=v 4:/k= 5:/k=;c 6:/k=v # c ", "" },
        { "[a] ; c\n[b];c\n", "1:[a] 2:[b] ", "2 " },
        { "[a ; b]\n[a;b]\n", "1:[a] 2:[a;b] ", "1 " },
        { "k ; = v\n", "", "1 " },
        /* quotes are ordinary characters */
        { "k = \"a b\"\nk = 'a ; b'\n", "1:/k=\"a b\" 2:/k='a ", "" },
        /* faulty lines, and those behind them */
        { "k\nk2 = v\n", "2:/k2=v ", "1 " },
        { "k: v\n=v\n += v\n+=v\nk=v\nk:v = w\n", "5:/k=v ", "1 2 3 4 6 " },
        { " k = v\n\tk = v\n [a]\nk = v\n", "4:/k=v ", "1 2 3 " },
        { "[a\n[]\n[ ]\n[a]b\n[a]]\n]\n[\n", "1:[a] 4:[a] 5:[a] ",
          "1 2 3 4 5 6 7 " },
        { "k = a\rb\nk = \x01\n; \x7f\n\x1b[a]\n", "", "1 2 3 4 " },
        /* its settings do not land in the section before */
        { "[a]\n[b\nk = v\n", "1:[a] 2:[b] 3:b/k=v ", "2 " },
        /* a mark at the start of the file, nowhere else */
        { "\xef\xbb\xbf[a]\nk = v\n", "1:[a] 2:a/k=v ", "" },
        { "\xef\xbb\xbf", "", "" },
        { "\xef\xbb\xbf\xef\xbb\xbf\xef\xbb\xbf[a]\nk = v\n", "1:[a] 2:a/k=v ",
          "" },
        { "k = v\n\xef\xbb\xbfj = v\n", "1:/k=v 2:/\xef\xbb\xbfj=v ", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        try_text(bytes_str(rows[i].text), rows[i].want, rows[i].faults);
    }
    try_text(BYTES_LIT("k = a\0b\nk = v\n"), "2:/k=v ", "1 ");
    try_text(BYTES_LIT("\0"), "", "1 ");
}

/* n octets of c behind prefix, then suffix. */
static struct bytes
repeat(struct buf *b, const char *prefix, char c, size_t n, const char *suffix)
{
    buf_clear(b);
    buf_puts(b, prefix);
    for (size_t i = 0; i < n; i++) {
        buf_putc(b, c);
    }
    buf_puts(b, suffix);
    return buf_bytes(b);
}

/* 199 octets are a line, comment and blanks not counted; 49 a section. */
static void
test_limits(void **state)
{
    struct buf text = BUF_INIT, want = BUF_INIT;

    (void)state;
    for (size_t n = 190; n < 200; n++) {
        repeat(&want, "1:/k=", 'v', n, " 2:/j=w ");
        try_text(repeat(&text, "k = ", 'v', n, "\nj = w\n"),
                 n <= 195 ? buf_str(&want) : "2:/j=w ", n <= 195 ? "" : "1 ");
        try_text(repeat(&text, "k = ", 'v', n, "\r\nj = w"),
                 n <= 195 ? buf_str(&want) : "2:/j=w ", n <= 195 ? "" : "1 ");
    }
    try_text(repeat(&text, "k = ", 'v', 196, "\nj = w\n"), "2:/j=w ", "1 ");
    try_text(repeat(&text, "k = ", 'v', 100000, "\nj = w\n"), "2:/j=w ", "1 ");
    try_text(repeat(&text, "k = v ;", 'c', 100000, "\nj = w\n"),
             "1:/k=v 2:/j=w ", "");
    try_text(repeat(&text, "k = v", ' ', 100000, "\nj = w\n"), "1:/k=v 2:/j=w ",
             "");
    buf_free(&text);
    buf_free(&want);
}

static void
test_names(void **state)
{
    struct buf text = BUF_INIT, want = BUF_INIT;

    (void)state;
    repeat(&want, "1:[", 's', 49, "] ");
    try_text(repeat(&text, "[", 's', 49, "]\n"), buf_str(&want), "");
    try_text(repeat(&text, "[  ", 's', 49, "\t]\n"), buf_str(&want), "");
    try_text(repeat(&text, "[", 's', 50, "]\n"), buf_str(&want), "1 ");
    repeat(&want, "1:/", 'k', 198, "= ");
    try_text(repeat(&text, "", 'k', 198, "=\n"), buf_str(&want), "");
    buf_free(&text);
    buf_free(&want);
}

static void
test_fd(void **state)
{
    struct conf_errors *e = conf_errors_new();
    struct seen seen = { BUF_INIT, 0 };
    int fd = memfd_create("f", MFD_CLOEXEC), ends[2];

    (void)state;
    assert_int_equal(write(fd, "[a]\nk = v\n", 10), 10);
    assert_true(conf_read_fd(fd, "f", on_entry, &seen, e));
    assert_string_equal(buf_str(&seen.text), "1:[a] 2:a/k=v ");
    close(fd);

    assert_int_equal(pipe(ends), 0);
    assert_false(conf_read_fd(ends[0], "f", on_entry, &seen, e));
    close(ends[0]);
    close(ends[1]);
    assert_false(conf_read_fd(-1, "f", on_entry, &seen, e));
    assert_int_equal(conf_errors_count(e), 2);
    assert_string_equal(conf_errors_line(e, 0),
                        "f: not a regular file; a file of text");
    conf_errors_free(&e);
    buf_free(&seen.text);
}

/* Mistakes are written so that a terminal and a log are safe. */
static void
test_error_lines(void **state)
{
    struct conf_errors *e = conf_errors_new();

    (void)state;
    conf_error(e, "a\nb", 0, "x%cy", 27);
    conf_warning(e, "f", 9, "%s", "w\xc3\xbc");
    conf_error(e, "f", 3, "early");
    conf_error(e, "f", 9, "same line");
    conf_errors_sort(e);
    assert_int_equal(conf_errors_count(e), 4);
    assert_int_equal(conf_errors_warnings(e), 1);
    assert_string_equal(conf_errors_line(e, 0), "a\\x0Ab: x\\x1By");
    assert_string_equal(conf_errors_line(e, 1), "f:3: early");
    assert_string_equal(conf_errors_line(e, 2), "f:9: w\\xC3\\xBC");
    assert_true(conf_errors_is_warning(e, 2));
    assert_string_equal(conf_errors_line(e, 3), "f:9: same line");
    conf_errors_free(&e);
    conf_errors_free(&e);
    /* No list could be made: that is an error too. */
    conf_error(NULL, "f", 1, "lost");
    assert_int_equal(conf_errors_count(NULL), 1);
    assert_int_equal(conf_errors_warnings(NULL), 0);
    assert_non_null(conf_errors_line(NULL, 0));
    assert_false(conf_errors_is_warning(NULL, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),       cmocka_unit_test(test_limits),
        cmocka_unit_test(test_names),       cmocka_unit_test(test_fd),
        cmocka_unit_test(test_error_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
