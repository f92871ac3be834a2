/*
 * test_conn_tls - TLS on a connection: its start, its end, and peers that
 * break the rules at either.
 */
#include "proxy/net/conn_private.h"
#include "tests/support/cmocka.h"
#include "tests/support/peers.h"

#include <unistd.h>

/* close_notify is EOF; what stood before it is input. */
static void
test_tls_eof(void **state)
{
    struct peers p;

    (void)state;
    peers_meet(&p, true);
    peer_send(&p.a, "bye");
    conn_free(&p.a.conn);
    PEERS_UNTIL(&p, p.b.counts[CONN_EOF] == 1);
    assert_true(peer_got(&p.b, "bye"));
    assert_int_equal(p.b.counts[CONN_GONE], 0);
    peers_end(&p);
}

/* A FIN alone may be an attacker's: it is an error, not an end. */
static void
test_tls_cut(void **state)
{
    struct peers p;

    (void)state;
    peers_meet(&p, true);
    peer_send(&p.a, "half");
    PEERS_UNTIL(&p, peer_got(&p.b, "half"));
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
    peers_meet(&p, true);
    peer_send(&p.a, "DATA");
    fd = dup(p.a.conn->transport.fd);
    conn_free(&p.a.conn); /* close_notify, but fd keeps the connection */
    assert_int_equal(send(fd, "\r\n.\r\n", 5, MSG_NOSIGNAL), 5);
    PEERS_UNTIL(&p, p.b.counts[CONN_EOF] == 1);
    peers_quiet(&p);
    assert_true(peer_got(&p.b, "DATA"));
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
    peers_meet(&p, true);
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
    peers_meet(&p, false);
    p.b.hook = hook_starttls;
    peer_send(&p.a, "STARTTLS\r\nMAIL FROM:<x@y>\r\n");
    PEERS_UNTIL(&p, peer_got(&p.a, "220 go\r\n"));
    conn_tls_connect(p.a.conn, SSL_new(p.client));
    peer_send(&p.a, "EHLO");
    PEERS_UNTIL(&p, p.b.got.len > 0);
    assert_true(peer_got(&p.b, "EHLO"));
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
    peers_meet(&p, false);
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
    peers_meet(&p, false);
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
    peers_meet(&p, false);
    conn_want_input(p.a.conn, false);
    conn_write(p.b.conn, peers_pattern(size));
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

        peers_meet(&p, false);
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

        peers_meet(&p, false);
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
    peers_meet(&p, false);
    SSL_CTX_set_max_proto_version(p.client, TLS1_2_VERSION);
    peers_start_tls(&p);
    assert_false(conn_channel_binding(p.a.conn, out));
    assert_false(conn_channel_binding(p.b.conn, out));
    peers_end(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(test_channel_binding),
        cmocka_unit_test(test_channel_binding_old),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
