/*
 * test_keeper_exchanges - what the keeper holds for SCRAM-SHA-256: exchanges
 * that are under way, and the secrets of users.
 */
#include "tests/support/cmocka.h"
#include "tests/support/scram_users.h"

#include <proxy/users/scramsecret.h>

/* --- the table ------------------------------------------------------------ */

static struct scram_exchange *
some_exchange(struct world *w)
{
    struct keeper_ask ask = { .op = KEEPER_OP_SCRAM,
                              .message = BYTES_LIT("n,,n=alice,r=abc") };
    struct scram_exchange *e = NULL;
    struct scram_message message;
    const char *why;

    assert_int_equal(scram_begin(w->scram, &w->data, &ask, &e, &message, &why),
                     KEEPER_OK);
    return e;
}

static void
exchanges_are_found_once_and_in_time(void **state)
{
    struct exchanges *x = exchanges_new();
    struct scram_exchange *e = some_exchange(*state);
    struct keeper_handle name, wrong;

    assert_true(exchanges_add(x, e, 100, &name));
    wrong = name;
    wrong.octets[15] ^= 1;
    assert_null(exchanges_take(x, &wrong, 100));
    wrong = name;
    wrong.octets[0] = 0xff; /* a place that there is not */
    assert_null(exchanges_take(x, &wrong, 100));
    assert_null(exchanges_take(NULL, &name, 100));
    assert_ptr_equal(exchanges_take(x, &name, 100 + EXCHANGES_LIFE_S - 1), e);
    assert_null(exchanges_take(x, &name, 100));
    assert_true(exchanges_add(x, e, 100, &name));
    assert_null(exchanges_take(x, &name, 100 + EXCHANGES_LIFE_S));
    exchanges_free(&x); /* with what is left in it */
    assert_null(x);
}

static void
the_table_is_bounded(void **state)
{
    struct exchanges *x = exchanges_new();
    struct scram_exchange *one_more = some_exchange(*state);
    struct keeper_handle name;

    for (unsigned i = 0; i < EXCHANGES_MAX; i++) {
        assert_true(exchanges_add(x, some_exchange(*state), 100, &name));
    }
    assert_false(exchanges_add(x, one_more, 100, &name));
    /* What nobody came back for makes room. */
    assert_true(exchanges_add(x, one_more, 100 + EXCHANGES_LIFE_S, &name));
    assert_ptr_equal(exchanges_take(x, &name, 100 + EXCHANGES_LIFE_S),
                     one_more);
    scram_exchange_free(&one_more);
    exchanges_free(&x);
}

/* --- RFC 5803 strings ----------------------------------------------------- */

#define KEY32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void
secrets(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        { "SCRAM-SHA-256$4096:AAAA$" KEY32 ":" KEY32, true },
        { "SCRAM-SHA-256$10000000:AAAA$" KEY32 ":" KEY32, true },
        { "SCRAM-SHA-256$10000001:AAAA$" KEY32 ":" KEY32, false },
        { "SCRAM-SHA-256$4095:AAAA$" KEY32 ":" KEY32, false },
        { "SCRAM-SHA-256$-1:AAAA$" KEY32 ":" KEY32, false },
        { "SCRAM-SHA-1$4096:AAAA$" KEY32 ":" KEY32, false },
        { "SCRAM-SHA-256$4096:$" KEY32 ":" KEY32, false },
        { "SCRAM-SHA-256$4096:AAA$" KEY32 ":" KEY32, false },
        { "SCRAM-SHA-256$4096:AAAA$AAAA:" KEY32, false },
        { "SCRAM-SHA-256$4096:AAAA$" KEY32 ":AAAA", false },
        { "SCRAM-SHA-256$4096:AAAA$" KEY32, false },
        { "SCRAM-SHA-256$4096:AAAA$" KEY32 ":" KEY32 ":", false },
        { "SCRAM-SHA-256$4096", false },
        { "SCRAM-SHA-256", false },
        { "", false },
    };
    struct scram_secret s;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (scram_secret_parse(bytes_str(cases[i].text), &s) != cases[i].good) {
            fail_msg("%s", cases[i].text);
        }
    }
    assert_true(scram_secret_parse(bytes_str(cases[0].text), &s));
    assert_int_equal(s.iterations, 4096);
    assert_int_equal(s.salt_octets, 3);
    assert_true(bytes_is(s.server_key, KEY32));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges_are_found_once_and_in_time),
        cmocka_unit_test(the_table_is_bounded),
        cmocka_unit_test(secrets),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
