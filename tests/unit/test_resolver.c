/*
 * test_resolver - the resolver against a nameserver that misbehaves.
 *
 * Tries take 150 ms and a question 500 ms here, so that what never answers is
 * over soon.
 */
#include "proxy/clock.h"
#include "proxy/dns/hosts.h"
#include "proxy/dns/internal.h"
#include "proxy/dns/resolvconf.h"
#include "tests/support/cmocka.h"
#include "tests/support/dns_server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    TRY_MS = 150,
    QUESTION_MS = 500
};

struct world {
    struct event_base *base;
    struct dns_script *script;
    struct resolver *r;
    struct conf_address addresses[3];
    struct conf_addresses list;
    char host[3][16];
};

static struct resolver *
new_resolver(struct world *w, const char *hosts)
{
    struct resolver_options o = { .nameservers = &w->list,
                                  .resolv_conf = "/nonexistent",
                                  .hosts = hosts,
                                  .try_ms = TRY_MS,
                                  .question_ms = QUESTION_MS };

    return resolver_new_with(w->base, &o);
}

static int
set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    w->base = event_base_new();
    w->script = dns_script_new(w->base);
    snprintf(w->host[0], sizeof(w->host[0]), "127.0.0.1");
    w->addresses[0].host = w->host[0];
    w->addresses[0].port = dns_script_port(w->script);
    w->list.list = w->addresses;
    w->list.count = 1;
    w->r = new_resolver(w, "/nonexistent");
    assert_non_null(w->r);
    *state = w;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *w = *state;

    resolver_free(&w->r);
    dns_script_free(&w->script);
    event_base_free(w->base);
    free(w);
    return 0;
}

/* What came, kept beyond the callback. */
struct got {
    unsigned calls;
    enum dns_status status;
    size_t count;
    size_t octets; /* of the first record */
    char text[64];
    uint32_t ttl_s;
    bool authenticated;
    struct dns_query **cancel; /* at the call */
};

static void
on_answer(const struct dns_answer *answer, void *arg)
{
    struct got *g = arg;

    g->calls++;
    g->status = answer->status;
    g->count = answer->count;
    g->ttl_s = answer->ttl_s;
    g->authenticated = answer->authenticated;
    if (answer->count > 0) {
        g->octets = answer->records[0].data.len;
        (void)bytes_copy(bytes_take(answer->records[0].data, 63), g->text,
                         sizeof(g->text));
    }
    if (g->cancel != NULL) {
        dns_cancel(g->cancel);
    }
}

static struct dns_query *
ask(struct world *w, const char *name, struct got *g)
{
    struct dns_question q = { .type = DNS_TXT };

    snprintf(q.name, sizeof(q.name), "%s", name);
    return dns_ask(w->r, &q, on_answer, g);
}

static void
run_until(struct world *w, const unsigned *calls, unsigned want)
{
    uint64_t end = clock_ms() + 3000;

    while (*calls < want && clock_ms() < end) {
        event_base_loop(w->base, EVLOOP_ONCE);
    }
    assert_int_equal(*calls, want);
}

static struct got
ask_and_wait(struct world *w, const char *name)
{
    struct got g = { 0 };

    assert_non_null(ask(w, name, &g));
    assert_int_equal(g.calls, 0); /* never from inside */
    run_until(w, &g.calls, 1);
    return g;
}

