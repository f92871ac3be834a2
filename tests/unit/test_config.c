/*
 * test_config - files to struct conf and to lines of mistakes.
 *
 * tests/vectors/config/NAME.conf is read, NAME.want has its lines: E or W,
 * then the line with the folder's name taken out. Each is read twice, from
 * the file and from the descriptor that conf_pack() makes.
 */
#include <base/buf.h>

#include <smtp/caps.h>

#include <glob.h>
#include <proxy/config/conf.h>
#include <stdio.h>
#include <sys/resource.h>
#include <tests/support/cmocka.h>
#include <tests/support/config.h>

static void
read_want(const char *path, struct buf *out)
{
    char chunk[4096];
    FILE *f = fopen(path, "re");
    size_t n;

    if (f == NULL) {
        fail_msg("%s is missing", path);
    }
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        buf_put(out, bytes_make(chunk, n));
    }
    fclose(f);
}

static void
try_vector(const char *path, const char *folder)
{
    struct buf got = BUF_INIT, packed = BUF_INIT, want = BUF_INIT;
    char name[1024];

    (void)snprintf(name, sizeof(name), "%.*s.want", (int)strlen(path) - 5,
                   path);
    read_want(name, &want);
    config_load_both(path, folder, &got, &packed);
    assert_string_equal(buf_str(&got), buf_str(&want));
    assert_string_equal(buf_str(&packed), buf_str(&want));
    buf_free(&got);
    buf_free(&packed);
    buf_free(&want);
}

static void
test_vectors(void **state)
{
    char folder[512], pattern[1024];
    glob_t found;

    (void)state;
    config_vectors(folder, sizeof(folder));
    (void)snprintf(pattern, sizeof(pattern), "%s*.conf", folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 14);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        try_vector(found.gl_pathv[i], folder);
    }
    globfree(&found);
}

static struct conf *
load_good(const char *name)
{
    char folder[512], path[1024];
    struct conf_errors *e;
    struct conf *conf;

    config_vectors(folder, sizeof(folder));
    (void)snprintf(path, sizeof(path), "%s%s", folder, name);
    conf_load(path, &conf, &e);
    if (conf == NULL) {
        fail_msg("%s", conf_errors_line(e, 0));
    }
    conf_errors_free(&e);
    return conf;
}

static void
check_server(const struct conf *conf)
{
    assert_string_equal(conf->server.hostname, "relay.example.com");
    assert_string_equal(conf->server.authserv_id, "relay.example.com");
    assert_true(conf->server.workers >= 1);
    assert_string_equal(conf->server.user, "sealpost");
    assert_string_equal(conf->server.keys_user, "sealpost-keys");
    assert_false(conf->server.user_set);
    assert_false(conf->server.keys_user_set);
    assert_string_equal(conf->server.state_dir, "/var/lib/sealpost");
    assert_string_equal(conf->server.log, "");
    assert_int_equal(conf->server.log_format, CONF_LOGFMT);
    assert_int_equal(conf->server.log_recipients, CONF_RCPT_FULL);
    assert_int_equal(conf->server.drain_s, 300);
    assert_int_equal(conf->server.stop_deadline_s, 120);
    assert_string_equal(conf->spool.directory, "/var/lib/sealpost/spool");
    assert_int_equal(conf->spool.memory_threshold, 256 * 1024);
    assert_int_equal(conf->spool.max_total, UINT64_C(2) << 30);
    assert_int_equal(conf->dns.nameservers.count, 0);
    assert_int_equal(conf->dns.timeout_s, 5);
    assert_int_equal(conf->limits.connections_per_ip, 50);
    assert_int_equal(conf->limits.connections_per_user, 50);
    assert_int_equal(conf->limits.recipients, 1000);
    assert_int_equal(conf->limits.auth_failures, 5);
}

