/*
 * test_keeper - a real keeper process, asked through the real client: whom it
 * believes, what it signs, and what a reload changes.
 */
#include "tests/support/cmocka.h"
#include "tests/support/keeper_fixture.h"

#include <proxy/keeper/protocol.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
view_comes_without_secrets(void **state)
{
    struct worker_end e;

    (void)state;
    worker_end_open(&e, world);
    worker_end_views(&e, 1);
    assert_int_equal(view_user_count(keeper_client_view(e.client)), USERS);
    assert_int_equal(view_key_count(keeper_client_view(e.client)), USERS);
    assert_int_equal(keeper_client_life(e.client), 0);
    worker_end_close(&e);
}

static void
passwords_are_checked(void **state)
{
    static const struct {
        const char *name;
        const char *user;
        const char *secret;
        enum keeper_status want;
    } cases[] = {
        { "right", "user1", "secret-1", KEEPER_OK },
        { "remembered", "user1", "secret-1", KEEPER_OK },
        { "any case", "USER1", "secret-1", KEEPER_OK },
        { "wrong", "user1", "secret-2", KEEPER_DENIED },
        { "wrong again", "user1", "secret-2", KEEPER_DENIED },
        { "another's", "user2", "secret-1", KEEPER_DENIED },
        { "empty", "user1", "", KEEPER_DENIED },
        { "longer", "user1", "secret-11", KEEPER_DENIED },
        { "unknown", "nobody", "secret-1", KEEPER_DENIED },
        { "unknown, empty", "nobody", "", KEEPER_DENIED },
    };
    char huge[KEEPER_SECRET_MAX + 1];
    struct worker_end e;

    (void)state;
    worker_end_open(&e, world);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct answer a = worker_auth(&e, cases[i].user, cases[i].secret);

        if (a.status != cases[i].want) {
            fail_msg("%s: %s", cases[i].name, keeper_status_text(a.status));
        }
    }
    memset(huge, 'a', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_int_equal(worker_auth(&e, "user1", huge).status, KEEPER_DENIED);
    worker_end_close(&e);
}

static void
signatures_verify(void **state)
{
    struct worker_end e;

    (void)state;
    worker_end_open(&e, world);
    for (unsigned i = 0; i < 2 * RSA_USERS; i++) {
        struct keeper_handle handle = login(&e, i);
        struct answer a = sign_as(&e, &handle, i);

        assert_int_equal(a.status, KEEPER_OK);
        assert_true(world_verify(world->keys[i], digest,
                                 bytes_make(a.signature, a.len)));
        a.signature[a.len - 1] ^= 1;
        assert_false(world_verify(world->keys[i], digest,
                                  bytes_make(a.signature, a.len)));
    }
    worker_end_close(&e);
}

static void
keeper_is_no_oracle(void **state)
{
    struct keeper_handle handle, forged = { { 0 } };
    struct worker_end e, other;

    (void)state;
    worker_end_open(&e, world);
    worker_end_open(&other, world);
    handle = login(&e, 5);
    assert_int_equal(sign_as(&e, &handle, 5).status, KEEPER_OK);

    /* another user's key; another selector; another algorithm */
    assert_int_equal(sign_as(&e, &handle, 6).status, KEEPER_DENIED);
    assert_int_equal(worker_sign(&e, &handle, "user5.example", "s2",
                                 DKIM_ALG_ED25519_SHA256, digest)
                         .status,
                     KEEPER_NO_KEY);
    assert_int_equal(worker_sign(&e, &handle, "user5.example", "s1",
                                 DKIM_ALG_RSA_SHA256, digest)
                         .status,
                     KEEPER_NO_KEY);
    assert_int_equal(worker_sign(&e, &handle, "../../../etc", "passwd",
                                 DKIM_ALG_ED25519_SHA256, digest)
                         .status,
                     KEEPER_NO_KEY);

    /* no handle; one that is nearly right; that of another connection */
    assert_int_equal(sign_as(&e, &forged, 5).status, KEEPER_DENIED);
    forged = handle;
    forged.octets[15] ^= 1;
    assert_int_equal(sign_as(&e, &forged, 5).status, KEEPER_DENIED);
    assert_int_equal(sign_as(&other, &handle, 5).status, KEEPER_DENIED);

    /* given back */
    keeper_release(e.client, &handle);
    assert_int_equal(worker_auth(&e, "user5", "secret-5").status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &handle, 5).status, KEEPER_DENIED);
    assert_true(world_log_has(world, "event=sign-refused"));
    worker_end_close(&other);
    worker_end_close(&e);
}

