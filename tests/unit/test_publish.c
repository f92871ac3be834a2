/*
 * test_publish - serials, strings, what programs are told, what is written
 * and when, and how long is waited after a failure.
 */
#include "proxy/publish/publish.h"
#include "proxy/publish/serial.h"
#include "proxy/publish/tries.h"
#include "proxy/publish/ways.h"
#include "tests/support/cmocka.h"
#include "tests/support/tempdir.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NOW_S = 1795305600 /* 2026-11-22 */
};

static void
test_serial(void **state)
{
    static const struct {
        const char *name, *zone;
        uint32_t serial; /* 0: none */
    } cases[] = {
        { "plain", "@ SOA ns. host. 5 1 1 1 1\n", 5 },
        { "parentheses", "@ IN SOA ns. host. (\n 2026112201 ; serial\n 1 )",
          2026112201 },
        { "ttl, class, case", "@ 1h in soa ns. host.(7 1 1 1 1)", 7 },
        { "owner named soa", "soa A 127.0.0.1\n@ SOA a. b. 8 1", 8 },
        { "blank owner", "$ORIGIN x.\n SOA a. b. 9 1", 9 },
        { "in a comment", "; x SOA a b 1\n@ SOA ; SOA c d 2\n a. b. 3 1", 3 },
        { "comment, in parentheses", "@ SOA ( ; SOA c d 2\n a. b. 3 1)", 3 },
        { "in a string", "a TXT \"x SOA a b 1\"\n@ SOA a. b. 4 1", 4 },
        { "escaped quote", "a TXT \\\"\n@ SOA a. b. 6 1", 6 },
        { "CRLF", "@ SOA a. b. (\r\n 11\r\n 1 )", 11 },
        { "leading zeros", "@ SOA a. b. 0000000012 1", 12 },
        { "too big", "@ SOA a. b. 4294967296 1", 0 },
        { "a word", "@ SOA a. b. x 1", 0 },
        { "cut", "@ SOA a.", 0 },
        { "none", "@ NS a.", 0 },
        { "empty", "", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t serial = 0;
        size_t at, len;
        bool found = serial_find(bytes_str(cases[i].zone), &at, &len, &serial);

        if (found != (cases[i].serial != 0) || serial != cases[i].serial) {
            fail_msg("%s: %u", cases[i].name, (unsigned)serial);
        }
    }
}

static void
test_serial_next(void **state)
{
    static const struct {
        uint32_t serial, want;
    } cases[] = {
        { 1, 2 },
        { 2026112107, 2026112200 }, /* yesterday's */
        { 2026112200, 2026112201 }, /* today's */
        { 2026112299, 2026112300 }, /* today's are used up */
        { 2026112300, 2026112301 }, /* a day ahead */
        { 2026133100, 2026133101 }, /* no month */
        { 1763772000, 1763772001 }, /* seconds since 1970 */
        { 4294967294u, 4294967295u },
        { 4294967295u, 1 }, /* RFC 1982 3.1, and not 0 */
        { 0, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(serial_next(cases[i].serial, 20261122), cases[i].want);
    }
}

static void
test_strings(void **state)
{
    struct buf out = BUF_INIT;
    char text[600];

    (void)state;
    publish_put_strings(BYTES_LIT("a\"b\\c\x01\xc3;"), &out);
    assert_string_equal(buf_str(&out), "\"a\\\"b\\\\c\\001\\195;\"");
    for (size_t len = 254; len <= 511; len++) {
        size_t quotes = 0;

        memset(text, 'x', len);
        buf_clear(&out);
        publish_put_strings(bytes_make(text, len), &out);
        for (size_t i = 0; i < out.len; i++) {
            quotes += out.ptr[i] == '"';
        }
        assert_int_equal(quotes, len <= 255 ? 2 : len <= 510 ? 4 : 6);
        assert_int_equal(out.len, len + quotes + quotes / 2 - 1);
    }
    buf_free(&out);
}

/* --- programs and files ------------------------------------------------- */

struct world {
    struct tempdir dir;
    struct rotate_conf rotate;
    struct publish_conf publish;
    char host[16];
    struct conf_address server;
    struct publisher p;
    char file[TEMPDIR_PATH_MAX], zone[TEMPDIR_PATH_MAX];
    char program[TEMPDIR_PATH_MAX], seen[TEMPDIR_PATH_MAX];
};

static int
set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    tempdir_make(&w->dir);
    (void)tempdir_name(&w->dir, "include", w->file);
    (void)tempdir_name(&w->dir, "zone", w->zone);
    (void)tempdir_name(&w->dir, "program", w->program);
    (void)tempdir_name(&w->dir, "seen", w->seen);
    (void)bytes_copy(BYTES_LIT("ns.test"), w->host, sizeof(w->host));
    w->server = (struct conf_address){ .host = w->host, .port = 53 };
    w->rotate.zone = "dkim.test";
    w->publish = (struct publish_conf){
        true, { &w->server, 0 }, "", "", "", "", "", "", 300, 5
    };
    w->p = (struct publisher){ &w->rotate, &w->publish, w->dir.path, NOW_S,
                               false };
    *state = w;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *w = *state;
    char path[TEMPDIR_PATH_MAX];

    (void)unlink(tempdir_name(&w->dir, "publish/tries.conf", path));
    (void)rmdir(tempdir_name(&w->dir, "publish", path));
    (void)unlink(w->file);
    (void)unlink(w->seen);
    tempdir_remove(&w->dir);
    free(w);
    return 0;
}

static void
write_script(struct world *w, const char *body)
{
    struct buf text = BUF_INIT;

    buf_printf(&text, "#!/bin/sh\nseen=%s\n%s\n", w->seen, body);
    tempdir_write(&w->dir, "program", buf_bytes(&text), 0755);
    buf_free(&text);
}

/* NULL: not there. */
static const char *
contents(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    size_t n;

    if (f == NULL) {
        return NULL;
    }
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    (void)fclose(f);
    return text;
}

/* "" when it was good. */
static const char *
try(struct world *w, const struct publish_record *records, size_t count)
{
    static char why[1000];
    struct buf out = BUF_INIT;
    bool good = publish(&w->p, records, count, &out);

    assert_true(good == (out.len == 0));
    (void)snprintf(why, sizeof(why), "%s", good ? "" : buf_str(&out));
    buf_free(&out);
    return why;
}

static const struct publish_record three[] = {
    { "a.dkim.test", "v=DKIM1; p=QUJD", true },
    { "b.dkim.test", "v=DKIM1; p=old", false },
    { "c.dkim.test", "", true },
};

static void
test_exec(void **state)
{
    struct world *w = *state;

    w->rotate.publish = CONF_PUBLISH_EXEC;
    assert_non_null(strstr(try(w, three, 3), "program = PATH"));
    w->publish.program = w->program;
    w->p.at_once = true;
    write_script(w, "cat >$seen");
    assert_string_equal(try(w, three, 3), "");
    assert_string_equal(
        contents(w->seen),
        "{\"version\":1,\"zone\":\"dkim.test\",\"changes\":["
        "{\"action\":\"put\",\"name\":\"a.dkim.test\",\"type\":\"TXT\","
        "\"ttl\":300,\"value\":\"v=DKIM1; p=QUJD\","
        "\"strings\":[\"v=DKIM1; p=QUJD\"]},"
        "{\"action\":\"remove\",\"name\":\"c.dkim.test\",\"type\":\"TXT\"}"
        "]}\n");
    write_script(w, "echo trying >&2; echo no such zone >&2; exit 2");
    assert_non_null(strstr(try(w, three, 3), "ended with 2: no such zone"));
    assert_string_equal(try(w, three + 1, 1), ""); /* nothing changed */
    write_script(w, "sleep 20");
    w->publish.timeout_s = 1;
    assert_non_null(strstr(try(w, three, 3), "did not end within 1 s"));
}

static void
test_rfc2136(void **state)
{
    struct world *w = *state;

    w->rotate.publish = CONF_PUBLISH_RFC2136;
    w->p.at_once = true;
    assert_non_null(strstr(try(w, three, 3), "server = HOST:PORT"));
    w->publish.server.count = 1;
    w->publish.program = w->program;
    w->publish.zone = "test";
    write_script(w, "echo \"$@\" >$seen; cat >>$seen");
    assert_string_equal(try(w, three, 3), "");
    assert_string_equal(contents(w->seen),
                        "-v -t 3\n"
                        "server ns.test 53\n"
                        "zone test.\n"
                        "class IN\n"
                        "prereq nxrrset a.dkim.test. CNAME\n"
                        "update delete a.dkim.test. TXT\n"
                        "update add a.dkim.test. 300 TXT \"v=DKIM1; p=QUJD\"\n"
                        "prereq nxrrset c.dkim.test. CNAME\n"
                        "update delete c.dkim.test. TXT\n"
                        "send\n");
    w->publish.tsig_key_file = w->zone; /* is not there */
    assert_non_null(strstr(try(w, three, 3), "tsig_key_file = "));
    tempdir_write(&w->dir, "zone", BYTES_LIT("secret"), 0600);
    assert_string_equal(try(w, three, 3), "");
    assert_non_null(strstr(contents(w->seen), "-v -t 3 -k "));
    write_script(w, "echo 'update failed: REFUSED' >&2; exit 2");
    assert_non_null(strstr(try(w, three, 3), "update-policy"));
}

/* More than one DNS message holds: each transaction is whole and bounded. */
static void
test_many(void **state)
{
    enum {
        MANY = 300
    };
    struct world *w = *state;
    struct publish_record records[MANY];
    char names[MANY][32];
    const char *at;
    char text[401];
    size_t sends = 0;

    memset(text, 'p', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%03zu.dkim.test", i);
        records[i] = (struct publish_record){ names[i], text, true };
    }
    w->rotate.publish = CONF_PUBLISH_RFC2136;
    w->publish.server.count = 1;
    w->publish.program = w->program;
    write_script(w, "awk '/^send/ { print n, s; n = 0; s = 0; next }"
                    " /^update add/ { n++ } { s += length($0) }'"
                    " s=0 n=0 >$seen");
    assert_string_equal(try(w, records, MANY), "");
    at = contents(w->seen);
    for (unsigned long n = 0; *at != '\0'; sends++) {
        char *end;
        unsigned long count = strtoul(at, &end, 10);
        unsigned long size = strtoul(end, &end, 10);

        n += count;
        assert_true(count > 0 && size <= 49152);
        at = end + 1;
        assert_true(*at != '\0' || n == MANY);
    }
    assert_true(sends >= 3 && sends <= 5);
}

static void
test_zonefile(void **state)
{
    static const char zone[] = "@ SOA ns. host. ( 2026112207 1 1 1 1 )\n"
                               "$INCLUDE include\n";
    struct world *w = *state;
    char command[TEMPDIR_PATH_MAX * 2];
    struct stat st;

    w->rotate.publish = CONF_PUBLISH_ZONEFILE;
    w->p.at_once = true;
    assert_non_null(strstr(try(w, three, 3), "file = PATH"));
    w->publish.file = w->file;
    w->publish.serial_file = w->zone;
    assert_non_null(strstr(try(w, three, 3), "serial_file = "));
    tempdir_write(&w->dir, "zone", BYTES_LIT("@ NS ns.\n"), 0640);
    assert_non_null(strstr(try(w, three, 3), "no SOA"));
    tempdir_write(&w->dir, "zone", bytes_str(zone), 0640);
    (void)snprintf(command, sizeof(command),
                   "echo $SEALPOST_ZONE $SEALPOST_FILE >>%s; exit 0", w->seen);
    w->publish.reload = command;
    assert_string_equal(try(w, three, 3), "");
    assert_string_equal(
        contents(w->file),
        "; Written whole by sealpost at each change: do not edit.\n"
        "a.dkim.test. 300 IN TXT \"v=DKIM1; p=QUJD\"\n"
        "b.dkim.test. 300 IN TXT \"v=DKIM1; p=old\"\n");
    assert_non_null(strstr(contents(w->zone), "( 2026112208 1 1 1 1 )"));
    assert_int_equal(stat(w->zone, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_non_null(strstr(contents(w->seen), "dkim.test /"));
    assert_int_equal(unlink(w->seen), 0);
    assert_string_equal(try(w, three + 1, 1), ""); /* a and c have gone */
    assert_non_null(contents(w->seen));
    assert_int_equal(unlink(w->seen), 0);
    assert_string_equal(try(w, three + 1, 1), ""); /* as it stands */
    assert_null(contents(w->seen));
    assert_non_null(strstr(contents(w->zone), "( 2026112209 1 1 1 1 )"));
}

/* A reload that failed is run again, though nothing is new any more. */
static void
test_reload_again(void **state)
{
    struct world *w = *state;

    w->rotate.publish = CONF_PUBLISH_ZONEFILE;
    w->publish.file = w->file;
    w->publish.reload = "echo the server is down >&2; exit 1";
    assert_non_null(strstr(try(w, three + 1, 1), "the server is down"));
    w->publish.reload = "exit 0";
    assert_non_null(strstr(try(w, three + 1, 1), "waits 60 s more after 1 "
                                                 "failed try"));
    w->p.now_s += 60;
    w->publish.reload = "exit 7";
    assert_non_null(strstr(try(w, three + 1, 1), "ended with 7"));
    w->p.now_s += 120;
    w->publish.reload = "exit 0";
    assert_string_equal(try(w, three + 1, 1), "");
}

static void
test_tries(void **state)
{
    static const uint64_t waits[] = { 60,   120,  240,   480,   960,  1920,
                                      3840, 7680, 15360, 21600, 21600 };
    struct world *w = *state;
    struct publish_tries t;
    uint64_t now_s = NOW_S;

    publish_tries_read(w->dir.path, &t);
    assert_int_equal(t.failures, 0);
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        assert_true(
            publish_tries_note(w->dir.path, now_s, false, "why; not\n\"=\x01"));
        publish_tries_read(w->dir.path, &t);
        assert_int_equal(t.failures, i + 1);
        assert_int_equal(t.failed_s, now_s);
        assert_int_equal(t.next_s - now_s, waits[i]);
        assert_string_equal(t.why, "why, not?\"=?");
        now_s = t.next_s;
    }
    assert_true(publish_tries_note(w->dir.path, now_s, true, ""));
    publish_tries_read(w->dir.path, &t);
    assert_int_equal(t.failures, 0);
    publish_tries_parse(BYTES_LIT("[publish]\nfailures = 1\n"), &t);
    assert_int_equal(t.failures, 0);
    publish_tries_parse(BYTES_LIT("failures = 1\n\x01 ["), &t);
    assert_int_equal(t.failures, 0);
}

/* No program, file or server is told a name that is not one below zone. */
static void
test_names(void **state)
{
    static const char *const names[] = {
        "dkim.test",         ".dkim.test",   "adkim.test",
        "a.dkim.test.other", "a.other",      "a\nsend.dkim.test",
        "a b.dkim.test",     "a;.dkim.test", "",
    };
    struct world *w = *state;

    w->rotate.publish = CONF_PUBLISH_EXEC;
    w->publish.program = "/bin/true";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct publish_record r = { names[i], "x", true };

        if (strcmp(names[i], ".dkim.test") != 0) {
            assert_non_null(strstr(try(w, &r, 1), "is not a name below"));
        }
    }
    w->rotate.publish = CONF_PUBLISH_NONE;
    assert_non_null(strstr(try(w, three, 3), "[rotate] publish = "));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serial),
        cmocka_unit_test(test_serial_next),
        cmocka_unit_test(test_strings),
        cmocka_unit_test_setup_teardown(test_exec, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rfc2136, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_zonefile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reload_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
