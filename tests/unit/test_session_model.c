/*
 * test_session_model - random walks over what a client, an upstream, the
 * keeper, DNS and time may do; session_world holds what must hold.
 *
 * 100000 steps; SEALPOST_STEPS=N: so many; SEALPOST_LONG=1: 10000000.
 * SEALPOST_SEED=N starts elsewhere.
 */
#include "tests/support/cmocka.h"
#include "tests/support/session_mail.h"

#include <stdlib.h>

enum {
    STEPS = 100000,
    STEPS_LONG = 10000000,
    STEPS_A_WORLD = 100
};

static uint64_t seed;

static unsigned
chance(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % n);
}

#define CHUNK_1 "BDAT 39\r\nFrom: alice@example.com\r\nSubject: #\r\n\r\n"
#define CHUNK_2 "BDAT 6 LAST\r\n.\r\n.\r\n"
#define NO_END  "BDAT 39 LAST\r\nFrom: friend@friend.example\r\n\r\nno end #"
#define SUBMIT \
    "MAIL FROM:<alice@example.com>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n"
#define BARE_CR "BDAT 40 LAST\r\nFrom: friend@friend.example\r\n\r\nno end #\r"

static const char *const lines[] = {
    "NOOP\r\n",
    "RSET\r\n",
    "EHLO again.example\r\n",
    "HELO again.example\r\n",
    "MAIL FROM:<alice@example.com> SIZE=5000\r\n",
    "MAIL FROM:<>\r\n",
    "RCPT TO:<alice@example.com>\r\n",
    "RCPT TO:<bob@example.com>\r\n",
    "RCPT TO:<no@elsewhere.example>\r\n",
    "RCPT TO:<broken\r\n",
    "DATA\r\n",
    "BDAT 5 LAST\r\n",
    "BDAT 0 LAST\r\n",
    "BDAT 70000\r\n",
    "BDAT x\r\n",
    CHUNK_1 CHUNK_2,
    CHUNK_1 "RSET\r\n",
    CHUNK_1 "DATA\r\n",
    "VRFY alice\r\n",
    "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n",
    "AUTH PLAIN AGFsaWNlAHdyb25n\r\n",
    "AUTH PLAIN\r\n",
    "AUTH PLAIN =\r\n",
    "AGFsaWNlAHNlY3JldA==\r\n",
    "AUTH LOGIN\r\n",
    "AUTH LOGIN YWxpY2U=\r\n",
    "YWxpY2U=\r\n",
    "c2VjcmV0\r\n",
    "not base64\r\n",
    "AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPXJPcHJOR2Z3RWJlUldnYk5FcWtv\r\n",
    "Yz1iaXdzLHI9eCxwPWVBPT0=\r\n",
    "AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciB4AQE=\r\n",
    "AUTH OAUTHBEARER\r\n",
    "AUTH CRAM-MD5\r\n",
    ("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n" SUBMIT),
    "*\r\n",
    "STARTTLS\r\n",
    "nonsense\r\n",
    "bare\nline\r\n",
    "RCPT TO:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n",
    "MAIL FROM:<alice@example.com>\r\nRCPT TO:<a@example.com>\r\nRSET\r\n",
    "QUIT\r\n",
};

static const char *const bodies[] = {
    "From: alice@example.com\r\nSubject: #\r\n\r\nbody\r\n.\r\n",
    "From: friend@friend.example\r\n\r\n#\r\n..dot\r\n.\r\n",
    "From: x@stranger.example\r\n\r\nrefused #\r\n.\r\n",
    "From: alice@example.com\r\nBcc: x@example.com\r\nTo: #\r\n\r\n",
    "not whole yet",
    "\r\n.\r\n",
    ".\r\n",
    "bare\nLF\r\n",
    "From: a@slow.example\r\nDate: #\r\nMessage-ID: <x>\r\n\r\n.\r\n",
};

/* "#" stands for who says it: no two clients send the same message. */
static void
say(struct session_world *w, unsigned n, const char *words)
{
    char text[200];
    size_t len = strlen(words);

    for (size_t i = 0; i <= len; i++) {
        text[i] = words[i] == '#' ? (char)('0' + n) : words[i];
    }

    if (chance(8) == 0) { /* in two pieces */
        size_t first = chance((unsigned)len) + 1;

        world_say(w, n, bytes_make(text, first));
        world_turn(w);
        world_say(w, n, bytes_make(text + first, len - first));
        return;
    }
    world_say(w, n, bytes_str(text));
}

