/*
 * test_dkim_tags - tag lists and the tags of signatures: for each tag what is
 * taken and what is not (RFC 6376 3.2, 3.5).
 */
#include "tests/support/cmocka.h"

#include <dkim/signature.h>
#include <dkim/taglist.h>

#define BH "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="

/* Tags until the list ends or is bad; the number of good ones. */
static enum dkim_tag_result
walk(struct bytes text, size_t *count_out)
{
    struct dkim_taglist list;
    struct dkim_tag tag;
    enum dkim_tag_result result;

    *count_out = 0;
    dkim_taglist_init(&list, text);
    while ((result = dkim_taglist_next(&list, &tag)) == DKIM_TAG_FOUND) {
        ++*count_out;
    }
    return result;
}

static void
tag_lists(void **state)
{
    static const struct {
        const char *text;
        enum dkim_tag_result want;
        size_t count;
    } rows[] = {
        { "a=1", DKIM_TAG_END, 1 },
        { "a=1;", DKIM_TAG_END, 1 },
        { "a=1; \t\r\n ", DKIM_TAG_END, 1 },
        { "a=1\r\n", DKIM_TAG_SYNTAX, 0 },
        { " a = 1 ; b_2=; C=x=y", DKIM_TAG_END, 3 },
        { "a=1;\r\n\tb=2", DKIM_TAG_END, 2 },
        { "a=1\r\n ;b=2", DKIM_TAG_END, 2 },
        { "a\r\n =\r\n 1", DKIM_TAG_END, 1 },
        { "a=1;A=2", DKIM_TAG_END, 2 },
        { "a=\xc3\xa4", DKIM_TAG_END, 1 },
        { "", DKIM_TAG_SYNTAX, 0 },
        { " ", DKIM_TAG_SYNTAX, 0 },
        { ";", DKIM_TAG_SYNTAX, 0 },
        { "a=1;;", DKIM_TAG_SYNTAX, 1 },
        { "a=1;;b=2", DKIM_TAG_SYNTAX, 1 },
        { ";a=1", DKIM_TAG_SYNTAX, 0 },
        { "a", DKIM_TAG_SYNTAX, 0 },
        { "a=1;b", DKIM_TAG_SYNTAX, 1 },
        { "=1", DKIM_TAG_SYNTAX, 0 },
        { "1a=1", DKIM_TAG_SYNTAX, 0 },
        { "a b=1", DKIM_TAG_SYNTAX, 0 },
        { "a-b=1", DKIM_TAG_SYNTAX, 0 },
        { "a=1\r\nb=2", DKIM_TAG_SYNTAX, 0 },
        { "a=1\r\n;b=2", DKIM_TAG_SYNTAX, 0 },
        { "a=1\rx", DKIM_TAG_SYNTAX, 0 },
        { "a=1\nx", DKIM_TAG_SYNTAX, 0 },
        { "a=1\x7f", DKIM_TAG_SYNTAX, 0 },
        { "a=1;b=\x01", DKIM_TAG_SYNTAX, 1 },
        { "a=1;b=2;a=1", DKIM_TAG_DUPLICATE, 2 },
        { "zz=1;zz=1", DKIM_TAG_DUPLICATE, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t count;

        if (walk(bytes_str(rows[i].text), &count) != rows[i].want ||
            count != rows[i].count) {
            fail_msg("row %zu: %s", i, rows[i].text);
        }
    }
    {
        size_t count;

        assert_int_equal(walk(BYTES_LIT("a=1\0"), &count), DKIM_TAG_SYNTAX);
    }
}

static void
tag_views(void **state)
{
    struct bytes text = BYTES_LIT("a = x y\r\n ; b=");
    struct dkim_taglist list;
    struct dkim_tag tag;

    (void)state;
    dkim_taglist_init(&list, text);
    assert_int_equal(dkim_taglist_next(&list, &tag), DKIM_TAG_FOUND);
    assert_true(bytes_is(tag.name, "a") && bytes_is(tag.value, "x y"));
    assert_true(bytes_is(tag.raw, " x y\r\n "));
    assert_int_equal(dkim_taglist_next(&list, &tag), DKIM_TAG_FOUND);
    assert_true(bytes_is(tag.name, "b") && tag.raw.len == 0);
    assert_ptr_equal(tag.raw.ptr, text.ptr + text.len);
    assert_int_equal(dkim_taglist_next(&list, &tag), DKIM_TAG_END);
}

static void
tag_limits(void **state)
{
    struct buf b = BUF_INIT;
    size_t count;

    (void)state;
    for (int i = 0; i < DKIM_TAGS_MAX; i++) {
        buf_printf(&b, "t%d=;", i);
    }
    assert_int_equal(walk(buf_bytes(&b), &count), DKIM_TAG_END);
    assert_int_equal(count, DKIM_TAGS_MAX);
    for (int i = DKIM_TAGS_MAX; i < 20000; i++) {
        buf_printf(&b, "t%d=;", i);
    }
    assert_int_equal(walk(buf_bytes(&b), &count), DKIM_TAG_TOO_MANY);
    buf_free(&b);
}

/* A good signature in which tag has another value, or is not at all. */
static enum dkim_sig_err
changed(const char *tag, const char *value, struct dkim_signature *sig_out)
{
    static const char *const good[][2] = {
        { "v", "1" },    { "a", "rsa-sha256" }, { "d", "example.com" },
        { "s", "sel" },  { "h", "from:to" },    { "bh", BH },
        { "b", "AAAA" },
    };
    struct buf b = BUF_INIT;
    enum dkim_sig_err err;
    bool known = false;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        bool it = strcmp(good[i][0], tag) == 0;

        known = known || it;
        if (!it || value != NULL) {
            buf_printf(&b, " %s=%s;", good[i][0], it ? value : good[i][1]);
        }
    }
    if (!known) {
        buf_printf(&b, " %s=%s", tag, value);
    }
    err = dkim_signature_parse(buf_bytes(&b), sig_out);
    /* Views are looked at by callers that need none of them to live on. */
    buf_free(&b);
    return err;
}

