/*
 * sinksession - one client of `sealpost sink`; see sink.h.
 *
 * Everything is answered at once: there is nothing to wait for but the disk.
 * The octets between DATA and its end go to a file as they come.
 */
#include "proxy/cli/cli.h"
#include "proxy/cli/sink.h"
#include "proxy/json/json.h"

#include <base/wipe.h>

#include <smtp/sasl.h>
#include <smtp/server.h>

#include <stdlib.h>
#include <unistd.h>

enum {
    COMMAND_MS = 300 * 1000, /* RFC 5321 4.5.3.2.7 */
    RCPT_MAX = 1000,
    MESSAGE_MAX = 1024 * 1024 * 1024
};

struct sink_session {
    struct sink *sink;
    struct sink_session *next; /* of sink->sessions */
    struct conn *conn;         /* owns */
    struct smtp_server server;
    struct smtp_sasl sasl;
    struct maildir_file file;
    struct buf sender;
    struct buf recipients; /* JSON strings, parted by commas */
    unsigned recipient_count;
    bool gone;
};

static void
reply(struct sink_session *s, int code, const char *enhanced, const char *text)
{
    struct buf out = BUF_INIT;

    smtp_reply_put(&out, code, enhanced, text);
    s->gone = s->gone || buf_failed(&out);
    conn_write(s->conn, buf_bytes(&out));
    buf_free(&out);
}

static void
answer(struct sink_session *s, int code, const char *enhanced, const char *text)
{
    reply(s, code, enhanced, text);
    smtp_server_answered(&s->server, code);
}

static void
forget_envelope(struct sink_session *s)
{
    maildir_drop(&s->sink->maildir, &s->file);
    buf_clear(&s->sender);
    buf_clear(&s->recipients);
    s->recipient_count = 0;
}

/* --- commands ----------------------------------------------------------- */

static void
on_ehlo(struct sink_session *s, const struct smtp_command *cmd)
{
    struct smtp_caps caps = {
        .offers = SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_8BITMIME |
                  SMTP_CAP_ENHANCEDSTATUSCODES | SMTP_CAP_SMTPUTF8 |
                  SMTP_CAP_DSN | SMTP_CAP_CHUNKING,
        .mechs = SMTP_MECH_PLAIN | SMTP_MECH_LOGIN,
        .size = MESSAGE_MAX,
    };
    struct buf out = BUF_INIT;

    forget_envelope(s);
    if (cmd->verb == SMTP_VERB_HELO) {
        answer(s, 250, "", s->sink->hostname);
        return;
    }
    caps.offers |= s->server.conf.starttls ? SMTP_CAP_STARTTLS : 0;
    caps.offers |= s->server.conf.auth ? SMTP_CAP_AUTH : 0;
    smtp_caps_put(&out, s->sink->hostname, "keeps what it gets", &caps);
    s->gone = s->gone || buf_failed(&out);
    conn_write(s->conn, buf_bytes(&out));
    buf_free(&out);
    smtp_server_answered(&s->server, 250);
}

static void
on_mail(struct sink_session *s, const struct smtp_command *cmd)
{
    forget_envelope(s);
    buf_put(&s->sender, cmd->path.mailbox);
    answer(s, 250, "2.1.0", "Sender accepted");
}

static void
on_rcpt(struct sink_session *s, const struct smtp_command *cmd)
{
    if (s->recipient_count == RCPT_MAX) {
        answer(s, 452, "4.5.3", "Too many recipients");
        return;
    }
    buf_puts(&s->recipients, s->recipient_count++ > 0 ? "," : "");
    json_string(&s->recipients, cmd->path.mailbox);
    answer(s, 250, "2.1.5", "Recipient accepted");
}

static void
begin_file(struct sink_session *s)
{
    if (s->file.fd < 0 && !s->file.failed) {
        s->file.failed = !maildir_begin(&s->sink->maildir, &s->file);
    }
}

static void
on_data(struct sink_session *s)
{
    begin_file(s);
    if (s->file.failed) {
        s->file.failed = false;
        answer(s, 452, "4.3.1", "The Maildir cannot be written");
    } else {
        answer(s, 354, "", "Go ahead; end with a dot on a line");
    }
}

