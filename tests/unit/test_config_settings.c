/*
 * test_config_settings - every row of the table, with what it takes and what
 * it refuses: its bounds, one beyond each, junk.
 */
#include <base/buf.h>

#include <stdio.h>
#include <tests/support/cmocka.h>
#include <tests/support/settings.h>

static void
check_number(const struct conf_setting *s, uint64_t n, bool want)
{
    char value[32];

    (void)snprintf(value, sizeof(value), "%ju", (uintmax_t)n);
    check(s, value, want);
}

/* What the field holds after `key = value`. */
static uint64_t
number_of(const struct conf_setting *s, const char *value)
{
    struct buf lines = BUF_INIT;
    unsigned number = 0;
    uint64_t wide = 0;
    bool flag = false;
    struct conf *conf;
    const uint8_t *from;
    const void *base;

    buf_printf(&lines, "%s = %s\n", s->key, value);
    assert_int_equal(read_lines(s, buf_str(&lines), &conf, &base), 0);
    from = (const uint8_t *)base + s->offset;
    if (s->size == sizeof(flag)) {
        memcpy(&flag, from, s->size);
    } else if (s->size == sizeof(number)) {
        memcpy(&number, from, s->size);
    } else {
        assert_int_equal(s->size, sizeof(wide));
        memcpy(&wide, from, s->size);
    }
    conf_free(&conf);
    buf_free(&lines);
    return wide + number + flag;
}

static void
check_value(const struct conf_setting *s, const char *value, uint64_t want)
{
    if (number_of(s, value) != want) {
        fail_msg("[%s] %s = %s gives %ju", s->section, s->key, value,
                 (uintmax_t)number_of(s, value));
    }
}

static void
try_bounds(const struct conf_setting *s)
{
    static const char *const junk[] = {
        "-1",
        "+1",
        "1x",
        "x",
        "0x1",
        "1.5",
        "1 s",
        "1 0",
        "0 1",
        "--",
        "yes",
        "m",
        "1mm",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999999999",
    };
    char value[32];

    check_number(s, s->min, true);
    check_number(s, s->max, true);
    check_number(s, s->max + 1, false);
    if (s->min > 0) {
        check_number(s, s->min - 1, false);
    }
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        check(s, junk[i], false);
    }
    for (uint64_t n = s->min; n <= s->max; n = n * 7 + 1) {
        (void)snprintf(value, sizeof(value), "%ju", (uintmax_t)n);
        check_value(s, value, n);
    }
}

/* One unit: what it stands for when that is within the bounds. */
static void
try_unit(const struct conf_setting *s, const char *unit, uint64_t factor)
{
    char value[64];
    uint64_t n = s->min / factor + 1;

    if (n * factor <= s->max) {
        (void)snprintf(value, sizeof(value), "%ju%s", (uintmax_t)n, unit);
        check_value(s, value, n * factor);
    }
    if (factor == 1) {
        return;
    }
    /* What would wrap to a good number in 64 bits. */
    (void)snprintf(value, sizeof(value), "%ju%s",
                   (uintmax_t)(UINT64_MAX / factor + 1 + n), unit);
    check(s, value, false);
}

static void
try_scaled(const struct conf_setting *s)
{
    try_bounds(s);
    if (s->type == CONF_TIME) {
        try_unit(s, "s", 1);
        try_unit(s, "m", 60);
        try_unit(s, "h", 3600);
        try_unit(s, "d", 86400);
        check(s, "1D", false);
        check(s, "1K", false);
    } else if (s->type == CONF_SIZE) {
        try_unit(s, "K", 1024);
        try_unit(s, "M", 1024 * 1024);
        try_unit(s, "G", 1024 * 1024 * 1024);
        try_unit(s, "k", 1024);
        check(s, "1d", false);
        check(s, "1T", false);
    }
}

static void
try_words(const struct conf_setting *s)
{
    char upper[64];

    for (const struct conf_word *w = s->words; w->word != NULL; w++) {
        if (w->word[0] == '\0') {
            continue;
        }
        check(s, w->word, true);
        if (s->type != CONF_CHOICE) {
            check_value(s, w->word, w->value);
        }
        (void)snprintf(upper, sizeof(upper), "%s", w->word);
        upper[0] = (char)(upper[0] - 'a' + 'A');
        check(s, upper, false);
    }
    check(s, "nonsense", false);
}

static void
try_bool(const struct conf_setting *s)
{
    static const char *const junk[] = { "1", "0", "true", "on", "Yes", "NO" };

    check(s, "no", true);
    check(s, "yes", true);
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        check(s, junk[i], false);
    }
}

static void
try_texts(const struct conf_setting *s)
{
    const char *const *text = texts[s->type];

    assert_non_null(text[0]);
    for (; *text != NULL; text++) {
        bool good = (*text)[0] != '!';
        struct bytes value = bytes_str(good ? *text : *text + 1);
        bool several =
            bytes_find(value, ',') < value.len && conf_type_is_list(s->type);

        check(s, (const char *)value.ptr, good && !(several && s->max == 1));
    }
}

static void
try_row(const struct conf_setting *s)
{
    switch (s->type) {
    case CONF_NUMBER:
    case CONF_TIME:
    case CONF_SIZE:
        try_scaled(s);
        break;
    case CONF_AUTO_NUMBER:
        try_scaled(s);
        check(s, "auto", true);
        check(s, "AUTO", false);
        break;
    case CONF_BOOL:
        try_bool(s);
        break;
    case CONF_WORD:
    case CONF_CHOICE:
    case CONF_WORDS:
        try_words(s);
        break;
    default:
        try_texts(s);
    }
}

static void
test_rows(void **state)
{
    (void)state;
    assert_true(conf_setting_count > 70);
    for (size_t i = 0; i < conf_setting_count; i++) {
        try_row(&conf_settings[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
