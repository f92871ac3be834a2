/*
 * test_config_check - what `sealpostd -t` finds on the machine: files, modes,
 * folders, accounts. As root also with another account's rights.
 */
#include <base/buf.h>

#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <tests/support/cmocka.h>
#include <tests/support/config_site.h>
#include <unistd.h>

static void
test_good(void **state)
{
    expect(*state, "");
}

static void
test_modes(void **state)
{
    struct site *s = *state;
    char path[TEMPDIR_PATH_MAX];

    give(s, "key.pem", 0644);
    expect(s, "E @/sealpost.conf:10: private_key = @/key.pem: anybody may "
              "read it; chgrp ");
    give(s, "key.pem", 0642);
    expect(s, "E @/sealpost.conf:10: private_key = @/key.pem: anybody may "
              "change it; chgrp ");
    give(s, "key.pem", 0640);
    give(s, "cert.pem", 0666);
    expect(s, "E @/sealpost.conf:9: certificate = @/cert.pem: anybody may "
              "change it; chgrp ");
    give(s, "cert.pem", 0644);
    assert_int_equal(chmod(tempdir_name(&s->dir, "sealpost.conf", path), 0646),
                     0);
    expect(s, "E @/sealpost.conf: anybody may change the configuration; "
              "chmod o-w @/sealpost.conf");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(unlink(tempdir_name(&s->dir, "key.pem", path)), 0);
    expect(s, "E @/sealpost.conf:10: private_key = @/key.pem: No such file or "
              "directory; a file that ");
    assert_int_equal(mkfifo(path, 0640), 0);
    expect(s, "E @/sealpost.conf:10: private_key = @/key.pem: ");
}

/* root:root 0600, or a folder that is closed: only as root it is a case. */
static void
test_denied(void **state)
{
    struct site *s = *state;
    char path[TEMPDIR_PATH_MAX];
    gid_t groups[] = { 0, 4242 }, after[8];

    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(setgroups(2, groups), 0);
    assert_int_equal(chmod(tempdir_name(&s->dir, "key.pem", path), 0600), 0);
    expect(
        s,
        "E @/sealpost.conf:10: private_key = @/key.pem: the account nobody may not "
        "read it; chgrp nogroup @/key.pem && chmod 640 @/key.pem");
    assert_int_equal(geteuid(), 0); /* our rights are back */
    assert_int_equal(getegid(), getgid());
    assert_int_equal(getgroups(8, after), 2);
    assert_memory_equal(after, groups, sizeof(groups));
    give(s, "key.pem", 0640);
    assert_int_equal(chmod(tempdir_name(&s->dir, "state", path), 0555), 0);
    expect(
        s,
        "E @/sealpost.conf:5: state_dir = @/state: the account nobody may not write "
        "to it; chgrp nogroup @/state && chmod 0771 @/state");
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(chown(path, 0, 0), 0);
    expect(
        s,
        "E @/sealpost.conf:5: state_dir = @/state: the account nobody may not write "
        "to it; ");
    assert_int_equal(chown(path, 65534, 65534), 0);
    expect(s, "");
    assert_int_equal(chmod(s->dir.path, 0700), 0);
    {
        struct buf got = BUF_INIT;

        check(s, &got);
        assert_non_null(strstr(
            buf_str(&got), "key.pem: the account nobody may not enter @; chgrp "
                           "nogroup @ && chmod g+x @\n"));
        buf_free(&got);
    }
}

