/*
 * test_view_lookup - users, keys and domains found in a view; an empty one.
 */
#include "tests/support/cmocka.h"
#include "tests/support/decide_view.h"

static void
test_view_lookup(void **state)
{
    struct view *v = decide_view_new();
    size_t count;

    (void)state;
    assert_non_null(view_user(v, BYTES_LIT("ALICE")));
    assert_null(view_user(v, BYTES_LIT("alic")));
    assert_null(view_user(v, BYTES_LIT("ali\0ce")));
    assert_null(view_user(v, BYTES_LIT("")));
    assert_non_null(view_key(v, "host.example", "bot1"));
    assert_true(view_key(v, "host.example", "bot1")->reserved);
    assert_false(view_key(v, "host.example", "h1")->reserved);
    assert_true(view_key(v, "example.com", "alice2026")->reserved);
    assert_false(view_key(v, "other.example", "alice2026")->reserved);
    assert_null(view_key(v, "host.example", "bot"));
    assert_non_null(view_domain(v, "host.example", &count));
    assert_int_equal(count, 3);
    assert_null(view_domain(v, "host.exampl", &count));
    assert_int_equal(count, 0);
    assert_null(view_user_at(v, view_user_count(v)));
    assert_null(view_key_at(v, view_key_count(v)));
    view_free(&v);
    view_free(&v);
}

static void
test_view_empty(void **state)
{
    struct view_builder *b = view_builder_new();
    struct buf packed = BUF_INIT;
    struct view *v;
    size_t count;

    (void)state;
    v = view_build(&b, 1);
    assert_non_null(v);
    assert_null(b);
    assert_null(view_user(v, BYTES_LIT("a")));
    assert_null(view_key(v, "a", "b"));
    assert_null(view_domain(v, "a", &count));
    assert_true(view_pack(v, &packed));
    view_free(&v);
    v = view_unpack(buf_bytes(&packed));
    assert_non_null(v);
    view_free(&v);
    buf_free(&packed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_view_lookup),
        cmocka_unit_test(test_view_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
