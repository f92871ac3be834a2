/*
 * test_daybook - last-signed and seen-from: read, merged and written.
 */
#include "tests/support/cmocka.h"

#include <proxy/keeper/daybook.h>
#include <stdio.h>

enum {
    TODAY = 20000
};

static struct view *
make_view(void)
{
    static const char *const none[] = { NULL };
    static const char *const users[] = { "alice", "bob" };
    static const struct {
        const char *domain;
        enum view_key_state state;
    } keys[] = { { "example.com", VIEW_KEY_ACTIVE },
                 { "old.example", VIEW_KEY_RETIRING } };
    struct view_builder *b = view_builder_new();

    assert_non_null(b);
    for (size_t i = 0; i < 2; i++) {
        const struct view_user u = {
            .name = users[i], .selectors = none, .domain = "", .upstream = ""
        };
        const struct view_key k = { .domain = keys[i].domain,
                                    .selector = "s1",
                                    .state = keys[i].state,
                                    .owner = "" };

        assert_true(view_builder_user(b, &u));
        assert_true(view_builder_key(b, &k));
    }
    return view_build(&b, 1);
}

static void
signed_books(void **state)
{
    static const struct {
        const char *name;
        const char *old;
        struct signed_row note; /* user NULL: none */
        const char *want;
    } cases[] = {
        { "empty", "", { NULL, 0, NULL, NULL }, "" },
        { "the first",
          "",
          { "alice", 5, "example.com", "s1" },
          "alice 5 example.com s1\n" },
        { "the loopback identity",
          "",
          { "[]", 5, "example.com", "s1" },
          "[] 5 example.com s1\n" },
        { "a later one",
          "alice 5 example.com s1\n",
          { "alice", 6, "example.net", "s2" },
          "alice 6 example.net s2\n" },
        { "an older one",
          "alice 5 example.com s1\n",
          { "alice", 4, "example.net", "s2" },
          "alice 5 example.com s1\n" },
        { "any case",
          "ALICE 5 example.com s1\n",
          { "Alice", 6, "example.net", "s2" },
          "alice 6 example.net s2\n" },
        { "sorted",
          "bob 5 example.com s1\n",
          { "alice", 4, "example.net", "s2" },
          "alice 4 example.net s2\nbob 5 example.com s1\n" },
        { "a user who is gone",
          "carol 5 example.com s1\nbob 5 b.example s\n",
          { NULL, 0, NULL, NULL },
          "bob 5 b.example s\n" },
        { "twice in the file",
          "bob 5 b.example s\nbob 7 b.example t\n",
          { NULL, 0, NULL, NULL },
          "bob 7 b.example t\n" },
        { "no last line end",
          "bob 5 b.example s",
          { NULL, 0, NULL, NULL },
          "bob 5 b.example s\n" },
        { "lines that are none",
          "\nbob\nbob 5\nbob 5 d\nbob 5 d s more\nbob  5 d s\nbob x d s\n"
          "bob -1 d s\nbob 99999999999999999999 d s\n bob 5 d s\n"
          "bob 5 d s \nbob 5 \td s\nbob 3 d s\n",
          { NULL, 0, NULL, NULL },
          "bob 3 d s\n" },
        { "a name that can't stand there",
          "",
          { "alice\nbob 9 d s", 5, "example.com", "s1" },
          "" },
        { "a domain that can't", "", { "alice", 5, "a b", "s1" }, "" },
    };
    struct view *view = make_view();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct signed_book *b = signed_book_new(bytes_str(cases[i].old));
        struct buf out = BUF_INIT;

        assert_non_null(b);
        if (cases[i].note.user != NULL) {
            assert_true(signed_book_note(b, &cases[i].note));
        }
        assert_true(signed_book_put(b, view, &out));
        if (strcmp(buf_str(&out), cases[i].want) != 0) {
            fail_msg("%s: \"%s\"", cases[i].name, buf_str(&out));
        }
        buf_free(&out);
        signed_book_free(&b);
    }
    view_free(&view);
}

