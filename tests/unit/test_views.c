/*
 * test_views - views that come in pieces: the old one serves until the new one
 * is whole, whatever comes, goes or fails meanwhile.
 */
#include "tests/support/cmocka.h"

#include <fcntl.h>
#include <proxy/keeper/views.h>
#include <proxy/log/log.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <tests/support/failmalloc.h>
#include <time.h>
#include <unistd.h>

enum {
    MANY = 2600, /* users, and as many keys: six turns */
    TURNS_MAX = 50
};

static struct event_base *base;
static struct views *views;
static unsigned calls;
static uint64_t epoch_seen;

/* --- views as octets ------------------------------------------------------ */

static bool
put_user(struct view_builder *b, unsigned n)
{
    struct view_from from = { VIEW_FROM_DOMAIN, "", "example.com" };
    const char *selectors[] = { "own1", NULL };
    char name[16], upstream[16];
    struct view_user u = { .name = name,
                           .from = &from,
                           .from_count = 1,
                           .selectors = selectors,
                           .domain = "",
                           .upstream = upstream,
                           .locked = n % 7 == 3 };

    (void)snprintf(name, sizeof(name), "u%05u", n);
    (void)snprintf(upstream, sizeof(upstream), "up%u", n % 3);
    return view_builder_user(b, &u);
}

static bool
put_key(struct view_builder *b, unsigned n)
{
    char domain[32];
    struct view_key k = { .domain = domain,
                          .selector = n == 0 ? "own1" : "s1",
                          .owner = "",
                          .bits = 2048,
                          .state = VIEW_KEY_ACTIVE,
                          .faulty = n % 5 == 1 };

    (void)snprintf(domain, sizeof(domain), "%s",
                   n == 0 ? "example.com" : "example.net");
    if (n > 0) {
        (void)snprintf(domain, sizeof(domain), "example.net%05u", n);
    }
    return view_builder_key(b, &k);
}

static struct buf
packed(uint64_t epoch, unsigned entries)
{
    struct view_builder *b = view_builder_new();
    struct buf out = BUF_INIT;
    struct view *v;

    assert_non_null(b);
    for (unsigned n = 0; n < entries; n++) {
        assert_true(put_user(b, entries - 1 - n)); /* is sorted */
        assert_true(put_key(b, n));
    }
    v = view_build(&b, epoch);
    assert_non_null(v);
    assert_true(view_pack(v, &out));
    view_free(&v);
    return out;
}

static int
memfd(struct bytes contents)
{
    int fd = memfd_create("view", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, contents.ptr, contents.len), contents.len);
    assert_int_equal(
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    return fd;
}

static void
take_octets(uint64_t epoch, struct bytes contents)
{
    int fd = memfd(contents);

    views_take(views, epoch, fd);
    close(fd);
}

static void
take(uint64_t epoch, unsigned entries)
{
    struct buf b = packed(epoch, entries);

    take_octets(epoch, buf_bytes(&b));
    buf_free(&b);
}

/* --- the loop ------------------------------------------------------------- */

static void
on_view(const struct view *view, void *arg)
{
    assert_ptr_equal(arg, &calls);
    assert_ptr_equal(views_current(views), view);
    calls++;
    epoch_seen = view_epoch(view);
}

static int
set_up(void **state)
{
    (void)state;
    calls = 0;
    epoch_seen = 0;
    base = event_base_new();
    views = views_new(base, on_view, &calls);
    return base == NULL || views == NULL;
}

static int
tear_down(void **state)
{
    (void)state;
    views_free(&views);
    event_base_free(base);
    return 0;
}