static const struct manner_case {
    const char *name;
    enum dns_status status;
    size_t count;
    uint32_t ttl_s;
    unsigned udp; /* queries that the server saw; 0: not looked at */
    unsigned tcp;
} manner_cases[] = {
    { "ok.test", DNS_OK, 1, 300, 1, 0 },
    { "nx.test", DNS_NXDOMAIN, 0, 30, 1, 0 },
    { "nodata.test", DNS_NODATA, 0, 60, 1, 0 },
    { "servfail.test", DNS_TEMPFAIL, 0, 1, 1, 0 },
    { "refused.test", DNS_TEMPFAIL, 0, 1, 1, 0 },
    { "formerr.test", DNS_TEMPFAIL, 0, 1, 2, 0 },
    { "notimp.test", DNS_TEMPFAIL, 0, 1, 2, 0 },
    { "noedns.test", DNS_OK, 1, 300, 2, 0 },
    { "badvers.test", DNS_OK, 1, 300, 2, 0 },
    { "silent.test", DNS_TEMPFAIL, 0, 1, 4, 0 },
    { "latein.test", DNS_OK, 1, 300, 1, 0 },
    { "lateout.test", DNS_TEMPFAIL, 0, 1, 4, 0 },
    { "tc.test", DNS_OK, 1, 300, 1, 1 },
    { "tcrst.test", DNS_TEMPFAIL, 0, 1, 1, 1 },
    { "tchalf.test", DNS_TEMPFAIL, 0, 1, 1, 1 },
    { "tcslow.test", DNS_TEMPFAIL, 0, 1, 0, 0 },
    { "tczero.test", DNS_TEMPFAIL, 0, 1, 1, 1 },
    { "tctc.test", DNS_TEMPFAIL, 0, 1, 1, 1 },
    { "tcsilent.test", DNS_TEMPFAIL, 0, 1, 0, 0 },
    { "tcmax.test", DNS_OK, 1, 300, 1, 1 },
    { "many.test", DNS_OK, 256, 300, 1, 1 },
    { "wrongid.test", DNS_TEMPFAIL, 0, 1, 4, 0 },
    { "wrongname.test", DNS_TEMPFAIL, 0, 1, 4, 0 },
    { "otherport.test", DNS_TEMPFAIL, 0, 1, 4, 0 },
    { "keepsnocase.with-many-letters.test", DNS_OK, 1, 300, 1, 1 },
    { "loop.test", DNS_TEMPFAIL, 0, 1, 1, 0 },
    { "ping.test", DNS_TEMPFAIL, 0, 1, 2, 0 },
    { "hop1.test", DNS_OK, 1, 300, 2, 0 },
    { "hop8.test", DNS_OK, 1, 300, 9, 0 },
    { "hop9.test", DNS_TEMPFAIL, 0, 1, 9, 0 },
    { "toroot.test", DNS_NODATA, 0, 0, 0, 0 },
    { "ttl0.test", DNS_OK, 1, 0, 1, 0 },
    { "ttlhuge.test", DNS_OK, 1, 3600, 1, 0 },
    { "bad..name", DNS_NXDOMAIN, 0, 60, 0, 0 },
};

/* What is wrong, or NULL. */
static const char *
manner(void **state, const struct manner_case *c)
{
    struct dns_server_counts *n;
    struct world *w;
    struct got g;

    tear_down(state);
    set_up(state); /* a server without a past */
    w = *state;
    n = dns_script_counts(w->script);
    g = ask_and_wait(w, c->name);
    if (g.status != c->status || g.count != c->count || g.ttl_s != c->ttl_s) {
        return "the answer";
    }
    if (c->udp != 0 && (n->udp != c->udp || n->tcp != c->tcp)) {
        return "the number of questions";
    }
    return NULL;
}

/* Times are short here: a machine that stood still for one gets two more. */
static void
manners(void **state)
{
    for (size_t i = 0; i < sizeof(manner_cases) / sizeof(*manner_cases); i++) {
        const char *wrong = "";

        for (int n = 0; n < 3 && wrong != NULL; n++) {
            wrong = manner(state, &manner_cases[i]);
        }
        if (wrong != NULL) {
            fail_msg("%s: %s", manner_cases[i].name, wrong);
        }
    }
}

static void
ends_within_its_time(void **state)
{
    static const char *const names[] = { "silent.test", "tcslow.test",
                                         "tcsilent.test", "lateout.test" };
    struct world *w = *state;

    for (size_t i = 0; i < 4; i++) {
        uint64_t start = clock_ms();

        (void)ask_and_wait(w, names[i]);
        assert_in_range(clock_ms() - start, QUESTION_MS - 20,
                        QUESTION_MS + 200);
    }
}

static void
cached_until_its_ttl(void **state)
{
    struct world *w = *state;
    struct dns_server_counts *n = dns_script_counts(w->script);

    (void)ask_and_wait(w, "ok.test");
    assert_string_equal(ask_and_wait(w, "OK.test").text, "v=DKIM1");
    (void)ask_and_wait(w, "nx.test");
    (void)ask_and_wait(w, "nx.test");
    (void)ask_and_wait(w, "servfail.test");
    (void)ask_and_wait(w, "servfail.test");
    assert_int_equal(n->udp, 3);
    (void)ask_and_wait(w, "ttl0.test");
    (void)ask_and_wait(w, "ttl0.test");
    assert_int_equal(n->udp, 5);
}

static void
one_question_for_many(void **state)
{
    struct world *w = *state;
    struct got g[50] = { 0 };

    for (size_t i = 0; i < 50; i++) {
        assert_non_null(ask(w, "ttl0.test", &g[i]));
    }
    for (size_t i = 0; i < 50; i++) {
        run_until(w, &g[i].calls, 1);
        assert_int_equal(g[i].status, DNS_OK);
    }
    assert_int_equal(dns_script_counts(w->script)->udp, 1);
}

