/*
 * test_dns_cache - TTLs, their caps, and both bounds, with a clock of its own.
 */
#include "proxy/dns/cache.h"
#include "tests/support/cmocka.h"

#include <stdio.h>

static struct dns_result *
text_result(const char *text)
{
    struct result_record rec = { .len = strlen(text) };

    return result_new(DNS_OK, &rec, 1, bytes_str(text));
}

static void
put(struct dns_cache *c, const char *name, const char *text, uint32_t ttl_s,
    uint64_t now_ms)
{
    struct dns_question q = { .type = DNS_TXT };
    struct dns_result *r = text_result(text);

    snprintf(q.name, sizeof(q.name), "%s", name);
    cache_put(c, &q, r, ttl_s, now_ms);
    result_unref(&r);
}

static bool
has(struct dns_cache *c, enum dns_type type, const char *name, uint64_t now_ms,
    const char *text, uint32_t left_s)
{
    struct dns_question q = { .type = type };
    struct dns_result *r;
    uint32_t left = 0;
    bool same;

    snprintf(q.name, sizeof(q.name), "%s", name);
    r = cache_get(c, &q, now_ms, &left);
    if (r == NULL) {
        return false;
    }
    same = bytes_is(r->answer.records[0].data, text) && left == left_s;
    result_unref(&r);
    return same;
}

static void
ttl_runs_down(void **state)
{
    struct dns_cache *c = cache_new(1, 10, 1 << 20);

    (void)state;
    put(c, "a.test", "one", 10, 1000);
    assert_true(has(c, DNS_TXT, "a.test", 1000, "one", 10));
    assert_true(has(c, DNS_TXT, "A.Test", 1001, "one", 10));
    assert_true(has(c, DNS_TXT, "a.test", 10999, "one", 1));
    assert_false(has(c, DNS_A, "a.test", 1000, "one", 10));
    assert_false(has(c, DNS_TXT, "a.test", 11000, "one", 0));
    assert_int_equal(cache_count(c), 0);
    cache_free(&c);
    assert_null(c);
}

static void
newer_answer_replaces(void **state)
{
    struct dns_cache *c = cache_new(1, 10, 1 << 20);

    (void)state;
    put(c, "a.test", "one", 10, 1000);
    put(c, "a.test", "two", 20, 2000);
    assert_int_equal(cache_count(c), 1);
    assert_true(has(c, DNS_TXT, "a.test", 2000, "two", 20));
    put(c, "a.test", "three", 0, 2000); /* TTL 0: not kept, nor the old */
    assert_int_equal(cache_count(c), 0);
    cache_free(&c);
}

static void
least_used_goes_first(void **state)
{
    struct dns_cache *c = cache_new(7, 3, 1 << 20);

    (void)state;
    put(c, "a.test", "a", 10, 0);
    put(c, "b.test", "b", 10, 0);
    put(c, "c.test", "c", 10, 0);
    assert_true(has(c, DNS_TXT, "a.test", 0, "a", 10));
    put(c, "d.test", "d", 10, 0);
    assert_int_equal(cache_count(c), 3);
    assert_false(has(c, DNS_TXT, "b.test", 0, "b", 10));
    assert_true(has(c, DNS_TXT, "a.test", 0, "a", 10));
    assert_true(has(c, DNS_TXT, "c.test", 0, "c", 10));
    assert_true(has(c, DNS_TXT, "d.test", 0, "d", 10));
    cache_free(&c);
}

static void
octets_are_bounded(void **state)
{
    static char text[4096];
    struct dns_cache *c = cache_new(7, 1000, 20000);
    char name[32];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "n%u.test", i);
        put(c, name, text, 10, 0);
    }
    assert_in_range(cache_count(c), 3, 4);
    cache_free(&c);
}

static void
a_held_answer_outlives_its_entry(void **state)
{
    struct dns_cache *c = cache_new(7, 1, 1 << 20);
    struct dns_question q = { .type = DNS_TXT, .name = "a.test" };
    struct dns_result *r;
    uint32_t left;

    (void)state;
    put(c, "a.test", "a", 10, 0);
    r = cache_get(c, &q, 0, &left);
    put(c, "b.test", "b", 10, 0);
    cache_free(&c);
    assert_true(bytes_is(r->answer.records[0].data, "a"));
    result_unref(&r);
    assert_null(r);
}

static void
ttl_caps(void **state)
{
    (void)state;
    assert_int_equal(cache_ttl(DNS_OK, 0), 0);
    assert_int_equal(cache_ttl(DNS_OK, 300), 300);
    assert_int_equal(cache_ttl(DNS_OK, 0x80000000u), 3600);
    assert_int_equal(cache_ttl(DNS_OK, UINT32_MAX), 3600);
    assert_int_equal(cache_ttl(DNS_NXDOMAIN, 30), 30);
    assert_int_equal(cache_ttl(DNS_NXDOMAIN, 86400), 60);
    assert_int_equal(cache_ttl(DNS_NODATA, 61), 60);
    assert_int_equal(cache_ttl(DNS_TEMPFAIL, UINT32_MAX), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ttl_runs_down),
        cmocka_unit_test(newer_answer_replaces),
        cmocka_unit_test(least_used_goes_first),
        cmocka_unit_test(octets_are_bounded),
        cmocka_unit_test(a_held_answer_outlives_its_entry),
        cmocka_unit_test(ttl_caps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
