/*
 * test_config_files - includes, and the descriptor that workers get.
 */
#include <fcntl.h>
#include <proxy/config/conf.h>
#include <proxy/config/sections.h>
#include <stdio.h>
#include <sys/stat.h>
#include <tests/support/cmocka.h>
#include <tests/support/config.h>
#include <tests/support/tempdir.h>
#include <unistd.h>

/* A chain of files d1 -> d2 -> ... of this length. */
static struct buf
load_chain(unsigned length)
{
    struct buf text = BUF_INIT, got = BUF_INIT, packed = BUF_INIT;
    char path[TEMPDIR_PATH_MAX], name[32];
    struct tempdir d;

    tempdir_make(&d);
    for (unsigned i = 1; i <= length; i++) {
        buf_clear(&text);
        buf_printf(&text, i == length ? "; end\n" : "include = d%u\n", i + 1);
        (void)snprintf(name, sizeof(name), "d%u", i);
        tempdir_write(&d, name, buf_bytes(&text), 0644);
    }
    config_load_both(tempdir_name(&d, "d1", path), d.path, &got, &packed);
    assert_string_equal(buf_str(&got), buf_str(&packed));
    tempdir_remove(&d);
    buf_free(&text);
    buf_free(&packed);
    return got;
}

static void
test_include_depth(void **state)
{
    struct buf nine = load_chain(9), ten = load_chain(10);

    (void)state;
    assert_null(strstr(buf_str(&nine), "nest deeper"));
    assert_non_null(strstr(buf_str(&ten),
                           "/d9:1: /d10 can't be included: includes nest "
                           "deeper than 8"));
    buf_free(&nine);
    buf_free(&ten);
}

/* Whatever order the folder has, names decide which is first. */
static void
test_include_order(void **state)
{
    static const char *const names[] = { "f5", "f1", "f7", "f0", "f3",
                                         "f6", "f2", "f4", "f8" };
    struct buf got = BUF_INIT, packed = BUF_INIT, want = BUF_INIT;
    char path[TEMPDIR_PATH_MAX];
    struct tempdir d;

    (void)state;
    tempdir_make(&d);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        tempdir_write(&d, names[i], BYTES_LIT("[dns]\n"), 0644);
    }
    tempdir_write(&d, "main", BYTES_LIT("include = f*\n"), 0644);
    config_load_both(tempdir_name(&d, "main", path), d.path, &got, &packed);
    tempdir_remove(&d);
    for (unsigned i = 1; i <= 8; i++) {
        buf_printf(&want,
                   "E /f%u:1: [dns] is here twice; first at /f0:1, put its "
                   "keys there\n",
                   i);
    }
    assert_true(
        bytes_eq(bytes_take(buf_bytes(&got), want.len), buf_bytes(&want)));
    buf_free(&got);
    buf_free(&packed);
    buf_free(&want);
}

/* A folder that can't be read is not an empty one. */
static void
test_include_closed_folder(void **state)
{
    struct buf got = BUF_INIT, packed = BUF_INIT;
    char path[TEMPDIR_PATH_MAX];
    struct tempdir d;
    bool root = geteuid() == 0;

    (void)state;
    tempdir_make(&d);
    tempdir_mkdir(&d, "closed", 0000);
    tempdir_write(&d, "main",
                  BYTES_LIT("include = closed/*.conf\ninclude = no/*.conf\n"),
                  0644);
    if (root) {
        assert_int_equal(seteuid(65534), 0);
    }
    config_load_both(tempdir_name(&d, "main", path), d.path, &got, &packed);
    if (root) {
        assert_int_equal(seteuid(0), 0);
    }
    tempdir_remove(&d);
    assert_non_null(strstr(buf_str(&got),
                           "E /main:1: /closed/*.conf can't be included: "
                           "Permission denied; "));
    assert_null(strstr(buf_str(&got), "/main:2:"));
    assert_string_equal(buf_str(&got), buf_str(&packed));
    buf_free(&got);
    buf_free(&packed);
}

