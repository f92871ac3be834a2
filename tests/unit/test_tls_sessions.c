/*
 * test_tls_sessions - which connection to an upstream resumes which session.
 */
#include "proxy/net/tls.h"
#include "proxy/net/tls_sessions.h"
#include "tests/support/certs.h"
#include "tests/support/cmocka.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum {
    NOW = 1, /* an offset: certificates have their days around the real now */
    HOUR = 3600,
    HOST_ROOM = 32
};

static int64_t start_s;
static SSL_CTX *server, *client;
static struct upstream_conf conf;

static int
make_files(void **state)
{
    (void)state;
    certs_begin();
    certs_make("good", "DNS:mail.test", 30 * 24 * HOUR, 0600, NULL);
    certs_make("brief", "DNS:mail.test", HOUR, 0600, NULL);
    start_s = (int64_t)time(NULL);
    return 0;
}

static void
begin(const char *pair, int version)
{
    char files[2][128];
    const char *certificates[] = { files[0], NULL };
    const char *keys[] = { files[1], NULL };
    struct listen_conf in = { .name = "in",
                              .certificates = certificates,
                              .private_keys = keys };
    struct buf error = BUF_INIT;

    snprintf(files[0], sizeof(files[0]), "%s/%s.pem", certs_folder, pair);
    snprintf(files[1], sizeof(files[1]), "%s/%s.key", certs_folder, pair);
    conf = (struct upstream_conf){ .name = "up",
                                   .tls_verify = true,
                                   .ca_file = certs_path("good.pem") };
    server = tls_server_new(&in, &error);
    client = tls_client_new(&conf, &error);
    assert_non_null(server);
    assert_non_null(client);
    SSL_CTX_set_max_proto_version(client, version);
    buf_free(&error);
}

