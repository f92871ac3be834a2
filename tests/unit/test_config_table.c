/*
 * test_config_table - what holds for every row of the table alike: nothing,
 * the default, twice, `+=`, a list's bounds; and what is suggested for a key
 * that it does not have.
 */
#include <base/buf.h>

#include <proxy/config/suggest.h>
#include <tests/support/cmocka.h>
#include <tests/support/settings.h>

static bool
may_be_empty(const struct conf_setting *s)
{
    return conf_type_is_list(s->type)
               ? s->min == 0
               : s->standard != NULL && s->standard[0] == '\0';
}

static const char *
some_value(const struct conf_setting *s)
{
    if (s->standard != NULL && s->standard[0] != '\0') {
        return s->standard;
    }
    return s->words != NULL ? s->words[1].word : texts[s->type][0];
}

/* Nothing, the default itself, twice, `+=`: the same for all types. */
static void
test_rows_alike(void **state)
{
    struct buf lines = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < conf_setting_count; i++) {
        const struct conf_setting *s = &conf_settings[i];
        const char *value = some_value(s);

        check(s, "", may_be_empty(s));
        check(s, value, true);
        check(s, "; only a comment", may_be_empty(s));

        buf_clear(&lines);
        buf_printf(&lines, "%s = %s\n%s = %s\n", s->key, value, s->key, value);
        assert_false(takes_lines(s, buf_str(&lines)));

        buf_clear(&lines);
        buf_printf(&lines, "%s += %s\n", s->key, value);
        assert_int_equal(takes_lines(s, buf_str(&lines)),
                         conf_type_is_list(s->type));

        buf_clear(&lines);
        buf_printf(&lines, "%s +=\n", s->key);
        assert_false(takes_lines(s, buf_str(&lines)));

        buf_clear(&lines);
        buf_printf(&lines, "%sx = %s\n", s->key, value);
        assert_false(takes_lines(s, buf_str(&lines)));
    }
    buf_free(&lines);
}

/* A list's bound, and one beyond it. */
static void
test_list_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < conf_setting_count; i++) {
        const struct conf_setting *s = &conf_settings[i];
        struct buf lines = BUF_INIT;
        uint64_t each;

        if (!conf_type_is_list(s->type) || s->type == CONF_WORDS ||
            s->type == CONF_HEADERS) {
            continue;
        }
        buf_printf(&lines, "%s =", s->key);
        /* A line has 199 octets. */
        each = strlen(texts[s->type][0]) > 20 ? 1 : 8;
        for (uint64_t n = 0; n < s->max; n++) {
            buf_puts(&lines, n == 0 ? " " : n % each == 0 ? "\n" : ",");
            if (n > 0 && n % each == 0) {
                buf_printf(&lines, "%s += ", s->key);
            }
            buf_puts(&lines, texts[s->type][0]);
        }
        buf_puts(&lines, "\n");
        if (!may_be_empty(s) || s->standard == NULL || s->standard[0] == '\0') {
            assert_true(takes_lines(s, buf_str(&lines)));
        }
        buf_printf(&lines, "%s += %s\n", s->key, texts[s->type][0]);
        assert_false(takes_lines(s, buf_str(&lines)));
        buf_free(&lines);
    }
}

/* Rows of a section stand together, keys are there once, kinds are known. */
static void
test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < conf_setting_count; i++) {
        const struct conf_setting *s = &conf_settings[i];
        size_t count;
        const struct conf_setting *first = conf_settings_of(s->section, &count);

        assert_true(s >= first && s < first + count);
        assert_true(s->offset + s->size <= kind_of(s)->octets);
        for (size_t k = 0; k < count; k++) {
            assert_true(&first[k] == s || strcmp(first[k].key, s->key) != 0);
            assert_string_equal(first[k].section, s->section);
        }
    }
}

static const char *
nearest(const char *word, const char *const *candidates)
{
    struct conf_suggest near = CONF_SUGGEST(bytes_str(word));

    for (; *candidates != NULL; candidates++) {
        conf_suggest_offer(&near, *candidates);
    }
    return near.best == NULL ? "" : near.best;
}

static void
test_suggest(void **state)
{
    static const char *const words[] = { "hostname",    "authserv_id", "user",
                                         "keys_user",   "log",         "tls",
                                         "certificate", NULL };

    (void)state;
    assert_string_equal(nearest("hostname", words), "hostname");
    assert_string_equal(nearest("hostnmae", words), "hostname"); /* swapped */
    assert_string_equal(nearest("hstname", words), "hostname");
    assert_string_equal(nearest("hhostnamee", words), "hostname");
    assert_string_equal(nearest("Authserv-ID", words), "authserv_id");
    assert_string_equal(nearest("hostnumbr", words), "");
    assert_string_equal(nearest("usr", words), "user");
    assert_string_equal(nearest("us", words), ""); /* two slips of four */
    assert_string_equal(nearest("tsl", words), "tls");
    assert_string_equal(nearest("", words), "");
    assert_string_equal(nearest("x", words), "");
    assert_string_equal(
        nearest("certificatecertificatecertificatecertificate", words), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_alike),
        cmocka_unit_test(test_list_bounds),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_suggest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