/* A file that is no file must not hold the program up. */
static void
test_include_fifo_and_directory(void **state)
{
    static const char text[] = "include = f*\ninclude = dir\n";
    struct buf got = BUF_INIT, packed = BUF_INIT;
    char path[TEMPDIR_PATH_MAX];
    struct tempdir d;

    (void)state;
    tempdir_make(&d);
    tempdir_write(&d, "main.conf", bytes_str(text), 0644);
    tempdir_write(&d, "fifo", bytes_str(""), 0644);
    assert_int_equal(unlink(tempdir_name(&d, "fifo", path)), 0);
    assert_int_equal(mkfifo(path, 0644), 0);
    tempdir_mkdir(&d, "dir", 0755);
    config_load_both(tempdir_name(&d, "main.conf", path), d.path, &got,
                     &packed);
    assert_non_null(strstr(buf_str(&got), "/main.conf:1: /fifo can't be "
                                          "included: not a regular file"));
    assert_non_null(strstr(buf_str(&got), "/main.conf:2: /dir can't be "
                                          "included: not a regular file"));
    assert_string_equal(buf_str(&got), buf_str(&packed));
    tempdir_remove(&d);
    buf_free(&got);
    buf_free(&packed);
}

static void
test_absent_file(void **state)
{
    struct buf got = BUF_INIT, packed = BUF_INIT;

    (void)state;
    config_load_both("/nonexistent/sealpost.conf", "/nonexistent", &got,
                     &packed);
    assert_string_equal(buf_str(&got),
                        "E /sealpost.conf: can't be read: No such file or "
                        "directory; -c names the configuration\n");
    assert_string_equal(buf_str(&packed), buf_str(&got));
    buf_free(&got);
    buf_free(&packed);
}

/* What is packed can't be changed, and stays when the file changes. */
static void
test_pack_is_sealed(void **state)
{
    static const char text[] = "[server]\nlog_format = xml\n";
    char path[TEMPDIR_PATH_MAX];
    struct conf_errors *e;
    struct conf *conf;
    struct tempdir d;
    int fd, seals;

    (void)state;
    tempdir_make(&d);
    tempdir_write(&d, "a.conf", bytes_str(text), 0644);
    fd = conf_pack(tempdir_name(&d, "a.conf", path));
    tempdir_remove(&d);
    assert_true(fd >= 0);
    seals = fcntl(fd, F_GET_SEALS);
    assert_int_equal(seals,
                     F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    conf_load_fd(fd, &conf, &e);
    assert_null(conf);
    assert_int_equal(conf_errors_count(e) - conf_errors_warnings(e), 2);
    assert_non_null(strstr(conf_errors_line(e, 0), "a.conf: no [listen"));
    assert_non_null(strstr(conf_errors_line(e, conf_errors_count(e) - 1),
                           "a.conf:2: log_format = xml"));
    conf_errors_free(&e);
    close(fd);
}

/* Every cut of a packed configuration is refused. */
static void
test_unpack_cut(void **state)
{
    struct buf packed = BUF_INIT;
    struct conf_bundle b, again;
    char folder[512], path[1024];

    (void)state;
    config_vectors(folder, sizeof(folder));
    (void)snprintf(path, sizeof(path), "%sinclude.conf", folder);
    conf_bundle_gather(&b, path);
    conf_bundle_pack(&b, &packed);
    conf_bundle_free(&b);
    for (size_t n = 0; n <= packed.len; n++) {
        bool whole = n == packed.len;

        assert_int_equal(
            conf_bundle_unpack(&again, bytes_take(buf_bytes(&packed), n)),
            whole);
        conf_bundle_free(&again);
    }
    buf_putc(&packed, 'x');
    assert_false(conf_bundle_unpack(&again, buf_bytes(&packed)));
    conf_bundle_free(&again);
    buf_free(&packed);
}

static void
test_load_fd_refuses(void **state)
{
    struct conf_errors *e;
    struct conf *conf;

    (void)state;
    conf_load_fd(-1, &conf, &e);
    assert_null(conf);
    assert_int_equal(conf_errors_count(e), 1);
    conf_errors_free(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_include_depth),
        cmocka_unit_test(test_include_order),
        cmocka_unit_test(test_include_closed_folder),
        cmocka_unit_test(test_include_fifo_and_directory),
        cmocka_unit_test(test_absent_file),
        cmocka_unit_test(test_pack_is_sealed),
        cmocka_unit_test(test_unpack_cut),
        cmocka_unit_test(test_load_fd_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