static void
more_than_there_are_places(void **state)
{
    struct world *w = *state;
    struct got g[1200] = { 0 };
    char name[32];

    for (size_t i = 0; i < 1200; i++) {
        snprintf(name, sizeof(name), "ok%zu.test", i);
        assert_non_null(ask(w, name, &g[i]));
    }
    for (size_t i = 0; i < 1200; i++) {
        run_until(w, &g[i].calls, 1);
    }
}

static void
waiting_questions_end_in_time(void **state)
{
    struct world *w = *state;
    static struct got g[1200];
    uint64_t start = clock_ms();
    char name[32];

    memset(g, 0, sizeof(g));
    for (size_t i = 0; i < 1200; i++) {
        snprintf(name, sizeof(name), "silent%zu.test", i);
        assert_non_null(ask(w, name, &g[i]));
    }
    for (size_t i = 0; i < 1200; i++) {
        run_until(w, &g[i].calls, 1);
        assert_int_equal(g[i].status, DNS_TEMPFAIL);
    }
    assert_in_range(clock_ms() - start, QUESTION_MS - 20, QUESTION_MS + 900);
}

static void
cancelled_is_not_called(void **state)
{
    struct world *w = *state;
    struct got first = { 0 }, second = { 0 }, known = { 0 };
    struct dns_query *q = ask(w, "ttl0.test", &first);

    (void)ask(w, "ttl0.test", &second);
    dns_cancel(&q);
    assert_null(q);
    dns_cancel(&q); /* NULL is fine */
    run_until(w, &second.calls, 1);
    (void)ask_and_wait(w, "ok.test");
    q = ask(w, "ok.test", &known); /* from the cache, not yet called */
    dns_cancel(&q);
    (void)ask_and_wait(w, "ok2.test");
    assert_int_equal(first.calls, 0);
    assert_int_equal(known.calls, 0);
    q = ask(w, "silent.test", &first); /* the only one that waits */
    dns_cancel(&q);
}

static void
cancelled_from_a_callback(void **state)
{
    struct world *w = *state;
    struct got first = { 0 }, second = { 0 };
    struct dns_query *q;

    (void)ask(w, "ttl0.test", &first);
    q = ask(w, "ttl0.test", &second);
    first.cancel = &q;
    run_until(w, &first.calls, 1);
    (void)ask_and_wait(w, "ok.test");
    assert_int_equal(second.calls, 0);
}

static void
freed_while_asking(void **state)
{
    struct world *w = *state;
    struct got g = { 0 };

    (void)ask(w, "silent.test", &g);
    (void)ask(w, "tcsilent.test", &g);
    (void)ask(w, "bad..name", &g);
    event_base_loop(w->base, EVLOOP_ONCE);
    (void)ask(w, "bad..name", &g);
    resolver_free(&w->r);
    resolver_free(&w->r);
    event_base_loop(w->base, EVLOOP_NONBLOCK);
    assert_in_range(g.calls, 0, 1);
}

/* A port of loopback where nobody is: ICMP says so at once. */
static void
next_server_at_once(void **state)
{
    struct world *w = *state;
    struct dns_server_counts *n = dns_script_counts(w->script);
    uint64_t start;

    w->addresses[1] = w->addresses[0];
    snprintf(w->host[1], sizeof(w->host[1]), "127.0.0.9");
    w->addresses[0].host = w->host[1];
    w->list.count = 2;
    resolver_free(&w->r);
    w->r = new_resolver(w, "/nonexistent");
    start = clock_ms();
    assert_int_equal(ask_and_wait(w, "ok.test").status, DNS_OK);
    assert_true(clock_ms() - start < TRY_MS);
    /* The dead one is now last: an answer that fails is not asked twice. */
    assert_int_equal(ask_and_wait(w, "servfail.test").status, DNS_TEMPFAIL);
    assert_int_equal(n->udp, 2);
}

/* The first server takes questions and says nothing. */
static void
silent_server_is_asked_last(void **state)
{
    struct world *w = *state;
    struct dns_script *silent = dns_script_new(w->base);
    uint64_t start;

    w->addresses[1] = w->addresses[0];
    w->addresses[0].port = dns_script_port(silent);
    w->list.count = 2;
    resolver_free(&w->r);
    w->r = new_resolver(w, "/nonexistent");
    dns_script_silence(silent);
    start = clock_ms();
    assert_int_equal(ask_and_wait(w, "ok.test").status, DNS_OK);
    assert_true(clock_ms() - start >= TRY_MS - 1);
    start = clock_ms();
    assert_int_equal(ask_and_wait(w, "ok2.test").status, DNS_OK);
    assert_true(clock_ms() - start < TRY_MS);
    assert_int_equal(dns_script_counts(silent)->udp, 1);
    dns_script_free(&silent);
}

