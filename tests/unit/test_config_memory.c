/*
 * test_config_memory - the n-th allocation fails, for every n.
 *
 * Memory ends (failmalloc.h). Whatever fails, there is either a configuration
 * or an error, and nothing is lost (LeakSanitizer).
 */
#include <proxy/config/conf.h>
#include <proxy/config/sections.h>
#include <stdlib.h>
#include <tests/support/cmocka.h>
#include <tests/support/failmalloc.h>
#include <unistd.h>

static const char text[] =
    "[server]\nhostname = relay.example.com\nhostnme = x\n"
    "log_format = jsn\n[listen a]\naddress = 192.0.2.1:25\ntls = none\n"
    "upstream = b\ntrusted_networks = 10.0.0.1/8\n"
    "[upstream b]\naddress = smtp.example.net:25, [::1]:26\n"
    "[sign]\nheaders = default, -to, +x\n";

static const char good_text[] =
    "[server]\nhostname = relay.example.com\n[listen a]\n"
    "address = 192.0.2.1:25\ntls = none\nupstream = b\n"
    "[upstream b]\naddress = smtp.example.net:25, [::1]:26\n";

/* True: the load went as it does with memory. */
static bool
load(const char *content, size_t successes)
{
    struct conf_errors *e;
    struct conf_bundle b;
    struct conf *conf;
    bool all;
    size_t lines;

    failmalloc_left = successes;
    conf_bundle_text(&b, "t", bytes_str(content));
    conf_load_bundle(&b, &conf, &e);
    all = failmalloc_left > 0;
    failmalloc_left = SIZE_MAX;
    lines = conf_errors_count(e);
    for (size_t i = 0; i < lines; i++) {
        assert_non_null(conf_errors_line(e, i));
        (void)conf_errors_is_warning(e, i);
    }
    if (conf == NULL) {
        assert_true(lines > conf_errors_warnings(e));
    } else {
        assert_int_equal(lines, conf_errors_warnings(e));
        assert_string_equal(conf->server.hostname, "relay.example.com");
        assert_int_equal(conf->upstreams[0].addresses.count, 2);
    }
    conf_free(&conf);
    conf_errors_free(&e);
    return all;
}

static void
test_load(void **state)
{
    (void)state;
    for (int once = 0; once < 2; once++) {
        size_t n = 0;

        failmalloc_once = once == 1;
        while (!load(text, n)) {
            n++;
        }
        assert_true(n > 100);
        for (n = 0; !load(good_text, n); n++) {
        }
        assert_true(n > 50);
    }
    failmalloc_once = false;
}

/* From the file through the descriptor. */
static void
test_pack(void **state)
{
    const char *srcdir = getenv("srcdir");
    char path[1024];
    bool all = false;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/tests/vectors/config/include.conf",
                   srcdir == NULL ? "." : srcdir);
    for (size_t n = 0; !all; n++) {
        struct conf_errors *e;
        struct conf *conf;
        int fd;

        failmalloc_left = n;
        fd = conf_pack(path);
        if (fd >= 0) {
            conf_load_fd(fd, &conf, &e);
            close(fd);
        }
        all = failmalloc_left > 0;
        failmalloc_left = SIZE_MAX;
        if (fd >= 0) {
            assert_null(conf); /* it has mistakes */
            assert_true(conf_errors_count(e) > 0);
            conf_errors_free(&e);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_pack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
