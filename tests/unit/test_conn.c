/*
 * test_conn - both ends in one loop, plain and TLS; bare sockets for peers
 * that break the rules.
 */
#include "proxy/net/conn_private.h"
#include "tests/support/cmocka.h"
#include "tests/support/peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

/* Text whose octet at n is known. */
static struct bytes
pattern(size_t n)
{
    static uint8_t *text;
    static size_t cap;

    if (n > cap) {
        text = realloc(text, n);
        assert_non_null(text);
        for (size_t i = cap; i < n; i++) {
            text[i] = (uint8_t)(i * 31 + i / 251);
        }
        cap = n;
    }
    return bytes_make(text, n);
}

static void
begin(struct peers *p, bool tls)
{
    peers_begin(p);
    peers_connect(p);
    if (tls) {
        peers_start_tls(p);
    }
}

static void
hook_drop_conn(struct peer *p, enum conn_event event)
{
    if (event == CONN_INPUT) {
        conn_free(&p->conn);
    }
}

static bool
got(const struct peer *p, const char *text)
{
    return bytes_is(buf_bytes(&p->got), text);
}

static void
exchange(bool tls)
{
    struct peers p;
    struct bytes runs[3] = { BYTES_LIT("one "),
                             { NULL, 0 },
                             BYTES_LIT("two ") };

    begin(&p, tls);
    peer_send(&p.a, "hello");
    assert_int_equal(conn_pending(p.a.conn), 0);
    PEERS_UNTIL(&p, got(&p.b, "hello"));
    conn_writev(p.b.conn, runs, 3);
    conn_writev(p.b.conn, runs + 1, 1); /* nothing: no record, no call */
    peer_send(&p.b, "three");
    PEERS_UNTIL(&p, got(&p.a, "one two three"));
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
    struct bytes text = pattern(size);
    struct bytes runs[40];

    begin(&p, tls);
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
    assert_memory_equal(p.b.got.ptr, pattern(size).ptr, size);
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

    begin(&p, tls);
    for (size_t i = 0; i < 300; i++) {
        conn_write(p.a.conn, bytes_take(bytes_skip(pattern(300), i), 1));
        peers_turn(&p);
    }
    PEERS_UNTIL(&p, p.b.got.len == 300);
    assert_memory_equal(p.b.got.ptr, pattern(300).ptr, 300);
    p.b.take_max = 1;
    conn_write(p.a.conn, pattern(300));
    PEERS_UNTIL(&p, p.b.got.len > 300);
    for (size_t i = 1; i < 300; i++) {
        struct bytes input = conn_input(p.b.conn);

        assert_int_equal(input.len, 300 - i);
        buf_put(&p.b.got, bytes_take(input, 1));
        conn_consume(p.b.conn, 1);
    }
    assert_memory_equal(p.b.got.ptr + 300, pattern(300).ptr, 300);
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

    begin(&p, tls);
    p.b.take_max = 0;
    conn_write(p.a.conn, pattern(size));
    PEERS_UNTIL(&p, conn_input(p.b.conn).len >= CONN_INPUT_MAX);
    peers_quiet(&p);
    assert_int_equal(conn_input(p.b.conn).len, CONN_INPUT_MAX);
    assert_true(conn_pending(p.a.conn) > 0);
    PEERS_UNTIL(&p, (taken += conn_input(p.b.conn).len,
                     buf_put(&p.b.got, conn_input(p.b.conn)),
                     conn_consume(p.b.conn, conn_input(p.b.conn).len),
                     taken == size));
    assert_memory_equal(p.b.got.ptr, pattern(size).ptr, size);
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

    begin(&p, tls);
    conn_want_input(p.b.conn, false);
    peer_send(&p.a, "later");
    peers_quiet(&p);
    assert_int_equal(p.b.counts[CONN_INPUT], 0);
    conn_want_input(p.b.conn, true);
    PEERS_UNTIL(&p, got(&p.b, "later"));
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
    begin(&p, true);
    p.b.hook = hook_stop_after_octet;
    conn_write(p.a.conn, bytes_take(pattern(size), first));
    conn_write(p.a.conn, bytes_skip(pattern(size), first));
    while (p.b.got.len < size) {
        size_t before = p.b.got.len;

        PEERS_UNTIL(&p, p.b.got.len > before);
        conn_want_input(p.b.conn, true);
    }
    assert_memory_equal(p.b.got.ptr, pattern(size).ptr, size);
    peers_end(&p);
}

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

