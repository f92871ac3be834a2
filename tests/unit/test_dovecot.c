/*
 * test_dovecot - lines of the auth protocol, and logins over a connection to
 * one who plays Dovecot in the same loop.
 */
#include "tests/support/cmocka.h"

#include <smtp/caps.h>

#include <proxy/auth/dovecot.h>
#include <proxy/log/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- lines ---------------------------------------------------------------- */

static void
lines_are_read(void **state)
{
    static const struct {
        const char *line;
        enum dovecot_word word;
        uint32_t number;  /* major, mech or id */
        const char *text; /* user, challenge or reason */
        bool temporary;
    } cases[] = {
        { "VERSION\t1\t2", DOVECOT_VERSION, 1, "", false },
        { "VERSION\t2\t0", DOVECOT_VERSION, 2, "", false },
        { "MECH\tPLAIN\tplaintext", DOVECOT_MECH, SMTP_MECH_PLAIN, "", false },
        { "MECH\tLOGIN", DOVECOT_MECH, SMTP_MECH_LOGIN, "", false },
        { "MECH\tLOGIN\tx\tprivate", DOVECOT_MECH, 0, "", false },
        { "MECH\tGSSAPI", DOVECOT_MECH, 0, "", false },
        { "DONE", DOVECOT_DONE, 0, "", false },
        { "SPID\t7", DOVECOT_OTHER, 0, "", false },
        { "COOKIE\tab", DOVECOT_OTHER, 0, "", false },
        { "", DOVECOT_OTHER, 0, "", false },
        { "CONT\t5\tYQ==", DOVECOT_CONT, 5, "YQ==", false },
        { "CONT\t5\t", DOVECOT_CONT, 5, "", false },
        { "OK\t4294967295\tuser=bob", DOVECOT_OK, UINT32_MAX, "bob", false },
        { "OK\t1\ttoken=x\tuser=bob\tpass=y", DOVECOT_OK, 1, "bob", false },
        { "OK\t1\tuser=a\001"
          "1b",
          DOVECOT_OK, 1, NULL, false },
        { "OK\t1\tuser=bob\tnologin", DOVECOT_FAIL, 1, "nologin", false },
        { "FAIL\t1", DOVECOT_FAIL, 1, "", false },
        { "FAIL\t1\tuser=x\treason=no\001tway", DOVECOT_FAIL, 1, "no?tway",
          false },
        { "FAIL\t1\ttemp", DOVECOT_FAIL, 1, "", true },
        { "FAIL\t1\tcode=temp_fail", DOVECOT_FAIL, 1, "temp_fail", true },
        { "FAIL\t1\tcode=pass_expired\treason=old", DOVECOT_FAIL, 1, "old",
          false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dovecot_line l;
        bool good = dovecot_line_parse(bytes_str(cases[i].line), &l);
        const char *text;
        uint32_t number;

        if (cases[i].text == NULL) { /* octet 1 is no text of ours */
            assert_false(good);
            continue;
        }
        assert_true(good);
        text = l.word == DOVECOT_OK ? l.user : l.reason;
        number = l.word == DOVECOT_VERSION ? l.major
                 : l.word == DOVECOT_MECH  ? l.mech
                                           : l.id;
        assert_int_equal(l.word, cases[i].word);
        assert_int_equal(number, cases[i].number);
        assert_int_equal(l.temporary, cases[i].temporary);
        if (l.word == DOVECOT_CONT) {
            assert_true(bytes_is(l.challenge, cases[i].text));
        } else {
            assert_string_equal(text, cases[i].text);
        }
    }
}

static void
nonsense_is_refused(void **state)
{
    static const char *const lines[] = {
        "VERSION",
        "VERSION\t1",
        "VERSION\tx\t1",
        "MECH",
        "CONT\t1",
        "CONT",
        "CONT\tx\tYQ==",
        "OK\t1",
        "OK\t1\tuser=",
        "OK\tx\tuser=a",
        "OK\t-1\tuser=a",
        "OK\t4294967296\tuser=a",
        "OK\t1\tuser=a\001",
        "OK\t1\tuser=a\001x",
        "OK\t1\tuser=a\0010b",
        "OK\t1\tuser=a\001tb",
        "OK\t1\tuser=a\x7f",
        "FAIL",
        "FAIL\tx",
    };
    char user[DOVECOT_USER_MAX + 32] = "OK\t1\tuser=";
    char *line = malloc(DOVECOT_LINE_MAX + 1);
    struct dovecot_line l;

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        if (dovecot_line_parse(bytes_str(lines[i]), &l)) {
            fail_msg("%s", lines[i]);
        }
    }
    memset(user + 10, 'a', DOVECOT_USER_MAX + 1);
    assert_true(
        dovecot_line_parse(bytes_make(user, 10 + DOVECOT_USER_MAX), &l));
    assert_false(
        dovecot_line_parse(bytes_make(user, 11 + DOVECOT_USER_MAX), &l));
    assert_false(dovecot_line_parse(bytes_make("SPID\0", 5), &l));
    memset(line, 'x', DOVECOT_LINE_MAX);
    assert_true(dovecot_line_parse(bytes_make(line, DOVECOT_LINE_MAX - 1), &l));
    assert_false(dovecot_line_parse(bytes_make(line, DOVECOT_LINE_MAX), &l));
    free(line);
}