static void
turn(void)
{
    struct timespec ms = { 0, 1000000 };

    /* The next piece is due in a microsecond. ONCE: and no more than one,
     * where it takes so long that the one behind it is due as well. */
    (void)nanosleep(&ms, NULL);
    assert_true(event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

/* Turns until nothing is left to be done. */
static unsigned
turns(void)
{
    unsigned n = 0;

    while (event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) > 0) {
        turn();
        assert_true(n++ < TURNS_MAX);
    }
    return n;
}

/* --- tests ---------------------------------------------------------------- */

static void
same(const struct view *a, const struct view *b)
{
    assert_int_equal(view_epoch(a), view_epoch(b));
    assert_int_equal(view_user_count(a), view_user_count(b));
    assert_int_equal(view_key_count(a), view_key_count(b));
    assert_int_equal(view_faulty_count(a), view_faulty_count(b));
    for (size_t i = 0; i < view_user_count(a); i++) {
        assert_string_equal(view_user_at(a, i)->name, view_user_at(b, i)->name);
        assert_int_equal(view_user_at(a, i)->locked,
                         view_user_at(b, i)->locked);
    }
    for (size_t i = 0; i < view_key_count(a); i++) {
        assert_string_equal(view_key_at(a, i)->domain,
                            view_key_at(b, i)->domain);
        assert_int_equal(view_key_at(a, i)->reserved,
                         view_key_at(b, i)->reserved);
    }
}

/* However many entries a piece has, and cut wherever it may be. */
static void
test_every_piece(void **state)
{
    enum {
        ENTRIES = 7
    };
    struct buf b = packed(5, ENTRIES);
    struct view *whole = view_unpack(buf_bytes(&b));

    (void)state;
    assert_non_null(whole);
    assert_true(view_key_at(whole, 0)->reserved);
    assert_false(view_key_at(whole, 1)->reserved);
    for (size_t entries = 1; entries <= 2 * ENTRIES + 1; entries++) {
        struct view_unpacker *u = view_unpacker_new(buf_bytes(&b));
        enum view_unpack_result result;
        struct view *v = NULL;
        size_t steps = 0;

        do {
            result = view_unpacker_step(u, entries, &v);
            steps++;
            assert_true((v != NULL) == (result == VIEW_UNPACK_DONE));
        } while (result == VIEW_UNPACK_MORE);
        assert_int_equal(result, VIEW_UNPACK_DONE);
        assert_int_equal(steps, (2 * ENTRIES + entries - 1) / entries);
        same(v, whole);
        view_free(&v);
        view_unpacker_free(&u);
    }
    for (size_t n = 0; n < b.len; n++) {
        struct view_unpacker *u =
            view_unpacker_new(bytes_take(buf_bytes(&b), n));
        enum view_unpack_result result;
        struct view *v = NULL;

        while ((result = view_unpacker_step(u, 2, &v)) == VIEW_UNPACK_MORE) {
        }
        assert_int_equal(result, VIEW_UNPACK_FAILED);
        assert_null(v);
        view_unpacker_free(&u);
    }
    view_free(&whole);
    buf_free(&b);
}

/* Octets that are no view, though each is long enough. */
static void
test_what_is_no_view(void **state)
{
    struct buf good = packed(5, 3);
    uint8_t *octets = malloc(good.len);
    const char *const first = "u00000", *const second = "u00001";
    size_t at = 0;

    (void)state;
    assert_non_null(octets);
    memcpy(octets, good.ptr, good.len);
    while (memcmp(octets + at, second, strlen(second)) != 0) {
        at++;
    }
    octets[at + 6] = 'x'; /* what ends a text */
    assert_null(view_unpack(bytes_make(octets, good.len)));
    octets[at + 6] = '\0';
    octets[at + 1] = '\0'; /* inside of one */
    assert_null(view_unpack(bytes_make(octets, good.len)));
    memcpy(octets + at, first, strlen(first)); /* not behind the one before */
    assert_null(view_unpack(bytes_make(octets, good.len)));
    memcpy(octets + at, second, strlen(second));
    octets[good.len - VIEW_PUBLIC_HASH - 1] = 2; /* reserved */
    assert_null(view_unpack(bytes_make(octets, good.len)));
    octets[good.len - VIEW_PUBLIC_HASH - 1] = 1;
    octets[6] = '2'; /* another version's */
    assert_null(view_unpack(bytes_make(octets, good.len)));
    free(octets);
    buf_free(&good);
}

static void
test_upstreams(void **state)
{
    struct view_builder *b = view_builder_new();
    struct view *v;

    (void)state;
    for (unsigned n = 0; n < 9; n++) {
        assert_true(put_user(b, n));
    }
    v = view_build(&b, 1);
    assert_true(view_names_upstream(v, "up0"));
    assert_true(view_names_upstream(v, "up2"));
    assert_false(view_names_upstream(v, "up3"));
    assert_false(view_names_upstream(v, ""));
    view_free(&v);
}

/* Beyond the limit nobody counts, and any may be named. */
static void
test_too_many_upstreams(void **state)
{
    char name[16];
    const char *selectors[] = { NULL };
    struct view_user u = {
        .name = name, .selectors = selectors, .domain = "", .upstream = name
    };

    (void)state;
    for (unsigned count = VIEW_UPSTREAMS_MAX; count <= VIEW_UPSTREAMS_MAX + 2;
         count++) {
        struct view_builder *b = view_builder_new();
        struct view *v;

        for (unsigned n = 0; n < count; n++) {
            (void)snprintf(name, sizeof(name), "n%02u", n);
            assert_true(view_builder_user(b, &u));
        }
        v = view_build(&b, 1);
        assert_true(view_names_upstream(v, "n00"));
        assert_int_equal(view_names_upstream(v, "other"),
                         count > VIEW_UPSTREAMS_MAX);
        view_free(&v);
    }
}

/* A small one at once; of a large one each turn has a part. */
static void
test_old_serves_until_new_is_whole(void **state)
{
    (void)state;
    take(1, 3);
    assert_int_equal(calls, 1);
    take(2, MANY);
    for (unsigned n = 0; n < 4; n++) {
        assert_int_equal(epoch_seen, 1);
        assert_int_equal(view_user_count(views_current(views)), 3);
        turn();
    }
    (void)turns();
    assert_int_equal(calls, 2);
    assert_int_equal(epoch_seen, 2);
    assert_int_equal(view_user_count(views_current(views)), MANY);
    assert_int_equal(view_key_count(views_current(views)), MANY);
    take(2, 3); /* asked for and pushed: no news */
    take(1, 3);
    assert_int_equal(calls, 2);
}

/* The first is not given up for those behind it; of these the newest counts. */
static void
test_reloads_in_succession(void **state)
{
    (void)state;
    take(1, MANY);
    take(2, 3);
    take(3, MANY);
    take(4, 4);
    assert_int_equal(calls, 0);
    (void)turns();
    assert_int_equal(calls, 2); /* 1 and 4 */
    assert_int_equal(epoch_seen, 4);
    assert_int_equal(view_user_count(views_current(views)), 4);
}

static void
test_keeper_gone_in_between(void **state)
{
    (void)state;
    take(7, 3);
    take(8, MANY);
    take(9, MANY);
    turn();
    views_forget(views);
    assert_int_equal(turns(), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(view_epoch(views_current(views)), 7);
    take(1, 4); /* another keeper */
    assert_int_equal(calls, 2);
    assert_int_equal(epoch_seen, 1);
}

/* A fault in the last entry, and one that is no view at all. */
static void
test_bad_ones_change_nothing(void **state)
{
    struct buf b = packed(2, MANY);

    (void)state;
    take(1, 3);
    take_octets(2, bytes_take(buf_bytes(&b), b.len - 1));
    (void)turns();
    take_octets(3, BYTES_LIT("no view"));
    views_take(views, 4, -1);
    (void)turns();
    assert_int_equal(calls, 1);
    take(5, 4);
    assert_int_equal(epoch_seen, 5);
    buf_free(&b);
}

static void
test_freed_in_between(void **state)
{
    (void)state;
    take(1, MANY);
    take(2, MANY);
    turn(); /* tear_down() frees it; a leak is the sanitizer's to see */
}

/* The n-th allocation fails and all behind it, for every n. */
static void
test_memory(void **state)
{
    struct buf b = packed(2, MANY);
    int fd = memfd(buf_bytes(&b));
    bool failed = true;

    (void)state;
    for (size_t n = 0; failed; n += n < 100 ? 1 : 37 /* blocks of strings */) {
        take(1, 3);
        assert_int_equal(epoch_seen, 1);
        calls = 0;
        failmalloc_left = n;
        views_take(views, 2, fd);
        (void)turns();
        failmalloc_left = SIZE_MAX;
        failed = calls == 0;
        assert_int_equal(view_user_count(views_current(views)),
                         failed ? 3 : MANY);
        views_forget(views);
    }
    close(fd);
    buf_free(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_piece),
        cmocka_unit_test(test_what_is_no_view),
        cmocka_unit_test(test_upstreams),
        cmocka_unit_test(test_too_many_upstreams),
        cmocka_unit_test_setup_teardown(test_old_serves_until_new_is_whole,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reloads_in_succession, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_keeper_gone_in_between, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_bad_ones_change_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_freed_in_between, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
    };

    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), CONF_LOGFMT, "test");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