static void
on_starttls(struct sink_session *s)
{
    SSL *ssl = SSL_new(s->sink->tls);

    if (ssl == NULL) {
        answer(s, 454, "4.7.0", "No TLS now");
        return;
    }
    answer(s, 220, "2.0.0", "Go ahead");
    conn_tls_accept(s->conn, ssl);
}

static void
on_sasl(struct sink_session *s, enum smtp_sasl_result result,
        const char *prompt)
{
    const struct sink *sink = s->sink;
    bool user = bytes_eq_secret(bytes_str(s->sasl.user), bytes_str(sink->user));
    bool secret =
        bytes_eq_secret(bytes_str(s->sasl.secret), bytes_str(sink->password));

    if (result == SMTP_SASL_MORE) {
        answer(s, 334, "", prompt);
        return;
    }
    wipe(&s->sasl, sizeof(s->sasl));
    if (result == SMTP_SASL_DONE && user && secret) {
        answer(s, 235, "2.7.0", "Welcome");
    } else if (result == SMTP_SASL_CANCEL) {
        answer(s, 501, "5.7.0", "Cancelled");
    } else if (result == SMTP_SASL_BASE64) {
        answer(s, 501, "5.5.2", "Not base64");
    } else {
        answer(s, 535, "5.7.8", "Wrong user or password");
    }
}

static void
on_auth(struct sink_session *s, const struct smtp_command *cmd)
{
    unsigned mech = smtp_mech_parse(cmd->name);
    const char *prompt = "";
    enum smtp_sasl_result result;

    if (mech != SMTP_MECH_PLAIN && mech != SMTP_MECH_LOGIN) {
        answer(s, 504, "5.5.4", "PLAIN or LOGIN");
        return;
    }
    smtp_sasl_init(&s->sasl, mech);
    result = smtp_sasl_start(&s->sasl, cmd->has_initial, cmd->initial, &prompt);
    on_sasl(s, result, prompt);
}

static void
on_command(struct sink_session *s, const struct smtp_command *cmd)
{
    switch (cmd->verb) {
    case SMTP_VERB_EHLO:
    case SMTP_VERB_HELO:
        on_ehlo(s, cmd);
        break;
    case SMTP_VERB_MAIL:
        on_mail(s, cmd);
        break;
    case SMTP_VERB_RCPT:
        on_rcpt(s, cmd);
        break;
    case SMTP_VERB_DATA:
        on_data(s);
        break;
    case SMTP_VERB_BDAT:
        answer(s, 250, "2.0.0", "Chunk kept");
        break;
    case SMTP_VERB_STARTTLS:
        on_starttls(s);
        break;
    case SMTP_VERB_AUTH:
        on_auth(s, cmd);
        break;
    case SMTP_VERB_RSET:
        forget_envelope(s);
        answer(s, 250, "2.0.0", "Forgotten");
        break;
    case SMTP_VERB_NOOP:
        answer(s, 250, "2.0.0", "Yes");
        break;
    case SMTP_VERB_VRFY:
        answer(s, 252, "2.5.2", "All are accepted");
        break;
    case SMTP_VERB_QUIT:
        answer(s, 221, "2.0.0", "Bye");
        break;
    default:
        answer(s, 502, "5.5.1", "Command not implemented");
        break;
    }
}

/* --- the message -------------------------------------------------------- */

static void
on_end(struct sink_session *s)
{
    struct buf envelope = BUF_INIT;
    char text[256];
    bool good;

    begin_file(s); /* BDAT 0 LAST: an empty message */
    buf_puts(&envelope, "{\"from\":");
    json_string(&envelope, buf_bytes(&s->sender));
    buf_puts(&envelope, ",\"to\":[");
    buf_put(&envelope, buf_bytes(&s->recipients));
    buf_printf(&envelope, "],\"tls\":%s,\"authenticated\":%s}\n",
               s->server.tls ? "true" : "false",
               s->server.authenticated ? "true" : "false");
    good = !buf_failed(&envelope) && !buf_failed(&s->recipients) &&
           !buf_failed(&s->sender) && !s->file.failed &&
           maildir_deliver(&s->sink->maildir, &s->file, buf_bytes(&envelope));
    buf_free(&envelope);
    if (good) {
        snprintf(text, sizeof(text), "Kept as %s", s->file.name);
        answer(s, 250, "2.0.0", text);
    } else {
        answer(s, 452, "4.3.1", "The Maildir cannot be written");
    }
    forget_envelope(s);
    s->file.failed = false;
}

