/*
 * cost_session - relays messages of 10 KB through a worker's real sessions,
 * in one process, so that instructions can be counted; see check-cost.
 *
 *   cost_session MESSAGES
 *
 * Client and upstream are played by tests/support/session_world. What they
 * cost stands outside event_base_loop(), which is what is counted.
 */
#include "tests/support/session_world.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    OCTETS = 10240,
    LINE = 72
};

static void
content(struct buf *out)
{
    buf_puts(out, "From: Alice <alice@example.com>\r\n"
                  "To: bob@example.net\r\n"
                  "Subject: cost\r\n"
                  "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
                  "Message-ID: <cost@example.com>\r\n"
                  "MIME-Version: 1.0\r\n"
                  "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
    while (buf_bytes(out).len < OCTETS) {
        char line[LINE + 3];

        for (unsigned i = 0; i < LINE; i++) {
            line[i] = (char)('a' + (buf_bytes(out).len + i) * 7 % 26);
        }
        line[LINE] = '\r';
        line[LINE + 1] = '\n';
        line[LINE + 2] = '\0';
        buf_puts(out, line);
    }
    buf_puts(out, ".\r\n");
}

static void
say(struct session_world *w, const char *text)
{
    world_say(w, 0, bytes_str(text));
    world_settle(w);
}

static void
relay(struct session_world *w, struct bytes mail)
{
    say(w, "MAIL FROM:<alice@example.com>\r\n");
    say(w, "RCPT TO:<bob@example.net>\r\n");
    say(w, "DATA\r\n");
    world_say(w, 0, mail);
    world_settle(w);
}

int
main(int argc, char **argv)
{
    unsigned count = argc == 2 ? (unsigned)atoi(argv[1]) : 0;
    struct session_world w;
    struct buf mail = BUF_INIT;

    if (count == 0) {
        fputs("usage: cost_session MESSAGES\n", stderr);
        return 64;
    }
    content(&mail);
    world_open(&w, SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME | SMTP_CAP_SIZE,
               false);
    w.keeper_trusted = true; /* as 63 of 64 signatures of a used key */
    world_connect(&w, 0, WORLD_TRUSTED);
    world_settle(&w);
    say(&w, "EHLO client.example\r\n");
    for (unsigned i = 0; i < count; i++) {
        relay(&w, buf_bytes(&mail));
    }
    if (w.clients[0].delivered != count) {
        fprintf(stderr, "cost_session: %u of %u were delivered\n",
                w.clients[0].delivered, count);
        return 1;
    }
    say(&w, "QUIT\r\n");
    world_close(&w);
    buf_free(&mail);
    return 0;
}