/* close_notify is EOF; what stood before it is input. */
static void
test_tls_eof(void **state)
{
    struct peers p;

    (void)state;
    begin(&p, true);
    peer_send(&p.a, "bye");
    conn_free(&p.a.conn);
    PEERS_UNTIL(&p, p.b.counts[CONN_EOF] == 1);
    assert_true(got(&p.b, "bye"));
    assert_int_equal(p.b.counts[CONN_GONE], 0);
    peers_end(&p);
}

/* A FIN alone may be an attacker's: it is an error, not an end. */
static void
test_tls_cut(void **state)
{
    struct peers p;

    (void)state;
    begin(&p, true);
    peer_send(&p.a, "half");
    PEERS_UNTIL(&p, got(&p.b, "half"));
    assert_int_equal(shutdown(p.a.conn->transport.fd, SHUT_WR), 0);
    PEERS_UNTIL(&p, p.b.counts[CONN_GONE] == 1);
    assert_int_equal(p.b.counts[CONN_EOF], 0);
    assert_string_equal(conn_error(p.b.conn),
                        "TLS connection closed without close_notify");
    peers_end(&p);
}

/* After close_notify nothing is read from the bare socket, ever. */
static void
test_tls_plain_after_close(void **state)
{
    struct peers p;
    int fd;

    (void)state;
    begin(&p, true);
    peer_send(&p.a, "DATA");
    fd = dup(p.a.conn->transport.fd);
    conn_free(&p.a.conn); /* close_notify, but fd keeps the connection */
    assert_int_equal(send(fd, "\r\n.\r\n", 5, MSG_NOSIGNAL), 5);
    PEERS_UNTIL(&p, p.b.counts[CONN_EOF] == 1);
    peers_quiet(&p);
    assert_true(got(&p.b, "DATA"));
    assert_int_equal(p.b.counts[CONN_INPUT], 1);
    close(fd);
    peers_end(&p);
}

/* Clear text in the middle of a TLS stream. */
static void
test_tls_injection(void **state)
{
    struct peers p;

    (void)state;
    begin(&p, true);
    assert_int_equal(send(p.a.conn->transport.fd, "QUIT\r\n", 6, 0), 6);
    PEERS_UNTIL(&p, p.b.counts[CONN_GONE] == 1);
    assert_int_equal(p.b.counts[CONN_INPUT], 0);
    assert_true(conn_error(p.b.conn)[0] != '\0');
    peers_end(&p);
}

static void
hook_starttls(struct peer *p, enum conn_event event)
{
    if (event == CONN_INPUT && conn_ssl(p->conn) == NULL) {
        conn_consume(p->conn, strlen("STARTTLS\r\n"));
        conn_write(p->conn, BYTES_LIT("220 go\r\n"));
        conn_tls_accept(p->conn, SSL_new(p->all->server));
        assert_int_equal(conn_input(p->conn).len, 0);
    }
}

/* RFC 3207 4.2: what stood behind STARTTLS in clear is never read. */
static void
test_starttls(void **state)
{
    struct peers p;

    (void)state;
    begin(&p, false);
    p.b.hook = hook_starttls;
    peer_send(&p.a, "STARTTLS\r\nMAIL FROM:<x@y>\r\n");
    PEERS_UNTIL(&p, got(&p.a, "220 go\r\n"));
    conn_tls_connect(p.a.conn, SSL_new(p.client));
    peer_send(&p.a, "EHLO");
    PEERS_UNTIL(&p, p.b.got.len > 0);
    assert_true(got(&p.b, "EHLO"));
    assert_int_equal(p.a.counts[CONN_TLS_DONE], 1);
    assert_int_equal(p.b.counts[CONN_TLS_DONE], 1);
    peers_end(&p);
}