/* A whole message in BDATs, or what goes wrong in one. */
static void
talk_chunks(struct session_world *w, unsigned n, bool outbound)
{
    static const char *const chunks[] = {
        CHUNK_1 CHUNK_2, CHUNK_1, CHUNK_2,
        NO_END,          BARE_CR, CHUNK_1 "BDAT 0 LAST\r\n"
    };

    say(w, n,
        outbound ? "MAIL FROM:<alice@example.com>\r\n"
                   "RCPT TO:<bob@example.net>\r\n"
                 : "MAIL FROM:<friend@friend.example>\r\n"
                   "RCPT TO:<alice@example.com>\r\n");
    say(w, n, chunks[chance(sizeof(chunks) / sizeof(chunks[0]))]);
}

/* What a client would say now, mostly. */
static void
talk(struct session_world *w, unsigned n)
{
    struct world_client *c = &w->clients[n];
    bool outbound = c->listener != WORLD_INBOUND;

    if (c->mode == CLIENT_DATA) {
        say(w, n, bodies[chance(sizeof(bodies) / sizeof(bodies[0]))]);
    } else if (chance(4) == 0) {
        say(w, n, lines[chance(sizeof(lines) / sizeof(lines[0]))]);
    } else if (c->listener != WORLD_SUBMISSION && chance(3) == 0) {
        talk_chunks(w, n, outbound);
    } else {
        say(w, n,
            outbound ? "MAIL FROM:<alice@example.com>\r\n"
                       "RCPT TO:<bob@example.net>\r\nDATA\r\n"
                     : "MAIL FROM:<friend@friend.example>\r\n"
                       "RCPT TO:<alice@example.com>\r\nDATA\r\n");
    }
}

