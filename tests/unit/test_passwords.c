/*
 * test_passwords - what the keeper remembers of right passwords.
 */
#include "tests/support/cmocka.h"

#include <base/buf.h>

#include <crypt.h>
#include <proxy/keeper/passwords.h>

enum {
    USERS = 1000
};

#define SECRET BYTES_LIT("open sesame")

/* name_out: "u0", "u1" and so on. */
static struct bytes
name_of(unsigned n, char name_out[16])
{
    return bytes_make(name_out, (size_t)snprintf(name_out, 16, "u%u", n));
}

/* Users with one password, whose hash is a quick one. */
static void
set_up(struct keeper_data *data)
{
    struct conf_errors *errors = conf_errors_new();
    struct crypt_data room = { .initialized = 0 };
    const char *hash = crypt_r("open sesame", "$6$rounds=1000$salt$", &room);
    struct buf text = BUF_INIT;

    for (unsigned n = 0; n < USERS; n++) {
        buf_printf(&text, "[u%u]\npassword = %s\nfrom = d%u.example\n", n, hash,
                   n);
    }
    *data = (struct keeper_data){ .loaded = 1 };
    data->users = userfile_parse(buf_bytes(&text), "users.conf", errors);
    assert_non_null(data->users);
    buf_free(&text);
    conf_errors_free(&errors);
}

static void
test_all_are_remembered(void **state)
{
    struct passwords *p = passwords_new();
    struct keeper_data data;
    char name[16];

    (void)state;
    set_up(&data);
    assert_non_null(p);
    for (unsigned n = 0; n < USERS; n++) {
        assert_false(passwords_known(p, &data, name_of(n, name), SECRET, 10));
        assert_int_equal(
            passwords_check(p, &data, name_of(n, name), SECRET, 10), KEEPER_OK);
    }
    for (unsigned n = 0; n < USERS; n++) {
        assert_true(passwords_known(p, &data, name_of(n, name), SECRET, 11));
        assert_false(passwords_known(p, &data, name_of(n, name),
                                     BYTES_LIT("open sesami"), 11));
    }
    passwords_free(&p);
    userfile_free(&data.users);
}

static void
test_not_for_ever(void **state)
{
    struct passwords *p = passwords_new();
    struct bytes user = BYTES_LIT("u7");
    struct keeper_data data;

    (void)state;
    set_up(&data);
    assert_int_equal(passwords_check(p, &data, user, SECRET, 10), KEEPER_OK);
    assert_true(passwords_known(p, &data, BYTES_LIT("U7"), SECRET,
                                9 + PASSWORDS_REMEMBER_S));
    assert_false(
        passwords_known(p, &data, user, SECRET, 10 + PASSWORDS_REMEMBER_S));
    data.loaded = 2; /* a reload forgets */
    assert_false(passwords_known(p, &data, user, SECRET, 11));
    assert_int_equal(passwords_check(p, &data, user, BYTES_LIT("wrong"), 11),
                     KEEPER_DENIED);
    assert_false(passwords_known(p, &data, user, BYTES_LIT("wrong"), 11));
    passwords_free(&p);
    userfile_free(&data.users);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_remembered),
        cmocka_unit_test(test_not_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