/* --- the loop ----------------------------------------------------------- */

static void
on_event(struct sink_session *s, const struct smtp_event *ev)
{
    enum smtp_sasl_result result;
    const char *prompt = "";

    switch (ev->type) {
    case SMTP_EV_COMMAND:
        on_command(s, &ev->cmd);
        break;
    case SMTP_EV_REFUSED:
        answer(s, ev->code, ev->enhanced, ev->text);
        s->gone = s->gone || ev->close;
        break;
    case SMTP_EV_SASL:
        result = smtp_sasl_line(&s->sasl, ev->data, &prompt);
        on_sasl(s, result, prompt);
        break;
    case SMTP_EV_DATA:
        begin_file(s);
        if (!s->file.failed) {
            maildir_write(&s->file, ev->data);
        }
        break;
    case SMTP_EV_END:
        on_end(s);
        break;
    case SMTP_EV_CLOSE:
        s->gone = true;
        break;
    case SMTP_EV_MORE:
        break;
    }
}

static void
session_free(struct sink_session **session)
{
    struct sink_session *s = *session;
    struct sink_session **at = &s->sink->sessions;

    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    maildir_drop(&s->sink->maildir, &s->file);
    wipe(&s->sasl, sizeof(s->sasl));
    buf_free(&s->sender);
    buf_free(&s->recipients);
    conn_free(&s->conn);
    free(s);
    *session = NULL;
}

static void
take_input(struct sink_session *s)
{
    struct smtp_event ev = { .type = SMTP_EV_COMMAND };

    while (!s->gone && ev.type != SMTP_EV_MORE) {
        struct bytes all = conn_input(s->conn);
        struct bytes rest = all;

        smtp_server_next(&s->server, &rest, &ev);
        on_event(s, &ev);
        if (ev.type == SMTP_EV_COMMAND && ev.cmd.verb == SMTP_VERB_STARTTLS &&
            conn_input(s->conn).len == 0) {
            return; /* the plain octets behind it are gone already */
        }
        conn_consume(s->conn, all.len - rest.len);
    }
}

static void
on_tls(struct sink_session *s)
{
    smtp_server_tls_started(&s->server);
    s->server.conf.starttls = false;
    forget_envelope(s);
}

static void
on_conn(struct conn *conn, enum conn_event event, void *arg)
{
    struct sink_session *s = arg;

    (void)conn;
    switch (event) {
    case CONN_TLS_DONE:
        on_tls(s);
        break;
    case CONN_TIMEOUT:
        reply(s, 421, "4.4.2", "Nothing came for five minutes");
        s->gone = true;
        break;
    case CONN_GONE:
        s->gone = true;
        break;
    case CONN_EOF:
        take_input(s);
        s->gone = true;
        break;
    default:
        break;
    }
    if (!s->gone) {
        take_input(s);
    }
    if (s->gone) {
        session_free(&s);
    } else {
        conn_set_deadline(s->conn, COMMAND_MS);
    }
}

void
sink_session_start(struct sink *sink, int fd)
{
    const struct smtp_server_conf conf = {
        .line_max = 2048,
        .auth_line_max = 12288,
        .errors_max = 100,
        .junk_max = 1000,
        .message_max = MESSAGE_MAX,
        .starttls = sink->tls != NULL,
        .auth = sink->user != NULL,
        .mail_needs_auth = sink->user != NULL,
        .chunking = true,
        .smtputf8 = true,
        .offers = SMTP_CAP_DSN,
    };
    struct sink_session *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        (void)close(fd);
        return;
    }
    s->sink = sink;
    s->file.fd = -1;
    s->conn = conn_accepted(sink->loop, fd, on_conn, s);
    if (s->conn == NULL) {
        free(s);
        return;
    }
    s->next = sink->sessions;
    sink->sessions = s;
    smtp_server_init(&s->server, &conf);
    conn_set_deadline(s->conn, COMMAND_MS);
    reply(s, 220, "", "sealpost sink: all mail is kept, none is sent");
}

void
sink_sessions_end(struct sink *sink)
{
    while (sink->sessions != NULL) {
        struct sink_session *s = sink->sessions;

        session_free(&s);
    }
}
