/*
 * test_config - files to struct conf and to lines of mistakes.
 *
 * tests/vectors/config/NAME.conf is read, NAME.want has its lines: E or W,
 * then the line with the folder's name taken out. Each is read twice, from
 * the file and from the descriptor that conf_pack() makes.
 */
#include <base/buf.h>

#include <smtp/caps.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <proxy/config/conf.h>
#include <proxy/config/reader.h>
#include <proxy/config/sections.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <tests/support/cmocka_all.h>
#include <tests/support/tempdir.h>
#include <unistd.h>

static void
vector_folder(char *out, size_t cap)
{
    const char *srcdir = getenv("srcdir");

    (void)snprintf(out, cap, "%s/tests/vectors/config/",
                   srcdir == NULL ? "." : srcdir);
}

/* Without each folder's name. */
static void
put_line(struct buf *out, const char *line, const char *folder)
{
    const char *hit;

    while ((hit = strstr(line, folder)) != NULL) {
        buf_put(out, bytes_make(line, (size_t)(hit - line)));
        line = hit + strlen(folder);
    }
    buf_puts(out, line);
    buf_putc(out, '\n');
}

static void
put_errors(struct buf *out, const struct conf_errors *e, const char *folder)
{
    size_t warnings = 0;

    for (size_t i = 0; i < conf_errors_count(e); i++) {
        bool warning = conf_errors_is_warning(e, i);

        warnings += warning;
        buf_puts(out, warning ? "W " : "E ");
        put_line(out, conf_errors_line(e, i), folder);
    }
    assert_int_equal(warnings, conf_errors_warnings(e));
}

static void
load_both(const char *path, const char *folder, struct buf *from_file,
          struct buf *from_fd)
{
    struct conf_errors *e;
    struct conf *conf;
    bool loaded;
    int fd;

    conf_load(path, &conf, &e);
    loaded = conf != NULL;
    assert_int_equal(loaded, conf_errors_count(e) == conf_errors_warnings(e));
    put_errors(from_file, e, folder);
    conf_free(&conf);
    assert_null(conf);
    conf_errors_free(&e);
    assert_null(e);

    fd = conf_pack(path);
    assert_true(fd >= 0);
    conf_load_fd(fd, &conf, &e);
    assert_int_equal(loaded, conf != NULL);
    put_errors(from_fd, e, folder);
    conf_free(&conf);
    conf_errors_free(&e);
    close(fd);
}

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
    load_both(path, folder, &got, &packed);
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
    vector_folder(folder, sizeof(folder));
    (void)snprintf(pattern, sizeof(pattern), "%s*.conf", folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 13);
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

    vector_folder(folder, sizeof(folder));
    (void)snprintf(path, sizeof(path), "%s%s", folder, name);
    conf_load(path, &conf, &e);
    if (conf == NULL) {
        fail_msg("%s", conf_errors_line(e, 0));
    }
    conf_errors_free(&e);
    return conf;
}