static void
listeners_carry_fixed_rights(void **state)
{
    struct worker_end e;
    struct answer user0, local, certified;

    (void)state;
    worker_end_open(&e, world);
    user0 = worker_assert(&e, WORLD_TRUSTS_USER0, "");
    assert_int_equal(user0.status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &user0.handle, 0).status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &user0.handle, 1).status, KEEPER_DENIED);
    local = worker_assert(&e, WORLD_TRUSTS_LOCAL, "");
    assert_int_equal(local.status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &local.handle, 0).status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &local.handle, 7).status, KEEPER_OK);
    assert_int_equal(worker_assert(&e, WORLD_TRUSTS_NOBODY, "").status,
                     KEEPER_DENIED);
    assert_int_equal(worker_assert(&e, WORLD_LISTENERS, "").status,
                     KEEPER_DENIED);
    assert_int_equal(worker_assert(&e, UINT32_MAX, "").status, KEEPER_DENIED);
    /* What the keeper judges itself nobody may assert. */
    assert_int_equal(worker_assert(&e, WORLD_TRUSTS_USER0, "user0").status,
                     KEEPER_DENIED);
    /* Unless a certificate of theirs counts there, and only theirs. */
    certified = worker_assert(&e, WORLD_TRUSTS_CERTIFICATE, "user1");
    assert_int_equal(certified.status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &certified.handle, 1).status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &certified.handle, 0).status, KEEPER_DENIED);
    assert_int_equal(
        worker_assert(&e, WORLD_TRUSTS_CERTIFICATE, "USER1").status, KEEPER_OK);
    assert_int_equal(
        worker_assert(&e, WORLD_TRUSTS_CERTIFICATE, "user0").status,
        KEEPER_DENIED);
    assert_int_equal(worker_assert(&e, WORLD_TRUSTS_CERTIFICATE, "").status,
                     KEEPER_DENIED);
    assert_int_equal(worker_assert(&e, WORLD_TRUSTS_NOBODY, "user1").status,
                     KEEPER_DENIED);
    worker_end_close(&e);
}

/* Whom others judged has the rights of users.conf, and no more. */
static void
judged_elsewhere(void **state)
{
    struct worker_end e;
    struct answer user1;

    (void)state;
    worker_end_open(&e, world);
    user1 = worker_assert(&e, WORLD_BELIEVES, "user1");
    assert_int_equal(user1.status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &user1.handle, 1).status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &user1.handle, 0).status, KEEPER_DENIED);
    assert_true(world_log_has(world, "user=user1 asserted=yes"));
    assert_int_equal(worker_assert(&e, WORLD_BELIEVES, "nobody").status,
                     KEEPER_DENIED);
    assert_int_equal(worker_assert(&e, WORLD_BELIEVES, "").status,
                     KEEPER_DENIED); /* it trusts no network */
    for (int i = 0; i <= WORLD_TRUSTS_NOBODY; i++) {
        assert_int_equal(worker_assert(&e, (unsigned)i, "user1").status,
                         KEEPER_DENIED);
    }
    worker_end_close(&e);
}

