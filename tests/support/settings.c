/*
 * settings - a setting of the configuration, read for itself; see settings.h.
 */
#include "settings.h"

#include <base/buf.h>

#include <proxy/config/reader.h>
#include <tests/support/cmocka.h>

const struct conf_kind *
kind_of(const struct conf_setting *s)
{
    for (size_t i = 0; i < conf_kind_count; i++) {
        if (strcmp(conf_kinds[i].name, s->section) == 0) {
            return &conf_kinds[i];
        }
    }
    fail_msg("[%s] has no kind", s->section);
    return NULL;
}

size_t
read_lines(const struct conf_setting *s, const char *lines,
           struct conf **conf_out, const void **base_out)
{
    struct conf *conf = calloc(1, sizeof(*conf));
    struct conf_errors *e = conf_errors_new();
    struct buf text = BUF_INIT;
    size_t errors;

    assert_non_null(conf);
    conf->memory = calloc(1, sizeof(*conf->memory));
    assert_non_null(conf->memory);
    buf_printf(&text, "[%s%s]\n%s", s->section, kind_of(s)->named ? " x" : "",
               lines);
    conf_bundle_text(&conf->memory->bundle, "t", buf_bytes(&text));
    conf->path = "t";
    conf_collect(conf, e);
    conf_fill(conf, e);
    assert_false(conf->memory->arena.failed);
    /* Other keys that are needed are missing here: "has no". */
    errors = conf_errors_count(e);
    for (size_t i = 0; i < conf_errors_count(e); i++) {
        errors -= strstr(conf_errors_line(e, i), "] has no ") != NULL &&
                  strstr(conf_errors_line(e, i), "has no key") == NULL;
    }
    *base_out = conf->memory->sections->base;
    *conf_out = conf;
    conf_errors_free(&e);
    buf_free(&text);
    return errors;
}

bool
takes_lines(const struct conf_setting *s, const char *lines)
{
    struct conf *conf;
    const void *base;
    size_t errors = read_lines(s, lines, &conf, &base);

    conf_free(&conf);
    return errors == 0;
}

static bool
takes(const struct conf_setting *s, const char *value)
{
    struct buf lines = BUF_INIT;
    bool good;

    buf_printf(&lines, "%s = %s\n", s->key, value);
    good = takes_lines(s, buf_str(&lines));
    buf_free(&lines);
    return good;
}

void
check(const struct conf_setting *s, const char *value, bool want)
{
    if (takes(s, value) != want) {
        fail_msg("[%s] %s = %s is %s", s->section, s->key, value,
                 want ? "refused" : "taken");
    }
}

#define LABEL_63 \
    "a23456789012345678901234567890123456789012345678901234567890123"

#define HEX_30 "0123456789abcdefABCDEF01234567"
#define HEX_62 HEX_30 HEX_30 "89"
#define HEX_64 HEX_62 "89"
#define HEX_COLONS                                     \
    "00:01:02:03:04:05:06:07:08:09:0a:0B:0c:0D:0e:0F:" \
    "10:11:12:13:14:15:16:17:18:19:1a:1B:1c:1D:1e:1F"

