/*
 * test_proxyproto - every header of proxyproto.txt is what it says there,
 * cut anywhere and whatever follows; and a socket keeps what follows.
 */
#include "tests/support/cmocka.h"
#include "tests/support/vec.h"

#include <event2/event.h>

#include <proxy/net/proxyproto.h>
#include <proxy/proxied.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const words[] = {
    [PROXYPROTO_MORE] = "more",   [PROXYPROTO_CLIENT] = "client",
    [PROXYPROTO_LOCAL] = "local", [PROXYPROTO_UNKNOWN] = "unknown",
    [PROXYPROTO_BAD] = "bad",
};

static const struct bytes payloads[] = {
    { (const uint8_t *)"", 0 },
    { (const uint8_t *)"EHLO x\r\n", 8 },
    { (const uint8_t *)"\x16\x03\x01\x02\x00", 5 },
    { (const uint8_t *)"PROXY UNKNOWN\r\n", 15 },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- the parser ----------------------------------------------------------- */

/* On an exact-sized copy, so that a sanitizer sees an over-read. */
static enum proxyproto_result
parse(struct bytes in, struct proxyproto *out)
{
    uint8_t *copy = malloc(in.len + (in.len == 0));
    enum proxyproto_result result;

    assert_non_null(copy);
    if (in.len > 0) {
        memcpy(copy, in.ptr, in.len);
    }
    memset(out, 0xaa, sizeof(*out));
    result = proxyproto_parse(bytes_make(copy, in.len), out);
    free(copy);
    return result;
}

static void
put_address(struct buf *out, const union net_address *address)
{
    char text[INET6_ADDRSTRLEN];

    net_address_text(&address->any, text);
    buf_printf(out, " %s %u", text,
               address->any.sa_family == AF_INET
                   ? ntohs(address->in.sin_port)
                   : ntohs(address->in6.sin6_port));
}

static void
put(struct buf *out, enum proxyproto_result result,
    const struct proxyproto *header)
{
    buf_puts(out, words[result]);
    if (result == PROXYPROTO_CLIENT) {
        put_address(out, &header->source);
        put_address(out, &header->destination);
    } else if (result == PROXYPROTO_LOCAL || result == PROXYPROTO_UNKNOWN) {
        assert_int_equal(header->source.any.sa_family, AF_UNSPEC);
        assert_int_equal(header->destination.any.sa_family, AF_UNSPEC);
    }
}

static bool
is_good(const struct vec *v)
{
    return !bytes_is(v->col[2], "bad") && !bytes_is(v->col[2], "more");
}

static void
check_whole(const struct vec *v, struct bytes payload)
{
    struct buf wire = BUF_INIT, got = BUF_INIT;
    struct proxyproto header;
    enum proxyproto_result result;

    buf_put(&wire, v->col[1]);
    buf_put(&wire, payload);
    result = parse(buf_bytes(&wire), &header);
    put(&got, result, &header);
    if (!bytes_eq(buf_bytes(&got), v->col[2])) {
        fail_msg("%s:%u: got %s", v->name, v->line, buf_str(&got));
    }
    if (is_good(v)) {
        assert_int_equal(header.octets, v->col[1].len);
    }
    buf_free(&wire);
    buf_free(&got);
}

/* A good one needs its last octet; a bad one is never good, and stays bad. */
static void
check_cuts(const struct vec *v)
{
    bool bad = false;

    for (size_t n = 0; n < v->col[1].len; n++) {
        struct proxyproto header;
        enum proxyproto_result result =
            parse(bytes_take(v->col[1], n), &header);

        if (is_good(v) || !bytes_is(v->col[2], "bad")) {
            assert_int_equal(result, PROXYPROTO_MORE);
        } else {
            bad = bad || result == PROXYPROTO_BAD;
            assert_int_equal(result, bad ? PROXYPROTO_BAD : PROXYPROTO_MORE);
        }
        assert_true(result != PROXYPROTO_MORE || n < PROXYPROTO_MAX);
    }
}

static void
test_vectors(void **state)
{
    unsigned good = 0;
    struct vec v;

    (void)state;
    vec_open(&v, "proxyproto.txt");
    while (vec_next_of(&v, 3)) {
        check_whole(&v, payloads[0]);
        check_cuts(&v);
        for (size_t i = 1; is_good(&v) && i < COUNT(payloads); i++, good++) {
            check_whole(&v, payloads[i]);
        }
    }
    assert_true(good > 40);
}

/* Each family and command octet: good are those that have a row. */
static void
test_every_code(void **state)
{
    uint8_t wire[PROXYPROTO_V2_FIXED + 216] = "\r\n\r\n\0\r\nQUIT\n";
    struct proxyproto header;

    (void)state;
    wire[15] = 216;
    for (unsigned i = 0; i < 256 * 256; i++) {
        enum proxyproto_result want = PROXYPROTO_BAD;

        wire[12] = (uint8_t)(i >> 8);
        wire[13] = (uint8_t)i;
        if (wire[12] == 0x20) {
            want = PROXYPROTO_LOCAL;
        } else if (wire[12] == 0x21) {
            want = wire[13] == 0x11 || wire[13] == 0x21   ? PROXYPROTO_CLIENT
                   : wire[13] == 0x00 || wire[13] == 0x31 ? PROXYPROTO_UNKNOWN
                                                          : PROXYPROTO_BAD;
        }
        assert_int_equal(
            proxyproto_parse(bytes_make(wire, sizeof(wire)), &header), want);
    }
}

/* --- the socket ----------------------------------------------------------- */

struct world {
    struct event_base *base;
    struct proxied *list;
    int far; /* the balancer's end */
    unsigned calls;
    struct proxied_result result;
};

static void
on_result(const struct proxied_result *result, void *arg)
{
    struct world *w = arg;

    w->calls++;
    w->result = *result;
}

static void
world_open(struct world *w, struct event_base *base)
{
    union net_address balancer;
    int ends[2];

    *w = (struct world){ .base = base };
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_true(
        net_address_parse(AF_INET, BYTES_LIT("203.0.113.9"), 9, &balancer));
    w->far = ends[0];
    assert_non_null(
        proxied_new(&w->list, base, ends[1], &balancer, on_result, w));
}

static void
send_all(struct world *w, struct bytes octets)
{
    if (octets.len > 0) {
        assert_int_equal(send(w->far, octets.ptr, octets.len, MSG_NOSIGNAL),
                         octets.len);
    }
    assert_int_equal(event_base_loop(w->base, EVLOOP_NONBLOCK) < 0, 0);
}

static void
world_close(struct world *w)
{
    close(w->far);
    if (w->calls > 0 && w->result.fd >= 0) {
        close(w->result.fd);
    }
    proxied_free_all(&w->list);
    assert_null(w->list);
}

/* What the socket still holds is the payload, all of it. */
static void
check_left(const struct world *w, struct bytes payload)
{
    uint8_t left[64];
    ssize_t n = recv(w->result.fd, left, sizeof(left), MSG_DONTWAIT);

    assert_int_equal(n < 0 ? 0 : n, payload.len);
    assert_true(bytes_eq(bytes_make(left, payload.len), payload));
}

static void
check_good(const struct vec *v, struct world *w, struct bytes payload)
{
    char text[INET6_ADDRSTRLEN];
    bool client = bytes_starts_ci(v->col[2], "client");

    assert_int_equal(w->calls, 1);
    assert_true(w->result.fd >= 0);
    assert_int_equal(w->result.anonymous, !client);
    net_address_text(&w->result.peer.any, text);
    if (client) {
        assert_true(bytes_starts_ci(bytes_skip(v->col[2], 7), text));
    } else {
        assert_string_equal(text, "203.0.113.9");
    }
    assert_null(w->list);
    check_left(w, payload);
}

/* In two pieces, cut at n; the second one has the payload in it. */
static void
check_split(const struct vec *v, struct event_base *base, size_t n,
            struct bytes payload)
{
    struct bytes header = v->col[1];
    struct buf rest = BUF_INIT;
    struct world w;

    world_open(&w, base);
    send_all(&w, bytes_take(header, n));
    assert_int_equal(w.calls, is_good(v) ? 0 : w.calls);
    buf_put(&rest, bytes_skip(header, n));
    buf_put(&rest, payload);
    if (w.calls == 0) {
        send_all(&w, buf_bytes(&rest));
    }
    if (is_good(v)) {
        check_good(v, &w, payload);
    } else {
        assert_int_equal(w.calls, 1);
        assert_int_equal(w.result.fd, -1);
        assert_non_null(w.result.why);
    }
    buf_free(&rest);
    world_close(&w);
}

static void
test_socket(void **state)
{
    struct event_base *base = event_base_new();
    struct vec v;

    (void)state;
    assert_non_null(base);
    vec_open(&v, "proxyproto.txt");
    while (vec_next_of(&v, 3)) {
        size_t step = v.col[1].len > 300 ? 97 : 1;

        for (size_t n = 0; n < v.col[1].len; n += step) {
            if (!bytes_is(v.col[2], "more")) {
                check_split(&v, base, n, payloads[n % COUNT(payloads)]);
            }
        }
    }
    event_base_free(base);
}

/* The balancer goes: without a word, or in the middle of its header. */
static void
test_gone(void **state)
{
    struct event_base *base = event_base_new();
    struct bytes header = BYTES_LIT("PROXY TCP4 192.0.2.1 ");
    struct world w;

    (void)state;
    for (size_t n = 0; n <= header.len; n++) {
        world_open(&w, base);
        send_all(&w, bytes_take(header, n));
        assert_int_equal(w.calls, 0);
        assert_int_equal(shutdown(w.far, SHUT_WR), 0);
        send_all(&w, bytes_make(NULL, 0));
        assert_int_equal(w.calls, 1);
        assert_int_equal(w.result.fd, -1);
        assert_int_equal(w.result.why == NULL, n == 0);
        world_close(&w);
    }
    /* What nobody waits for any more is closed without a callback. */
    world_open(&w, base);
    world_close(&w);
    assert_int_equal(w.calls, 0);
    event_base_free(base);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_code),
        cmocka_unit_test(test_socket),
        cmocka_unit_test(test_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