static void
test_directories(void **state)
{
    struct site *s = *state;
    struct buf line = BUF_INIT;
    char path[TEMPDIR_PATH_MAX];

    assert_int_equal(rmdir(tempdir_name(&s->dir, "state", path)), 0);
    expect(s, "E @/sealpost.conf:5: state_dir = @/state: No such file or "
              "directory; install -d -o ");
    tempdir_write(&s->dir, "state", BYTES_LIT(""), 0644);
    expect(s, "E @/sealpost.conf:5: state_dir = @/state: not a directory; ");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(chmod(path, 0777), 0);
    expect(s, "E @/sealpost.conf:5: state_dir = @/state: anybody may write to "
              "it; chmod o-w @/state");
    give(s, "state", 0770);
    buf_printf(&line, "[spool]\ndirectory = %s/spool\n", s->dir.path);
    write_conf(s, "", buf_str(&line));
    expect(s, "E @/sealpost.conf:14: directory = @/spool: No such file or ");
    tempdir_mkdir(&s->dir, "spool", 0755);
    give(s, "spool", 0770);
    expect(s, "");
    buf_clear(&line);
    buf_printf(&line, "log = %s/logs/x.log\n", s->dir.path);
    write_conf(s, buf_str(&line), "");
    expect(s, "E @/sealpost.conf:6: log = @/logs: No such file or directory");
    tempdir_mkdir(&s->dir, "logs", 0755);
    give(s, "logs", 0770);
    expect(s, "");
    buf_clear(&line);
    buf_printf(&line, "log = %s/logs\n", s->dir.path);
    write_conf(s, buf_str(&line), "");
    expect(s, "E @/sealpost.conf:6: log = @/logs: not a file; ");
    buf_free(&line);
}

static void
test_password(void **state)
{
    struct site *s = *state;
    struct buf upstream = BUF_INIT, big = BUF_INIT;

    buf_printf(&upstream,
               "login = password\nusername = relay\npassword_file = %s/pw\n",
               s->dir.path);
    write_conf(s, "", buf_str(&upstream));
    expect(s, "E @/sealpost.conf:15: password_file = @/pw: No such file or ");
    tempdir_write(&s->dir, "pw", BYTES_LIT("secret\nnot this\n"), 0600);
    give(s, "pw", 0640);
    expect(s, "");
    give(s, "pw", 0644);
    expect(s, "E @/sealpost.conf:15: password_file = @/pw: anybody may read "
              "it; chgrp ");
    tempdir_write(&s->dir, "pw", BYTES_LIT("\nsecret\n"), 0600);
    give(s, "pw", 0640);
    expect(s, "E @/sealpost.conf:15: password_file = @/pw: no password; 1 to "
              "1024 octets in the first line");
    tempdir_write(&s->dir, "pw", BYTES_LIT("a\0b\n"), 0600);
    give(s, "pw", 0640);
    expect(s, "E @/sealpost.conf:15: password_file = @/pw: no password; ");
    for (size_t i = 0; i < 1024; i++) {
        buf_putc(&big, 'x');
    }
    tempdir_write(&s->dir, "pw", buf_bytes(&big), 0600);
    give(s, "pw", 0640);
    expect(s, "");
    buf_putc(&big, 'x');
    tempdir_write(&s->dir, "pw", buf_bytes(&big), 0600);
    give(s, "pw", 0640);
    expect(s, "E @/sealpost.conf:15: password_file = @/pw: no password; ");
    buf_free(&upstream);
    buf_free(&big);
}

/* The rest is still looked at: both mistakes are told. */
static void
test_accounts(void **state)
{
    struct site *s = *state;
    struct buf got = BUF_INIT;

    give(s, "key.pem", 0644);
    (void)snprintf(s->user, sizeof(s->user), "no-such-account");
    write_conf(s, "", "");
    check(s, &got);
    assert_non_null(strstr(buf_str(&got),
                           "E @/sealpost.conf:3: user = no-such-account: no "
                           "such account; useradd --system no-such-account"));
    assert_non_null(strstr(buf_str(&got),
                           "E @/sealpost.conf:4: keys_user = no-such-account:"
                           " no such account; "));
    assert_non_null(strstr(buf_str(&got), "anybody may read it"));
    buf_free(&got);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_good),     CASE(test_modes),       CASE(test_denied),
        CASE(test_password), CASE(test_directories), CASE(test_accounts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
