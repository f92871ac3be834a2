/*
 * test_config_settings - every row of the table, with what it takes and what
 * it refuses: its bounds, one beyond each, junk, nothing, twice, `+=`.
 *
 * Rows are read without the rules, so that one setting stands for itself.
 */
#include <base/buf.h>

#include <proxy/config/reader.h>
#include <proxy/config/sections.h>
#include <proxy/config/settings.h>
#include <proxy/config/suggest.h>
#include <stdio.h>
#include <tests/support/cmocka.h>

static const struct conf_kind *
kind_of(const struct conf_setting *s)
{
    for (size_t i = 0; i < conf_kind_count; i++) {
        if (strcmp(conf_kinds[i].name, s->section) == 0) {
            return &conf_kinds[i];
        }
    }
    fail_msg("[%s] has no kind", s->section);
    return NULL;
}

/* Reads one section with these lines. The count of mistakes. */
static size_t
read_lines(const struct conf_setting *s, const char *lines,
           struct conf **conf_out, const void **base_out)
{
    struct conf *conf = calloc(1, sizeof(*conf));
    struct conf_errors *e = conf_errors_new();
    struct buf text = BUF_INIT;
    size_t errors;

    assert_non_null(conf);
    conf->memory = calloc(1, sizeof(*conf->memory));
    assert_non_null(conf->memory);
    buf_printf(&text, "[%s%s]\n%s", s->section, kind_of(s)->named ? " x" : "",
               lines);
    conf_bundle_text(&conf->memory->bundle, "t", buf_bytes(&text));
    conf->path = "t";
    conf_collect(conf, e);
    conf_fill(conf, e);
    assert_false(conf->memory->arena.failed);
    /* Other keys that are needed are missing here: "has no". */
    errors = conf_errors_count(e);
    for (size_t i = 0; i < conf_errors_count(e); i++) {
        errors -= strstr(conf_errors_line(e, i), "] has no ") != NULL &&
                  strstr(conf_errors_line(e, i), "has no key") == NULL;
    }
    *base_out = conf->memory->sections->base;
    *conf_out = conf;
    conf_errors_free(&e);
    buf_free(&text);
    return errors;
}

static bool
takes_lines(const struct conf_setting *s, const char *lines)
{
    struct conf *conf;
    const void *base;
    size_t errors = read_lines(s, lines, &conf, &base);

    conf_free(&conf);
    return errors == 0;
}

static bool
takes(const struct conf_setting *s, const char *value)
{
    struct buf lines = BUF_INIT;
    bool good;

    buf_printf(&lines, "%s = %s\n", s->key, value);
    good = takes_lines(s, buf_str(&lines));
    buf_free(&lines);
    return good;
}

static void
check(const struct conf_setting *s, const char *value, bool want)
{
    if (takes(s, value) != want) {
        fail_msg("[%s] %s = %s is %s", s->section, s->key, value,
                 want ? "refused" : "taken");
    }
}

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

#define LABEL_63 \
    "a23456789012345678901234567890123456789012345678901234567890123"

#define HEX_30 "0123456789abcdefABCDEF01234567"
#define HEX_62 HEX_30 HEX_30 "89"
#define HEX_64 HEX_62 "89"
#define HEX_COLONS                                     \
    "00:01:02:03:04:05:06:07:08:09:0a:0B:0c:0D:0e:0F:" \
    "10:11:12:13:14:15:16:17:18:19:1a:1B:1c:1D:1e:1F"

