/*
 * test_oauth_answer - what token endpoints say.
 */
#include "proxy/oauth/answer.h"
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    long status;
    const char *json;
    bool good;
    const char *token;
    const char *refresh;
    unsigned life_s;
    const char *error;
} cases[] = {
    { "rfc6749-5.1", 200,
      "{\"access_token\":\"2YotnFZFEjr1zCsicMWpAA\","
      "\"token_type\":\"example\",\"expires_in\":3600,"
      "\"refresh_token\":\"tGzv3JOkF0XG5Qx2TlKWIA\","
      "\"example_parameter\":\"example_value\"}",
      true, "2YotnFZFEjr1zCsicMWpAA", "tGzv3JOkF0XG5Qx2TlKWIA", 3600, "" },
    { "rfc6749-5.2", 400, "{\"error\":\"invalid_request\"}", true, "", "", 0,
      "invalid_request" },
    { "no-life", 200, "{\"access_token\":\"a\"}", true, "a", "", 3600, "" },
    { "life-string", 200, "{\"access_token\":\"a\",\"expires_in\":\"300\"}",
      true, "a", "", 300, "" },
    { "life-short", 200, "{\"access_token\":\"a\",\"expires_in\":1}", true, "a",
      "", 60, "" },
    { "life-long", 200, "{\"access_token\":\"a\",\"expires_in\":1e99}", true,
      "a", "", 3600, "" },
    { "life-negative", 200, "{\"access_token\":\"a\",\"expires_in\":-5}", true,
      "a", "", 3600, "" },
    { "life-year", 200, "{\"access_token\":\"a\",\"expires_in\":31536000}",
      true, "a", "", 604800, "" },
    { "error-goes-before", 200,
      "{\"access_token\":\"a\",\"error\":\"invalid_grant\"}", true, "", "", 0,
      "invalid_grant" },
    { "error-unprintable", 400, "{\"error\":\"a\\u001b[2J\\u00fc\"}", true, "",
      "", 0, "a [2J  " },
    { "token-with-blank", 200, "{\"access_token\":\"a b\"}", false, "", "", 0,
      "" },
    { "token-with-line", 200, "{\"access_token\":\"a\\nb\"}", false, "", "", 0,
      "" },
    { "token-number", 200, "{\"access_token\":1}", false, "", "", 0, "" },
    { "token-empty", 200, "{\"access_token\":\"\"}", false, "", "", 0, "" },
    { "refresh-bad-is-none", 200,
      "{\"access_token\":\"a\",\"refresh_token\":\"b c\"}", true, "a", "", 3600,
      "" },
    { "token-not-200", 500, "{\"access_token\":\"a\"}", false, "", "", 0, "" },
    { "html", 502, "<html>Bad Gateway</html>", false, "", "", 0, "" },
    { "array", 200, "[\"access_token\"]", false, "", "", 0, "" },
    { "twice", 200, "{\"access_token\":\"a\",\"access_token\":\"b\"}", false,
      "", "", 0, "" },
    { "cut", 200, "{\"access_token\":\"a\"", false, "", "", 0, "" },
    { "behind", 200, "{\"access_token\":\"a\"} x", false, "", "", 0, "" },
    { "empty", 200, "", false, "", "", 0, "" },
};

static void
test_cases(void **state)
{
    static struct oauth_answer a;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = NULL;
        bool good = oauth_answer_parse(bytes_str(cases[i].json),
                                       cases[i].status, &a, &why);

        if (good != cases[i].good) {
            fail_msg("%s: %s", cases[i].name, why);
        }
        if (!good) {
            assert_non_null(why);
            continue;
        }
        assert_string_equal(a.access_token, cases[i].token);
        assert_string_equal(a.refresh_token, cases[i].refresh);
        assert_string_equal(a.error, cases[i].error);
        assert_int_equal(a.life_s, cases[i].life_s);
    }
}

/* As long as a token may be, and one octet more. */
static void
test_long_token(void **state)
{
    static struct oauth_answer a;
    static char json[OAUTH_TOKEN_MAX + 100];
    const char *why;

    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        size_t n = (size_t)snprintf(json, sizeof(json), "{\"access_token\":\"");

        memset(json + n, 'x', OAUTH_TOKEN_MAX + more);
        memcpy(json + n + OAUTH_TOKEN_MAX + more, "\"}", 3);
        assert_int_equal(oauth_answer_parse(bytes_str(json), 200, &a, &why),
                         more == 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_long_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
