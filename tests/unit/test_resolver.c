/*
 * test_resolver - the resolver against a nameserver that misbehaves.
 */
#include "proxy/clock.h"
#include "proxy/dns/servers.h"
#include "proxy/log/log.h"
#include "tests/support/cmocka.h"
#include "tests/support/resolver_world.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

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

    world_tear_down(state);
    world_set_up(state); /* a server without a past */
    w = *state;
    n = dns_script_counts(w->script);
    g = world_ask_and_wait(w, c->name);
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

        (void)world_ask_and_wait(w, names[i]);
        assert_in_range(clock_ms() - start, QUESTION_MS - 20,
                        QUESTION_MS + 200);
    }
}

static void
cached_until_its_ttl(void **state)
{
    struct world *w = *state;
    struct dns_server_counts *n = dns_script_counts(w->script);

    (void)world_ask_and_wait(w, "ok.test");
    assert_string_equal(world_ask_and_wait(w, "OK.test").text, "v=DKIM1");
    (void)world_ask_and_wait(w, "nx.test");
    (void)world_ask_and_wait(w, "nx.test");
    (void)world_ask_and_wait(w, "servfail.test");
    (void)world_ask_and_wait(w, "servfail.test");
    assert_int_equal(n->udp, 3);
    (void)world_ask_and_wait(w, "ttl0.test");
    (void)world_ask_and_wait(w, "ttl0.test");
    assert_int_equal(n->udp, 5);
}

static void
one_question_for_many(void **state)
{
    struct world *w = *state;
    struct got g[50] = { 0 };

    for (size_t i = 0; i < 50; i++) {
        assert_non_null(world_ask(w, "ttl0.test", &g[i]));
    }
    for (size_t i = 0; i < 50; i++) {
        world_run_until(w, &g[i].calls, 1);
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
        assert_non_null(world_ask(w, name, &g[i]));
    }
    for (size_t i = 0; i < 1200; i++) {
        world_run_until(w, &g[i].calls, 1);
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
        assert_non_null(world_ask(w, name, &g[i]));
    }
    for (size_t i = 0; i < 1200; i++) {
        world_run_until(w, &g[i].calls, 1);
        assert_int_equal(g[i].status, DNS_TEMPFAIL);
    }
    assert_in_range(clock_ms() - start, QUESTION_MS - 20, QUESTION_MS + 900);
}

static void
cancelled_is_not_called(void **state)
{
    struct world *w = *state;
    struct got first = { 0 }, second = { 0 }, known = { 0 };
    struct dns_query *q = world_ask(w, "ttl0.test", &first);

    (void)world_ask(w, "ttl0.test", &second);
    dns_cancel(&q);
    assert_null(q);
    dns_cancel(&q); /* NULL is fine */
    world_run_until(w, &second.calls, 1);
    (void)world_ask_and_wait(w, "ok.test");
    q = world_ask(w, "ok.test", &known); /* from the cache, not yet called */
    dns_cancel(&q);
    (void)world_ask_and_wait(w, "ok2.test");
    assert_int_equal(first.calls, 0);
    assert_int_equal(known.calls, 0);
    q = world_ask(w, "silent.test", &first); /* the only one that waits */
    dns_cancel(&q);
}

static void
cancelled_from_a_callback(void **state)
{
    struct world *w = *state;
    struct got first = { 0 }, second = { 0 };
    struct dns_query *q;

    (void)world_ask(w, "ttl0.test", &first);
    q = world_ask(w, "ttl0.test", &second);
    first.cancel = &q;
    world_run_until(w, &first.calls, 1);
    (void)world_ask_and_wait(w, "ok.test");
    assert_int_equal(second.calls, 0);
}

static void
freed_while_asking(void **state)
{
    struct world *w = *state;
    struct got g = { 0 };

    (void)world_ask(w, "silent.test", &g);
    (void)world_ask(w, "tcsilent.test", &g);
    (void)world_ask(w, "bad..name", &g);
    event_base_loop(w->base, EVLOOP_ONCE);
    (void)world_ask(w, "bad..name", &g);
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
    w->r = world_resolver_new(w, "/nonexistent");
    start = clock_ms();
    assert_int_equal(world_ask_and_wait(w, "ok.test").status, DNS_OK);
    assert_true(clock_ms() - start < TRY_MS);
    /* The dead one is now last: an answer that fails is not asked twice. */
    assert_int_equal(world_ask_and_wait(w, "servfail.test").status,
                     DNS_TEMPFAIL);
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
    w->r = world_resolver_new(w, "/nonexistent");
    dns_script_silence(silent);
    start = clock_ms();
    assert_int_equal(world_ask_and_wait(w, "ok.test").status, DNS_OK);
    assert_true(clock_ms() - start >= TRY_MS - 1);
    start = clock_ms();
    assert_int_equal(world_ask_and_wait(w, "ok2.test").status, DNS_OK);
    assert_true(clock_ms() - start < TRY_MS);
    assert_int_equal(dns_script_counts(silent)->udp, 1);
    dns_script_free(&silent);
}

