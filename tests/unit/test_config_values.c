/*
 * test_config_values - what lines of a configuration come to: lists that add
 * to their default, presets, defaults that depend on others, networks.
 */
#include <base/buf.h>

#include <arpa/inet.h>
#include <proxy/config/conf.h>
#include <tests/support/cmocka.h>
#include <tests/support/config.h>

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

/* What a preset sets, and that it leaves alone what the section has. */
static void
test_presets(void **state)
{
    static const struct {
        const char *lines;
        enum conf_signatures signatures;
        enum conf_already already_signed;
        unsigned connections, age_s, idle_s;
    } rows[] = {
        { "signatures = dual\n", CONF_SIGN_DUAL, CONF_ALREADY_UNSET, 0, 600,
          60 },
        { "preset = ses\n", CONF_SIGN_RSA, CONF_ALREADY_SKIP, 0, 600, 60 },
        { "preset = m365\n", CONF_SIGN_RSA, CONF_ALREADY_UNSET, 3, 300, 60 },
        { "preset = gmail\n", CONF_SIGN_RSA, CONF_ALREADY_UNSET, 0, 600, 30 },
        { "preset = m365\nsignatures = dual\nmax_connections = 7\n",
          CONF_SIGN_DUAL, CONF_ALREADY_UNSET, 7, 300, 60 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct upstream_conf *u;
        struct buf text = BUF_INIT;
        struct conf_errors *e;
        struct conf *conf;

        buf_printf(&text,
                   "[listen l]\naddress=127.0.0.1:1\ntls=none\nupstream=u\n"
                   "[upstream u]\naddress=[::1]:2\n%s"
                   "[server]\nhostname=a.example\n",
                   rows[i].lines);
        e = load_text(buf_str(&text), &conf);
        assert_non_null(conf);
        u = &conf->upstreams[0];
        assert_int_equal(u->tls, CONF_TLS_STARTTLS);
        assert_int_equal(u->signatures, rows[i].signatures);
        assert_int_equal(u->already_signed, rows[i].already_signed);
        assert_int_equal(u->max_connections, rows[i].connections);
        assert_int_equal(u->reuse_age_s, rows[i].age_s);
        assert_int_equal(u->reuse_idle_s, rows[i].idle_s);
        conf_free(&conf);
        conf_errors_free(&e);
        buf_free(&text);
    }
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
        { "mode=inbound\ncertificate=/c\nprivate_key=/k\n", false,
          CONF_AUTH_NONE },
        { "mode=inbound\ntls=none\nauth=optional\n", false,
          CONF_AUTH_OPTIONAL },
        { "mode=inbound\ncertificate=/c\nprivate_key=/k\n"
          "require_tls=yes\n",
          true, CONF_AUTH_NONE },
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_add_to_their_default),
        cmocka_unit_test(test_defaults_that_depend),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
