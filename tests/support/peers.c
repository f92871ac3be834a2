/*
 * peers - see peers.h.
 */
#include "tests/support/peers.h"

#include "tests/support/cmocka.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

bool
peers_clock(bool start)
{
    static time_t end;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (start) {
        end = now.tv_sec + 10;
    }
    return now.tv_sec < end;
}

void
peers_turn(struct peers *p)
{
    struct timeval tick = { 0, 20000 };

    event_base_loopexit(p->base, &tick);
    event_base_loop(p->base, EVLOOP_ONCE);
}

void
peers_quiet(struct peers *p)
{
    for (int i = 0; i < 20; i++) {
        event_base_loop(p->base, EVLOOP_NONBLOCK);
    }
}

static void
on_event(struct conn *conn, enum conn_event event, void *arg)
{
    struct peer *p = arg;

    assert_ptr_equal(conn, p->conn);
    p->counts[event]++;
    if (p->hook != NULL) {
        p->hook(p, event);
    }
    if (p->conn != NULL && event == CONN_INPUT) {
        struct bytes input = bytes_take(conn_input(conn), p->take_max);

        buf_put(&p->got, input);
        conn_consume(conn, input.len);
    }
}

static SSL_CTX *
server_new(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    X509_NAME *name;

    assert_true(key != NULL && cert != NULL && ctx != NULL);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

void
peers_begin(struct peers *p)
{
    memset(p, 0, sizeof(*p));
    p->base = event_base_new();
    p->loop = conn_loop_new(p->base);
    p->server = server_new();
    p->client = SSL_CTX_new(TLS_client_method());
    assert_true(p->base != NULL && p->loop != NULL && p->client != NULL);
    p->a.all = p->b.all = p;
    p->a.take_max = p->b.take_max = SIZE_MAX;
}

static int
listen_loopback(struct sockaddr_in *addr_out)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(*addr_out);

    memset(addr_out, 0, sizeof(*addr_out));
    addr_out->sin_family = AF_INET;
    addr_out->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)addr_out, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)addr_out, &len), 0);
    return fd;
}

int
peers_connect_raw(struct peers *p)
{
    struct sockaddr_in addr;
    int listening = listen_loopback(&addr);
    int fd;

    p->a.conn = conn_connect(p->loop, (struct sockaddr *)&addr, sizeof(addr),
                             on_event, &p->a);
    assert_non_null(p->a.conn);
    assert_int_equal(p->a.counts[CONN_CONNECTED], 0);
    PEERS_UNTIL(p, p->a.counts[CONN_CONNECTED] == 1);
    fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    close(listening);
    return fd;
}

void
peers_connect(struct peers *p)
{
    int fd = peers_connect_raw(p);

    p->b.conn = conn_accepted(p->loop, fd, on_event, &p->b);
    assert_non_null(p->b.conn);
}

void
peers_start_tls(struct peers *p)
{
    unsigned a = p->a.counts[CONN_TLS_DONE], b = p->b.counts[CONN_TLS_DONE];

    conn_tls_accept(p->b.conn, SSL_new(p->server));
    conn_tls_connect(p->a.conn, SSL_new(p->client));
    PEERS_UNTIL(p, p->a.counts[CONN_TLS_DONE] > a &&
                       p->b.counts[CONN_TLS_DONE] > b);
}

void
peers_meet(struct peers *p, bool tls)
{
    peers_begin(p);
    peers_connect(p);
    if (tls) {
        peers_start_tls(p);
    }
}

void
peer_send(struct peer *p, const char *text)
{
    conn_write(p->conn, bytes_str(text));
}

bool
peer_got(const struct peer *p, const char *text)
{
    return bytes_is(buf_bytes(&p->got), text);
}

struct bytes
peers_pattern(size_t n)
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

void
peers_end(struct peers *p)
{
    conn_free(&p->a.conn);
    conn_free(&p->b.conn);
    conn_loop_free(&p->loop);
    event_base_free(p->base);
    SSL_CTX_free(p->server);
    SSL_CTX_free(p->client);
    buf_free(&p->a.got);
    buf_free(&p->b.got);
}