static void
arrive(struct session_world *w, unsigned n)
{
    enum world_listener l = (enum world_listener)chance(WORLD_LISTENERS);

    world_connect(w, n, l);
    say(w, n, "EHLO client.example\r\n");
    if (l == WORLD_SUBMISSION && chance(8) > 0) {
        say(w, n, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    }
}

static void
trouble_at_client(struct session_world *w, unsigned n)
{
    struct world_client *c = &w->clients[n];

    switch (chance(6)) {
    case 0:
        world_hang_up(w, n);
        break;
    case 1:
        world_end_input(w, n);
        break;
    case 2:
        c->stalled = true;
        c->blind = true;
        break;
    default:
        c->stalled = false;
        break;
    }
}

static void
trouble_upstream(struct session_world *w)
{
    switch (chance(16)) {
    case 0:
        world_far_closes(w);
        break;
    case 1:
        world_far_says(w, BYTES_LIT("250 2.0.0 out of turn\r\n"));
        break;
    case 2:
        world_far_says(w, BYTES_LIT("421 4.3.2 bye\r\n"));
        break;
    case 3:
        w->dial_fail = 1;
        break;
    case 4:
        world_dial_release(w, true);
        break;
    case 5:
        world_dial_release(w, false);
        break;
    case 6:
    case 7:
        w->far_hold = !w->far_hold;
        break;
    default:
        /* Mostly what an honest one does. */
        world_far_next(w, FAR_OK);
        world_far_next(w, (enum far_action)chance(chance(3) == 0 ? FAR_ACTIONS
                                                                 : FAR_TWICE));
        break;
    }
}

static void
trouble_inside(struct session_world *w)
{
    switch (chance(20)) {
    case 0:
        world_keeper_lose(w);
        break;
    case 1:
    case 2:
        world_keeper_release(w, true);
        break;
    case 3:
    case 4:
        world_dns_release(w, true);
        break;
    case 5:
        world_keeper_reload(w, chance(2) == 0);
        break;
    case 6:
        if (chance(10) == 0) {
            world_drain(w, chance(2) == 0);
        }
        break;
    case 7:
    case 8:
        (void)world_next_timer(w);
        break;
    case 9:
        if (chance(20) == 0) {
            session_cut_all(&w->worker);
        }
        break;
    default:
        world_keeper_release(w, false);
        world_dns_release(w, false);
        break;
    }
}

static void
step(struct session_world *w)
{
    unsigned n = chance(WORLD_CLIENTS), what = chance(20);

    if (w->clients[n].fd < 0) {
        arrive(w, n);
    } else if (what < 12) {
        talk(w, n);
    } else if (what < 13) {
        trouble_at_client(w, n);
    } else if (what < 17) {
        trouble_upstream(w);
    } else {
        trouble_inside(w);
    }
    if (chance(3) > 0) {
        world_settle(w);
    }
}

struct totals {
    unsigned long replies, delivered;
};

static void
walk(uint64_t from, struct totals *t)
{
    static const unsigned offers[] = {
        SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME | SMTP_CAP_SIZE, 0,
        SMTP_CAP_PIPELINING | SMTP_CAP_CHUNKING | SMTP_CAP_8BITMIME
    };
    struct session_world w;

    seed = from * 0x9e3779b97f4a7c15U + 1;
    world_open(&w, offers[chance(3)], chance(2) == 0);
    for (unsigned i = 0; i < STEPS_A_WORLD; i++) {
        step(&w);
    }
    world_release(&w);
    for (unsigned n = 0; n < WORLD_CLIENTS; n++) {
        t->replies += w.clients[n].replies;
    }
    t->delivered += w.deliveries;
    world_close(&w);
}

static unsigned long
number(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoul(text, NULL, 10);
}

static void
random_walks(void **state)
{
    unsigned long usual = number("SEALPOST_LONG", 0) > 0 ? STEPS_LONG : STEPS;
    unsigned long steps = number("SEALPOST_STEPS", usual);
    unsigned long first = number("SEALPOST_SEED", 1);
    struct totals t = { 0, 0 };

    (void)state;
    for (unsigned long n = 0; n < steps / STEPS_A_WORLD; n++) {
        if (number("SEALPOST_VERBOSE", 0) > 0) {
            fprintf(stderr, "SEALPOST_SEED=%lu\n", first + n);
        }
        walk(first + n, &t);
    }
    print_message("%lu steps, %lu messages delivered\n", steps, t.delivered);
    assert_true(t.delivered > steps / 200);
}

/* The world can tell right from wrong: plain transactions go through. */
static void
plain(void **state)
{
    struct session_world w;

    (void)state;
    world_open(&w, SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME, false);
    assert_true(mail_signed(&w, 0));
    assert_true(mail_checked(&w, 0));
    assert_int_equal(w.deliveries, 2);
    world_close(&w);
}

/* A field that the published key does not verify is not sent: 451. */
static void
own_field_refused(void **state)
{
    struct session_world w;

    (void)state;
    world_open(&w, SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME, false);
    w.keeper_wrong = true;
    assert_false(mail_signed(&w, 0));
    assert_int_equal(w.clients[0].refused, 1);
    assert_int_equal(w.deliveries, 0);
    w.keeper_wrong = false;
    assert_true(mail_signed(&w, 0));
    world_close(&w);
}

/* To 354; the upstream reads nothing from there on. */
static void
begin_held(struct session_world *w)
{
    world_open(w, SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME, true);
    world_connect(w, 0, WORLD_TRUSTED);
    world_say(w, 0,
              BYTES_LIT("EHLO a.example\r\nMAIL FROM:<alice@example.com>\r\n"
                        "RCPT TO:<bob@example.net>\r\nDATA\r\n"
                        "From: alice@example.com\r\n\r\n"));
    world_settle(w);
    assert_int_equal(w->clients[0].mode, CLIENT_DATA);
}

/* A 250 that was said before the dot could be read is no answer to it. */
static void
answered_unread(void **state)
{
    struct session_world w;

    (void)state;
    begin_held(&w);
    world_say(&w, 0, BYTES_LIT("body\r\n.\r\n"));
    for (unsigned i = 0; i < 3; i++) {
        world_loop(&w); /* DATA leaves */
    }
    world_far_run(&w); /* 354 */
    w.far_hold = true;
    world_loop(&w); /* the dot leaves */
    world_far_says(&w, BYTES_LIT("250 2.0.0 taken already\r\n"));
    world_settle(&w);
    assert_int_equal(w.clients[0].delivered, 0);
    assert_int_equal(w.clients[0].refused, 1);
    w.far_hold = false;
    world_close(&w);
}

/* Half a message has left: no second try, nothing is completed. */
static void
lost_in_content(void **state)
{
    struct session_world w;

    (void)state;
    begin_held(&w);
    for (unsigned i = 0; i < 1000; i++) {
        world_say(&w, 0, BYTES_LIT("a line that is one of very many\r\n"));
        world_settle(&w);
    }
    world_say(&w, 0, BYTES_LIT(".\r\n"));
    for (unsigned i = 0; i < 3; i++) {
        world_loop(&w);
    }
    world_far_run(&w);
    w.far_hold = true;
    world_loop(&w);
    world_far_closes(&w);
    w.far_hold = false;
    world_settle(&w);
    assert_int_equal(w.clients[0].delivered, 0);
    assert_int_equal(w.clients[0].refused, 1);
    assert_int_equal(w.deliveries, 0);
    world_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),           cmocka_unit_test(own_field_refused),
        cmocka_unit_test(answered_unread), cmocka_unit_test(lost_in_content),
        cmocka_unit_test(random_walks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