static void
check_listen(const struct conf *conf)
{
    const struct listen_conf *l = &conf->listens[0];

    assert_int_equal(conf->listen_count, 1);
    assert_string_equal(l->name, "submission");
    assert_int_equal(l->addresses.count, 1);
    assert_string_equal(l->addresses.list[0].host, "127.0.0.1");
    assert_int_equal(l->addresses.list[0].port, 587);
    assert_int_equal(l->mode, CONF_OUTBOUND);
    assert_int_equal(l->tls, CONF_TLS_NONE);
    assert_false(l->require_tls); /* the default with tls = none */
    assert_int_equal(l->auth, CONF_AUTH_REQUIRED);
    assert_int_equal(l->auth_mechanisms, SMTP_MECH_PLAIN | SMTP_MECH_LOGIN);
    assert_int_equal(l->trusted_networks.count, 0);
    assert_string_equal(l->trusted_user, "");
    check_list(l->relay_domains, "");
    assert_string_equal(l->upstream, "smarthost");
    assert_false(l->normalize);
    assert_int_equal(l->max_message_size, 50 * 1024 * 1024);
    assert_int_equal(l->reply_deadline_s, 270);
    assert_int_equal(l->end_of_data_deadline_s, 570);
    assert_int_equal(l->dot_reserve_s, 60);
    assert_false(l->envelope_from_match);
    assert_string_equal(l->check, "default");
    assert_true(l->loopback);
}

static void
check_upstream(const struct conf *conf)
{
    const struct upstream_conf *u = conf_upstream(conf, "smarthost");

    assert_non_null(u);
    assert_null(conf_upstream(conf, "other"));
    assert_string_equal(u->addresses.list[0].host, "smtp.example.net");
    assert_int_equal(u->addresses.list[0].port, 587);
    assert_int_equal(u->tls, CONF_TLS_STARTTLS);
    assert_true(u->tls_verify);
    assert_string_equal(u->ca_file, "");
    assert_int_equal(u->login, CONF_LOGIN_NONE);
    assert_int_equal(u->signatures, CONF_SIGN_RSA);
    assert_false(u->strip_signatures);
    assert_string_equal(u->preset, "generic");
    assert_true(u->chunking);
}

static void
check_sign(const struct sign_conf *s)
{
    assert_true(s->header_relaxed && s->body_relaxed);
    check_list(s->headers,
               "from sender reply-to subject date message-id to cc "
               "mime-version content-* in-reply-to references resent-* list-* "
               "feedback-id autocrypt tls-required");
    check_list(s->oversign, "from to cc subject date message-id reply-to");
    check_list(s->oversign_present,
               "mime-version content-type content-transfer-encoding "
               "in-reply-to references");
    assert_int_equal(s->expire_s, 7 * 86400);
    assert_int_equal(s->other_from, CONF_OTHER_REJECT);
    assert_int_equal(s->no_key, CONF_NO_KEY_UNSIGNED);
    assert_false(s->on_error_pass);
    assert_true(s->parent_key);
    assert_false(s->skip_aligned);
    assert_true(s->add_missing);
    assert_false(s->allow_short_keys);
    assert_string_equal(s->also, "");
    check_list(s->remove_headers, "bcc resent-bcc return-path");
}

static void
check_rest(const struct conf *conf)
{
    const struct check_conf *c = conf_check_section(conf, "default");

    assert_non_null(c);
    assert_null(conf_check_section(conf, "other"));
    assert_int_equal(c->on_dkim_fail, CONF_TAG);
    assert_int_equal(c->on_spf_fail, CONF_TAG);
    assert_int_equal(c->on_temperror, CONF_TAG);
    assert_int_equal(c->dmarc, CONF_DMARC_TAG);
    assert_int_equal(c->trusted_forwarders.count, 0);
    assert_string_equal(c->quarantine_header, "");
    assert_int_equal(c->max_signatures, 8);
    assert_false(conf->rotate.present || conf->publish.present ||
                 conf->console.present);
    assert_int_equal(conf->rotate.every_s, 90 * 86400);
    assert_int_equal(conf->rotate.retire_s, 30 * 86400);
    assert_int_equal(conf->rotate.revoked_s, 7 * 86400);
    assert_int_equal(conf->rotate.watch_s, 3600);
    assert_int_equal(conf->rotate.prove, CONF_PROVE_AUTHORITATIVE);
    assert_int_equal(conf->rotate.publish, CONF_PUBLISH_NONE);
    assert_int_equal(conf->publish.ttl_s, 300);
    assert_int_equal(conf->console.addresses.list[0].port, 8025);
}

