/*
 * test_notices - a notice as JSON and as a message, whatever is in it; what
 * was told is not told again that day.
 */
#include "proxy/notices/compose.h"
#include "proxy/notices/memory.h"
#include "tests/support/cmocka.h"
#include "tests/support/tempdir.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    NOW_S = 1795305600, /* 2026-11-22T00:00:00Z */
    HOUR_S = 3600
};

static struct notice
red(const char *subject, const char *text)
{
    return (struct notice){ NOTICE_DOMAIN_RED, subject, "sp1", text, NOW_S };
}

static void
test_json(void **state)
{
    struct notice n = red("example.com", "It \"is\" gone.\nPut it back.\n");
    struct buf out = BUF_INIT;

    (void)state;
    notice_put_json(&n, "relay.test", &out);
    assert_string_equal(
        buf_str(&out),
        "{\"version\":1,\"kind\":\"domain-red\",\"subject\":\"example.com\","
        "\"selector\":\"sp1\",\"text\":\"It \\\"is\\\" gone.\\u000aPut it "
        "back.\\u000a\",\"time\":\"2026-11-22T00:00:00Z\","
        "\"hostname\":\"relay.test\"}\n");
    buf_free(&out);
}

static const struct notice_mail mail = {
    "sealpost@relay.test", "ops@example.com", "relay.test", { 0x1234, 0xabcdef }
};

static void
test_mail(void **state)
{
    struct notice n = red("example.com", "First line.\nSecond.\n");
    struct buf out = BUF_INIT;

    (void)state;
    notice_put_mail(&n, &mail, &out);
    assert_string_equal(
        buf_str(&out),
        "From: sealpost@relay.test\r\n"
        "To: ops@example.com\r\n"
        "Subject: [sealpost] example.com: DKIM needs your attention\r\n"
        "Date: Sun, 22 Nov 2026 00:00:00 +0000\r\n"
        "Message-ID: <00000000000012340000000000abcdef@relay.test>\r\n"
        "Auto-Submitted: auto-generated\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "First line.\r\n"
        "Second.\r\n"
        "\r\n"
        "Selector: sp1\r\n"
        "\r\n"
        "-- \r\n"
        "Sealpost on relay.test (domain-red); the same is not told again "
        "today.\r\n");
    buf_free(&out);
}

/* Lines of a message end in CRLF and nothing else, and are not too long. */
static void
check_lines(struct bytes text)
{
    while (text.len > 0) {
        size_t end = bytes_find(text, '\n');

        assert_true(end < text.len && end > 0 && text.ptr[end - 1] == '\r');
        assert_true(end <= 998);
        for (size_t i = 0; i + 1 < end; i++) {
            assert_true(text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f);
        }
        text = bytes_skip(text, end + 1);
    }
}

static void
test_hostile(void **state)
{
    static const char *const texts[] = {
        "",
        "x",
        "\n\n\n",
        "a\r\nBcc: all@example.com\r\n\r\n",
        "caf\xc3\xa9 and a bell \x07",
        "\xff\xfe",
        ("This line is much longer than seventy-two columns, and so it is cut "
         "where it has a space before that; and then once more."),
    };
    char word[3000];

    (void)state;
    memset(word, 'w', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    for (size_t i = 0; i <= sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text =
            i < sizeof(texts) / sizeof(texts[0]) ? texts[i] : word;
        struct notice n = red(text, i > 6 ? "x" : text);
        struct buf out = BUF_INIT;

        n.selector = "";
        notice_put_mail(&n, &mail, &out);
        check_lines(buf_bytes(&out));
        assert_null(strstr(buf_str(&out), "\r\nBcc:"));
        buf_free(&out);
    }
}

static void
test_memory(void **state)
{
    struct notice_memory *m = calloc(1, sizeof(*m));
    struct notice n = red("example.com", "x");
    struct notice green = n, other = n;

    (void)state;
    assert_non_null(m);
    green.kind = NOTICE_DOMAIN_GREEN;
    other.selector = "sp2";
    assert_false(notice_memory_has(m, &n, "mail"));
    notice_memory_note(m, &n, "mail");
    assert_true(notice_memory_has(m, &n, "mail"));
    assert_false(notice_memory_has(m, &n, "command"));
    assert_false(notice_memory_has(m, &other, "mail"));
    assert_false(notice_memory_has(m, &green, "mail"));
    n.time_s = NOW_S + 22 * HOUR_S;
    assert_true(notice_memory_has(m, &n, "mail"));
    n.time_s = NOW_S + 23 * HOUR_S;
    assert_false(notice_memory_has(m, &n, "mail"));
    n.time_s = NOW_S - 1; /* the clock was put back */
    assert_false(notice_memory_has(m, &n, "mail"));
    n.time_s = NOW_S + HOUR_S;
    notice_memory_note(m, &green, "mail");
    assert_false(notice_memory_has(m, &n, "mail")); /* red again is news */
    assert_true(notice_memory_has(m, &green, "mail"));
    notice_memory_note(m, &n, "mail");
    assert_false(notice_memory_has(m, &green, "mail")); /* and green again */
    for (unsigned i = 0; i < 2 * NOTICE_MEMORY_MAX; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "d%u.example", i);
        n.subject = name;
        n.time_s = NOW_S + i;
        notice_memory_note(m, &n, "mail");
        assert_true(notice_memory_has(m, &n, "mail"));
    }
    assert_int_equal(m->count, NOTICE_MEMORY_MAX);
    free(m);
}

static void
test_memory_file(void **state)
{
    struct notice_memory *m = calloc(1, sizeof(*m));
    struct server_conf server = { .keys_user = "root" };
    struct notice n = red("example.com", "x"), old = red("old.example", "x");
    struct tempdir dir;
    char path[TEMPDIR_PATH_MAX];

    (void)state;
    assert_non_null(m);
    tempdir_make(&dir);
    server.state_dir = dir.path;
    notice_memory_load(dir.path, m);
    assert_int_equal(m->count, 0);
    assert_true(notice_memory_save(m, &server, NOW_S)); /* nothing to do */
    assert_int_not_equal(access(tempdir_name(&dir, "notices", path), F_OK), 0);
    old.time_s = NOW_S - 8 * 24 * HOUR_S;
    notice_memory_note(m, &n, "mail");
    notice_memory_note(m, &old, "mail");
    assert_true(notice_memory_save(m, &server, NOW_S));
    notice_memory_load(dir.path, m);
    assert_int_equal(m->count, 1);
    assert_true(notice_memory_has(m, &n, "mail"));
    notice_memory_parse(BYTES_LIT("[sent]\n0123456789abcde = 1\n"
                                  "0123456789abcdef = x\n[x]\n"
                                  "0123456789abcdef = 1\n\x01\n"),
                        m);
    assert_int_equal(m->count, 0);
    assert_int_equal(unlink(tempdir_name(&dir, "notices/sent.conf", path)), 0);
    assert_int_equal(rmdir(tempdir_name(&dir, "notices", path)), 0);
    tempdir_remove(&dir);
    free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_hostile),     cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memory_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