/* Good and bad texts of the other types; a bad one begins with '!'. */
static const char *const texts[CONF_TYPES][24] = {
    [CONF_TEXT] = { "a", "a b, c", "\"quoted\"", "a;b", "\xc3\xbc" },
    [CONF_HOST] = { "a", LABEL_63 ".b", "!a" LABEL_63 ".b", "relay.example.com",
                    "x_y.example", "1.example", "!.a", "!a.", "!a..b", "!-a",
                    "!a-", "!a-.b", "!a b", "!*", "!a,b", "!\xc3\xbc.example" },
    [CONF_PATH] = { "/", "/etc/x y", "!etc", "!./x", "!~/x" },
    [CONF_ACCOUNT] = { "a", "_a-b.c9", "A", "!0a", "!-a", "!a b", "!a:b",
                       "!a2345678901234567890123456789012x" },
    [CONF_USER] = { "alice", "alice@example.com", "\xc3\xbc", "!a b", "!a]",
                    "!a;b" },
    [CONF_LOG] = { "stderr", "syslog", "/var/log/x", "!stdout", "!x.log" },
    [CONF_NAME] = { "a", "a-b.c_d", "!a b", "!a/b" },
    [CONF_FIELD] = { "X-Spam", "x", "!X-Spam:", "!X Spam", "!\xc3\xbc" },
    [CONF_RATE] = { "500/h", "1/s", "2/m", "100000000/d", "!0/h", "!500", "!/h",
                    "!5/w", "!5/H", "!5/hh", "!-5/h", "!100000001/d", "!5 / h",
                    "!99999999999999999999/h" },
    [CONF_BACKEND] = { "users", "upstream", "dovecot:/x", "!dovecot:x",
                       "!dovecot:", "!dovecot", "!Users", "!ldap",
                       "dovecot:/" LABEL_63 "234567890123456789012345678901234"
                       "5678901234",
                       "!dovecot:/" LABEL_63 "234567890123456789012345678901234"
                       "56789012345" },
    [CONF_CANON] = { "simple/simple", "relaxed/simple", "simple/relaxed",
                     "relaxed/relaxed", "!relaxed", "!simple/", "!/simple",
                     "!simple/simple/simple", "!Relaxed/relaxed" },
    [CONF_LISTEN] = { "127.0.0.1:1", "[::1]:65535", "0.0.0.0:25,[::]:25",
                      "!127.0.0.1", "!127.0.0.1:0", "!127.0.0.1:65536", "!*:1",
                      "!localhost:1", "!::1:1", "![::1]", "!127.0.0.1:1,",
                      "!,127.0.0.1:1", "!127.1:1", "!127.0.0.1:-1",
                      "!127.0.0.1:99999999999999999999", "![1.2.3.4]:1" },
    [CONF_SERVERS] = { "127.0.0.1", "127.0.0.1:5353", "::1", "[::1]",
                       "[::1]:53", "!127.0.0.1:0", "!dns.example", "!::1:x",
                       "!127.0.0.1:65536" },
    [CONF_TARGETS] = { "a.example:1", "127.0.0.1:65535", "[::1]:25", "!a",
                       "!a:0", "!a:65536", "!a:b", "!1.2.3:25", "!a:1:2",
                       "!::1:25", "!a b:1" },
    [CONF_POOL] = { "a.example:1", "a:1 weight=1, [::1]:2  weight=100, b:3",
                    "a:1 WEIGHT=5", "!a", "!a:0", "!a:1 weight=0",
                    "!a:1 weight=101", "!a:1 weight=", "!a:1 weight=x",
                    "!a:1 heavy", "!weight=1", "!a:1 weight=1 weight=2" },
    [CONF_SENDERS] = { "a.example", "a.example, *.B.Example", "!*", "!*.",
                       "!*a.example", "!a.*.example", "!a@example" },
    [CONF_NETWORKS] = { "192.0.2.0/24", "192.0.2.1", "::/0", "2001:db8::/32",
                        "::1", "::ffff:192.0.2.0/120", "!::ffff:0.0.0.0/95",
                        "!::ffff:0.0.0.0/0", "!192.0.2.1/24", "!192.0.2.0/33",
                        "!::/129", "!192.0.2.0/", "!/24", "!192.0.2.0/-1",
                        "!192.0.2.0/024x", "!a", "!10/8", "!2001:db8::1/64",
                        "!192.0.2.0/24/24" },
    [CONF_PINS] = { "sha256:" HEX_64, "SHA256:" HEX_COLONS,
                    "sha256:" HEX_64 ", sha256:" HEX_COLONS, "!" HEX_64,
                    "!sha256:", "!sha256:00", "!sha256:" HEX_64 "0",
                    "!sha256:" HEX_64 ":", "!sha256::" HEX_64,
                    "!sha256: " HEX_64, "!sha1:" HEX_64, "!sha256:" HEX_62 "0g",
                    "!sha256:" HEX_62 "0", "!sha256:" HEX_62 "0:0" },
    [CONF_CERT_USERS] = { "sha256:" HEX_64 " = alice",
                          "sha256:" HEX_64 "=Bob@example.com",
                          "SHA256:" HEX_COLONS " =alice",
                          "sha256:" HEX_64 " = a, sha256:" HEX_64 " = b",
                          "!sha256:" HEX_64, "!sha256:" HEX_64 " =",
                          "!sha256:" HEX_64 " = a b",
                          "!sha256:" HEX_62 " = alice", "!alice", "!= alice",
                          "!CN=alice = alice", "!subject:", "!subject:CN=alice",
                          "!subject:CN=alice=alice", "!subject:alice = alice",
                          "!subject: = alice", "!sha256:" HEX_64 " = a,," },
    [CONF_PATHS] = { "/a", "/a, /b c", "!a", "!/a, b", "!/a,,/b" },
    [CONF_DOMAINS] = { "a.example", "a.example, B.Example", "!*.example",
                       "!a.example,,b", "!a@example", "!." },
    [CONF_FIELDS] = { "x-a", "X-A,x-b", "!x a", "!x:", "!,", "!x,,y" },
    [CONF_HEADERS] = { "default", "from", "default,+x,-to", "from,x-*",
                       "default, -list-*, +list-id", "from, resent-*, +list-*",
                       "!-to", "!to", "!default,-from", "!from,+received",
                       "!from,arc-seal", "!from,*", "!from,a*", "!from,x y",
                       "!from,+", "!default,-list-id",
                       "!default,+return-path" },
};

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
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_rows_alike),
        cmocka_unit_test(test_list_bounds), cmocka_unit_test(test_table),
        cmocka_unit_test(test_suggest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
