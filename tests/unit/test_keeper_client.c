/*
 * test_keeper_client - the worker's client against a keeper that we play:
 * views, requests and replies.
 */
#include "tests/support/cmocka.h"
#include "tests/support/played_keeper.h"

#include <string.h>

static void
asks_for_the_view_first(void **state)
{
    struct keeper_ask ask;

    (void)state;
    expect(KEEPER_OP_VIEW, &ask);
    assert_null(keeper_client_view(client));
    say_view(3, SEALED, NULL);
    turn();
    assert_int_equal(views, 1);
    assert_int_equal(view_epoch(keeper_client_view(client)), 3);
    say_view(3, SEALED, NULL); /* pushed and asked for: once is enough */
    say_view(2, SEALED, NULL);
    turn();
    assert_int_equal(views, 1);
    say_view(4, SEALED, NULL);
    turn();
    assert_int_equal(views, 2);
}

static void
bad_views_keep_the_last(void **state)
{
    struct keeper_answer none = { .op = KEEPER_OP_VIEW, .epoch = 9 };

    (void)state;
    say_view(1, SEALED, NULL);
    say_view(5, F_SEAL_SHRINK, NULL); /* could change under our feet */
    say_view(6, SEALED, "not a view");
    say(&none); /* no descriptor */
    turn();
    assert_int_equal(views, 1);
    assert_int_equal(gone, 0);
    assert_int_equal(view_epoch(keeper_client_view(client)), 1);
}

static void
replies_find_their_requests(void **state)
{
    struct keeper_answer a = { .op = KEEPER_OP_AUTH, .handle = { { 7 } } };
    struct keeper_answer s = { .op = KEEPER_OP_ASSERT,
                               .status = KEEPER_DENIED,
                               .text = BYTES_LIT("because") };
    struct result first = { 0 }, second = { 0 };
    struct keeper_ask ask;

    (void)state;
    expect(KEEPER_OP_VIEW, &ask);
    assert_non_null(keeper_auth(client, "alice", "geheim", on_reply, &first));
    assert_non_null(keeper_assert(client, 3, "", on_reply, &second));
    expect(KEEPER_OP_AUTH, &ask);
    assert_true(bytes_is(ask.user, "alice") && bytes_is(ask.secret, "geheim"));
    a.id = ask.id;
    expect(KEEPER_OP_ASSERT, &ask);
    assert_int_equal(ask.listener, 3);
    s.id = ask.id;
    say(&s); /* the other way round */
    say(&a);
    turn();
    assert_int_equal(first.calls, 1);
    assert_int_equal(first.status, KEEPER_OK);
    assert_int_equal(first.handle.octets[0], 7);
    assert_int_equal(second.calls, 1);
    assert_int_equal(second.status, KEEPER_DENIED);
    assert_string_equal(second.text, "because");
}

static void
handle_of_a_cancelled_login_is_released(void **state)
{
    struct keeper_answer a = { .op = KEEPER_OP_AUTH, .handle = { { 7 } } };
    struct result r = { 0 };
    struct keeper_request *request;
    struct keeper_ask ask;

    (void)state;
    request = keeper_auth(client, "alice", "geheim", on_reply, &r);
    keeper_cancel(&request);
    expect(KEEPER_OP_VIEW, &ask);
    expect(KEEPER_OP_AUTH, &ask);
    a.id = ask.id;
    say(&a);
    turn();
    assert_int_equal(r.calls, 0);
    expect(KEEPER_OP_RELEASE, &ask);
    assert_int_equal(ask.handle.octets[0], 7);
}

/* Beyond the window requests wait; those cancelled are never sent. */
static void
window_is_kept(void **state)
{
    enum {
        EXTRA = 10
    };
    static struct result results[KEEPER_IN_FLIGHT_MAX + EXTRA];
    struct keeper_request *requests[KEEPER_IN_FLIGHT_MAX + EXTRA];
    struct keeper_ask ask;
    unsigned asked = 0, spins = 0;

    (void)state;
    memset(results, 0, sizeof(results));
    expect(KEEPER_OP_VIEW, &ask);
    for (size_t i = 0; i < KEEPER_IN_FLIGHT_MAX + EXTRA; i++) {
        requests[i] = keeper_assert(client, 0, "", on_reply, &results[i]);
        assert_non_null(requests[i]);
    }
    while (spins < 3) { /* the socket takes some hundred at a time */
        bool came = next(&ask);

        asked += came;
        spins = came ? 0 : spins + 1;
        turn();
    }
    assert_int_equal(asked, KEEPER_IN_FLIGHT_MAX);
    keeper_cancel(&requests[KEEPER_IN_FLIGHT_MAX]);
    for (unsigned i = 0; i < EXTRA; i++) {
        struct keeper_answer a = { .op = KEEPER_OP_ASSERT, .id = ask.id };

        say(&a);
        turn();
        asked += next(&ask) ? 1 : 0;
    }
    assert_int_equal(asked, KEEPER_IN_FLIGHT_MAX + EXTRA - 1);
    assert_int_equal(results[KEEPER_IN_FLIGHT_MAX].calls, 0);
}

static void
fields_out_of_range_are_refused(void **state)
{
    static char huge[3000];
    struct result r = { 0 };

    (void)state;
    memset(huge, 'x', sizeof(huge) - 1);
    assert_null(keeper_auth(client, "", "secret", on_reply, &r));
    assert_null(keeper_auth(client, huge, "secret", on_reply, &r));
    assert_null(keeper_auth(client, "alice", huge, on_reply, &r));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(asks_for_the_view_first),
        TEST(bad_views_keep_the_last),
        TEST(replies_find_their_requests),
        TEST(handle_of_a_cancelled_login_is_released),
        TEST(window_is_kept),
        TEST(fields_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