static void
reload_acts_at_once(void **state)
{
    struct keeper_handle eight, nine;
    struct worker_end e;

    (void)state;
    worker_end_open(&e, world);
    worker_end_views(&e, 1);
    eight = login(&e, 8);
    nine = login(&e, 9);
    assert_int_equal(sign_as(&e, &eight, 8).status, KEEPER_OK);

    world->locked[8] = true;
    world_write_users(world, "");
    world_signal(world, SIGHUP);
    worker_end_views(&e, 2);
    assert_true(
        view_user(keeper_client_view(e.client), bytes_str("user8"))->locked);
    assert_int_equal(sign_as(&e, &eight, 8).status, KEEPER_LOCKED);
    assert_int_equal(sign_as(&e, &nine, 9).status, KEEPER_OK);
    assert_int_equal(worker_auth(&e, "user8", "secret-8").status,
                     KEEPER_LOCKED);
    assert_int_equal(worker_auth(&e, "user8", "wrong").status, KEEPER_DENIED);

    world->locked[8] = false;
    world_write_users(world, "");
    world_signal(world, SIGHUP);
    worker_end_views(&e, 3);
    assert_int_equal(sign_as(&e, &eight, 8).status, KEEPER_OK);
    worker_end_close(&e);
}

static void
broken_reload_changes_nothing(void **state)
{
    struct keeper_handle handle;
    struct worker_end e;

    (void)state;
    worker_end_open(&e, world);
    worker_end_views(&e, 1);
    handle = login(&e, 10);
    world_write_users(world, "[new]\nfrom = new.example\nnonsense = 1\n");
    world_signal(world, SIGHUP);
    /* Good again: the next view says that the broken one has been seen. */
    while (!world_log_has(world, "event=reload")) {
        assert_int_equal(sign_as(&e, &handle, 10).status, KEEPER_OK);
    }
    assert_true(world_log_has(world, "users.conf:153"));
    assert_null(view_user(keeper_client_view(e.client), bytes_str("new")));
    world_write_users(world, "[new]\nfrom = new.example\n");
    world_signal(world, SIGHUP);
    worker_end_views(&e, 2);
    assert_non_null(view_user(keeper_client_view(e.client), bytes_str("new")));
    assert_int_equal(sign_as(&e, &handle, 10).status, KEEPER_OK);
    world_write_users(world, "");
    worker_end_close(&e);
}

/* The file is another one now: the parsed key of before is not used. */
static void
reload_meets_new_keys(void **state)
{
    struct worker_end e;
    struct keeper_handle handle;
    struct answer a;
    char path[400];

    (void)state;
    worker_end_open(&e, world);
    worker_end_views(&e, 1);
    handle = login(&e, 16);
    assert_int_equal(sign_as(&e, &handle, 16).status, KEEPER_OK);
    (void)snprintf(path, sizeof(path), "%s/keys/user16.example/s1.pem",
                   world->dir);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/keys/user16.example/s1.conf",
                   world->dir);
    assert_int_equal(unlink(path), 0);
    EVP_PKEY_free(world->keys[16]);
    world->keys[16] = world_add_key(world, "user16.example", "s1",
                                    DKIM_ALG_ED25519_SHA256, 0);
    world_signal(world, SIGHUP);
    worker_end_views(&e, 2);
    a = sign_as(&e, &handle, 16);
    assert_int_equal(a.status, KEEPER_OK);
    assert_true(
        world_verify(world->keys[16], digest, bytes_make(a.signature, a.len)));
    worker_end_close(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(view_comes_without_secrets),
        cmocka_unit_test(passwords_are_checked),
        cmocka_unit_test(signatures_verify),
        cmocka_unit_test(keeper_is_no_oracle),
        cmocka_unit_test(listeners_carry_fixed_rights),
        cmocka_unit_test(judged_elsewhere),
        cmocka_unit_test(reload_acts_at_once),
        cmocka_unit_test(broken_reload_changes_nothing),
        cmocka_unit_test(reload_meets_new_keys),
        cmocka_unit_test(sigterm_ends_well),
    };

    return cmocka_run_group_tests_name("keeper", tests, start, stop);
}