static void
check_list(conf_list got, const char *want)
{
    struct buf text = BUF_INIT;

    for (; *got != NULL; got++) {
        buf_puts(&text, text.len == 0 ? "" : " ");
        buf_puts(&text, *got);
    }
    assert_string_equal(buf_str(&text), want);
    buf_free(&text);
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

static struct conf_errors *
load_text(const char *text, struct conf **conf_out)
{
    struct conf_errors *e;
    struct conf_bundle b;

    conf_bundle_text(&b, "t", bytes_str(text));
    conf_load_bundle(&b, conf_out, &e);
    return e;
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
    assert_int_equal(conf_errors_count(e), 2); /* login = none, [console] */
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
test_lists_add_to_their_default(void **state)
{
    static const char text[] =
        "[server]\nhostname=a.example\n[listen l]\naddress=127.0.0.1:1\n"
        "tls=none\nupstream=u\n[upstream u]\naddress=[::1]:2\n"
        "address += b.example:3\n"
        "[sign]\noversign += X-A, x-b\noversign_present =\n"
        "remove_headers = a\nremove_headers += b\nremove_headers += c,d\n"
        "headers = default, +X-Campaign, -to, -list-*\nheaders += List-Id\n";
    struct conf *conf;
    struct conf_errors *e = load_text(text, &conf);

    (void)state;
    assert_int_equal(conf_errors_count(e), 0);
    check_list(conf->sign.oversign,
               "from to cc subject date message-id reply-to x-a x-b");
    check_list(conf->sign.oversign_present, "");
    check_list(conf->sign.remove_headers, "a b c d");
    check_list(conf->sign.headers,
               "from sender reply-to subject date message-id cc mime-version "
               "content-* in-reply-to references resent-* feedback-id "
               "autocrypt tls-required x-campaign list-id");
    assert_int_equal(conf->upstreams[0].addresses.count, 2);
    assert_string_equal(conf->upstreams[0].addresses.list[0].host, "::1");
    conf_free(&conf);
    conf_errors_free(&e);
}

/* The default of each listener's setting that depends on another. */
static void
test_defaults_that_depend(void **state)
{
    static const struct {
        const char *lines;
        bool require_tls;
        enum conf_auth auth;
    } rows[] = {
        { "tls = none\n", false, CONF_AUTH_REQUIRED },
        { "certificate=/c\nprivate_key=/k\n", true, CONF_AUTH_REQUIRED },
        { "certificate=/c\nprivate_key=/k\nrequire_tls=no\n", false,
          CONF_AUTH_REQUIRED },
        { "certificate=/c\nprivate_key=/k\ntls=implicit\n", true,
          CONF_AUTH_REQUIRED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf text = BUF_INIT;
        struct conf_errors *e;
        struct conf *conf;

        buf_printf(&text,
                   "[listen l]\naddress=127.0.0.1:1\nupstream=u\n%s"
                   "[upstream u]\naddress=[::1]:2\n[server]\n"
                   "hostname = a.example\n",
                   rows[i].lines);
        e = load_text(buf_str(&text), &conf);
        assert_non_null(conf);
        assert_int_equal(conf->listens[0].require_tls, rows[i].require_tls);
        assert_int_equal(conf->listens[0].auth, rows[i].auth);
        conf_free(&conf);
        conf_errors_free(&e);
        buf_free(&text);
    }
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

static bool
is_in(const char *list, const char *address)
{
    struct buf text = BUF_INIT;
    struct sockaddr_storage ss = { 0 };
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&ss;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&ss;
    struct conf_errors *e;
    struct conf *conf;
    bool in_list;

    buf_printf(&text,
               "[listen l]\naddress=127.0.0.1:1\nupstream=u\ntls=none\n"
               "trusted_networks=%s\n[upstream u]\naddress=[::1]:2\n"
               "[server]\nhostname = a.example\n",
               list);
    if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
        ss.ss_family = AF_INET;
    } else {
        ss.ss_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
    }
    e = load_text(buf_str(&text), &conf);
    assert_non_null(conf);
    in_list = conf_networks_has(&conf->listens[0].trusted_networks,
                                (struct sockaddr *)&ss);
    ss.ss_family = AF_UNIX;
    assert_false(conf_networks_has(&conf->listens[0].trusted_networks,
                                   (struct sockaddr *)&ss));
    conf_free(&conf);
    conf_errors_free(&e);
    buf_free(&text);
    return in_list;
}

static void
test_networks(void **state)
{
    (void)state;
    assert_false(is_in("", "192.0.2.1"));
    assert_true(is_in("192.0.2.0/24", "192.0.2.0"));
    assert_true(is_in("192.0.2.0/24", "192.0.2.255"));
    assert_false(is_in("192.0.2.0/24", "192.0.3.0"));
    assert_false(is_in("192.0.2.0/24", "192.0.1.255"));
    assert_true(is_in("192.0.2.128/25", "192.0.2.128"));
    assert_false(is_in("192.0.2.128/25", "192.0.2.127"));
    assert_true(is_in("192.0.2.1", "192.0.2.1"));
    assert_false(is_in("192.0.2.1", "192.0.2.0"));
    assert_true(is_in("198.51.100.0/24, 192.0.2.0/31", "192.0.2.1"));
    assert_true(is_in("2001:db8::/32", "2001:db8:ffff::1"));
    assert_false(is_in("2001:db8::/32", "2001:db9::1"));
    assert_true(is_in("2001:db8::/33", "2001:db8:7fff::"));
    assert_false(is_in("2001:db8::/33", "2001:db8:8000::"));
    /* RFC 4291 2.5.5.2, both ways */
    assert_true(is_in("192.0.2.0/24", "::ffff:192.0.2.9"));
    assert_true(is_in("::ffff:192.0.2.0/120", "192.0.2.9"));
    assert_false(is_in("::/96", "192.0.2.9"));
    assert_false(is_in("0.0.0.0/0", "2001:db8::1"));
    assert_true(is_in("0.0.0.0/0", "255.255.255.255"));
    assert_false(is_in("::/0", "192.0.2.1"));
    assert_true(is_in("::/0", "2001:db8::1"));
}

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
    load_both(tempdir_name(&d, "d1", path), d.path, &got, &packed);
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
    load_both(tempdir_name(&d, "main", path), d.path, &got, &packed);
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
    load_both(tempdir_name(&d, "main", path), d.path, &got, &packed);
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
    load_both(tempdir_name(&d, "main.conf", path), d.path, &got, &packed);
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
    load_both("/nonexistent/sealpost.conf", "/nonexistent", &got, &packed);
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
    vector_folder(folder, sizeof(folder));
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
        cmocka_unit_test(test_lists_add_to_their_default),
        cmocka_unit_test(test_defaults_that_depend),
        cmocka_unit_test(test_connections_auto),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_include_depth),
        cmocka_unit_test(test_include_order),
        cmocka_unit_test(test_include_closed_folder),
        cmocka_unit_test(test_include_fifo_and_directory),
        cmocka_unit_test(test_absent_file),
        cmocka_unit_test(test_pack_is_sealed),
        cmocka_unit_test(test_unpack_cut),
        cmocka_unit_test(test_load_fd_refuses),
        cmocka_unit_test(test_many_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
