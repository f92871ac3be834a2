/*
 * test_dkim_canon - canonical forms, for every split of the input.
 */
#include "tests/support/canon_ref.h"
#include "tests/support/cmocka.h"
#include "tests/support/vec.h"

#include <dkim/canon.h>

static void
put_buf(void *ctx, struct bytes text)
{
    buf_put(ctx, text);
}

/* From memory of just that size: the sanitizer sees a look beyond. */
static void
feed_copy(struct dkim_body_canon *c, struct bytes piece)
{
    uint8_t *copy = malloc(piece.len);

    assert_non_null(copy);
    memcpy(copy, piece.ptr, piece.len);
    dkim_body_canon_feed(c, bytes_make(copy, piece.len));
    free(copy);
}

/* Pieces of first octets, then of chunk. */
static struct buf
canon(enum dkim_canon_mode mode, struct bytes in, size_t first, size_t chunk)
{
    struct buf out = BUF_INIT;
    struct dkim_sink sink = { put_buf, &out };
    struct dkim_body_canon c;

    dkim_body_canon_init(&c, mode, sink);
    for (size_t n = first; in.len > 0; n = chunk) {
        n = n < in.len ? n : in.len;
        feed_copy(&c, bytes_take(in, n));
        in = bytes_skip(in, n);
    }
    dkim_body_canon_end(&c);
    return out;
}

static void
check(enum dkim_canon_mode mode, struct bytes in, size_t first, size_t chunk,
      struct bytes want, const char *name)
{
    struct buf out = canon(mode, in, first, chunk);

    if (!bytes_eq(buf_bytes(&out), want)) {
        fail_msg("%s, pieces %zu and %zu: got %zu octets, not %zu", name, first,
                 chunk, out.len, want.len);
    }
    buf_free(&out);
}

static enum dkim_canon_mode
mode_of(const char *word)
{
    return word[0] == 's' ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED;
}

static void
body_vectors(void **state)
{
    unsigned count = 0;
    struct vec v;

    (void)state;
    for (vec_open(&v, "body-canon.txt"); vec_next(&v); count++) {
        struct buf ref = canon_ref_body(mode_of(v.word[0]), v.col[2]);

        assert_int_equal(v.columns, 4);
        assert_true(bytes_eq(buf_bytes(&ref), v.col[3]));
        buf_free(&ref);
        for (size_t chunk = 1; chunk <= v.col[2].len + 1; chunk++) {
            check(mode_of(v.word[0]), v.col[2], chunk, chunk, v.col[3],
                  v.word[1]);
            check(mode_of(v.word[0]), v.col[2], chunk, SIZE_MAX, v.col[3],
                  v.word[1]);
        }
    }
    assert_true(count > 35);
}

/* The n-th text of len octets over a small alphabet. */
static void
nth_text(size_t n, uint8_t *text, size_t len)
{
    static const char alphabet[] = "a \t\r\n";

    for (size_t i = 0; i < len; i++, n /= 5) {
        text[i] = (uint8_t)alphabet[n % 5];
    }
}

static void
against_reference(struct bytes in)
{
    for (int mode = DKIM_CANON_SIMPLE; mode <= DKIM_CANON_RELAXED; mode++) {
        struct buf ref = canon_ref_body((enum dkim_canon_mode)mode, in);

        for (size_t first = 1; first <= in.len; first++) {
            check((enum dkim_canon_mode)mode, in, first, SIZE_MAX,
                  buf_bytes(&ref), "against the reference");
        }
        buf_free(&ref);
    }
}

/* All bodies of up to six octets over the octets that matter. */
static void
body_exhaustive(void **state)
{
    uint8_t text[6];

    (void)state;
    for (size_t len = 1, count = 5; len <= sizeof(text); len++, count *= 5) {
        for (size_t n = 0; n < count; n++) {
            nth_text(n, text, len);
            against_reference(bytes_make(text, len));
        }
    }
}

/* The same three octets at every place around the edges of a block. */
static void
body_block_edges(void **state)
{
    uint8_t text[200];

    (void)state;
    for (size_t at = 55; at < 135; at++) {
        for (size_t n = 0; n < 125; n++) {
            memset(text, 'x', sizeof(text));
            nth_text(n, text + at, 3);
            for (size_t chunk = 61; chunk < 68; chunk++) {
                struct bytes in = bytes_make(text, sizeof(text));
                struct buf ref = canon_ref_body(DKIM_CANON_RELAXED, in);

                check(DKIM_CANON_RELAXED, in, SIZE_MAX, SIZE_MAX,
                      buf_bytes(&ref), "block edges");
                check(DKIM_CANON_RELAXED, in, chunk, chunk, buf_bytes(&ref),
                      "block edges");
                buf_free(&ref);
            }
        }
    }
}

static void
many_line_ends(void **state)
{
    struct buf in = BUF_INIT;

    (void)state;
    buf_puts(&in, "a");
    for (int i = 0; i < 1000; i++) {
        buf_puts(&in, "\r\n");
    }
    check(DKIM_CANON_RELAXED, buf_bytes(&in), 7, 13, BYTES_LIT("a\r\n"),
          "trailing");
    buf_puts(&in, "b\r\n");
    check(DKIM_CANON_RELAXED, buf_bytes(&in), 7, 13, buf_bytes(&in), "inner");
    check(DKIM_CANON_SIMPLE, buf_bytes(&in), SIZE_MAX, 1, buf_bytes(&in),
          "inner");
    buf_free(&in);
}

static void
field_vectors(void **state)
{
    unsigned count = 0;
    struct vec v;

    (void)state;
    for (vec_open(&v, "field-canon.txt"); vec_next(&v); count++) {
        struct buf out = BUF_INIT;
        struct dkim_sink sink = { put_buf, &out };
        struct dkim_field_canon c;

        assert_int_equal(v.columns, 4);
        dkim_field_canon_init(&c, mode_of(v.word[0]), sink);
        dkim_field_canon_feed(&c, v.col[2]);
        if (!bytes_eq(buf_bytes(&out), v.col[3])) {
            fail_msg("%s: got \"%.*s\"", v.word[1], BYTES_ARG(buf_bytes(&out)));
        }
        buf_free(&out);
    }
    assert_true(count > 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(body_vectors),     cmocka_unit_test(body_exhaustive),
        cmocka_unit_test(body_block_edges), cmocka_unit_test(many_line_ends),
        cmocka_unit_test(field_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
