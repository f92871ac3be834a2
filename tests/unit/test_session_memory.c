/*
 * test_session_memory - one signed and one checked message when the n-th
 * allocation fails, for every n: no crash, no leak, nothing half done.
 *
 * Linked with --wrap. Only what sessions and what they use allocate fails;
 * session_world judges what client and upstream have seen of it.
 */
#include "tests/support/cmocka.h"
#include "tests/support/session_mail.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);

static size_t calls;   /* since the run began */
static size_t failing; /* this call fails; 0: none */
static bool for_good;  /* and all that follow, in this session */

static bool
fails(void)
{
    if (!session_world_running) {
        return false;
    }
    calls++;
    return failing > 0 && (calls == failing || (for_good && calls > failing));
}

void *
__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t count, size_t n)
{
    return fails() ? NULL : __real_calloc(count, n);
}

void *
__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

char *
__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *
__wrap_strndup(const char *text, size_t n)
{
    return fails() ? NULL : __real_strndup(text, n);
}

static const unsigned offers = SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME;

/* True: delivered all the same. */
static bool
run(bool (*mail)(struct session_world *w, size_t body))
{
    struct session_world w;
    bool delivered;

    world_open(&w, offers, false);
    w.no_memory = failing > 0;
    calls = 0;
    delivered = mail(&w, 6000);
    if (!delivered && w.clients[0].delivered > 0 && failing == 0) {
        fail();
    }
    world_close(&w);
    return delivered;
}

static void
each_allocation(bool (*mail)(struct session_world *w, size_t body))
{
    size_t total, delivered = 0;

    failing = 0;
    assert_true(run(mail));
    assert_true(run(mail));
    total = calls;
    assert_true(total > 20);
    for (size_t n = 1; n <= total; n++) {
        failing = n;
        delivered += run(mail);
    }
    failing = 0;
    assert_true(run(mail)); /* nothing stays broken */
    assert_true(delivered < total);
    print_message("%zu allocations, %zu times delivered all the same\n", total,
                  delivered);
}

static void
one_fails(void **state)
{
    (void)state;
    for_good = false;
    each_allocation(mail_signed);
    each_allocation(mail_checked);
}

static void
memory_is_over(void **state)
{
    (void)state;
    for_good = true;
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

    return cmocka_run_group_tests(tests, NULL, NULL);
}