const char *const texts[CONF_TYPES][SETTING_TEXTS] = {
    [CONF_TEXT] = { "a", "a b, c", "\"quoted\"", "a;b", "\xc3\xbc" },
    [CONF_HOST] = { "a", LABEL_63 ".b", "!a" LABEL_63 ".b", "relay.example.com",
                    "x_y.example", "1.example", "!.a", "!a.", "!a..b", "!-a",
                    "!a-", "!a-.b", "!a b", "!*", "!a,b", "!\xc3\xbc.example" },
    [CONF_PATH] = { "/", "/etc/x y", "!etc", "!./x", "!~/x" },
    [CONF_ACCOUNT] = { "a", "_a-b.c9", "A", "!0a", "!-a", "!a b", "!a:b",
                       "!a2345678901234567890123456789012x" },
    [CONF_USER] = { "alice", "alice@example.com", "\xc3\xbc", "!a b", "!a]",
                    "!a;b" },
    [CONF_LOG] = { "stderr", "syslog", "/var/log/x", "!stdout", "!x.log" },
    [CONF_NAME] = { "a", "a-b.c_d", "!a b", "!a/b" },
    [CONF_FIELD] = { "X-Spam", "x", "!X-Spam:", "!X Spam", "!\xc3\xbc" },
    [CONF_RATE] = { "500/h", "1/s", "2/m", "100000000/d", "!0/h", "!500", "!/h",
                    "!5/w", "!5/H", "!5/hh", "!-5/h", "!100000001/d", "!5 / h",
                    "!99999999999999999999/h" },
    [CONF_BACKEND] = { "users", "upstream", "dovecot:/x", "!dovecot:x",
                       "!dovecot:", "!dovecot", "!Users", "!ldap",
                       "dovecot:/" LABEL_63 "234567890123456789012345678901234"
                       "5678901234",
                       "!dovecot:/" LABEL_63 "234567890123456789012345678901234"
                       "56789012345" },
    [CONF_CANON] = { "simple/simple", "relaxed/simple", "simple/relaxed",
                     "relaxed/relaxed", "!relaxed", "!simple/", "!/simple",
                     "!simple/simple/simple", "!Relaxed/relaxed" },
    [CONF_LISTEN] = { "127.0.0.1:1", "[::1]:65535", "0.0.0.0:25,[::]:25",
                      "!127.0.0.1", "!127.0.0.1:0", "!127.0.0.1:65536", "!*:1",
                      "!localhost:1", "!::1:1", "![::1]", "!127.0.0.1:1,",
                      "!,127.0.0.1:1", "!127.1:1", "!127.0.0.1:-1",
                      "!127.0.0.1:99999999999999999999", "![1.2.3.4]:1" },
    [CONF_SERVERS] = { "127.0.0.1", "127.0.0.1:5353", "::1", "[::1]",
                       "[::1]:53", "!127.0.0.1:0", "!dns.example", "!::1:x",
                       "!127.0.0.1:65536" },
    [CONF_TARGETS] = { "a.example:1", "127.0.0.1:65535", "[::1]:25", "!a",
                       "!a:0", "!a:65536", "!a:b", "!1.2.3:25", "!a:1:2",
                       "!::1:25", "!a b:1" },
    [CONF_POOL] = { "a.example:1", "a:1 weight=1, [::1]:2  weight=100, b:3",
                    "a:1 WEIGHT=5", "!a", "!a:0", "!a:1 weight=0",
                    "!a:1 weight=101", "!a:1 weight=", "!a:1 weight=x",
                    "!a:1 heavy", "!weight=1", "!a:1 weight=1 weight=2" },
    [CONF_SENDERS] = { "a.example", "a.example, *.B.Example", "!*", "!*.",
                       "!*a.example", "!a.*.example", "!a@example" },
    [CONF_NETWORKS] = { "192.0.2.0/24", "192.0.2.1", "::/0", "2001:db8::/32",
                        "::1", "::ffff:192.0.2.0/120", "!::ffff:0.0.0.0/95",
                        "!::ffff:0.0.0.0/0", "!192.0.2.1/24", "!192.0.2.0/33",
                        "!::/129", "!192.0.2.0/", "!/24", "!192.0.2.0/-1",
                        "!192.0.2.0/024x", "!a", "!10/8", "!2001:db8::1/64",
                        "!192.0.2.0/24/24" },
    [CONF_PINS] = { "sha256:" HEX_64, "SHA256:" HEX_COLONS,
                    "sha256:" HEX_64 ", sha256:" HEX_COLONS, "!" HEX_64,
                    "!sha256:", "!sha256:00", "!sha256:" HEX_64 "0",
                    "!sha256:" HEX_64 ":", "!sha256::" HEX_64,
                    "!sha256: " HEX_64, "!sha1:" HEX_64, "!sha256:" HEX_62 "0g",
                    "!sha256:" HEX_62 "0", "!sha256:" HEX_62 "0:0" },
    [CONF_CERT_USERS] = { "sha256:" HEX_64 " = alice",
                          "sha256:" HEX_64 "=Bob@example.com",
                          "SHA256:" HEX_COLONS " =alice",
                          "sha256:" HEX_64 " = a, sha256:" HEX_64 " = b",
                          "!sha256:" HEX_64, "!sha256:" HEX_64 " =",
                          "!sha256:" HEX_64 " = a b",
                          "!sha256:" HEX_62 " = alice", "!alice", "!= alice",
                          "!CN=alice = alice", "!subject:", "!subject:CN=alice",
                          "!subject:CN=alice=alice", "!subject:alice = alice",
                          "!subject: = alice", "!sha256:" HEX_64 " = a,," },
    [CONF_PATHS] = { "/a", "/a, /b c", "!a", "!/a, b", "!/a,,/b" },
    [CONF_DOMAINS] = { "a.example", "a.example, B.Example", "!*.example",
                       "!a.example,,b", "!a@example", "!." },
    [CONF_FIELDS] = { "x-a", "X-A,x-b", "!x a", "!x:", "!,", "!x,,y" },
    [CONF_HEADERS] = { "default", "from", "default,+x,-to", "from,x-*",
                       "default, -list-*, +list-id", "from, resent-*, +list-*",
                       "!-to", "!to", "!default,-from", "!from,+received",
                       "!from,arc-seal", "!from,*", "!from,a*", "!from,x y",
                       "!from,+", "!default,-list-id",
                       "!default,+return-path" },
};