/* The same when it had been kept for the owner, outside its callback. */
static void
test_starttls_unread(void **state)
{
    struct peers p;

    (void)state;
    begin(&p, false);
    p.b.take_max = 0;
    peer_send(&p.a, "STARTTLS\r\nMAIL FROM:<x@y>\r\n");
    PEERS_UNTIL(&p, conn_input(p.b.conn).len > 0);
    peers_quiet(&p);
    peers_start_tls(&p);
    assert_int_equal(conn_input(p.b.conn).len, 0);
    peer_send(&p.a, "EHLO");
    PEERS_UNTIL(&p, conn_input(p.b.conn).len > 0);
    assert_true(bytes_is(conn_input(p.b.conn), "EHLO"));
    peers_end(&p);
}

/* The same in a segment of its own: no handshake, nothing read. */
static void
test_starttls_late_text(void **state)
{
    struct peers p;

    (void)state;
    begin(&p, false);
    p.b.hook = hook_starttls;
    peer_send(&p.a, "STARTTLS\r\n");
    PEERS_UNTIL(&p, p.b.counts[CONN_INPUT] == 1);
    peer_send(&p.a, "MAIL FROM:<x@y>\r\n");
    PEERS_UNTIL(&p, p.b.counts[CONN_GONE] == 1);
    assert_int_equal(p.b.counts[CONN_INPUT], 1);
    assert_int_equal(p.b.got.len, 0);
    peers_end(&p);
}

/* The 220 may still be pending; the handshake waits, later text is secret. */
static void
test_starttls_pending(void **state)
{
    struct peers p;
    size_t size = 8 * 1024 * 1024;

    (void)state;
    begin(&p, false);
    conn_want_input(p.a.conn, false);
    conn_write(p.b.conn, pattern(size));
    assert_true(conn_pending(p.b.conn) > 0);
    conn_tls_accept(p.b.conn, SSL_new(p.server));
    peer_send(&p.b, "in TLS only");
    conn_want_input(p.a.conn, true);
    PEERS_UNTIL(&p, p.a.got.len >= size);
    peers_quiet(&p);
    assert_int_equal(p.a.got.len, size);
    conn_tls_connect(p.a.conn, SSL_new(p.client));
    PEERS_UNTIL(&p, p.a.got.len > size);
    peers_quiet(&p);
    assert_true(bytes_is(bytes_skip(buf_bytes(&p.a.got), size), "in TLS only"));
    peers_end(&p);
}

static void
test_handshake_junk(void **state)
{
    static const char *const junk[] = { "EHLO x\r\n", "\x16\x03\x01\xff\xff",
                                        "\x80\x2e\x01\x03\x01",
                                        "GET / HTTP/1.1\r\n\r\n" };

    (void)state;
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        struct peers p;

        begin(&p, false);
        conn_tls_accept(p.b.conn, SSL_new(p.server));
        peer_send(&p.a, junk[i]);
        peers_quiet(&p);
        if (p.b.counts[CONN_GONE] == 0) {
            conn_free(&p.a.conn);
        }
        PEERS_UNTIL(&p, p.b.counts[CONN_GONE] == 1);
        assert_int_equal(p.b.counts[CONN_INPUT], 0);
        assert_int_equal(p.b.counts[CONN_TLS_DONE], 0);
        peers_end(&p);
    }
}