/* What is slow is behind a server that answers others meanwhile. */
static void
slow_name_is_nobodys_fault(void **state)
{
    const struct timeval over = { 0, (TRY_MS + 30) * 1000 };
    struct world *w = *state;
    struct dns_script *other = dns_script_new(w->base);
    struct got slow = { 0 };

    w->addresses[1] = w->addresses[0];
    w->addresses[1].port = dns_script_port(other);
    w->list.count = 2;
    resolver_free(&w->r);
    w->r = world_resolver_new(w, "/nonexistent");
    (void)world_ask(w, "silent.test", &slow);
    event_base_loop(w->base, EVLOOP_ONCE);
    assert_int_equal(world_ask_and_wait(w, "ok.test").status, DNS_OK);
    event_base_loopexit(w->base, &over);
    event_base_dispatch(w->base);
    assert_int_equal(dns_script_counts(other)->udp, 1); /* the slow one */
    assert_int_equal(world_ask_and_wait(w, "ok2.test").status, DNS_OK);
    assert_int_equal(dns_script_counts(other)->udp, 1);
    world_run_until(w, &slow.calls, 1);
    assert_int_equal(slow.status, DNS_TEMPFAIL);
    dns_script_free(&other);
}

/* Lines that servers have written so far. */
static size_t
lines_of(int fd)
{
    char text[2048];
    ssize_t n = pread(fd, text, sizeof(text), 0);
    size_t lines = 0;

    assert_true(n >= 0);
    for (ssize_t i = 0; i < n; i++) {
        lines += text[i] == '\n';
    }
    return lines;
}

/* Whoever asks for names that hang cannot fill the log; an outage is told. */
static void
lines_come_once_in_30_s(void **state)
{
    struct dns_servers s = { .count = 1 };
    int fd = memfd_create("log", MFD_CLOEXEC);

    (void)state;
    s.list[0].addr.ss_family = AF_INET;
    log_open(fd, CONF_LOGFMT, "test");
    for (uint64_t ms = 1000; ms < 25000; ms += 1000) {
        servers_silent(&s, 0, ms, ms + 500);
        servers_answered(&s, 0, ms + 600);
    }
    assert_int_equal(lines_of(fd), 2); /* and that it answers again */
    for (uint64_t ms = 25000; ms < 60000; ms += 1000) {
        servers_silent(&s, 0, ms, ms + 500);
    }
    assert_int_equal(lines_of(fd), 3);
    servers_answered(&s, 0, 60000);
    assert_int_equal(lines_of(fd), 4);
    log_open(STDERR_FILENO, CONF_LOGFMT, "");
    close(fd);
}

static void
nobody_there(void **state)
{
    struct world *w = *state;
    uint64_t start = clock_ms();

    snprintf(w->host[0], sizeof(w->host[0]), "127.0.0.9");
    resolver_free(&w->r);
    w->r = world_resolver_new(w, "/nonexistent");
    assert_int_equal(world_ask_and_wait(w, "ok.test").status, DNS_TEMPFAIL);
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
    assert_non_null(world_ask(w, "ok.test", &g));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    world_run_until(w, &g.calls, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(g.status, DNS_TEMPFAIL);
    assert_true(clock_ms() - start < TRY_MS);
    assert_int_equal(world_ask_and_wait(w, "ok2.test").status, DNS_OK);
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
        (void)world_ask_and_wait(w, name);
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

    assert_true(world_ask_and_wait(w, "ad.test").authenticated);
    assert_true(world_ask_and_wait(w, "ad.test").authenticated); /* cached */
    assert_false(world_ask_and_wait(w, "ok.test").authenticated);
}

int
main(void)
{
#define TEST(f) \
    cmocka_unit_test_setup_teardown(f, world_set_up, world_tear_down)
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
        TEST(slow_name_is_nobodys_fault),
        TEST(lines_come_once_in_30_s),
        TEST(nobody_there),
        TEST(no_descriptor_left),
        TEST(ids_and_ports_change),
        TEST(ad_of_a_loopback_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
