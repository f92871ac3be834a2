/*
 * test_keeper_lost - the worker's client when its keeper goes, or talks
 * nonsense, and when another one comes.
 */
#include "tests/support/cmocka.h"
#include "tests/support/played_keeper.h"

#include <sys/socket.h>
#include <unistd.h>

/* Of a view that is not whole yet nothing is left when the keeper dies, and
 * the next keeper's epochs count anew. */
static void
keeper_dies_in_mid_view(void **state)
{
    (void)state;
    say_view(5, SEALED, NULL);
    turn();
    say_view_of(6, 5000, SEALED, NULL);
    turn();
    assert_int_equal(views, 1);
    close(keeper);
    turn();
    turn();
    assert_int_equal(gone, 1);
    assert_int_equal(view_epoch(keeper_client_view(client)), 5);
    keeper_client_reconnect(client, pair());
    say_view_of(1, 5, SEALED, NULL);
    turn();
    assert_int_equal(views, 2);
    assert_int_equal(epoch_seen, 1);
    assert_int_equal(view_user_count(keeper_client_view(client)), 5);
}

static void
nonsense_ends_the_connection(void **state)
{
    static const struct {
        const char *name;
        struct keeper_answer answer;
    } cases[] = {
        { "nobody asked", { .op = KEEPER_OP_AUTH, .id = 12345 } },
        { "id 0", { .op = KEEPER_OP_SIGN, .id = 0 } },
        { "octets", { .op = KEEPER_OPS } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct result r = { 0 };

        assert_non_null(keeper_assert(client, 0, "", on_reply, &r));
        if (cases[i].answer.op == KEEPER_OPS) {
            say_octets("nonsense", 8);
        } else {
            say(&cases[i].answer);
        }
        turn();
        turn();
        if (gone != i + 1 || r.calls != 1 || r.status != KEEPER_GONE ||
            keeper_client_life(client) != i + 1) {
            fail_msg("%s", cases[i].name);
        }
        close(keeper);
        keeper_client_reconnect(client, pair());
    }
}

/* A reply of another operation than the request's. */
static void
wrong_operation_ends_the_connection(void **state)
{
    struct keeper_answer a = { .op = KEEPER_OP_SIGN };
    struct result r = { 0 };
    struct keeper_ask ask;

    (void)state;
    assert_non_null(keeper_assert(client, 0, "", on_reply, &r));
    expect(KEEPER_OP_VIEW, &ask);
    expect(KEEPER_OP_ASSERT, &ask);
    a.id = ask.id;
    say(&a);
    turn();
    turn();
    assert_int_equal(gone, 1);
    assert_int_equal(r.status, KEEPER_GONE);
}

static void
same_reply_twice_ends_the_connection(void **state)
{
    struct keeper_answer a = { .op = KEEPER_OP_ASSERT };
    struct result r = { 0 };
    struct keeper_ask ask;

    (void)state;
    assert_non_null(keeper_assert(client, 0, "", on_reply, &r));
    expect(KEEPER_OP_VIEW, &ask);
    expect(KEEPER_OP_ASSERT, &ask);
    a.id = ask.id;
    say(&a);
    say(&a);
    turn();
    turn();
    assert_int_equal(r.calls, 1);
    assert_int_equal(r.status, KEEPER_OK);
    assert_int_equal(gone, 1);
}

static void
ask_again(const struct keeper_reply *reply, void *arg)
{
    struct result *r = arg;

    on_reply(reply, arg);
    if (r->calls < 5) {
        assert_non_null(keeper_assert(client, 0, "", ask_again, r));
    }
}

/* Also what is asked anew from inside a KEEPER_GONE is answered. */
static void
gone_is_never_told_inside_a_call(void **state)
{
    struct result r = { 0 };
    struct keeper_request *cancelled;
    struct result never = { 0 };

    (void)state;
    close(keeper);
    keeper = -1;
    assert_non_null(keeper_assert(client, 0, "", ask_again, &r));
    cancelled = keeper_assert(client, 0, "", on_reply, &never);
    assert_int_equal(r.calls, 0);
    keeper_cancel(&cancelled);
    for (unsigned i = 0; i < 10; i++) {
        turn();
    }
    assert_int_equal(r.calls, 5);
    assert_int_equal(never.calls, 0);
    assert_int_equal(gone, 1);
}

static void
no_keeper_is_gone(void **state)
{
    struct result r = { 0 };
    struct keeper_handle handle = { { 1 } };

    (void)state;
    keeper_client_free(&client);
    keeper_client_free(&client);
    client = keeper_client_new(base, -1, on_view, NULL);
    assert_non_null(keeper_auth(client, "a", "b", on_reply, &r));
    keeper_release(client, &handle);
    turn();
    assert_int_equal(r.status, KEEPER_GONE);
    close(keeper);
    keeper_client_reconnect(client, pair());
    say_view(1, SEALED, NULL);
    turn();
    assert_int_equal(views, 1);
    assert_int_equal(gone, 0);
}

/* A new keeper counts its epochs from 1 again. */
static void
reconnect_takes_a_lower_epoch(void **state)
{
    struct result r = { 0 };

    (void)state;
    say_view(9, SEALED, NULL);
    turn();
    assert_non_null(keeper_assert(client, 0, "", on_reply, &r));
    close(keeper); /* the client has not seen it */
    keeper_client_reconnect(client, pair());
    say_view(1, SEALED, NULL);
    turn();
    turn();
    assert_int_equal(r.status, KEEPER_GONE);
    assert_int_equal(epoch_seen, 1);
    assert_int_equal(keeper_client_life(client), 1);
    assert_int_equal(gone, 0); /* there is one */
}

static void
living_keeper_is_kept(void **state)
{
    struct keeper_answer a = { .op = KEEPER_OP_ASSERT };
    struct result r = { 0 };
    struct keeper_ask ask;
    char octet;
    int old = keeper, second;

    (void)state;
    expect(KEEPER_OP_VIEW, &ask);
    assert_non_null(keeper_assert(client, 0, "", on_reply, &r));
    keeper_client_reconnect(client, pair());
    second = keeper;
    assert_int_equal(recv(second, &octet, 1, MSG_DONTWAIT), 0); /* its end */
    keeper = old;
    expect(KEEPER_OP_ASSERT, &ask);
    a.id = ask.id;
    say(&a);
    turn();
    assert_int_equal(r.calls, 1);
    assert_int_equal(r.status, KEEPER_OK);
    assert_int_equal(keeper_client_life(client), 0);
    close(second);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keeper_dies_in_mid_view),
        TEST(nonsense_ends_the_connection),
        TEST(wrong_operation_ends_the_connection),
        TEST(same_reply_twice_ends_the_connection),
        TEST(gone_is_never_told_inside_a_call),
        TEST(no_keeper_is_gone),
        TEST(reconnect_takes_a_lower_epoch),
        TEST(living_keeper_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
