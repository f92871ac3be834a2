/*
 * test_spf_limits - how many look-ups and names SPF takes, and how long ones.
 */
#include "tests/support/cmocka.h"
#include "tests/support/spf_zone.h"

#include <stdio.h>

/* 4.6.4: n terms with look-ups before "+all". */
static enum spf_result_code
with_lookups(unsigned includes, unsigned voids)
{
    char zone[8000] = "a.test TXT \"v=spf1";
    char term[100];
    enum spf_result_code result;
    struct spf *s;

    for (unsigned i = 0; i < includes; i++) {
        strcat(zone, " a:yes.test");
    }
    for (unsigned i = 0; i < voids; i++) {
        snprintf(term, sizeof(term), " %s:no%u.test", i % 2 ? "mx" : "exists",
                 i);
        strcat(zone, term);
    }
    strcat(zone, " +all\"\nyes.test A 10.0.0.1");
    s = spf_zone_check(zone, V4, FROM, "h.test", false);
    result = spf_result(s);
    spf_free(&s);
    return result;
}

static void
lookups_are_limited(void **state)
{
    (void)state;
    assert_int_equal(with_lookups(9, 0), SPF_PASS);
    assert_int_equal(with_lookups(10, 0), SPF_PASS);
    assert_int_equal(with_lookups(11, 0), SPF_PERMERROR);
    assert_int_equal(with_lookups(8, 2), SPF_PASS);
    assert_int_equal(with_lookups(9, 2), SPF_PERMERROR);
}

static void
voids_are_limited(void **state)
{
    (void)state;
    assert_int_equal(with_lookups(0, 1), SPF_PASS);
    assert_int_equal(with_lookups(0, 2), SPF_PASS);
    assert_int_equal(with_lookups(0, 3), SPF_PERMERROR);
}

/* n names, the last of them is the client's. */
static enum spf_result_code
with_names(const char *mechanism, const char *owner, const char *type,
           unsigned names)
{
    char zone[8000];
    char line[200];
    enum spf_result_code result;
    struct spf *s;

    snprintf(zone, sizeof(zone), "a.test TXT \"v=spf1 %s -all\"\n", mechanism);
    for (unsigned i = 1; i <= names; i++) {
        snprintf(line, sizeof(line), "%s %s m%u.a.test\nm%u.a.test A %s\n",
                 owner, type, i, i, i == names ? V4 : "10.0.0.1");
        strcat(zone, line);
    }
    s = spf_zone_check(zone, V4, FROM, "h.test", false);
    result = spf_result(s);
    spf_free(&s);
    return result;
}

static void
names_are_limited(void **state)
{
    (void)state;
    assert_int_equal(with_names("mx", "a.test", "MX 1", 9), SPF_PASS);
    assert_int_equal(with_names("mx", "a.test", "MX 1", 10), SPF_PASS);
    assert_int_equal(with_names("mx", "a.test", "MX 1", 11), SPF_PERMERROR);
    assert_int_equal(with_names("ptr", "7.2.0.192.in-addr.arpa", "PTR", 10),
                     SPF_PASS);
    assert_int_equal(with_names("ptr", "7.2.0.192.in-addr.arpa", "PTR", 11),
                     SPF_FAIL);
}

/* 7.3: labels go on the left until 253 octets are left. */
static void
long_names_are_cut(void **state)
{
    char name[300] = "";
    char zone[1000];
    struct spf *s;

    (void)state;
    for (int i = 0; i < 4; i++) {
        memset(name + strlen(name), 'y', i == 3 ? 55 : 63);
        strcat(name, ".");
    }
    strcat(name, "b.te"); /* 64 * 3 + 56 + 4 = 252: "x." does not fit */
    assert_int_equal(strlen(name), 252);
    snprintf(zone, sizeof(zone),
             "\"v=spf1 exists:z.x.%s -all\"\n%s A 127.0.0.1", name, name);
    s = spf_zone_check(zone, V4, FROM, "h.test", false);
    assert_int_equal(spf_result(s), SPF_PASS);
    spf_free(&s);
}

/* What is longer than any address names nobody, and is repeated nowhere. */
static void
long_identities_are_none(void **state)
{
    static const char zone[] =
        "a.test TXT \"v=spf1 -all exp=e.test\"\ne.test TXT \"<%{h}>\"";
    char text[514];
    struct spf *s;

    (void)state;
    for (size_t n = 512; n <= 513; n++) {
        memset(text, 'x', n);
        memcpy(text + n - 7, "@a.test", 8);
        s = spf_zone_check(zone, V4, text, "h.test", false);
        assert_int_equal(spf_result(s), n == 512 ? SPF_FAIL : SPF_NONE);
        spf_free(&s);
        memset(text, 'x', n);
        s = spf_zone_check(zone, V4, FROM, text, false);
        assert_int_equal(spf_result(s), SPF_FAIL);
        assert_int_equal(strcmp(spf_explanation(s), "<>") == 0, n == 513);
        spf_free(&s);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_are_limited),
        cmocka_unit_test(voids_are_limited),
        cmocka_unit_test(names_are_limited),
        cmocka_unit_test(long_names_are_cut),
        cmocka_unit_test(long_identities_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