static void
end(void)
{
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

/* "HOST ADDRESS PORT [RECORD...]" */
struct parsed {
    struct tls_place place;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    struct bytes records[40];
    char words[3][HOST_ROOM];
};

static const struct tls_place *
parse(const char *text, struct parsed *p)
{
    struct bytes rest = bytes_str(text);

    *p = (struct parsed){ .place.record_count = 0 };
    for (size_t i = 0; rest.len > 0; i++) {
        struct bytes word = bytes_take(rest, bytes_find(rest, ' '));

        if (i < 3) {
            assert_true(bytes_copy(word, p->words[i], HOST_ROOM));
        } else {
            p->records[p->place.record_count++] = word;
        }
        rest = bytes_trim(bytes_skip(rest, word.len));
    }
    if (strchr(p->words[1], ':') != NULL) {
        p->address.v6 = (struct sockaddr_in6){
            .sin6_family = AF_INET6,
            .sin6_port = htons((uint16_t)strtoul(p->words[2], NULL, 10)),
        };
        inet_pton(AF_INET6, p->words[1], &p->address.v6.sin6_addr);
    } else {
        p->address.v4 = (struct sockaddr_in){
            .sin_family = AF_INET,
            .sin_port = htons((uint16_t)strtoul(p->words[2], NULL, 10)),
        };
        inet_pton(AF_INET, p->words[1], &p->address.v4.sin_addr);
    }
    p->place.address = &p->address.any;
    p->place.host = p->words[0];
    p->place.records = p->records;
    return &p->place;
}

static const char usual[] = "mail.test 192.0.2.1 25";

/* One connection, begun but not yet shaken hands on. */
static SSL *
prepare(const char *place, bool resume, int64_t after_s)
{
    SSL *c = tls_client_ssl(client, &conf, "mail.test");
    struct parsed p;

    tls_sessions_use(c, parse(place, &p), resume, start_s + after_s);
    return c;
}

/* True: it was resumed. Takes c. */
static bool
complete(SSL *c)
{
    SSL *s = SSL_new(server);
    char octet;
    bool resumed;

    assert_true(certs_shake(c, s));
    assert_int_equal(SSL_read(c, &octet, 1), -1); /* takes the tickets */
    assert_int_equal(SSL_get_verify_result(c), X509_V_OK);
    assert_non_null(SSL_get0_peer_certificate(c));
    resumed = SSL_session_reused(c) == 1;
    assert_int_equal(SSL_session_reused(s), resumed);
    SSL_shutdown(c);
    SSL_free(c);
    SSL_free(s);
    return resumed;
}

static bool
meet(const char *place, int64_t after_s)
{
    return complete(prepare(place, true, after_s));
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static void
test_resumes(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        begin("good", versions[i]);
        assert_false(meet(usual, NOW));
        assert_true(meet(usual, NOW + 1));
        assert_true(meet(usual, NOW + 2));
        end();
    }
}

/* What is another place has nothing of the first one's. */
static void
test_places(void **state)
{
    static const struct {
        const char *first, *second;
        bool resumed;
    } cases[] = {
        { usual, "mail.test 192.0.2.1 25", true },
        { usual, "other.test 192.0.2.1 25", false },
        { usual, "mail.test 192.0.2.2 25", false },
        { usual, "mail.test 192.0.2.1 26", false },
        { usual, "mail.test 192.0.2.1 25 a", false },
        { "mail.test 2001:db8::1 25", "mail.test 2001:db8::1 25", true },
        { "mail.test 2001:db8::1 25", "mail.test 2001:db8::2 25", false },
        { "mail.test 2001:db8::1 25", "mail.test 2001:db8::1 26", false },
        { "mail.test 192.0.2.1 25 aa bb", "mail.test 192.0.2.1 25 aa bb",
          true },
        { "mail.test 192.0.2.1 25 aa bb", "mail.test 192.0.2.1 25 bb aa",
          true },
        { "mail.test 192.0.2.1 25 aa bb", "mail.test 192.0.2.1 25 aa", false },
        { "mail.test 192.0.2.1 25 aa bb", "mail.test 192.0.2.1 25 aab b",
          false },
        { "mail.test 192.0.2.1 25 aa", "mail.test 192.0.2.1 25 ab", false },
        { "mail.test 192.0.2.1 25 aa", "mail.test 192.0.2.1 25", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin("good", TLS1_3_VERSION);
        assert_false(meet(cases[i].first, NOW));
        if (meet(cases[i].second, NOW) != cases[i].resumed) {
            fail_msg("case %zu", i);
        }
        end();
    }
}

/* RFC 8446 C.4: the server gave one ticket, so one of the two resumes. */
static void
test_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        SSL *a, *b;

        begin("good", versions[i]);
        assert_false(meet(usual, NOW));
        a = prepare(usual, true, NOW);
        b = prepare(usual, true, NOW);
        assert_true(complete(a));
        assert_int_equal(complete(b), versions[i] == TLS1_2_VERSION);
        end();
    }
}

/* Tickets by tickets: the last proof of who the peer is counts. */
static void
test_life(void **state)
{
    static const struct {
        int64_t after_s[3];
        bool resumed; /* the last one */
    } cases[] = {
        { { NOW, HOUR, NOW + TLS_SESSIONS_LIFE_S - 1 }, true },
        { { NOW, HOUR, NOW + TLS_SESSIONS_LIFE_S }, false },
        { { NOW, HOUR, NOW - 1 }, false }, /* the clock was set back */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t k = 0; k < 2; k++) {
            begin("good", versions[k]);
            assert_false(meet(usual, cases[i].after_s[0]));
            assert_true(meet(usual, cases[i].after_s[1]));
            if (meet(usual, cases[i].after_s[2]) != cases[i].resumed) {
                fail_msg("case %zu, version %zu", i, k);
            }
            end();
        }
    }
}

