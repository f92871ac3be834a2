/*
 * test_keeper_client - the worker's client against a keeper that we play.
 */
#include "tests/support/cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <proxy/keeper/client.h>
#include <proxy/keeper/protocol.h>
#include <proxy/log/log.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static struct event_base *base;
static struct keeper_client *client;
static int keeper; /* our end */
static unsigned views, gone;
static uint64_t epoch_seen;

struct result {
    unsigned calls;
    enum keeper_status status;
    struct keeper_handle handle;
    char text[KEEPER_TEXT_MAX + 1];
};

static void
on_view(const struct view *view, void *arg)
{
    (void)arg;
    views += view != NULL;
    gone += view == NULL;
    epoch_seen = view != NULL ? view_epoch(view) : epoch_seen;
}

static void
on_reply(const struct keeper_reply *reply, void *arg)
{
    struct result *r = arg;

    r->calls++;
    r->status = reply->status;
    r->handle = reply->handle;
    (void)bytes_copy(bytes_str(reply->text), r->text, sizeof(r->text));
}

static int
pair(void)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds),
                     0);
    keeper = fds[0];
    return fds[1];
}

static int
set_up(void **state)
{
    (void)state;
    views = gone = 0;
    epoch_seen = 0;
    base = event_base_new();
    client = keeper_client_new(base, pair(), on_view, NULL);
    return base == NULL || client == NULL;
}

static int
tear_down(void **state)
{
    (void)state;
    keeper_client_free(&client);
    event_base_free(base);
    close(keeper);
    return 0;
}

static void
turn(void)
{
    assert_true(event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

/* The next request; false: none is there. */
static bool
next(struct keeper_ask *ask_out)
{
    static uint8_t packet[KEEPER_REQUEST_MAX + 1];
    ssize_t n = recv(keeper, packet, sizeof(packet), MSG_DONTWAIT);

    if (n <= 0) {
        return false;
    }
    assert_true(keeper_ask_decode(bytes_make(packet, (size_t)n), ask_out));
    return true;
}

static void
expect(enum keeper_op op, struct keeper_ask *ask_out)
{
    assert_true(next(ask_out));
    assert_int_equal(ask_out->op, op);
}

static void
say(const struct keeper_answer *answer)
{
    uint8_t packet[KEEPER_REPLY_MAX];
    size_t len = keeper_answer_encode(answer, packet);

    assert_true(len > 0);
    assert_int_equal(send(keeper, packet, len, MSG_NOSIGNAL), len);
}

static void
say_octets(const void *octets, size_t len)
{
    assert_int_equal(send(keeper, octets, len, MSG_NOSIGNAL), len);
}

static void
add_users(struct view_builder *b, unsigned users)
{
    static const char *const none[] = { NULL };
    struct view_user u = { .selectors = none, .domain = "", .upstream = "" };
    char name[16];

    for (unsigned n = 0; n < users; n++) {
        (void)snprintf(name, sizeof(name), "u%05u", n);
        u.name = name;
        assert_true(view_builder_user(b, &u));
    }
}

/* A view of an epoch with so many users; seals as given. */
static void
say_view_of(uint64_t epoch, unsigned users, int seals, const char *contents)
{
    struct keeper_answer answer = { .op = KEEPER_OP_VIEW, .epoch = epoch };
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
    uint8_t packet[KEEPER_REPLY_MAX];
    struct iovec v = { packet, keeper_answer_encode(&answer, packet) };
    struct msghdr m = { .msg_iov = &v,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    struct view_builder *b = view_builder_new();
    struct view *view;
    struct buf packed = BUF_INIT;
    int fd = memfd_create("view", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    add_users(b, users);
    view = view_build(&b, epoch);
    assert_true(view_pack(view, &packed));
    if (contents != NULL) {
        buf_clear(&packed);
        buf_puts(&packed, contents);
    }
    assert_int_equal(write(fd, packed.ptr, packed.len), packed.len);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    assert_true(sendmsg(keeper, &m, 0) > 0);
    close(fd);
    buf_free(&packed);
    view_free(&view);
}

enum {
    SEALED = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
};

static void
say_view(uint64_t epoch, int seals, const char *contents)
{
    say_view_of(epoch, 0, seals, contents);
}

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
        TEST(keeper_dies_in_mid_view),
        TEST(replies_find_their_requests),
        TEST(handle_of_a_cancelled_login_is_released),
        TEST(window_is_kept),
        TEST(nonsense_ends_the_connection),
        TEST(wrong_operation_ends_the_connection),
        TEST(same_reply_twice_ends_the_connection),
        TEST(gone_is_never_told_inside_a_call),
        TEST(no_keeper_is_gone),
        TEST(reconnect_takes_a_lower_epoch),
        TEST(living_keeper_is_kept),
        TEST(fields_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
