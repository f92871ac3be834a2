/*
 * fuzz_session - octets that move client, upstream, keeper, DNS and time
 * around real sessions; session_world.h says what must hold.
 *
 * The first octet says what the upstream offers. Then each is a letter:
 *   c, u  the next octet n, and n octets that client or upstream say
 *   A..Z  the client says lines[letter]
 *   0..=  the upstream's next answer (enum far_action)
 *   i o t the client connects: inbound, submission, trusted
 *   a b j p  the client says a chunk
 *   others: see act()
 * After each one all goes on until nothing moves, unless ';' said not to.
 */
#include "tests/support/session_mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    ACTS_MAX = 200
};

static const char *const lines['Z' - 'A' + 1] = {
    "EHLO client.example\r\n",
    "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n",
    "MAIL FROM:<alice@example.com>\r\n",
    "MAIL FROM:<friend@friend.example> SIZE=1000 BODY=8BITMIME\r\n",
    "RCPT TO:<bob@example.com>\r\n",
    "RCPT TO:<carol@elsewhere.example>\r\n",
    "DATA\r\n",
    mail_outbound,
    mail_inbound,
    ".\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "QUIT\r\n",
    "AUTH LOGIN\r\n",
    "YWxpY2U=\r\n",
    "c2VjcmV0\r\n",
    "MAIL FROM:<alice@example.com>\r\nRCPT TO:<b@example.com>\r\n"
    "RCPT TO:<c@example.com>\r\nDATA\r\n",
    "\r\n.\r\n",
    "From: alice@example.com\r\n\r\nbody\r\n.\r\nMAIL FROM:<>\r\n"
    "RCPT TO:<b@example.com>\r\nDATA\r\n",
    "From: x@stranger.example\r\n\r\nbody\r\n.\r\n",
    "HELO old.example\r\n",
    "\nMAIL FROM:<x@example.com>\r\n",
    "line\n.\nQUIT\r\n",
    "GET / HTTP/1.0\r\n",
    "AUTH PLAIN AGFsaWNlAHdyb25n\r\n",
    "From: a@slow.example\r\nBcc: x\r\nDate: x\r\n\r\n.x\r\n",
};

/* A long line of text over and over, to fill buffers. */
static void
say_much(struct session_world *w)
{
    static uint8_t text[4000];

    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = i % 80 == 78 ? '\r' : i % 80 == 79 ? '\n' : 'x';
    }
    world_say(w, 0, bytes_make(text, sizeof(text)));
}

static void
act_client(struct session_world *w, uint8_t what)
{
    switch (what) {
    case 'i':
        world_connect(w, 0, WORLD_INBOUND);
        break;
    case 'o':
        world_connect(w, 0, WORLD_SUBMISSION);
        break;
    case 't':
        world_connect(w, 0, WORLD_TRUSTED);
        break;
    case 'x':
        world_hang_up(w, 0);
        break;
    case 'e':
        world_end_input(w, 0);
        break;
    case 's':
        w->clients[0].stalled = !w->clients[0].stalled;
        w->clients[0].blind = true;
        break;
    case 'm':
        say_much(w);
        break;
    case 'a':
        world_say(w, 0,
                  BYTES_LIT("BDAT 34\r\nFrom: alice@example.com\r\nTo: b"
                            "\r\n\r\n"));
        break;
    case 'b':
        world_say(w, 0, BYTES_LIT("BDAT 11 LAST\r\nx\r\n.\r\ny\r\n.\r"));
        break;
    case 'j':
        world_say(w, 0, BYTES_LIT("BDAT 0 LAST\r\n"));
        break;
    case 'p':
        world_say(w, 0, BYTES_LIT("BDAT 5 LAST\r\nno en"));
        break;
    default:
        break;
    }
}

static void
act_inside(struct session_world *w, uint8_t what)
{
    switch (what) {
    case 'k':
        world_keeper_release(w, !w->keeper_hold);
        break;
    case 'l':
        world_keeper_lose(w);
        break;
    case 'r':
        world_keeper_reload(w, false);
        break;
    case 'v':
        world_keeper_reload(w, true);
        break;
    case 'n':
        world_dns_release(w, !w->dns_hold);
        break;
    case 'd':
        world_drain(w, false);
        break;
    case 'q':
        world_drain(w, true);
        break;
    case 'z':
        session_cut_all(&w->worker);
        break;
    case 'w':
        (void)world_next_timer(w);
        break;
    default:
        break;
    }
}

static void
act_upstream(struct session_world *w, uint8_t what)
{
    switch (what) {
    case 'y':
        world_far_closes(w);
        break;
    case 'h':
        w->far_hold = !w->far_hold;
        break;
    case 'f':
        w->dial_fail++;
        break;
    case 'g':
        world_dial_release(w, !w->dial_hold);
        break;
    default:
        break;
    }
}

static void
act(struct session_world *w, uint8_t what)
{
    if (what >= 'A' && what <= 'Z') {
        world_say(w, 0, bytes_str(lines[what - 'A']));
    } else if (what >= '0' && what < '0' + FAR_ACTIONS) {
        world_far_next(w, (enum far_action)(what - '0'));
    } else {
        act_client(w, what);
        act_upstream(w, what);
        act_inside(w, what);
    }
}

/* "c" and "u": their octets come along. */
static void
speak(struct session_world *w, uint8_t what, struct bytes *in)
{
    struct bytes text;

    if (in->len == 0) {
        return;
    }
    text = bytes_take(bytes_skip(*in, 1), in->ptr[0]);
    *in = bytes_skip(*in, 1 + text.len);
    if (what == 'c') {
        world_say(w, 0, text);
    } else {
        world_far_says(w, text);
    }
}

static void
run(struct session_world *w, struct bytes in)
{
    for (unsigned i = 0; in.len > 0 && i < ACTS_MAX; i++) {
        uint8_t what = in.ptr[0];

        in = bytes_skip(in, 1);
        if (what == 'c' || what == 'u') {
            speak(w, what, &in);
        } else {
            act(w, what);
        }
        if (in.len > 0 && in.ptr[0] == ';') {
            in = bytes_skip(in, 1);
        } else {
            world_settle(w);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session_world w;
    uint8_t kind;

    if (size == 0) {
        return 0;
    }
    kind = data[0];
    world_open(&w,
               ((kind & 1) != 0 ? (unsigned)SMTP_CAP_PIPELINING : 0) |
                   ((kind & 2) != 0 ? (unsigned)SMTP_CAP_CHUNKING : 0) |
                   ((kind & 4) != 0 ? (unsigned)SMTP_CAP_8BITMIME : 0),
               (kind & 8) != 0);
    run(&w, bytes_skip(bytes_make(data, size), 1));
    world_release(&w);
    world_close(&w);
    return 0;
}