static void
lines_are_written(void **state)
{
    struct dovecot_asked asked = { .id = 7,
                                   .mech = "PLAIN",
                                   .session = "abc",
                                   .remote_address = "192.0.2.1",
                                   .remote_port = 4,
                                   .local_address = "",
                                   .secured = true,
                                   .has_initial = true,
                                   .initial = BYTES_LIT("YQ==") };
    char *big = malloc(DOVECOT_LINE_MAX);
    struct buf out = BUF_INIT;

    (void)state;
    dovecot_put_hello(&out, 42);
    assert_string_equal(buf_str(&out), "VERSION\t1\t1\nCPID\t42\n");
    buf_clear(&out);
    assert_true(dovecot_put_auth(&out, &asked));
    assert_string_equal(buf_str(&out),
                        "AUTH\t7\tPLAIN\tservice=smtp\tsession=abc\t"
                        "rip=192.0.2.1\trport=4\tsecured\tresp=YQ==\n");
    memset(big, 'A', DOVECOT_LINE_MAX);
    asked.initial = bytes_make(big, DOVECOT_LINE_MAX - out.len + 5);
    assert_false(dovecot_put_auth(&out, &asked)); /* nothing is put */
    asked.initial.len--;
    out.len = 0;
    assert_true(dovecot_put_auth(&out, &asked));
    assert_int_equal(out.len, DOVECOT_LINE_MAX);
    buf_clear(&out);
    asked.has_initial = asked.secured = false;
    asked.remote_address = "";
    assert_true(dovecot_put_auth(&out, &asked));
    assert_string_equal(buf_str(&out),
                        "AUTH\t7\tPLAIN\tservice=smtp\tsession=abc\n");
    buf_clear(&out);
    assert_true(dovecot_put_cont(&out, 7, BYTES_LIT("YQ==")));
    dovecot_put_cancel(&out, 7);
    assert_string_equal(buf_str(&out), "CONT\t7\tYQ==\nCANCEL\t7\n");
    assert_false(dovecot_put_cont(&out, 7, bytes_make(big, DOVECOT_LINE_MAX)));
    buf_free(&out);
    free(big);
}

/* --- a connection --------------------------------------------------------- */

struct play {
    char dir[256], path[300];
    int listener, peer; /* the one who plays Dovecot; -1: none */
    struct event_base *base;
    struct conn_loop *loop;
    struct dovecot *dovecot;
    char heard[8192];
};

struct told {
    unsigned times;
    enum dovecot_verdict verdict;
    char text[256];
    struct dovecot_request *again; /* cancelled by the callback */
};

static void
on_told(enum dovecot_verdict verdict, struct bytes text, void *arg)
{
    struct told *t = arg;

    t->times++;
    t->verdict = verdict;
    (void)bytes_copy(text, t->text, sizeof(t->text));
    dovecot_cancel(&t->again);
}

static void
listen_at(struct play *p)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };

    strcpy(to.sun_path, p->path);
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(listen(p->listener, 8), 0);
}

static void
spin(struct play *p)
{
    for (int i = 0; i < 20; i++) {
        (void)event_base_loop(p->base, EVLOOP_NONBLOCK);
    }
}

static void
accept_one(struct play *p)
{
    spin(p);
    p->peer = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(p->peer >= 0);
}

static void
says(struct play *p, const char *text)
{
    assert_int_equal(write(p->peer, text, strlen(text)), strlen(text));
    spin(p);
}

/* What it was told since the last time. */
static const char *
hears(struct play *p)
{
    ssize_t n;

    spin(p);
    n = read(p->peer, p->heard, sizeof(p->heard) - 1);
    p->heard[n < 0 ? 0 : n] = '\0';
    return p->heard;
}

static void
hangs_up(struct play *p)
{
    close(p->peer);
    p->peer = -1;
    spin(p);
}

static struct dovecot_request *
ask(struct play *p, struct told *t)
{
    struct dovecot_asked asked = { .mech = "LOGIN",
                                   .session = "s",
                                   .remote_address = "",
                                   .local_address = "" };
    const char *why;

    return dovecot_ask(p->dovecot, &asked, on_told, t, &why);
}

static const char hello[] = "VERSION\t1\t2\nMECH\tLOGIN\tplaintext\nDONE\n";

