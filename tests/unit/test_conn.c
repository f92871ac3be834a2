/*
 * test_conn - octets from one end to the other, plain and TLS: all of them, in
 * order, and no more than there is room for.
 */
#include "proxy/net/conn_private.h"
#include "tests/support/cmocka.h"
#include "tests/support/peers.h"

#include <arpa/inet.h>

static void
exchange(bool tls)
{
    struct peers p;
    struct bytes runs[3] = { BYTES_LIT("one "),
                             { NULL, 0 },
                             BYTES_LIT("two ") };

    peers_meet(&p, tls);
    peer_send(&p.a, "hello");
    assert_int_equal(conn_pending(p.a.conn), 0);
    PEERS_UNTIL(&p, peer_got(&p.b, "hello"));
    conn_writev(p.b.conn, runs, 3);
    conn_writev(p.b.conn, runs + 1, 1); /* nothing: no record, no call */
    peer_send(&p.b, "three");
    PEERS_UNTIL(&p, peer_got(&p.a, "one two three"));
    assert_int_equal(p.a.counts[CONN_DRAINED], 0);
    assert_int_equal(p.a.counts[CONN_CONNECTED], 1);
    assert_int_equal(p.b.counts[CONN_CONNECTED], 0);
    assert_int_equal(conn_ssl(p.a.conn) != NULL, tls);
    peers_end(&p);
}

static void
test_exchange(void **state)
{
    (void)state;
    exchange(false);
    exchange(true);
}

/* More than any socket takes at once: pending, drained, whole. */
static void
bulk(bool tls, size_t take_max)
{
    struct peers p;
    size_t size = 24 * 1024 * 1024;
    struct bytes text = peers_pattern(size);
    struct bytes runs[40];

    peers_meet(&p, tls);
    p.b.take_max = take_max;
    for (size_t i = 0; i < 40; i++) {
        /* Odd sizes, some larger than a record, one empty. */
        size_t n = i == 39 ? text.len : i * i * 331;

        runs[i] = bytes_take(text, n);
        text = bytes_skip(text, n);
    }
    conn_writev(p.a.conn, runs, 40);
    assert_true(conn_pending(p.a.conn) > 0);
    PEERS_UNTIL(&p, p.a.counts[CONN_DRAINED] == 1);
    assert_int_equal(conn_pending(p.a.conn), 0);
    PEERS_UNTIL(&p, p.b.got.len + conn_input(p.b.conn).len == size);
    buf_put(&p.b.got, conn_input(p.b.conn));
    assert_memory_equal(p.b.got.ptr, peers_pattern(size).ptr, size);
    peers_end(&p);
}

static void
test_bulk(void **state)
{
    (void)state;
    bulk(false, SIZE_MAX);
    bulk(true, SIZE_MAX);
    bulk(false, 60000);
    bulk(true, 60000);
}

/* The peer's octets come one at a time; the owner takes one at a time. */
static void
single_octets(bool tls)
{
    struct peers p;

    peers_meet(&p, tls);
    for (size_t i = 0; i < 300; i++) {
        conn_write(p.a.conn, bytes_take(bytes_skip(peers_pattern(300), i), 1));
        peers_turn(&p);
    }
    PEERS_UNTIL(&p, p.b.got.len == 300);
    assert_memory_equal(p.b.got.ptr, peers_pattern(300).ptr, 300);
    p.b.take_max = 1;
    conn_write(p.a.conn, peers_pattern(300));
    PEERS_UNTIL(&p, p.b.got.len > 300);
    for (size_t i = 1; i < 300; i++) {
        struct bytes input = conn_input(p.b.conn);

        assert_int_equal(input.len, 300 - i);
        buf_put(&p.b.got, bytes_take(input, 1));
        conn_consume(p.b.conn, 1);
    }
    assert_memory_equal(p.b.got.ptr + 300, peers_pattern(300).ptr, 300);
    peers_end(&p);
}

static void
test_single_octets(void **state)
{
    (void)state;
    single_octets(false);
    single_octets(true);
}