/* A full handshake would not believe it any more. */
static void
test_expired(void **state)
{
    (void)state;
    begin("brief", TLS1_3_VERSION);
    SSL_CTX_load_verify_file(client, certs_path("brief.pem"));
    assert_false(meet(usual, NOW));
    assert_true(meet(usual, HOUR - 60));
    assert_false(meet(usual, HOUR + 60));
    end();
}

static void
test_forget(void **state)
{
    static const char *const other = "mail.test 192.0.2.2 25";

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        SSL *c;

        begin("good", versions[i]);
        assert_false(meet(usual, NOW));
        assert_false(meet(other, NOW));
        c = prepare(usual, false, NOW);
        tls_sessions_forget(c);
        SSL_free(c);
        assert_false(meet(usual, NOW));
        assert_true(meet(other, NOW));
        end();
    }
    tls_sessions_forget(NULL);
}

/* A check: a full handshake, whose session serves the next one. */
static void
test_not_asked(void **state)
{
    (void)state;
    begin("good", TLS1_3_VERSION);
    assert_false(complete(prepare(usual, false, NOW)));
    assert_false(complete(prepare(usual, false, NOW)));
    assert_true(meet(usual, NOW));
    end();
}

/* Nothing is kept of a peer that was not believed. */
static void
test_refused(void **state)
{
    SSL *c, *s;

    (void)state;
    begin("brief", TLS1_3_VERSION); /* not signed by conf.ca_file */
    c = prepare(usual, true, NOW);
    s = SSL_new(server);
    assert_false(certs_shake(c, s));
    SSL_free(c);
    SSL_free(s);
    SSL_CTX_load_verify_file(client, certs_path("brief.pem"));
    assert_false(meet(usual, NOW));
    end();
}

/* One place's share, and the oldest gives way. */
static void
test_bounds(void **state)
{
    char place[HOST_ROOM];
    size_t resumed = 0;
    SSL *c[2 * TLS_SESSIONS_PEER_MAX];

    (void)state;
    begin("good", TLS1_3_VERSION);
    assert_false(meet("mail.test 192.0.2.2 25", NOW));
    for (size_t i = 0; i < 2 * TLS_SESSIONS_PEER_MAX; i++) {
        assert_false(complete(prepare(usual, false, NOW)));
    }
    for (size_t i = 0; i < 2 * TLS_SESSIONS_PEER_MAX; i++) {
        c[i] = prepare(usual, true, NOW);
    }
    for (size_t i = 0; i < 2 * TLS_SESSIONS_PEER_MAX; i++) {
        resumed += complete(c[i]);
    }
    assert_int_equal(resumed, TLS_SESSIONS_PEER_MAX);
    assert_true(meet("mail.test 192.0.2.2 25", NOW));
    for (int i = 0; i < TLS_SESSIONS_MAX; i++) {
        snprintf(place, sizeof(place), "mail.test 192.0.2.3 %d", i + 1);
        assert_false(meet(place, NOW));
    }
    assert_false(meet("mail.test 192.0.2.2 25", NOW));
    assert_true(meet(place, NOW));
    end();
}

/* More than anybody has: nothing is kept, and nothing breaks. */
static void
test_many_records(void **state)
{
    char text[HOST_ROOM + 2 * TLS_SESSIONS_RECORDS_MAX + 2];

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        begin("good", TLS1_3_VERSION);
        snprintf(text, sizeof(text), "%s", usual);
        for (size_t i = 0; i < TLS_SESSIONS_RECORDS_MAX + more; i++) {
            strcat(text, " r");
        }
        assert_false(meet(text, NOW));
        assert_int_equal(meet(text, NOW), more == 0);
        end();
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumes),   cmocka_unit_test(test_places),
        cmocka_unit_test(test_once),      cmocka_unit_test(test_life),
        cmocka_unit_test(test_expired),   cmocka_unit_test(test_forget),
        cmocka_unit_test(test_not_asked), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bounds),    cmocka_unit_test(test_many_records),
    };

    return cmocka_run_group_tests(tests, make_files, certs_teardown);
}