static void
signature_tags(void **state)
{
    static const struct {
        const char *tag, *value;
        enum dkim_sig_err want;
    } rows[] = {
        { "v", "1", DKIM_SIG_OK },
        { "v", "2", DKIM_SIG_VERSION },
        { "v", "", DKIM_SIG_VERSION },
        { "v", "1.0", DKIM_SIG_VERSION },
        { "v", NULL, DKIM_SIG_MISSING },
        { "a", "ed25519-sha256", DKIM_SIG_OK },
        { "a", "rsa-sha512", DKIM_SIG_ALGORITHM },
        { "a", "RSA-SHA256", DKIM_SIG_ALGORITHM },
        { "a", "rsa", DKIM_SIG_ALGORITHM },
        { "a", "", DKIM_SIG_ALGORITHM },
        { "a", "rsa-sha1", DKIM_SIG_BH }, /* the hash has 32 octets */
        { "a", NULL, DKIM_SIG_MISSING },
        { "b", "AAAA\r\n AAAA", DKIM_SIG_OK },
        { "b", "A A\tA A", DKIM_SIG_OK },
        { "b", "AAA", DKIM_SIG_B },
        { "b", "AA!A", DKIM_SIG_B },
        { "b", "", DKIM_SIG_B },
        { "b", NULL, DKIM_SIG_MISSING },
        { "bh", "2jUSOH9NhtVGCQWN r9BrIAPreKQjO6Sn7XIkfJVOzv8 =", DKIM_SIG_OK },
        { "bh", "AAAA", DKIM_SIG_BH },
        { "bh", BH "AAAA", DKIM_SIG_BH },
        { "bh", "", DKIM_SIG_BH },
        { "bh", NULL, DKIM_SIG_MISSING },
        { "c", "relaxed/relaxed", DKIM_SIG_OK },
        { "c", "simple", DKIM_SIG_OK },
        { "c", "foo", DKIM_SIG_CANON },
        { "c", "simple/foo", DKIM_SIG_CANON },
        { "c", "relaxed/", DKIM_SIG_CANON },
        { "c", "relaxed/simple/simple", DKIM_SIG_CANON },
        { "c", "", DKIM_SIG_CANON },
        { "d", "a.b.example", DKIM_SIG_OK },
        { "d", "EXAMPLE.com", DKIM_SIG_OK },
        { "d", "xn--bcher-kva.example", DKIM_SIG_OK },
        { "d",
          "b\xc3\xbc"
          "cher.example",
          DKIM_SIG_DOMAIN },
        { "d", "com", DKIM_SIG_DOMAIN },
        { "d", "", DKIM_SIG_DOMAIN },
        { "d", "example.com.", DKIM_SIG_DOMAIN },
        { "d", ".example.com", DKIM_SIG_DOMAIN },
        { "d", "a..example", DKIM_SIG_DOMAIN },
        { "d", "example.net(.example.com", DKIM_SIG_DOMAIN },
        { "d", "*.example", DKIM_SIG_DOMAIN },
        { "d", "exam ple.com", DKIM_SIG_DOMAIN },
        { "d", NULL, DKIM_SIG_MISSING },
        { "s", "a.b_c-1", DKIM_SIG_OK },
        { "s", "", DKIM_SIG_SELECTOR },
        { "s", "a b", DKIM_SIG_SELECTOR },
        { "s", "a.", DKIM_SIG_SELECTOR },
        { "s", "*", DKIM_SIG_SELECTOR },
        { "s", NULL, DKIM_SIG_MISSING },
        { "h", "From", DKIM_SIG_OK },
        { "h", "to : from\r\n : x-y", DKIM_SIG_OK },
        { "h", "from:dkim-signature", DKIM_SIG_OK },
        { "h", "to", DKIM_SIG_NO_FROM },
        { "h", "fromm:xfrom", DKIM_SIG_NO_FROM },
        { "h", "from:", DKIM_SIG_HEADERS },
        { "h", ":from", DKIM_SIG_HEADERS },
        { "h", "from::to", DKIM_SIG_HEADERS },
        { "h", "fr om:from", DKIM_SIG_HEADERS },
        { "h", "", DKIM_SIG_HEADERS },
        { "h", NULL, DKIM_SIG_MISSING },
        { "i", "@example.com", DKIM_SIG_OK },
        { "i", "joe@example.com", DKIM_SIG_OK },
        { "i", "joe@sub.Example.com", DKIM_SIG_OK },
        { "i", "joe=40x@example.com", DKIM_SIG_OK },
        { "i", "joe@example=2Ecom", DKIM_SIG_OK },
        { "i", "joe@exam\r\n ple.com", DKIM_SIG_OK },
        { "i", "\xc3\xa4@example.com", DKIM_SIG_OK },
        { "i", "@example.org", DKIM_SIG_IDENTITY_OUTSIDE },
        { "i", "@com", DKIM_SIG_IDENTITY_OUTSIDE },
        { "i", "@badexample.com", DKIM_SIG_IDENTITY_OUTSIDE },
        { "i", "example.com", DKIM_SIG_IDENTITY },
        { "i", "joe@", DKIM_SIG_IDENTITY },
        { "i", "", DKIM_SIG_IDENTITY },
        { "i", "joe=00@example.com", DKIM_SIG_IDENTITY },
        { "i", "joe=0D=0A@example.com", DKIM_SIG_IDENTITY },
        { "i", "joe=4@example.com", DKIM_SIG_IDENTITY },
        { "i", "joe=4x@example.com", DKIM_SIG_IDENTITY },
        { "i", "joe@example.com=", DKIM_SIG_IDENTITY },
        { "i", "joe@example.com=2", DKIM_SIG_IDENTITY },
        { "i", "joe@b\xc3\xbc.example.com", DKIM_SIG_IDENTITY },
        { "l", "0", DKIM_SIG_OK },
        { "l", "18446744073709551614", DKIM_SIG_OK },
        { "l", "99999999999999999999", DKIM_SIG_LENGTH },
        { "l", "-1", DKIM_SIG_LENGTH },
        { "l", "1x", DKIM_SIG_LENGTH },
        { "l", "", DKIM_SIG_LENGTH },
        { "q", "dns/txt", DKIM_SIG_OK },
        { "q", "foo/bar:dns/txt:x", DKIM_SIG_OK },
        { "q", "dns/txt : foo", DKIM_SIG_OK },
        { "q", "foo", DKIM_SIG_QUERY },
        { "q", "dns/txtx", DKIM_SIG_QUERY },
        { "q", "", DKIM_SIG_QUERY },
        { "t", "0", DKIM_SIG_OK },
        { "t", "999999999999", DKIM_SIG_OK },
        { "t", "1000000000000", DKIM_SIG_TIME },
        { "t", "now", DKIM_SIG_TIME },
        { "t", "", DKIM_SIG_TIME },
        { "x", "999999999999", DKIM_SIG_OK },
        { "x", "1000000000000", DKIM_SIG_EXPIRES },
        { "x", "-1", DKIM_SIG_EXPIRES },
        { "z", "From:joe|To:=3Bsue", DKIM_SIG_OK },
        { "z", "x\x01", DKIM_SIG_SYNTAX },
        { "y", "b=1 =;", DKIM_SIG_OK },
        { "y", "1;y=2", DKIM_SIG_DUPLICATE },
        { "y", "1; b=AAAA", DKIM_SIG_DUPLICATE },
        { "y", "1;;", DKIM_SIG_SYNTAX },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dkim_signature sig;
        enum dkim_sig_err err = changed(rows[i].tag, rows[i].value, &sig);

        if (err != rows[i].want) {
            fail_msg("%s=%s: %s", rows[i].tag,
                     rows[i].value == NULL ? "(missing)" : rows[i].value,
                     dkim_sig_err_text(err));
        }
    }
}