static int
setup(void **state)
{
    struct play *p = calloc(1, sizeof(*p));

    (void)snprintf(p->dir, sizeof(p->dir), "/tmp/dovecot-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    (void)snprintf(p->path, sizeof(p->path), "%s/s", p->dir);
    p->peer = -1;
    p->base = event_base_new();
    p->loop = conn_loop_new(p->base);
    listen_at(p);
    p->dovecot = dovecot_new(p->base, p->loop, p->path);
    *state = p;
    return p->dovecot == NULL;
}

static int
teardown(void **state)
{
    struct play *p = *state;

    dovecot_free(&p->dovecot);
    assert_null(p->dovecot);
    conn_loop_free(&p->loop);
    event_base_free(p->base);
    close(p->listener);
    if (p->peer >= 0) {
        close(p->peer);
    }
    (void)unlink(p->path);
    (void)rmdir(p->dir);
    free(p);
    return 0;
}

static void
logins_run_side_by_side(void **state)
{
    struct told a = { 0 }, b = { 0 };
    struct dovecot_request *ra, *rb;
    struct play *p = *state;

    assert_int_equal(dovecot_mechs(p->dovecot), ~0u);
    accept_one(p);
    /* Before the handshake is over: it is told behind it. */
    ra = ask(p, &a);
    assert_non_null(ra);
    assert_null(strstr(hears(p), "AUTH"));
    says(p, hello);
    assert_int_equal(dovecot_mechs(p->dovecot), SMTP_MECH_LOGIN);
    assert_non_null(strstr(hears(p), "AUTH\t1\tLOGIN\t"));
    rb = ask(p, &b);
    assert_non_null(strstr(hears(p), "AUTH\t2\t"));
    says(p, "CONT\t2\tVXNlcm5hbWU6\nCONT\t1\t\n");
    assert_int_equal(b.verdict, DOVECOT_CHALLENGE);
    assert_string_equal(b.text, "VXNlcm5hbWU6");
    assert_true(dovecot_go_on(rb, BYTES_LIT("Ym9i")));
    assert_string_equal(hears(p), "CONT\t2\tYm9i\n");
    says(p, "OK\t2\tuser=bob\nFAIL\t1\tuser=x\ttemp\n");
    assert_int_equal(b.verdict, DOVECOT_RIGHT);
    assert_string_equal(b.text, "bob");
    assert_int_equal(a.verdict, DOVECOT_LATER);
    says(p, "OK\t2\tuser=eve\nOK\t1\tuser=eve\nOK\t9\tuser=eve\n");
    assert_int_equal(a.times + b.times, 4);
}

/* Every split of what it says, an octet a turn. */
static void
lines_come_in_pieces(void **state)
{
    static const char text[] = "VERSION\t1\t2\nMECH\tLOGIN\nDONE\n"
                               "CONT\t1\tYQ==\nOK\t1\tuser=bob\n";
    struct play *p = *state;
    struct told a = { 0 };

    accept_one(p);
    assert_non_null(ask(p, &a));
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        const char octet[2] = { text[i], '\0' };

        says(p, octet);
    }
    assert_int_equal(a.times, 2);
    assert_int_equal(a.verdict, DOVECOT_RIGHT);
}

static void
cancelled_ones_hear_nothing(void **state)
{
    struct play *p = *state;
    struct told a = { 0 }, b = { 0 };
    struct dovecot_request *r;

    accept_one(p);
    says(p, hello);
    (void)hears(p);
    r = ask(p, &a);
    b.again = ask(p, &b); /* its own callback gives... */
    dovecot_cancel(&b.again);
    b.again = r; /* ...another one up */
    assert_non_null(ask(p, &b));
    assert_non_null(strstr(hears(p), "CANCEL\t2\n"));
    says(p, "FAIL\t3\nOK\t1\tuser=bob\n");
    assert_int_equal(b.times, 1);
    assert_int_equal(a.times, 0);
    assert_non_null(strstr(hears(p), "CANCEL\t1\n"));
}

static void
who_waits_hears_of_the_end(void **state)
{
    struct told a = { 0 }, b = { 0 };
    struct play *p = *state;

    accept_one(p);
    says(p, hello);
    assert_non_null(ask(p, &a));
    b.again = NULL;
    assert_non_null(ask(p, &b));
    hangs_up(p);
    assert_int_equal(a.times, 1);
    assert_int_equal(a.verdict, DOVECOT_LATER);
    assert_int_equal(b.times, 1);
    assert_null(ask(p, &a)); /* a second has not passed */
    sleep(1);
    assert_non_null(ask(p, &a)); /* it is tried again for her */
    accept_one(p);
    says(p, hello);
    says(p, "OK\t3\tuser=bob\n");
    assert_int_equal(a.verdict, DOVECOT_RIGHT);
}

static void
others_than_dovecot(void **state)
{
    static const char *const texts[] = { "VERSION\t2\t0\n",
                                         "220 mail ESMTP\nOK\n",
                                         "VERSION\tone\n" };
    struct play *p = *state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct told a = { 0 };

        if (i > 0) {
            sleep(1);
        }
        (void)ask(p, &a);
        accept_one(p);
        says(p, texts[i]);
        assert_int_equal(recv(p->peer, p->heard, 1, 0) >= 0, 1);
        hangs_up(p);
        assert_int_equal(dovecot_mechs(p->dovecot), ~0u);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(lines_are_written),
        cmocka_unit_test_setup_teardown(logins_run_side_by_side, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(lines_come_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(cancelled_ones_hear_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_waits_hears_of_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(others_than_dovecot, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