static void
test_defaults(void **state)
{
    struct conf *conf = load_good("minimal.conf");

    (void)state;
    check_server(conf);
    check_listen(conf);
    check_upstream(conf);
    check_sign(&conf->sign);
    check_rest(conf);
    conf_free(&conf);
    conf_free(&conf); /* NULL is fine */
}

/* The contract's own example: samples are kept, the rest is the default. */
static void
test_product(void **state)
{
    struct conf *conf = load_good("product.conf");

    (void)state;
    check_sign(&conf->sign);
    assert_string_equal(conf->server.authserv_id, "example.com");
    assert_true(conf->server.user_set);
    assert_int_equal(conf->dns.nameservers.list[0].port, 53);
    assert_int_equal(conf->listens[0].addresses.count, 2);
    assert_string_equal(conf->listens[0].addresses.list[1].host, "::");
    assert_true(conf->listens[0].require_tls);
    assert_false(conf->listens[0].loopback);
    assert_int_equal(conf->upstreams[0].login, CONF_LOGIN_PASSWORD);
    assert_true(conf->rotate.present && conf->publish.present);
    assert_int_equal(conf->rotate.publish, CONF_PUBLISH_RFC2136);
    assert_string_equal(conf->publish.server.list[0].host, "ns1.relay.example");
    conf_free(&conf);
}

/* The shipped file without the `;` before its settings, when all is set. */
static void
read_example(bool all, struct buf *out)
{
    const char *srcdir = getenv("srcdir");
    char path[1024], line[1024];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/etc/sealpost.conf",
                   srcdir == NULL ? "." : srcdir);
    f = fopen(path, "re");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        bool shown = line[0] == ';' && line[1] != ' ' && line[1] != '\n' &&
                     strncmp(line, ";include", 8) != 0;

        buf_puts(out, all && shown ? line + 1 : line);
    }
    fclose(f);
}

/* What it shows is good, and what it shows as a default is the default. */
static void
test_example(void **state)
{
    struct buf text = BUF_INIT;
    struct conf_errors *e;
    struct conf *conf, *all;

    (void)state;
    read_example(false, &text);
    e = load_text(buf_str(&text), &conf);
    assert_non_null(conf);
    assert_int_equal(conf_errors_count(e), 0);
    conf_errors_free(&e);
    buf_clear(&text);

    read_example(true, &text);
    e = load_text(buf_str(&text), &all);
    assert_non_null(all);
    assert_int_equal(conf_errors_count(e), 3); /* login = none, [console],
                                                  [notify] */
    conf_errors_free(&e);
    check_sign(&conf->sign);
    check_sign(&all->sign);
    assert_true(all->rotate.present && all->console.present);
    assert_int_equal(conf->listens[0].auth_mechanisms,
                     all->listens[0].auth_mechanisms);
    assert_int_equal(conf->limits.connections, all->limits.connections);
    assert_string_equal(conf->spool.directory, all->spool.directory);
    conf_free(&conf);
    conf_free(&all);
    buf_free(&text);
}

static void
test_connections_auto(void **state)
{
    struct rlimit saved, small = { 64, 0 };
    struct conf *conf;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
    small.rlim_max = saved.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    conf = load_good("minimal.conf");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
    assert_int_equal(conf->limits.connections, 21);
    conf_free(&conf);
}

/* Beyond a thousand lines one says that there are more. */
static void
test_many_errors(void **state)
{
    struct buf text = BUF_INIT;
    struct conf_errors *e;
    struct conf *conf;

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        buf_puts(&text, "nonsense\n");
    }
    e = load_text(buf_str(&text), &conf);
    assert_null(conf);
    assert_int_equal(conf_errors_count(e), 1001);
    assert_string_equal(conf_errors_line(e, 1000),
                        "more mistakes follow; mend these first");
    assert_false(conf_errors_is_warning(e, 1000));
    conf_errors_free(&e);
    buf_free(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_connections_auto),
        cmocka_unit_test(test_many_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
