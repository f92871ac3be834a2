/*
 * test_conn_ends - how a connection ends: by its peer, its deadline, its owner.
 */
#include "proxy/net/conn_private.h"
#include "tests/support/cmocka.h"
#include "tests/support/peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

/* EOF comes after all input, and the other direction goes on. */
static void
test_half_close(void **state)
{
    struct peers p;
    int raw;

    (void)state;
    peers_begin(&p);
    raw = peers_connect_raw(&p);
    p.a.take_max = 0;
    assert_int_equal(send(raw, "last words", 10, 0), 10);
    assert_int_equal(shutdown(raw, SHUT_WR), 0);
    PEERS_UNTIL(&p, p.a.counts[CONN_EOF] == 1);
    assert_true(bytes_is(conn_input(p.a.conn), "last words"));
    peer_send(&p.a, "answer");
    peers_quiet(&p);
    {
        char text[16];

        assert_int_equal(recv(raw, text, sizeof(text), 0), 6);
    }
    assert_int_equal(p.a.counts[CONN_EOF], 1);
    assert_int_equal(p.a.counts[CONN_GONE], 0);
    close(raw);
    peers_end(&p);
}

static void
test_reset(void **state)
{
    struct peers p;
    struct linger linger = { 1, 0 };
    int raw;

    (void)state;
    peers_begin(&p);
    raw = peers_connect_raw(&p);
    setsockopt(raw, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(raw);
    PEERS_UNTIL(&p, p.a.counts[CONN_GONE] == 1);
    assert_string_equal(conn_error(p.a.conn), "connection reset");
    peer_send(&p.a, "nobody is there"); /* no signal, no second CONN_GONE */
    peers_quiet(&p);
    assert_int_equal(p.a.counts[CONN_GONE], 1);
    assert_int_equal(conn_pending(p.a.conn), 0);
    peers_end(&p);
}

/* A write that fails tells so later, not from inside the call. */
static void
test_failed_write(void **state)
{
    struct peers p;

    (void)state;
    peers_meet(&p, false);
    assert_int_equal(shutdown(p.a.conn->transport.fd, SHUT_WR), 0);
    peer_send(&p.a, "x");
    assert_int_equal(p.a.counts[CONN_GONE], 0);
    PEERS_UNTIL(&p, p.a.counts[CONN_GONE] == 1);
    assert_string_equal(conn_error(p.a.conn), "connection closed by the peer");
    peers_end(&p);
}

static void
on_refused(struct conn *conn, enum conn_event event, void *arg)
{
    (void)conn;
    *(enum conn_event *)arg = event;
}

static void
test_refused(void **state)
{
    struct peers p;
    struct sockaddr_in addr = { .sin_family = AF_INET };
    socklen_t len = sizeof(addr);
    enum conn_event event = CONN_INPUT;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct conn *c;

    (void)state;
    peers_begin(&p);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    c = conn_connect(p.loop, (struct sockaddr *)&addr, len, on_refused, &event);
    if (c != NULL) {
        assert_int_equal(event, CONN_INPUT);
        PEERS_UNTIL(&p, event == CONN_GONE);
        assert_string_equal(conn_error(c), "connection refused");
    } else {
        assert_int_equal(errno, ECONNREFUSED);
    }
    conn_free(&c);
    close(fd);
    peers_end(&p);
}

static void
test_deadline(void **state)
{
    struct peers p;

    (void)state;
    peers_meet(&p, false);
    conn_set_deadline(p.a.conn, 5);
    conn_set_deadline(p.b.conn, 5);
    conn_set_deadline(p.b.conn, 0);
    PEERS_UNTIL(&p, p.a.counts[CONN_TIMEOUT] == 1);
    peer_send(&p.a, "still here");
    PEERS_UNTIL(&p, peer_got(&p.b, "still here"));
    assert_int_equal(p.a.counts[CONN_TIMEOUT], 1);
    assert_int_equal(p.b.counts[CONN_TIMEOUT], 0);
    peers_end(&p);
}

static void
hook_drop_conn(struct peer *p, enum conn_event event)
{
    if (event == CONN_INPUT) {
        conn_free(&p->conn);
    }
}

static void
hook_drop_other(struct peer *p, enum conn_event event)
{
    if (event == CONN_INPUT) {
        conn_free(&p->all->a.conn);
    }
}

static void
hook_drop_both(struct peer *p, enum conn_event event)
{
    (void)event;
    conn_free(&p->all->a.conn);
    conn_free(&p->all->b.conn);
}

/* conn_free() from callbacks: the own one, the other's, with work due. */
static void
test_free_inside(void **state)
{
    void (*const hooks[])(struct peer *, enum conn_event) = { hook_drop_conn,
                                                              hook_drop_other,
                                                              hook_drop_both };

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct peers p;

        peers_meet(&p, i % 2 == 1);
        p.b.hook = hooks[i / 2];
        conn_write(p.a.conn, peers_pattern(300000));
        if (i / 2 == 1) {
            conn_write(p.b.conn, peers_pattern(100));
        }
        peers_turn(&p);
        peers_quiet(&p);
        assert_true(p.a.conn == NULL || p.b.conn == NULL);
        peers_end(&p);
    }
}

/* Freed while due at the next turn, and while dead and due at once. */
static void
test_free_due(void **state)
{
    struct peers p;

    (void)state;
    peers_meet(&p, false);
    assert_int_equal(shutdown(p.a.conn->transport.fd, SHUT_WR), 0);
    peer_send(&p.a, "x");
    conn_free(&p.a.conn);
    peers_quiet(&p);
    assert_int_equal(p.a.counts[CONN_GONE], 0);
    peers_end(&p);

    peers_meet(&p, false);
    assert_int_equal(shutdown(p.a.conn->transport.fd, SHUT_WR), 0);
    peer_send(&p.a, "x");
    conn_free(&p.a.conn);
    peers_end(&p); /* the loop ends without another turn */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_close),   cmocka_unit_test(test_reset),
        cmocka_unit_test(test_failed_write), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_deadline),     cmocka_unit_test(test_free_inside),
        cmocka_unit_test(test_free_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