static void
signature_times(void **state)
{
    struct dkim_signature sig;

    (void)state;
    assert_int_equal(changed("t", "10; x=11", &sig), DKIM_SIG_OK);
    assert_true(sig.has_time && sig.has_expires);
    assert_int_equal(sig.time_s, 10);
    assert_int_equal(sig.expires_s, 11);
    assert_int_equal(changed("t", "10; x=10", &sig), DKIM_SIG_EXPIRES_FIRST);
    assert_int_equal(changed("x", "9; t=10", &sig), DKIM_SIG_EXPIRES_FIRST);
}

static void
signature_values(void **state)
{
    struct dkim_signature sig;

    (void)state;
    assert_int_equal(changed("c", "relaxed", &sig), DKIM_SIG_OK);
    assert_int_equal(sig.header_canon, DKIM_CANON_RELAXED);
    assert_int_equal(sig.body_canon, DKIM_CANON_SIMPLE);
    assert_int_equal(changed("c", "simple/relaxed", &sig), DKIM_SIG_OK);
    assert_int_equal(sig.header_canon, DKIM_CANON_SIMPLE);
    assert_int_equal(sig.body_canon, DKIM_CANON_RELAXED);
    assert_int_equal(changed("i", "@a.example.com", &sig), DKIM_SIG_OK);
    assert_true(sig.identity_below);
    assert_int_equal(changed("i", "a@EXAMPLE.com", &sig), DKIM_SIG_OK);
    assert_false(sig.identity_below);
    assert_int_equal(changed("d", "A.Example", &sig), DKIM_SIG_OK);
    assert_string_equal(sig.domain, "a.example");
    assert_false(sig.has_length || sig.has_time || sig.has_expires);
    /* a bad one is still reported by its names */
    assert_int_equal(changed("v", "7", &sig), DKIM_SIG_VERSION);
    assert_string_equal(sig.domain, "example.com");
    assert_string_equal(sig.selector, "sel");
    assert_true(sig.alg_known);
}

