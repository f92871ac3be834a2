/*
 * session_mail - see session_mail.h.
 */
#include "tests/support/session_mail.h"

#include <dkim/verify.h>

#include <time.h>

const char mail_outbound[] = "From: Alice <alice@example.com>\r\n"
                             "To: bob@example.net\r\n"
                             "Subject: test\r\n"
                             "Bcc: carol@example.net\r\n"
                             "\r\n"
                             "one line\r\n"
                             "..a dot\r\n";
const char mail_inbound[] = "From: friend@friend.example\r\n"
                            "To: alice@example.com\r\n"
                            "Authentication-Results: example.com; dkim=pass\r\n"
                            "Subject: test\r\n"
                            "\r\n"
                            "one line\r\n";

/* Says as much as the socket takes, then lets the others move. */
static void
say(struct session_world *w, struct bytes text)
{
    while (text.len > 0) {
        struct bytes part = bytes_take(text, 1024);

        world_say(w, 0, part);
        text = bytes_skip(text, part.len);
        world_settle(w);
    }
}

static void
say_text(struct session_world *w, const char *text)
{
    say(w, bytes_str(text));
}

static void
say_content(struct session_world *w, const char *mail, size_t body)
{
    struct buf text = BUF_INIT;

    buf_puts(&text, mail);
    for (size_t n = 0; n < body; n += 72) {
        buf_puts(&text, "0123456789012345678901234567890123456789"
                        "012345678901234567890123456789\r\n");
    }
    buf_puts(&text, ".\r\n");
    say(w, buf_bytes(&text));
    buf_free(&text);
}

/* Connects as 0; true: one more message was delivered. */
static bool
transaction(struct session_world *w, enum world_listener listener,
            const char *envelope, const char *mail, size_t body)
{
    unsigned before = w->deliveries;

    world_connect(w, 0, listener);
    world_settle(w);
    say_text(w, "EHLO client.example\r\n");
    if (listener == WORLD_SUBMISSION) {
        say_text(w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    }
    say_text(w, envelope);
    if (w->clients[0].mode == CLIENT_DATA) {
        say_content(w, mail, body);
    }
    say_text(w, "QUIT\r\n");
    world_release(w);
    world_settle(w);
    return w->clients[0].delivered == 1 && w->deliveries == before + 1;
}

static void
answer_keys(struct session_world *w, struct dkim_verify *v)
{
    struct dns_question q;
    struct dns_answer a;
    unsigned id;

    while (dkim_verify_question(v, &q, &id)) {
        dns_file_ask(w->dns, &q, &a);
        dkim_verify_answer(v, id, &a);
    }
}

bool
mail_verifies(const struct session_world *w)
{
    const struct dkim_verify_conf conf = { (uint64_t)time(NULL), 8, false };
    struct bytes block, body;
    struct dkim_header header;
    struct dkim_verify *v;
    bool good;

    (void)dkim_header_split(buf_bytes(&w->last), &block, &body);
    if (dkim_header_parse(block, &header) != DKIM_HEADER_OK) {
        return false;
    }
    v = dkim_verify_new(&header, &conf);
    answer_keys((struct session_world *)(uintptr_t)w, v);
    dkim_verify_body(v, body);
    dkim_verify_end(v);
    good = dkim_verify_count(v) == 1 &&
           dkim_verify_result(v, 0)->verdict == DKIM_PASS;
    dkim_verify_free(&v);
    dkim_header_free(&header);
    return good;
}

bool
mail_signed(struct session_world *w, size_t body)
{
    return transaction(w, WORLD_SUBMISSION,
                       "MAIL FROM:<alice@example.com>\r\n"
                       "RCPT TO:<bob@example.net>\r\n"
                       "RCPT TO:<carol@example.net>\r\n"
                       "DATA\r\n",
                       mail_outbound, body) &&
           mail_verifies(w);
}

bool
mail_checked(struct session_world *w, size_t body)
{
    static const char top[] = "Authentication-Results: example.com";

    return transaction(w, WORLD_INBOUND,
                       "MAIL FROM:<friend@friend.example>\r\n"
                       "RCPT TO:<alice@example.com>\r\n"
                       "DATA\r\n",
                       mail_inbound, body) &&
           bytes_starts_ci(buf_bytes(&w->last), top) &&
           memmem(w->last.ptr, w->last.len, "dmarc=pass", 10) != NULL;
}
