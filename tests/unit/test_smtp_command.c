/*
 * test_smtp_command - every line of smtp-command.txt is what it says there.
 */
#include "tests/support/cmocka.h"
#include "tests/support/vec.h"

#include <smtp/command.h>
#include <smtp/line.h>

static const char *const param_names[SMTP_PARAM_COUNT] = {
    "SIZE",  "BODY",       "SMTPUTF8", "AUTH",  "RET",
    "ENVID", "REQUIRETLS", "NOTIFY",   "ORCPT",
};

static const char *const err_names[SMTP_ERR_COUNT] = {
    "ok", "control", "syntax", "address", "utf8", "param", "value", "twice",
};

static void
put(struct buf *out, const char *name, struct bytes value)
{
    buf_printf(out, " %s=", name);
    buf_put(out, value);
}

static void
put_path(struct buf *out, const struct smtp_command *cmd)
{
    put(out, "local", cmd->path.local);
    put(out, "domain", cmd->path.domain);
    if (cmd->path.utf8) {
        buf_puts(out, " utf8");
    }
    for (unsigned i = 0; i < SMTP_PARAM_COUNT; i++) {
        if (cmd->params.present & 1u << i) {
            put(out, param_names[i], cmd->params.value[i]);
        }
    }
    if (cmd->params.size > 0) {
        buf_printf(out, " size=%llu", (unsigned long long)cmd->params.size);
    }
    if (cmd->params.body != SMTP_BODY_7BIT) {
        buf_printf(out, " body=%u", (unsigned)cmd->params.body);
    }
}

static void
put_command(struct buf *out, const struct smtp_command *cmd)
{
    buf_puts(out, smtp_verb_name(cmd->verb));
    if (cmd->verb == SMTP_VERB_MAIL || cmd->verb == SMTP_VERB_RCPT) {
        put_path(out, cmd);
        return;
    }
    put(out, "arg", cmd->arg);
    if (cmd->name.len > 0) {
        put(out, "name", cmd->name);
    }
    if (cmd->has_initial) {
        put(out, "initial", cmd->initial);
    }
    if (cmd->verb == SMTP_VERB_BDAT) {
        buf_printf(out, " chunk=%llu%s", (unsigned long long)cmd->chunk,
                   cmd->last ? " last" : "");
    }
}

/* An exact-sized copy, so that a sanitizer sees an over-read. */
static struct bytes
copy_of(struct bytes text)
{
    uint8_t *copy = malloc(text.len + (text.len == 0));

    assert_non_null(copy);
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return bytes_make(copy, text.len);
}

static void
test_vectors(void **state)
{
    struct vec v;

    (void)state;
    vec_open(&v, "smtp-command.txt");
    while (vec_next_of(&v, 3)) {
        struct bytes line = copy_of(v.col[1]);
        struct buf got = BUF_INIT;
        struct smtp_command cmd;
        enum smtp_err err = smtp_command_parse(line, &cmd);

        if (err == SMTP_OK) {
            put_command(&got, &cmd);
        } else {
            buf_printf(&got, "%s %s", err_names[err], smtp_verb_name(cmd.verb));
            assert_null(cmd.arg.ptr);
            assert_int_equal(cmd.params.present, 0);
        }
        if (!bytes_eq(buf_bytes(&got), v.col[2])) {
            fail_msg("%s:%u: got %s", v.name, v.line, buf_str(&got));
        }
        buf_free(&got);
        free((void *)(uintptr_t)line.ptr);
    }
}

/* Every prefix of every line is parsed without a look beyond its end. */
static void
test_prefixes(void **state)
{
    struct vec v;

    (void)state;
    vec_open(&v, "smtp-command.txt");
    while (vec_next_of(&v, 3)) {
        for (size_t n = 0; n < v.col[1].len && n < 80; n++) {
            struct bytes line = copy_of(bytes_take(v.col[1], n));
            struct smtp_command cmd;

            (void)smtp_command_parse(line, &cmd);
            free((void *)(uintptr_t)line.ptr);
        }
    }
}

