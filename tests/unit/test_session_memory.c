/*
 * test_session_memory - one signed and one checked message when the n-th
 * allocation fails, for every n: no crash, no leak, nothing half done.
 *
 * Memory ends (failmalloc.h) for sessions and what they use; session_world
 * judges what client and upstream have seen of it.
 */
#include "tests/support/cmocka.h"
#include "tests/support/failmalloc.h"
#include "tests/support/session_mail.h"

static const size_t plenty = SIZE_MAX / 2;
static const unsigned offers = SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME;

/* True: delivered all the same. */
static bool
run(bool (*mail)(struct session_world *w, size_t body), size_t successes)
{
    struct session_world w;
    bool delivered;

    world_open(&w, offers, false);
    w.no_memory = successes < plenty;
    failmalloc_left = successes;
    delivered = mail(&w, 6000);
    if (!delivered && w.clients[0].delivered > 0 && successes == plenty) {
        fail();
    }
    world_close(&w);
    return delivered;
}

static void
each_allocation(bool (*mail)(struct session_world *w, size_t body))
{
    size_t total, delivered = 0;

    assert_true(run(mail, plenty));
    assert_true(run(mail, plenty));
    total = plenty - failmalloc_left;
    assert_true(total > 20);
    for (size_t n = 0; n < total; n++) {
        delivered += run(mail, n);
    }
    assert_true(run(mail, plenty)); /* nothing stays broken */
    assert_true(delivered < total);
    print_message("%zu allocations, %zu times delivered all the same\n", total,
                  delivered);
}

static void
one_fails(void **state)
{
    (void)state;
    failmalloc_once = true;
    each_allocation(mail_signed);
    each_allocation(mail_checked);
}

static void
memory_is_over(void **state)
{
    (void)state;
    failmalloc_once = false;
    each_allocation(mail_signed);
    each_allocation(mail_checked);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_fails),
        cmocka_unit_test(memory_is_over),
    };

    failmalloc_while = &session_world_running;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
