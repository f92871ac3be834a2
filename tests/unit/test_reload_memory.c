/*
 * test_reload_memory - the n-th allocation fails, for every n, while a running
 * daemon reads its files again.
 *
 * Memory ends (failmalloc.h). Either all of it is there or nothing is: without
 * its keys a view would send mail unsigned. Nothing is lost (LeakSanitizer).
 */
#include <fcntl.h>
#include <proxy/config/conf.h>
#include <proxy/keeper/data.h>
#include <proxy/log/log.h>
#include <proxy/net/tls.h>
#include <proxy/process/reload.h>
#include <pwd.h>
#include <stdio.h>
#include <tests/support/certs.h>
#include <tests/support/cmocka.h>
#include <tests/support/failmalloc.h>
#include <tests/support/tempdir.h>
#include <unistd.h>

struct site {
    struct tempdir dir;
    int conf_fd, log_fd;
    struct conf *conf, *with_tls;
};

static const char users[] = "[alice]\nfrom = example.com, *.example.org\n"
                            "selector = s1\n[bob]\nfrom = example.net\n";

static void
add_key(const struct conf *conf)
{
    struct keystore_key about = { .note = "", .public_b64 = "" };
    struct keystore_conf store;

    about.view.domain = "example.com";
    about.view.selector = "s1";
    about.view.owner = "";
    about.view.state = VIEW_KEY_ACTIVE;
    about.view.activated_s = 1795301314;
    keystore_conf_init(&store, &conf->server, false);
    assert_int_equal(
        keystore_generate(&store, DKIM_ALG_ED25519_SHA256, 0, &about), KEY_OK);
}

/* The packed configuration with these lines of the listener. */
static int
pack(struct site *s, const char *name, const char *lines)
{
    char text[4 * TEMPDIR_PATH_MAX], path[TEMPDIR_PATH_MAX];
    const struct passwd *who = getpwuid(geteuid());
    int fd;

    assert_non_null(who);
    (void)snprintf(text, sizeof(text),
                   "[server]\nhostname = relay.test\nstate_dir = %s\n"
                   "user = %s\nkeys_user = %s\n"
                   "[listen a]\naddress = 127.0.0.1:2525\nauth = none\n"
                   "trusted_networks = 127.0.0.1\n%supstream = b\n"
                   "[upstream b]\naddress = 127.0.0.1:2526\ntls = none\n",
                   s->dir.path, who->pw_name, who->pw_name, lines);
    tempdir_write(&s->dir, name, bytes_str(text), 0644);
    fd = conf_pack(tempdir_name(&s->dir, name, path));
    assert_true(fd >= 0);
    return fd;
}

static struct conf *
load_all(int fd)
{
    struct conf_errors *errors = NULL;
    struct conf *conf;

    conf_load_fd(fd, &conf, &errors);
    assert_non_null(conf);
    conf_errors_free(&errors);
    return conf;
}

static int
setup(void **state)
{
    struct site *s = calloc(1, sizeof(*s));
    char lines[2 * TEMPDIR_PATH_MAX];
    int fd;

    certs_begin();
    certs_make("relay.test", "DNS:relay.test", 86400, 0600, NULL);
    tempdir_make(&s->dir);
    /* The master's has no files that another account would have to read. */
    s->conf_fd = pack(s, "plain", "tls = none\n");
    s->conf = load_all(s->conf_fd);
    (void)snprintf(lines, sizeof(lines), "certificate = %s\nprivate_key = %s\n",
                   certs_path("relay.test.pem"), certs_path("relay.test.key"));
    fd = pack(s, "tls", lines);
    s->with_tls = load_all(fd);
    (void)close(fd);
    tempdir_write(&s->dir, "users.conf", bytes_str(users), 0600);
    add_key(s->conf);
    s->log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    log_open(s->log_fd, CONF_LOGFMT, "test");
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    struct site *s = *state;

    conf_free(&s->conf);
    conf_free(&s->with_tls);
    (void)close(s->conf_fd);
    (void)close(s->log_fd);
    (void)tempdir_erase(s->dir.path);
    certs_end();
    free(s);
    return 0;
}

/* Each of these: true when it went as it does with memory. */
typedef bool loader(const struct site *s, size_t successes);

static bool
all_of_it(void)
{
    bool all = failmalloc_left > 0;

    failmalloc_left = SIZE_MAX;
    return all;
}

/* The keeper's. */
static bool
load_data(const struct site *s, size_t successes)
{
    struct keeper_data *data;
    bool all;

    failmalloc_left = successes;
    data = data_load(s->conf, 2);
    all = all_of_it();
    if (data != NULL) {
        assert_int_equal(view_user_count(data->view), 2);
        assert_int_equal(view_key_count(data->view), 1);
        assert_true(data->view_fd >= 0);
    }
    assert_true(data != NULL || !all);
    data_drop(&data);
    return all;
}

/* The master's. */
static bool
load_conf(const struct site *s, size_t successes)
{
    struct conf *conf;
    bool all;

    failmalloc_left = successes;
    conf = reload_load(s->conf_fd, s->conf);
    all = all_of_it();
    if (conf != NULL) {
        assert_string_equal(conf->server.hostname, "relay.test");
        assert_int_equal(conf->listen_count, 1);
    }
    assert_true(conf != NULL || !all);
    conf_free(&conf);
    return all;
}

/* A worker's. */
static bool
load_certificate(const struct site *s, size_t successes)
{
    struct buf error = BUF_INIT;
    SSL_CTX *ctx;
    bool all;

    failmalloc_left = successes;
    ctx = tls_server_new(&s->with_tls->listens[0], &error);
    all = all_of_it();
    assert_true(ctx != NULL || !all);
    SSL_CTX_free(ctx);
    buf_free(&error);
    return all;
}

/* Memory ends; then one allocation fails alone. How many there were. */
static size_t
each_allocation(const struct site *s, loader *load)
{
    size_t n = 0;

    while (!load(s, n)) {
        n++;
    }
    failmalloc_once = true;
    for (n = 0; !load(s, n);) {
        n++;
    }
    failmalloc_once = false;
    return n;
}

static void
test_data(void **state)
{
    assert_true(each_allocation(*state, load_data) > 30);
}

static void
test_conf(void **state)
{
    assert_true(each_allocation(*state, load_conf) > 50);
}

static void
test_certificate(void **state)
{
    assert_true(each_allocation(*state, load_certificate) > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_conf),
        cmocka_unit_test(test_certificate),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
