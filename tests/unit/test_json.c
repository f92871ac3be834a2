/*
 * test_json - strings of JSON, whatever octets they are made of.
 */
#include "proxy/json/json.h"
#include "tests/support/cmocka.h"

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static const struct {
    const char *text;
    const char *want;
} strings[] = {
    { "", "\"\"" },
    { "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
    { "\r\n\t\x1f\x7f", "\"\\u000d\\u000a\\u0009\\u001f\\u007f\"" },
    /* RFC 3629 4: first and last of each length */
    { "\xc2\x80\xdf\xbf", "\"\xc2\x80\xdf\xbf\"" },
    { "\xe0\xa0\x80\xef\xbf\xbf", "\"\xe0\xa0\x80\xef\xbf\xbf\"" },
    { "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
      "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"" },
    { "\xed\x9f\xbf\xee\x80\x80", "\"\xed\x9f\xbf\xee\x80\x80\"" },
    /* overlong, surrogates, beyond U+10FFFF: each octet by itself */
    { "\xc0\xaf", "\"" BAD BAD "\"" },
    { "\xc1\xbf", "\"" BAD BAD "\"" },
    { "\xe0\x9f\xbf", "\"" BAD BAD BAD "\"" },
    { "\xed\xa0\x80", "\"" BAD BAD BAD "\"" },
    { "\xf0\x8f\xbf\xbf", "\"" BAD BAD BAD BAD "\"" },
    { "\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\"" },
    { "\xf5\x80\x80\x80", "\"" BAD BAD BAD BAD "\"" },
    { "\xff", "\"" BAD "\"" },
    /* cut short, or not gone on with */
    { "\x80x", "\"" BAD "x\"" },
    { "x\xc3", "\"x" BAD "\"" },
    { "\xe2\x82\"", "\"" BAD BAD "\\\"\"" },
    { "\xe2\xe2\x82\xac", "\"" BAD "\xe2\x82\xac\"" },
    { "\xf0\x9f\x93", "\"" BAD BAD BAD "\"" },
};

static void
strings_by_table(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        buf_clear(&out);
        json_string(&out, bytes_str(strings[i].text));
        if (strcmp(buf_str(&out), strings[i].want) != 0) {
            fail_msg("row %zu: %s", i, buf_str(&out));
        }
    }
    buf_clear(&out);
    json_string(&out, BYTES_LIT("a\0b"));
    assert_string_equal(buf_str(&out), "\"a\\u0000b\"");
    buf_free(&out);
}

static void
members_have_commas_between(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    buf_putc(&out, '{');
    json_member(&out, "a", "1");
    json_member(&out, "b", "{");
    json_member(&out, "c", "");
    buf_putc(&out, '}');
    assert_string_equal(buf_str(&out), "{\"a\":\"1\",\"b\":\"{\",\"c\":\"\"}");
    buf_free(&out);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_by_table),
        cmocka_unit_test(members_have_commas_between),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