static void
nobody_there(void **state)
{
    struct world *w = *state;
    uint64_t start = clock_ms();

    snprintf(w->host[0], sizeof(w->host[0]), "127.0.0.9");
    resolver_free(&w->r);
    w->r = new_resolver(w, "/nonexistent");
    assert_int_equal(ask_and_wait(w, "ok.test").status, DNS_TEMPFAIL);
    assert_true(clock_ms() - start < TRY_MS);
}

/* No descriptor left is our trouble; the server is not blamed for it. */
static void
no_descriptor_left(void **state)
{
    struct world *w = *state;
    struct rlimit before, none;
    struct got g = { 0 };
    uint64_t start = clock_ms();

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_non_null(ask(w, "ok.test", &g));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    run_until(w, &g.calls, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(g.status, DNS_TEMPFAIL);
    assert_true(clock_ms() - start < TRY_MS);
    assert_int_equal(ask_and_wait(w, "ok2.test").status, DNS_OK);
}

static void
ids_and_ports_change(void **state)
{
    struct world *w = *state;
    struct dns_server_counts *n = dns_script_counts(w->script);
    unsigned same_id = 0, same_port = 0;
    char name[32];

    for (unsigned i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "ok%u.test", i);
        (void)ask_and_wait(w, name);
    }
    for (unsigned i = 0; i < 64; i++) {
        for (unsigned k = 0; k < i; k++) {
            same_id += n->ids[i] == n->ids[k];
            same_port += n->ports[i] == n->ports[k];
        }
    }
    /* 2016 pairs: 0.03 and 0.07 expected to be equal. */
    assert_true(same_id < 4);
    assert_true(same_port < 8);
}

static void
ad_of_a_loopback_server(void **state)
{
    struct world *w = *state;

    assert_true(ask_and_wait(w, "ad.test").authenticated);
    assert_true(ask_and_wait(w, "ad.test").authenticated); /* cached */
    assert_false(ask_and_wait(w, "ok.test").authenticated);
}

/* --- host look-ups -------------------------------------------------------- */

struct found {
    unsigned calls;
    size_t count;
    bool authenticated;
    bool unknown;
    char text[512]; /* "ADDR#PORT " each, or the error */
};

static void
on_found(const struct dns_addresses *a, void *arg)
{
    struct found *f = arg;
    size_t n = 0;

    f->calls++;
    f->count = a->count;
    f->authenticated = a->authenticated;
    f->unknown = a->unknown;
    for (size_t i = 0; i < a->count; i++) {
        const struct sockaddr_in6 *in6 = (const void *)&a->list[i];
        const struct sockaddr_in *in = (const void *)&a->list[i];
        bool v6 = in->sin_family == AF_INET6;
        char text[64];

        inet_ntop(in->sin_family,
                  v6 ? (const void *)&in6->sin6_addr
                     : (const void *)&in->sin_addr,
                  text, sizeof(text));
        n += (size_t)snprintf(f->text + n, sizeof(f->text) - n, "%s#%u ", text,
                              ntohs(in->sin_port));
    }
    if (a->count == 0) {
        snprintf(f->text, sizeof(f->text), "%s", a->error);
    } else {
        assert_string_equal(a->error, "");
    }
}

static const struct {
    const char *host;
    const char *want;
    bool local; /* this machine says so */
} host_cases[] = {
    { "127.0.0.1", "127.0.0.1#25 ", true },
    { "::1", "::1#25 ", true },
    { "[2001:db8::1]", "2001:db8::1#25 ", true },
    { "Box.Example", "192.0.2.7#25 2001:db8::7#25 ", true },
    { "alias.", "192.0.2.7#25 ", true },
    { "localhost", "127.0.0.1#25 ", true },
    { "host.test", "::1#25 127.0.0.2#25 127.0.0.3#25 ", false },
    { "v4host.test.", "127.0.0.2#25 127.0.0.3#25 ", false },
    { "nx.test", "nx.test: this host does not exist in DNS", false },
    { "nodata.test",
      "nodata.test: this host has no address in DNS (neither AAAA nor A)",
      false },
    { "servfail.test",
      "servfail.test: no nameserver gave an answer; is [dns] nameserver (or "
      "/etc/resolv.conf) right?",
      false },
};