static void
signed_rows_are_found(void **state)
{
    struct signed_book *b = signed_book_new(
        BYTES_LIT("bob 5 b.example s\nalice 7 a.example t\nbob 9 c.d u\n"));

    (void)state;
    assert_non_null(b);
    assert_int_equal(signed_book_find(b, "alice")->time_s, 7);
    assert_int_equal(signed_book_find(b, "bob")->time_s, 9);
    assert_string_equal(signed_book_find(b, "bob")->selector, "u");
    assert_null(signed_book_find(b, "carol"));
    assert_null(signed_book_find(b, ""));
    signed_book_free(&b);
    b = signed_book_new(bytes_make(NULL, 0));
    assert_null(signed_book_find(b, "alice"));
    signed_book_free(&b);
    signed_book_free(&b);
}

static void
from_books(void **state)
{
    static const struct {
        const char *name;
        const char *old;
        const char *domain; /* NULL: none; on TODAY */
        uint64_t count;
        const char *want;
    } cases[] = {
        { "empty", "", NULL, 0, "" },
        { "the first", "", "sub.example.com", 3,
          "sub.example.com 20000 20000 3\n" },
        { "again", "sub.example.com 19990 19995 4\n", "sub.example.com", 3,
          "sub.example.com 19990 20000 7\n" },
        { "the newest first", "a.example 19990 19995 4\n", "b.example", 1,
          "b.example 20000 20000 1\na.example 19990 19995 4\n" },
        { "the most frequent first", "a.example 20000 20000 4\n", "b.example",
          5, "b.example 20000 20000 5\na.example 20000 20000 4\n" },
        { "the last of its days", "a.example 1 19970 4\n", NULL, 0,
          "a.example 1 19970 4\n" },
        { "too old", "a.example 1 19969 4\n", NULL, 0, "" },
        { "of tomorrow", "a.example 20002 20002 4\n", NULL, 0, "" },
        { "has a key meanwhile", "example.com 20000 20000 4\n", NULL, 0, "" },
        { "has one that only retires", "old.example 20000 20000 4\n", NULL, 0,
          "old.example 20000 20000 4\n" },
        { "any case, final dot", "", "SUB.example.com.", 1,
          "sub.example.com 20000 20000 1\n" },
        { "no domain", "", "a b", 1, "" },
        { "a line", "", "a.example 1 1 1\nb.example", 1, "" },
        { "empty name", "", "", 1, "" },
        { "more than there is", "a.example 20000 20000 18446744073709551615\n",
          "a.example", 5, "a.example 20000 20000 18446744073709551615\n" },
        { "lines that are none",
          "a.example\na.example 1 20000\na.example 1 20000 x\n"
          "a.example 1 99999999999 1\n a.example 1 20000 1\n\n",
          NULL, 0, "" },
    };
    struct view *view = make_view();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct from_book *b = from_book_new(bytes_str(cases[i].old));
        struct buf out = BUF_INIT;

        assert_non_null(b);
        if (cases[i].domain != NULL) {
            assert_true(
                from_book_note(b, cases[i].domain, TODAY, cases[i].count));
        }
        assert_true(from_book_put(b, view, TODAY, &out));
        if (strcmp(buf_str(&out), cases[i].want) != 0) {
            fail_msg("%s: \"%s\"", cases[i].name, buf_str(&out));
        }
        buf_free(&out);
        from_book_free(&b);
    }
    view_free(&view);
}

/* A flood of names does not grow the file without end. */
static void
from_book_is_bounded(void **state)
{
    struct from_book *b = from_book_new(BYTES_LIT(""));
    struct view *view = make_view();
    struct buf out = BUF_INIT;
    size_t lines = 0;
    char name[64];
    unsigned n = 0;

    (void)state;
    while (snprintf(name, sizeof(name), "n%u.example", n) > 0 &&
           from_book_note(b, name, TODAY, 1)) {
        n++;
    }
    assert_int_equal(n, 2 * DAYBOOK_FROM_MAX);
    assert_true(from_book_put(b, view, TODAY, &out));
    for (size_t i = 0; i < out.len; i++) {
        lines += out.ptr[i] == '\n';
    }
    assert_int_equal(lines, DAYBOOK_FROM_MAX);
    buf_free(&out);
    from_book_free(&b);
    from_book_free(&b);
    view_free(&view);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_books),
        cmocka_unit_test(signed_rows_are_found),
        cmocka_unit_test(from_books),
        cmocka_unit_test(from_book_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
