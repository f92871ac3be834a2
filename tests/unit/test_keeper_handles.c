/*
 * test_keeper_handles - handles, identities and the price of a hash.
 */
#include "tests/support/cmocka.h"

#include <proxy/keeper/handles.h>
#include <proxy/keeper/hashcost.h>
#include <stdio.h>
#include <stdlib.h>

static struct identities *ids;
static struct handles *handles;

static int
set_up(void **state)
{
    (void)state;
    ids = identities_new();
    handles = handles_new();
    return ids == NULL || handles == NULL;
}

static int
tear_down(void **state)
{
    (void)state;
    handles_free(&handles);
    identities_free(&ids);
    return handles != NULL || ids != NULL;
}

static void
handle_names_its_identity(void **state)
{
    struct identity *a = identities_get(ids, BYTES_LIT("alice"), false);
    struct identity *b = identities_get(ids, BYTES_LIT("bob"), false);
    struct keeper_handle ha, hb, no = { { 0 } };

    (void)state;
    assert_true(handles_add(handles, a, &ha));
    assert_true(handles_add(handles, b, &hb));
    assert_ptr_equal(handles_find(handles, &ha), a);
    assert_ptr_equal(handles_find(handles, &hb), b);
    assert_null(handles_find(handles, &no));
    for (size_t i = 0; i < sizeof(ha.octets) * 8; i++) {
        struct keeper_handle forged = ha;

        forged.octets[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_null(handles_find(handles, &forged));
    }
    handles_remove(handles, &ha);
    handles_remove(handles, &ha);
    assert_null(handles_find(handles, &ha));
    assert_ptr_equal(handles_find(handles, &hb), b);
    assert_int_equal(handles_count(handles), 1);
    identities_drop(&a);
    identities_drop(&b);
}

/* Many come and go; each is found as long as it lives, and never after. */
static void
table_survives_a_long_life(void **state)
{
    enum {
        LIVE = 700
    };
    static struct keeper_handle live[LIVE];
    struct identity *id = identities_get(ids, BYTES_LIT("alice"), false);
    uint32_t seed = 7;

    (void)state;
    for (size_t i = 0; i < LIVE; i++) {
        assert_true(handles_add(handles, id, &live[i]));
    }
    for (unsigned n = 0; n < 20000; n++) {
        struct keeper_handle old;
        size_t i;

        seed = seed * 1103515245u + 12345u;
        i = (seed >> 8) % LIVE;
        old = live[i];
        handles_remove(handles, &old);
        assert_null(handles_find(handles, &old));
        assert_true(handles_add(handles, id, &live[i]));
        if (n % 1000 == 0) {
            for (size_t k = 0; k < LIVE; k++) {
                assert_ptr_equal(handles_find(handles, &live[k]), id);
            }
        }
    }
    assert_int_equal(handles_count(handles), LIVE);
    identities_drop(&id);
}

static void
table_is_bounded(void **state)
{
    struct identity *id = identities_get(ids, BYTES_LIT("alice"), false);
    struct keeper_handle first, h;

    (void)state;
    assert_true(handles_add(handles, id, &first));
    for (unsigned i = 1; i < HANDLES_MAX; i++) {
        assert_true(handles_add(handles, id, &h));
    }
    assert_false(handles_add(handles, id, &h));
    assert_ptr_equal(handles_find(handles, &first), id);
    handles_remove(handles, &first);
    assert_true(handles_add(handles, id, &h));
    identities_drop(&id);
}

static bool
everybody(const char *name, void *arg)
{
    (void)name;
    (void)arg;
    return true;
}

static bool
not_bob(const char *name, void *arg)
{
    (void)arg;
    return strcmp(name, "bob") != 0;
}

static void
identities_are_one_a_name_and_way(void **state)
{
    struct identity *a = identities_get(ids, BYTES_LIT("Alice"), false);
    struct identity *same = identities_get(ids, BYTES_LIT("aLICE"), false);
    struct identity *asserted = identities_get(ids, BYTES_LIT("alice"), true);
    struct identity *bob = identities_get(ids, BYTES_LIT("bob"), false);

    (void)state;
    assert_string_equal(a->name, "alice");
    assert_ptr_equal(a, same);
    assert_ptr_not_equal(a, asserted);
    assert_int_equal(identities_count(ids), 3);

    /* Who holds handles is not forgotten, nor who is still there. */
    identities_drop(&a);
    identities_drop(&asserted);
    identities_drop(&bob);
    identities_sweep(ids, not_bob, NULL);
    assert_int_equal(identities_count(ids), 2);
    identities_drop(&same);
    assert_null(same);
    identities_drop(&same);
    identities_sweep(ids, everybody, NULL);
    assert_int_equal(identities_count(ids), 0);
}

static void
freed_handles_free_their_identity(void **state)
{
    struct identity *a = identities_get(ids, BYTES_LIT("alice"), false);
    struct keeper_handle h;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        assert_true(handles_add(handles, a, &h));
    }
    handles_remove(handles, &h);
    identities_drop(&a);
    identities_sweep(ids, everybody, NULL);
    assert_int_equal(identities_count(ids), 1);
    handles_free(&handles);
    identities_sweep(ids, everybody, NULL);
    assert_int_equal(identities_count(ids), 0);
}

static void
dear_hashes_are_refused(void **state)
{
    static const struct {
        const char *hash;
        bool ok;
    } cases[] = {
        { "$y$j9T$salt$hash", true },
        { "$y$j75$salt$hash", true },
        { "$y$jET$salt$hash", true },
        { "$y$jFT$salt$hash", false },
        { "$y$jaT$salt$hash", false },
        { "$y$j9U$salt$hash", false },
        { "$y$j9T.$salt$hash", false },
        { "$y$09T$salt$hash", false },
        { "$y$j9$salt$hash", false },
        { "$2b$04$saltandhash", true },
        { "$2b$14$saltandhash", true },
        { "$2b$15$saltandhash", false },
        { "$2y$31$saltandhash", false },
        { "$2a$10$saltandhash", true },
        { "$2b$$saltandhash", false },
        { "$6$salt$hash", true },
        { "$6$rounds=2000000$salt$hash", true },
        { "$6$rounds=2000001$salt$hash", false },
        { "$6$rounds=99999999999999999999$salt$hash", false },
        { "$6$rounds=$salt$hash", false },
        { "$5$salt$hash", false },
        { "$1$salt$hash", false },
        { "plain", false },
        { "x$y$j9T$salt$hash", false },
        { "$", false },
        { "", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (hashcost_ok(cases[i].hash) != cases[i].ok) {
            fail_msg("%s", cases[i].hash);
        }
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(handle_names_its_identity),
        TEST(table_survives_a_long_life),
        TEST(table_is_bounded),
        TEST(identities_are_one_a_name_and_way),
        TEST(freed_handles_free_their_identity),
        cmocka_unit_test(dear_hashes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