/* h= with count names. */
static enum dkim_sig_err
with_names(size_t count)
{
    struct dkim_signature sig;
    struct buf b = BUF_INIT;
    enum dkim_sig_err err;

    buf_puts(&b, "from");
    while (--count > 0) {
        buf_puts(&b, ":x");
    }
    err = changed("h", buf_str(&b), &sig);
    buf_free(&b);
    return err;
}

static void
signature_limits(void **state)
{
    struct dkim_signature sig;
    struct buf b = BUF_INIT;

    (void)state;
    assert_int_equal(with_names(DKIM_NAMES_MAX), DKIM_SIG_OK);
    assert_int_equal(with_names(DKIM_NAMES_MAX + 1), DKIM_SIG_TOO_MANY);
    assert_int_equal(with_names(50000), DKIM_SIG_TOO_MANY);
    for (int i = 0; i < 16384; i++) {
        buf_puts(&b, "AAAA");
    }
    assert_int_equal(changed("b", buf_str(&b), &sig), DKIM_SIG_B);
    assert_int_equal(changed("bh", buf_str(&b), &sig), DKIM_SIG_BH);
    assert_int_equal(changed("d", buf_str(&b), &sig), DKIM_SIG_DOMAIN);
    assert_int_equal(changed("i", buf_str(&b), &sig), DKIM_SIG_IDENTITY);
    b.ptr[0] = '@';
    assert_int_equal(changed("i", buf_str(&b), &sig), DKIM_SIG_IDENTITY);
    buf_free(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tag_lists),        cmocka_unit_test(tag_views),
        cmocka_unit_test(tag_limits),       cmocka_unit_test(signature_tags),
        cmocka_unit_test(signature_times),  cmocka_unit_test(signature_values),
        cmocka_unit_test(signature_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
