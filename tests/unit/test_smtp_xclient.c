/*
 * test_smtp_xclient - every argument of smtp-xclient.txt is what it says
 * there, and no prefix of one is read beyond its end.
 */
#include "tests/support/cmocka.h"
#include "tests/support/vec.h"

#include <smtp/xclient.h>

#include <stdlib.h>

static const char *const attr_names[SMTP_XATTR_COUNT] = {
    "NAME",  "ADDR",     "PORT",     "PROTO", "HELO",
    "LOGIN", "DESTADDR", "DESTPORT", "IDENT", "SOURCE",
};

static const char *const err_names[SMTP_ERR_COUNT] = {
    "ok", "control", "syntax", "address", "utf8", "param", "value", "twice",
};

/* On an exact-sized copy, so that a sanitizer sees an over-read. */
static enum smtp_err
parse(const struct vec *v, size_t len, struct smtp_xattrs *out)
{
    enum smtp_verb verb =
        bytes_is(v->col[1], "XCLIENT") ? SMTP_VERB_XCLIENT : SMTP_VERB_XFORWARD;
    uint8_t *copy = malloc(len + (len == 0));
    enum smtp_err err;

    assert_non_null(copy);
    if (len > 0) {
        memcpy(copy, v->col[2].ptr, len);
    }
    err = smtp_xclient_parse(verb, bytes_make(copy, len), out);
    free(copy);
    return err;
}

static void
put(struct buf *out, const struct smtp_xattrs *attrs)
{
    for (unsigned i = 0; i < SMTP_XATTR_COUNT; i++) {
        if (attrs->given & 1u << i) {
            buf_printf(out, "%s%s=%s", out->len > 0 ? " " : "", attr_names[i],
                       attrs->value[i]);
        } else {
            assert_int_equal(attrs->value[i][0], '\0');
        }
    }
}

static void
test_vectors(void **state)
{
    struct vec v;

    (void)state;
    vec_open(&v, "smtp-xclient.txt");
    while (vec_next_of(&v, 4)) {
        struct smtp_xattrs attrs = { .given = 0xffff };
        struct buf got = BUF_INIT;
        enum smtp_err err = parse(&v, v.col[2].len, &attrs);

        if (err == SMTP_OK) {
            put(&got, &attrs);
        } else {
            buf_puts(&got, err_names[err]);
            assert_int_equal(attrs.given, 0xffff); /* untouched */
        }
        if (!bytes_eq(buf_bytes(&got), v.col[3])) {
            fail_msg("%s:%u: got %s", v.name, v.line, buf_str(&got));
        }
        buf_free(&got);
    }
}

static void
test_prefixes(void **state)
{
    struct smtp_xattrs attrs;
    struct vec v;

    (void)state;
    vec_open(&v, "smtp-xclient.txt");
    while (vec_next_of(&v, 4)) {
        for (size_t n = 0; n < v.col[2].len; n++) {
            if (parse(&v, n, &attrs) == SMTP_OK) {
                assert_int_not_equal(attrs.given, 0);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_prefixes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
