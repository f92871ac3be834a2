/*
 * test_dkim_header - header blocks taken apart, and the author's address.
 */
#include "tests/support/cmocka.h"
#include "tests/support/vec.h"

#include <dkim/address.h>
#include <dkim/header.h>

static struct dkim_header
parse(const char *block)
{
    struct dkim_header header;

    assert_int_equal(dkim_header_parse(bytes_str(block), &header),
                     DKIM_HEADER_OK);
    return header;
}

static void
field_is(const struct dkim_header *header, size_t i, const char *name,
         const char *value)
{
    assert_true(i < header->count);
    assert_true(bytes_is(header->fields[i].name, name));
    assert_true(bytes_is(header->fields[i].value, value));
}

static void
end_of_header(void **state)
{
    static const struct {
        const char *message;
        size_t end, block;
    } rows[] = {
        { "A: b\r\n\r\nbody", 8, 6 },
        { "\r\nbody", 2, 0 },
        { "A: b\r\n\r\n", 8, 6 },
        { "A: b\r\n\r", 0, 0 },
        { "A: b\n\nbody", 0, 0 },
        { "A: b\r\n\n\r\n\r\n", 11, 9 },
        { "", 0, 0 },
        { "\r", 0, 0 },
        { "A: \r\r\n\r\nx", 8, 6 },
        { "A: b\r\n \r\n\r\n", 11, 9 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes message = bytes_str(rows[i].message);
        struct bytes block;
        size_t end = 0;

        assert_int_equal(dkim_header_end(message, 0, &block), rows[i].end);
        assert_int_equal(rows[i].end == 0 ? 0 : block.len, rows[i].block);
        /* while it grows, octet by octet, going on where it stopped */
        for (size_t n = 0; n <= message.len && end == 0; n++) {
            end = dkim_header_end(bytes_take(message, n), n < 4 ? 0 : n - 4,
                                  &block);
            assert_true(end == 0 || end == n);
        }
        assert_int_equal(end, rows[i].end);
    }
}

static void
split_message(void **state)
{
    struct bytes block, body;

    (void)state;
    assert_true(dkim_header_split(BYTES_LIT("A: b\r\n\r\nc"), &block, &body));
    assert_true(bytes_is(block, "A: b\r\n") && bytes_is(body, "c"));
    assert_false(dkim_header_split(BYTES_LIT("A: b\r\n"), &block, &body));
    assert_true(bytes_is(block, "A: b\r\n") && body.len == 0);
}

static void
fields(void **state)
{
    struct dkim_header h = parse("From: a\r\nSubject:x\r\n\ty\r\n z\r\n"
                                 "X-E:\r\nFROM \t: b\r\n");

    (void)state;
    assert_int_equal(h.count, 4);
    assert_int_equal(h.faults, 0);
    field_is(&h, 0, "From", " a");
    field_is(&h, 1, "Subject", "x\r\n\ty\r\n z");
    assert_true(bytes_is(h.fields[1].raw, "Subject:x\r\n\ty\r\n z\r\n"));
    field_is(&h, 2, "X-E", "");
    field_is(&h, 3, "FROM", " b");
    assert_int_equal(dkim_header_count(&h, "from"), 2);
    assert_ptr_equal(dkim_header_get(&h, "from", 1), &h.fields[3]);
    assert_null(dkim_header_get(&h, "from", 2));
    assert_null(dkim_header_get(&h, "fro", 0));
    dkim_header_free(&h);
    assert_null(h.fields);
}

static void
faults(void **state)
{
    static const struct {
        const char *block;
        size_t count;
        unsigned faults;
    } rows[] = {
        { "", 0, 0 },
        { "A: b\r\n", 1, 0 },
        { "no field\r\nA: b\r\n", 2, DKIM_HEADER_NO_COLON },
        { "A\r\n : b\r\n", 1, DKIM_HEADER_NO_COLON },
        { " A: b\r\nC: d\r\n", 2,
          DKIM_HEADER_FOLD_FIRST | DKIM_HEADER_NO_COLON },
        { "A b: c\r\n", 1, DKIM_HEADER_BAD_NAME },
        { ": c\r\n", 1, DKIM_HEADER_BAD_NAME },
        { "\xc3\xa4: c\r\n", 1, DKIM_HEADER_BAD_NAME },
        { "A: b", 1, DKIM_HEADER_NO_BLANK },
        { "A: b\nC: d\r\n", 1, 0 },
        { "\r\n", 1, DKIM_HEADER_NO_COLON },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dkim_header h = parse(rows[i].block);
        size_t octets = 0;

        assert_int_equal(h.count, rows[i].count);
        assert_int_equal(h.faults, rows[i].faults);
        for (size_t n = 0; n < h.count; n++) {
            octets += h.fields[n].raw.len; /* nothing is lost */
        }
        assert_int_equal(octets, strlen(rows[i].block));
        dkim_header_free(&h);
    }
}

static void
field_limit(void **state)
{
    struct dkim_header h;
    struct buf b = BUF_INIT;

    (void)state;
    for (int i = 0; i < DKIM_HEADER_FIELDS_MAX; i++) {
        buf_puts(&b, "A: b\r\n");
    }
    assert_int_equal(dkim_header_parse(buf_bytes(&b), &h), DKIM_HEADER_OK);
    assert_int_equal(h.count, DKIM_HEADER_FIELDS_MAX);
    dkim_header_free(&h);
    buf_puts(&b, "A: b\r\n");
    assert_int_equal(dkim_header_parse(buf_bytes(&b), &h),
                     DKIM_HEADER_TOO_MANY);
    buf_free(&b);
}

static enum dkim_from_result
from(struct bytes value, struct dkim_author *author_out)
{
    struct dkim_field field = { value, BYTES_LIT("From"), value };
    struct dkim_header header = { &field, 1, 0 };

    return dkim_from_parse(&header, author_out);
}

static enum dkim_from_result
from_word(const char *word)
{
    static const char *const words[DKIM_FROM_RESULTS] = {
        "OK", "NONE", "SEVERAL", "EMPTY", "MANY", "SYNTAX",
    };
    int i = 0;

    while (i < DKIM_FROM_RESULTS && strcmp(words[i], word) != 0) {
        i++;
    }
    assert_true(i < DKIM_FROM_RESULTS);
    return (enum dkim_from_result)i;
}

static void
from_vectors(void **state)
{
    unsigned count = 0;
    struct vec v;

    (void)state;
    for (vec_open(&v, "from.txt"); vec_next(&v); count++) {
        struct dkim_author author = { "-", "-" };
        enum dkim_from_result want = from_word(v.word[0]);
        enum dkim_from_result got = from(v.col[2], &author);

        assert_int_equal(v.columns, 5);
        if (got != want || strcmp(author.local, v.word[3]) != 0 ||
            strcmp(author.domain, v.word[4]) != 0) {
            fail_msg("%s: %s: %s@%s", v.word[1], dkim_from_text(got),
                     author.local, author.domain);
        }
    }
    assert_true(count > 80);
}

static void
from_fields(void **state)
{
    static const struct {
        const char *block;
        enum dkim_from_result want;
    } rows[] = {
        { "To: a@example.com\r\n", DKIM_FROM_NONE },
        { "From: a@example.com\r\nfrom: a@example.com\r\n", DKIM_FROM_SEVERAL },
        { "From : a@example.com\r\n", DKIM_FROM_OK },
        { "From : a@example.com\r\nFrom: b@example.com\r\n",
          DKIM_FROM_SEVERAL },
        { "fRoM:\r\n a@example.com\r\n", DKIM_FROM_OK },
        { "Sender: a@example.com\r\nResent-From: a@example.com\r\n",
          DKIM_FROM_NONE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dkim_header h = parse(rows[i].block);
        struct dkim_author author;

        assert_int_equal(dkim_from_parse(&h, &author), rows[i].want);
        dkim_header_free(&h);
    }
}

/* local: octets of it; domain: labels of 63 octets and one of rest. */
static enum dkim_from_result
from_of_length(size_t local, size_t labels, size_t rest)
{
    struct dkim_author author;
    struct buf b = BUF_INIT;
    enum dkim_from_result result;

    while (local-- > 0) {
        buf_putc(&b, 'a');
    }
    buf_putc(&b, '@');
    for (size_t i = 0; i < labels; i++) {
        for (int k = 0; k < 63; k++) {
            buf_putc(&b, 'b');
        }
        buf_putc(&b, '.');
    }
    while (rest-- > 0) {
        buf_putc(&b, 'c');
    }
    result = from(buf_bytes(&b), &author);
    buf_free(&b);
    return result;
}

static void
from_limits(void **state)
{
    struct dkim_author author;
    struct buf b = BUF_INIT;

    (void)state;
    assert_int_equal(from_of_length(64, 0, 3), DKIM_FROM_OK);
    assert_int_equal(from_of_length(65, 0, 3), DKIM_FROM_SYNTAX);
    assert_int_equal(from_of_length(1, 0, 63), DKIM_FROM_OK);
    assert_int_equal(from_of_length(1, 0, 64), DKIM_FROM_SYNTAX);
    assert_int_equal(from_of_length(1, 3, 61), DKIM_FROM_OK); /* 253 */
    assert_int_equal(from_of_length(1, 3, 62), DKIM_FROM_SYNTAX);
    assert_int_equal(from_of_length(1, 4, 60), DKIM_FROM_SYNTAX);
    for (int i = 0; i < 100000; i++) {
        buf_puts(&b, "(");
    }
    assert_int_equal(from(buf_bytes(&b), &author), DKIM_FROM_SYNTAX);
    buf_free(&b);
}

static void
domains(void **state)
{
    char out[DKIM_DOMAIN_MAX + 1];

    (void)state;
    assert_true(dkim_domain_parse(BYTES_LIT("A.b-c._x.1"), false, out));
    assert_string_equal(out, "a.b-c._x.1");
    assert_true(dkim_domain_parse(BYTES_LIT("a."), false, out));
    assert_string_equal(out, "a");
    assert_false(dkim_domain_parse(BYTES_LIT("."), false, out));
    assert_false(dkim_domain_parse(BYTES_LIT(""), false, out));
    assert_false(dkim_domain_parse(BYTES_LIT("a.."), false, out));
    assert_false(dkim_domain_parse(BYTES_LIT("a b"), false, out));
    assert_false(dkim_domain_parse(BYTES_LIT("a\0b"), false, out));
    assert_false(dkim_domain_parse(BYTES_LIT("a;b"), false, out));
    assert_false(dkim_domain_parse(BYTES_LIT("*"), false, out));
    assert_false(dkim_domain_parse(BYTES_LIT("\xc3\xa4"), false, out));
    assert_true(dkim_domain_parse(BYTES_LIT("\xc3\xa4"), true, out));
    assert_true(dkim_domain_within("a.example", "example"));
    assert_true(dkim_domain_within("example", "example"));
    assert_false(dkim_domain_within("xexample", "example"));
    assert_false(dkim_domain_within(".example", "example"));
    assert_false(dkim_domain_within("example", "a.example"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_of_header), cmocka_unit_test(split_message),
        cmocka_unit_test(fields),        cmocka_unit_test(faults),
        cmocka_unit_test(field_limit),   cmocka_unit_test(from_vectors),
        cmocka_unit_test(from_fields),   cmocka_unit_test(from_limits),
        cmocka_unit_test(domains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
