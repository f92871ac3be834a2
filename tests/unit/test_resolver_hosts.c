/*
 * test_resolver_hosts - the addresses of hosts, from files and from DNS; the
 * nameservers that /etc/resolv.conf has.
 */
#include "proxy/dns/hosts.h"
#include "proxy/dns/resolvconf.h"
#include "tests/support/cmocka.h"
#include "tests/support/resolver_world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
    w->r = world_resolver_new(w, path);
    unlink(path);
    for (size_t i = 0; i < sizeof(host_cases) / sizeof(*host_cases); i++) {
        struct found f = { 0 };

        assert_non_null(dns_lookup(w->r, host_cases[i].host, 25, on_found, &f));
        assert_int_equal(f.calls, 0);
        world_run_until(w, &f.calls, 1);
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
    (void)world_ask_and_wait(w, "ok.test");
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
#define TEST(f) \
    cmocka_unit_test_setup_teardown(f, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(host_lookups),
        TEST(cancelled_lookups),
        cmocka_unit_test(resolv_conf_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