/* A ClientHello of single octets, and everything behind it. */
static void
test_handshake_split(void **state)
{
    struct peers p;
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL *ssl;
    char text[4096];
    int raw, n;

    (void)state;
    peers_begin(&p);
    raw = peers_connect_raw(&p);
    conn_tls_accept(p.a.conn, SSL_new(p.server));
    ssl = SSL_new(p.client);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    peers_clock(true);
    while (p.a.got.len == 0) {
        assert_true(peers_clock(false));
        if (SSL_do_handshake(ssl) == 1) {
            SSL_write(ssl, "x", 1);
        }
        while ((n = BIO_read(out, text, 1)) > 0) {
            assert_int_equal(send(raw, text, 1, 0), 1);
            event_base_loop(p.base, EVLOOP_NONBLOCK);
        }
        peers_quiet(&p);
        while ((n = (int)recv(raw, text, sizeof(text), 0)) > 0) {
            BIO_write(in, text, n);
        }
    }
    assert_int_equal(p.a.counts[CONN_TLS_DONE], 1);
    SSL_free(ssl);
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
    begin(&p, false);
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
    begin(&p, false);
    conn_set_deadline(p.a.conn, 5);
    conn_set_deadline(p.b.conn, 5);
    conn_set_deadline(p.b.conn, 0);
    PEERS_UNTIL(&p, p.a.counts[CONN_TIMEOUT] == 1);
    peer_send(&p.a, "still here");
    PEERS_UNTIL(&p, got(&p.b, "still here"));
    assert_int_equal(p.a.counts[CONN_TIMEOUT], 1);
    assert_int_equal(p.b.counts[CONN_TIMEOUT], 0);
    peers_end(&p);
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

        begin(&p, i % 2 == 1);
        p.b.hook = hooks[i / 2];
        conn_write(p.a.conn, pattern(300000));
        if (i / 2 == 1) {
            conn_write(p.b.conn, pattern(100));
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
    begin(&p, false);
    assert_int_equal(shutdown(p.a.conn->transport.fd, SHUT_WR), 0);
    peer_send(&p.a, "x");
    conn_free(&p.a.conn);
    peers_quiet(&p);
    assert_int_equal(p.a.counts[CONN_GONE], 0);
    peers_end(&p);

    begin(&p, false);
    assert_int_equal(shutdown(p.a.conn->transport.fd, SHUT_WR), 0);
    peer_send(&p.a, "x");
    conn_free(&p.a.conn);
    peers_end(&p); /* the loop ends without another turn */
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
    begin(&p, true);
    p.b.hook = hook_note;
    conn_write(p.a.conn, pattern(16 * 1024 * 1024));
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
    begin(&p, false);
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

/* RFC 9266 2: both ends have the same, each connection its own. */
static void
test_channel_binding(void **state)
{
    uint8_t a[CONN_CHANNEL_BINDING_OCTETS] = { 1 }, b[sizeof(a)] = { 2 };
    uint8_t first[sizeof(a)] = { 0 };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct peers p;
        uint8_t wanted[sizeof(a)];

        begin(&p, false);
        memcpy(wanted, a, sizeof(a));
        assert_false(conn_channel_binding(p.a.conn, a));
        assert_memory_equal(a, wanted, sizeof(a));
        peers_start_tls(&p);
        assert_true(conn_channel_binding(p.a.conn, a));
        assert_true(conn_channel_binding(p.b.conn, b));
        assert_memory_equal(a, b, sizeof(a));
        assert_int_equal(SSL_export_keying_material(
                             p.a.conn->transport.ssl, wanted, sizeof(wanted),
                             "EXPORTER-Channel-Binding", 24,
                             (const uint8_t *)"", 0, 1),
                         1);
        assert_memory_equal(a, wanted, sizeof(a));
        assert_int_equal(memcmp(a, first, sizeof(a)) == 0 && i == 1, false);
        memcpy(first, a, sizeof(a));
        peers_end(&p);
    }
}

/* RFC 9266 4.2: none of TLS 1.2. */
static void
test_channel_binding_old(void **state)
{
    uint8_t out[CONN_CHANNEL_BINDING_OCTETS];
    struct peers p;

    (void)state;
    begin(&p, false);
    SSL_CTX_set_max_proto_version(p.client, TLS1_2_VERSION);
    peers_start_tls(&p);
    assert_false(conn_channel_binding(p.a.conn, out));
    assert_false(conn_channel_binding(p.b.conn, out));
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
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_tls_eof),
        cmocka_unit_test(test_tls_cut),
        cmocka_unit_test(test_tls_plain_after_close),
        cmocka_unit_test(test_tls_injection),
        cmocka_unit_test(test_starttls),
        cmocka_unit_test(test_starttls_unread),
        cmocka_unit_test(test_starttls_late_text),
        cmocka_unit_test(test_starttls_pending),
        cmocka_unit_test(test_handshake_junk),
        cmocka_unit_test(test_handshake_split),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_failed_write),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_free_inside),
        cmocka_unit_test(test_free_due),
        cmocka_unit_test(test_fairness),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_channel_binding),
        cmocka_unit_test(test_channel_binding_old),
        cmocka_unit_test(test_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