static void
write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void
temp_name(char *path, size_t cap)
{
    int fd;

    snprintf(path, cap, "./test_resolver.XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

static void
host_lookups(void **state)
{
    struct world *w = *state;
    char path[64];

    temp_name(path, sizeof(path));
    write_file(path, "# hosts\n192.0.2.7 box.example alias # x\n"
                     "nonsense box.example\n2001:db8::7\tbox.example\n");
    resolver_free(&w->r);
    w->r = new_resolver(w, path);
    unlink(path);
    for (size_t i = 0; i < sizeof(host_cases) / sizeof(*host_cases); i++) {
        struct found f = { 0 };

        assert_non_null(dns_lookup(w->r, host_cases[i].host, 25, on_found, &f));
        assert_int_equal(f.calls, 0);
        run_until(w, &f.calls, 1);
        assert_string_equal(f.text, host_cases[i].want);
        assert_int_equal(f.authenticated && f.count > 0, host_cases[i].local);
        assert_int_equal(f.unknown,
                         strcmp(host_cases[i].host, "servfail.test") == 0);
    }
}

static void
cancelled_lookups(void **state)
{
    struct world *w = *state;
    struct found f = { 0 };
    struct dns_lookup *a = dns_lookup(w->r, "host.test", 25, on_found, &f);
    struct dns_lookup *b = dns_lookup(w->r, "127.0.0.1", 25, on_found, &f);

    event_base_loop(w->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
    dns_lookup_cancel(&a);
    if (f.calls == 0) {
        dns_lookup_cancel(&b);
    }
    dns_lookup_cancel(&a);
    (void)ask_and_wait(w, "ok.test");
    assert_in_range(f.calls, 0, 1);
}

/* --- files ---------------------------------------------------------------- */

static const struct {
    const char *text;
    const char *want; /* servers, and + when AD is trusted */
} resolvconf_cases[] = {
    { "", "127.0.0.1 " },
    { "search example\noptions ndots:2\n", "127.0.0.1 " },
    { "nameserver 192.0.2.1\n", "192.0.2.1 " },
    { "# x\n; y\nnameserver\nnameserver bad\n nameserver 192.0.2.1 # z\n",
      "192.0.2.1 " },
    { "nameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver 192.0.2.3\n"
      "nameserver 192.0.2.4\nnameserver 192.0.2.5\n",
      "192.0.2.1 2001:db8::1 192.0.2.3 " },
    { "options edns0 trust-ad\nnameserver 192.0.2.1", "192.0.2.1 +" },
};

static void
resolv_conf_files(void **state)
{
    char path[64], got[256], text[64];
    struct resolvconf rc;

    (void)state;
    temp_name(path, sizeof(path));
    for (size_t i = 0; i < sizeof(resolvconf_cases) / sizeof(*resolvconf_cases);
         i++) {
        size_t n = 0;

        write_file(path, resolvconf_cases[i].text);
        resolvconf_load(path, &rc);
        for (size_t k = 0; k < rc.count; k++) {
            const struct sockaddr_in6 *in6 = (const void *)&rc.servers[k];
            const struct sockaddr_in *in = (const void *)&rc.servers[k];

            inet_ntop(in->sin_family,
                      in->sin_family == AF_INET6 ? (const void *)&in6->sin6_addr
                                                 : (const void *)&in->sin_addr,
                      text, sizeof(text));
            assert_int_equal(ntohs(in->sin_port), 53);
            n += (size_t)snprintf(got + n, sizeof(got) - n, "%s ", text);
        }
        snprintf(got + n, sizeof(got) - n, "%s", rc.trust_ad ? "+" : "");
        assert_string_equal(got, resolvconf_cases[i].want);
    }
    unlink(path);
    resolvconf_load("/nonexistent", &rc);
    assert_int_equal(rc.count, 1);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(manners),
        TEST(ends_within_its_time),
        TEST(cached_until_its_ttl),
        TEST(one_question_for_many),
        TEST(more_than_there_are_places),
        TEST(waiting_questions_end_in_time),
        TEST(cancelled_is_not_called),
        TEST(cancelled_from_a_callback),
        TEST(freed_while_asking),
        TEST(next_server_at_once),
        TEST(silent_server_is_asked_last),
        TEST(nobody_there),
        TEST(no_descriptor_left),
        TEST(ids_and_ports_change),
        TEST(ad_of_a_loopback_server),
        TEST(host_lookups),
        TEST(cancelled_lookups),
        cmocka_unit_test(resolv_conf_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