/* An owner that takes nothing: a bounded amount is kept, none is lost. */
static void
back_pressure(bool tls)
{
    struct peers p;
    size_t size = 8 * 1024 * 1024, taken = 0;

    peers_meet(&p, tls);
    p.b.take_max = 0;
    conn_write(p.a.conn, peers_pattern(size));
    PEERS_UNTIL(&p, conn_input(p.b.conn).len >= CONN_INPUT_MAX);
    peers_quiet(&p);
    assert_int_equal(conn_input(p.b.conn).len, CONN_INPUT_MAX);
    assert_true(conn_pending(p.a.conn) > 0);
    PEERS_UNTIL(&p, (taken += conn_input(p.b.conn).len,
                     buf_put(&p.b.got, conn_input(p.b.conn)),
                     conn_consume(p.b.conn, conn_input(p.b.conn).len),
                     taken == size));
    assert_memory_equal(p.b.got.ptr, peers_pattern(size).ptr, size);
    peers_end(&p);
}

static void
test_back_pressure(void **state)
{
    (void)state;
    back_pressure(false);
    back_pressure(true);
}

static void
want_input(bool tls)
{
    struct peers p;

    peers_meet(&p, tls);
    conn_want_input(p.b.conn, false);
    peer_send(&p.a, "later");
    peers_quiet(&p);
    assert_int_equal(p.b.counts[CONN_INPUT], 0);
    conn_want_input(p.b.conn, true);
    PEERS_UNTIL(&p, peer_got(&p.b, "later"));
    peers_end(&p);
}

static void
hook_stop_after_octet(struct peer *p, enum conn_event event)
{
    if (event == CONN_INPUT) {
        conn_want_input(p->conn, false);
    }
}

/* What TLS has read ahead is told of when the owner wants input again. */
static void
test_want_input(void **state)
{
    struct peers p;
    size_t size = CONN_INPUT_MAX + 5000, first = 7000; /* ends in a record */

    (void)state;
    want_input(false);
    want_input(true);
    peers_meet(&p, true);
    p.b.hook = hook_stop_after_octet;
    conn_write(p.a.conn, bytes_take(peers_pattern(size), first));
    conn_write(p.a.conn, bytes_skip(peers_pattern(size), first));
    while (p.b.got.len < size) {
        size_t before = p.b.got.len;

        PEERS_UNTIL(&p, p.b.got.len > before);
        conn_want_input(p.b.conn, true);
    }
    assert_memory_equal(p.b.got.ptr, peers_pattern(size).ptr, size);
    peers_end(&p);
}

static unsigned last_writer;

static void
hook_note(struct peer *p, enum conn_event event)
{
    if (event == CONN_INPUT) {
        last_writer = p == &p->all->a ? 1 : 2;
    }
}

/* One fast peer does not keep the loop: a turn reads a bounded amount. */
static void
test_fairness(void **state)
{
    struct peers p;

    (void)state;
    peers_meet(&p, true);
    p.b.hook = hook_note;
    conn_write(p.a.conn, peers_pattern(16 * 1024 * 1024));
    for (int i = 0; i < 50; i++) {
        size_t before = p.b.got.len;

        event_base_loop(p.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        assert_true(p.b.got.len - before <= 2 * CONN_INPUT_ROOM);
    }
    PEERS_UNTIL(&p, p.b.got.len == 16 * 1024 * 1024);
    assert_int_equal(last_writer, 2);
    peers_end(&p);
}

static void
test_addresses(void **state)
{
    struct peers p;
    const struct sockaddr_in *peer, *local;

    (void)state;
    peers_meet(&p, false);
    peer = (const struct sockaddr_in *)(const void *)conn_peer(p.a.conn);
    local = (const struct sockaddr_in *)(const void *)conn_local(p.b.conn);
    assert_int_equal(peer->sin_family, AF_INET);
    assert_int_equal(peer->sin_port, local->sin_port);
    peer = (const struct sockaddr_in *)(const void *)conn_peer(p.b.conn);
    local = (const struct sockaddr_in *)(const void *)conn_local(p.a.conn);
    assert_int_equal(peer->sin_port, local->sin_port);
    assert_int_equal(local->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    peers_end(&p);
}

static void
test_size(void **state)
{
    (void)state;
    assert_true(sizeof(struct conn) < 700);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_single_octets),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_want_input),
        cmocka_unit_test(test_fairness),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