static void
test_mailbox(void **state)
{
    struct smtp_path path;

    (void)state;
    assert_int_equal(smtp_mailbox_parse(BYTES_LIT("a@b.example"), &path),
                     SMTP_OK);
    assert_true(bytes_is(path.mailbox, "a@b.example"));
    assert_true(bytes_is(path.local, "a"));
    assert_true(bytes_is(path.domain, "b.example"));
    assert_int_equal(smtp_mailbox_parse(BYTES_LIT("<a@b>"), &path),
                     SMTP_ERR_ADDRESS);
    assert_int_equal(smtp_mailbox_parse(BYTES_LIT("a@b "), &path),
                     SMTP_ERR_ADDRESS);
    assert_int_equal(smtp_mailbox_parse(BYTES_LIT(""), &path),
                     SMTP_ERR_ADDRESS);
    assert_int_equal(smtp_mailbox_parse(BYTES_LIT("@a:b@c"), &path),
                     SMTP_ERR_ADDRESS);
    assert_int_equal(smtp_mailbox_parse(BYTES_LIT("postmaster"), &path),
                     SMTP_ERR_ADDRESS);
    assert_true(bytes_is(path.mailbox, "a@b.example")); /* untouched */
}

static void
test_texts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SMTP_ERR_COUNT; i++) {
        assert_non_null(smtp_err_text((enum smtp_err)i));
    }
    assert_string_equal(smtp_verb_name(SMTP_VERB_STARTTLS), "STARTTLS");
    assert_string_equal(smtp_verb_name(SMTP_VERB_COUNT), "?");
}

static void
test_line(void **state)
{
    const struct {
        struct bytes in;
        size_t max;
        enum smtp_line_result result;
        size_t line, left;
    } cases[] = {
        { BYTES_LIT(""), 8, SMTP_LINE_MORE, 0, 0 },
        { BYTES_LIT("\r\n"), 8, SMTP_LINE_OK, 0, 0 },
        { BYTES_LIT("ab\r\ncd"), 8, SMTP_LINE_OK, 2, 2 },
        { BYTES_LIT("ab\r"), 8, SMTP_LINE_MORE, 0, 3 },
        { BYTES_LIT("a\nb\r\n"), 8, SMTP_LINE_OK, 3, 0 },
        { BYTES_LIT("\nb\r\n"), 8, SMTP_LINE_OK, 2, 0 },
        { BYTES_LIT("a\r\r\n"), 8, SMTP_LINE_OK, 2, 0 },
        { BYTES_LIT("a\rb\n"), 8, SMTP_LINE_MORE, 0, 4 },
        { BYTES_LIT("abcdef\r\n"), 8, SMTP_LINE_OK, 6, 0 },
        { BYTES_LIT("abcdefg\r\n"), 8, SMTP_LINE_LONG, 0, 9 },
        { BYTES_LIT("abcdefgh"), 8, SMTP_LINE_LONG, 0, 8 },
        { BYTES_LIT("abcdefg"), 8, SMTP_LINE_MORE, 0, 7 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bytes in = cases[i].in, line = { 0 };

        assert_int_equal(smtp_line_next(&in, cases[i].max, &line),
                         cases[i].result);
        assert_int_equal(line.len, cases[i].line);
        assert_int_equal(in.len, cases[i].left);
    }
    assert_true(smtp_line_clean(BYTES_LIT("a b\t")));
    assert_false(smtp_line_clean(BYTES_LIT("a\0")));
    assert_false(smtp_line_clean(BYTES_LIT("a\rb")));
    assert_false(smtp_line_clean(BYTES_LIT("\nb")));
}

static void
test_discard(void **state)
{
    struct bytes in = BYTES_LIT("abc\r"), rest = BYTES_LIT("\r\nNOOP\r\n");
    size_t octets = 0;

    (void)state;
    assert_false(smtp_line_discard(&in, &octets));
    assert_int_equal(octets, 3);
    assert_true(bytes_is(in, "\r"));
    assert_true(smtp_line_discard(&rest, &octets));
    assert_int_equal(octets, 3);
    assert_true(bytes_is(rest, "NOOP\r\n"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_mailbox), cmocka_unit_test(test_texts),
        cmocka_unit_test(test_line),    cmocka_unit_test(test_discard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
