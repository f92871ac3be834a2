/*
 * world_client - the client's end, and the judge of what it is told; see
 * session_world.h.
 *
 * Each reply is matched with what the client had sent: a command line, a line
 * of AUTH, or a message's end. What a message is when it has arrived is
 * worked out here from the client's octets alone.
 */
#include "tests/support/session_world.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct bytes crlf = { (const uint8_t *)"\r\n", 2 };

/* Where needle begins in b; b.len: nowhere. */
static size_t
find(struct bytes b, struct bytes needle)
{
    const uint8_t *at =
        b.len == 0 ? NULL : memmem(b.ptr, b.len, needle.ptr, needle.len);

    return at == NULL ? b.len : (size_t)(at - b.ptr);
}

static struct bytes
unanswered(const struct world_client *c)
{
    return bytes_skip(buf_bytes(&c->sent), c->at);
}

/* --- what the client sends ------------------------------------------------ */

void
world_connect(struct session_world *w, unsigned n, enum world_listener listener)
{
    const union net_address peer = {
        .in = { .sin_family = AF_INET,
                .sin_addr = { htonl(listener == WORLD_TRUSTED ? 0x7f000001
                                                              : 0xc6336407) } }
    };
    struct world_client *c = &w->clients[n];
    int pair[2], octets = 4096;

    world_hang_up(w, n);
    w->orphans = w->orphans || c->sent.len > 0;
    world_client_free(c);
    world_far_forget(w, c);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) {
        world_fail("no socket pair");
    }
    if (w->small_buffers) {
        (void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &octets,
                         sizeof(octets));
    }
    *c = (struct world_client){ .world = w,
                                .fd = pair[0],
                                .listener = listener };
    w->connected++;
    session_world_running = true;
    if (session_new(&w->worker, &w->listeners[listener], pair[1], &peer,
                    false) == NULL) {
        w->connected--;
    }
    session_world_running = false;
}

void
world_client_free(struct world_client *c)
{
    if (c->fd >= 0) {
        (void)close(c->fd);
        c->fd = -1;
    }
    buf_free(&c->sent);
    buf_free(&c->heard);
    buf_free(&c->rcpts);
    buf_free(&c->chunks);
}

void
world_hang_up(struct session_world *w, unsigned n)
{
    struct world_client *c = &w->clients[n];

    if (c->fd >= 0) {
        (void)close(c->fd);
        c->fd = -1;
        c->blind = true;
        world_settle(w);
    }
}

void
world_end_input(struct session_world *w, unsigned n)
{
    if (w->clients[n].fd >= 0) {
        (void)shutdown(w->clients[n].fd, SHUT_WR);
        w->clients[n].ended = true;
    }
}

void
world_say(struct session_world *w, unsigned n, struct bytes octets)
{
    struct world_client *c = &w->clients[n];
    ssize_t sent;

    if (c->fd < 0 || c->ended || octets.len == 0) {
        return;
    }
    sent = send(c->fd, octets.ptr, octets.len, MSG_NOSIGNAL);
    if (sent > 0) {
        buf_put(&c->sent, bytes_take(octets, (size_t)sent));
    }
    if (sent < (ssize_t)octets.len) {
        c->ended = true; /* the rest would not follow */
    }
}

/* --- what a message is ---------------------------------------------------- */

/* The octets of a message up to its end; false: it is not ended. */
static bool
message(struct bytes in, struct buf *content, size_t *taken)
{
    for (size_t at = 0;;) {
        struct bytes rest = bytes_skip(in, at);
        size_t n = find(rest, crlf);
        struct bytes line = bytes_take(rest, n + 2);

        if (n == rest.len) {
            return false;
        }
        at += line.len;
        if (bytes_is(line, ".\r\n")) {
            *taken = at;
            return true;
        }
        buf_put(content, line.ptr[0] == '.' ? bytes_skip(line, 1) : line);
    }
}

/* A BDAT line and what belongs to it. */
struct chunk {
    struct bytes octets; /* as far as they were sent */
    size_t taken;        /* line and octets */
    bool whole, last;
};

static bool
read_chunk(const struct world_client *c, struct chunk *out)
{
    struct bytes in = unanswered(c), line, size, word;
    size_t n = find(in, crlf);
    uint64_t octets;

    if (c->mode != CLIENT_COMMAND || c->listener == WORLD_SUBMISSION ||
        n == in.len || !bytes_starts_ci(in, "BDAT ")) {
        return false;
    }
    line = bytes_skip(bytes_take(in, n), 5);
    size = bytes_take(line, bytes_find(line, ' '));
    word = bytes_trim(bytes_skip(line, size.len));
    if (!bytes_to_u64(size, 1 << 30, &octets) ||
        bytes_find(line, '\r') < line.len ||
        (word.len > 0 && !bytes_is_ci(word, "LAST"))) {
        return false; /* it ends the session */
    }
    *out = (struct chunk){ .octets = bytes_take(bytes_skip(in, n + 2), octets),
                           .last = word.len > 0 };
    out->whole = out->octets.len == octets;
    out->taken = n + 2 + out->octets.len;
    return true;
}

/* The last chunk is here: all of them are a message. */
static bool
chunks_ended(const struct world_client *c, struct buf *content)
{
    struct chunk chunk;

    if (!read_chunk(c, &chunk) || !chunk.whole || !chunk.last) {
        return false;
    }
    buf_put(content, buf_bytes(&c->chunks));
    buf_put(content, chunk.octets);
    if (content->len > 0 && content->ptr[content->len - 1] != '\n') {
        buf_puts(content, "\r\n");
    }
    return true;
}

static bool
has_fault(struct bytes content)
{
    bool after_cr = false;

    for (size_t i = 0; i < content.len; i++) {
        uint8_t c = content.ptr[i];

        if (c == '\0' || (c == '\n') != after_cr) {
            return true;
        }
        after_cr = c == '\r';
    }
    return after_cr;
}

/* One field with its folds, off the front of a header. */
static struct bytes
field(struct bytes header)
{
    size_t n = 0;

    do {
        struct bytes rest = bytes_skip(header, n);
        size_t line = find(rest, crlf);

        n += line < rest.len ? line + 2 : rest.len;
    } while (n < header.len && byte_is_wsp(header.ptr[n]));
    return bytes_take(header, n);
}

static size_t
header_octets(struct bytes content)
{
    size_t n = find(content, BYTES_LIT("\r\n\r\n"));

    if (bytes_starts_ci(content, "\r\n")) {
        return 0;
    }
    return n < content.len ? n + 2 : content.len;
}

static bool
may_be_removed(struct bytes f)
{
    static const char *const names[] = {
        "bcc",           "resent-bcc",     "return-path",
        "bimi-location", "bimi-indicator", "authentication-results"
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (bytes_starts_ci(f, names[i])) {
            return true;
        }
    }
    return false;
}

/* Behind our own Received, which ends what we put on top. */
static bool
below_ours(struct bytes *header)
{
    while (header->len > 0) {
        struct bytes f = field(*header);

        *header = bytes_skip(*header, f.len);
        if (bytes_starts_ci(f, "Received:")) {
            return true;
        }
    }
    return false;
}

static bool
may_be_added(struct bytes f)
{
    return bytes_starts_ci(f, "Date:") || bytes_starts_ci(f, "Message-ID:");
}

/* NULL: it is what it should be; else what is wrong. */
static const char *
judge_header(struct bytes client, struct bytes far)
{
    if (!below_ours(&far)) {
        return "no Received of ours upstream";
    }
    while (client.len > 0) {
        struct bytes f = field(client);

        client = bytes_skip(client, f.len);
        if (bytes_eq(bytes_take(far, f.len), f)) {
            far = bytes_skip(far, f.len);
        } else if (!may_be_removed(f)) {
            return "a field was lost or changed";
        }
    }
    while (far.len > 0) {
        struct bytes f = field(far);

        if (!may_be_added(f)) {
            return "a field came from nowhere";
        }
        far = bytes_skip(far, f.len);
    }
    return NULL;
}

static const char *
judge_content(struct bytes client, struct bytes far)
{
    size_t mine = header_octets(client), theirs = header_octets(far);
    struct bytes body = bytes_skip(client, mine);

    body = body.len == 0 ? crlf : body;
    if (has_fault(client)) {
        return "a bare CR, LF or a NUL went upstream";
    }
    if (!bytes_eq(body, bytes_skip(far, theirs))) {
        return "the body upstream is not the client's";
    }
    return judge_header(bytes_take(client, mine), bytes_take(far, theirs));
}

/* --- the upstream has it -------------------------------------------------- */

/* Its end was sent and not answered. */
static bool
has_ended(const struct world_client *c, struct buf *content)
{
    size_t taken;

    return c->mode == CLIENT_DATA
               ? c->sent.len > c->at && message(unanswered(c), content, &taken)
               : chunks_ended(c, content);
}

/* What a message upstream lacks to be this client's. */
static const char *
judge(const struct world_client *c, struct bytes content, struct bytes rcpts,
      bool honest)
{
    struct buf sent = BUF_INIT;
    const char *wrong = "no client has ended it, or it came twice";

    if (has_ended(c, &sent) && c->seen == 0) {
        wrong = judge_content(buf_bytes(&sent), content);
    }
    if (wrong == NULL && honest && !bytes_eq(rcpts, buf_bytes(&c->rcpts))) {
        wrong = "its recipients are not those that were promised";
    }
    buf_free(&sent);
    return wrong;
}

static bool
any_blind(const struct session_world *w)
{
    if (w->orphans) {
        return true;
    }
    for (unsigned n = 0; n < WORLD_CLIENTS; n++) {
        if (w->clients[n].blind || w->clients[n].unknown) {
            return true;
        }
    }
    return false;
}

struct world_client *
world_client_seen(struct session_world *w, struct bytes content,
                  struct bytes rcpts, bool honest)
{
    const char *wrong[WORLD_CLIENTS];

    world_clients_read(w); /* what was said before */
    for (unsigned n = 0; n < WORLD_CLIENTS; n++) {
        struct world_client *c = &w->clients[n];

        wrong[n] = c->blind ? "blind" : judge(c, content, rcpts, honest);
        if (wrong[n] == NULL) {
            c->seen++;
            return c;
        }
    }
    /* One that answers before it has read reads on when all is over. */
    if (honest && !any_blind(w)) {
        world_fail("a message upstream; %s; %s:\n%.*s", wrong[0], wrong[1],
                   (int)content.len, content.ptr);
    }
    return NULL;
}

/* --- what the client hears ------------------------------------------------ */

/* The upstream is sent the plain form. */
static void
promise(struct world_client *c, struct bytes line)
{
    struct bytes path = bytes_skip(line, bytes_find(line, '<'));

    path = bytes_take(path, bytes_find(path, '>') + 1);
    buf_put(&c->rcpts, path);
    buf_putc(&c->rcpts, '\n');
}

static void
begin_chunks(struct world_client *c)
{
    buf_clear(&c->chunks);
    c->seen = 0;
    c->accepted = false;
}

static void
on_command_reply(struct world_client *c, struct bytes line, int code)
{
    bool good = code / 100 == 2;

    /* Where the octets of a malformed BDAT end is not known. */
    c->over = c->over || (code == 501 && c->mode == CLIENT_COMMAND &&
                          bytes_starts_ci(line, "BDAT"));
    c->mode = code == 334 ? CLIENT_SASL : CLIENT_COMMAND;
    if (code == 354) {
        if (!bytes_is_ci(bytes_trim(line), "DATA")) {
            world_fail("354 to %.*s", (int)line.len, line.ptr);
        }
        c->mode = CLIENT_DATA;
        c->seen = 0;
        c->accepted = false;
    } else if (good && bytes_starts_ci(line, "RCPT")) {
        promise(c, line);
    } else if (good && (bytes_starts_ci(line, "RSET") ||
                        bytes_starts_ci(line, "MAIL") ||
                        bytes_starts_ci(line, "EHLO") ||
                        bytes_starts_ci(line, "HELO"))) {
        buf_clear(&c->rcpts);
        begin_chunks(c);
    }
}

static void
on_end_reply(struct world_client *c, int code, struct bytes text)
{
    bool good = code / 100 == 2;

    if (good && !c->accepted && !c->blind && !world_far_lies(c->world)) {
        world_fail("%d to an end of data, not accepted upstream", code);
    }
    if (code / 100 == 3) {
        world_fail("%d to an end of data", code);
    }
    c->unknown = c->unknown || bytes_starts_ci(text, "451 4.4.2");
    c->delivered += good;
    c->refused += !good;
    c->mode = CLIENT_COMMAND;
    buf_clear(&c->rcpts);
}

/* Line and octets of a BDAT are answered at once. */
static void
on_chunk_reply(struct world_client *c, const struct chunk *chunk, int code,
               struct bytes text)
{
    if (!chunk->whole) {
        world_fail("%d before the end of a chunk", code);
    }
    if (chunk->last) {
        on_end_reply(c, code, text);
        begin_chunks(c);
    } else if (code == 250) {
        buf_put(&c->chunks, chunk->octets);
    } else if (code < 400) {
        world_fail("%d to a chunk", code);
    }
}

static void
on_reply(struct world_client *c, int code, struct bytes text)
{
    struct bytes in = unanswered(c);
    struct buf content = BUF_INIT;
    struct chunk chunk;
    size_t n;

    c->replies++;
    c->last_code = code;
    if (c->over) {
        world_fail("%d behind the last word", code);
    }
    c->over = code == 421 || code == 221;
    if (!c->greeted || code == 421) {
        if (!c->greeted && code != 220 && code != 421) {
            world_fail("greeted with %d", code);
        }
        c->greeted = true;
        return;
    }
    if (c->mode == CLIENT_DATA) {
        if (!message(in, &content, &n)) {
            world_fail("%d before the end of data", code);
        }
        buf_free(&content);
        on_end_reply(c, code, text);
    } else if (read_chunk(c, &chunk)) {
        on_chunk_reply(c, &chunk, code, text);
        n = chunk.taken;
    } else {
        n = find(in, crlf);
        if (n == in.len) {
            world_fail("%d without a command", code);
        }
        on_command_reply(c, bytes_take(in, n), code);
        n += 2;
    }
    c->at += n;
}

static bool
is_reply_line(struct bytes line)
{
    uint64_t code;

    return line.len >= 6 && line.len <= 4096 &&
           bytes_to_u64(bytes_take(line, 3), 599, &code) && code >= 200 &&
           (line.ptr[3] == ' ' || line.ptr[3] == '-') && !has_fault(line);
}

/* Whole replies off the front of what was heard. */
static void
take_replies(struct world_client *c)
{
    for (size_t from = 0;;) {
        struct bytes in = bytes_skip(buf_bytes(&c->heard), from);
        size_t n = find(in, crlf);
        struct bytes line = bytes_take(in, n + 2);
        uint64_t code = 0;

        if (n == in.len) {
            return;
        }
        if (!is_reply_line(line)) {
            world_fail("not a reply: %.*s", (int)line.len, line.ptr);
        }
        from += line.len;
        if (line.ptr[3] == ' ') {
            (void)bytes_to_u64(bytes_take(line, 3), 599, &code);
            on_reply(c, (int)code, line);
            buf_consume(&c->heard, from);
            from = 0;
        }
    }
}

/* "GET /", 0x16: those get no answer. */
static bool
looks_foreign(const struct world_client *c)
{
    struct bytes in = unanswered(c);

    return in.len > 0 && c->mode == CLIENT_COMMAND &&
           (in.ptr[0] == 0x16 || bytes_starts_ci(in, "GET") ||
            bytes_starts_ci(in, "POST") || bytes_starts_ci(in, "CONNECT"));
}

static void
on_end(struct session_world *w, struct world_client *c)
{
    bool waits = world_client_waits(c);

    (void)close(c->fd);
    c->fd = -1;
    if (waits && c->ended && !w->no_memory && !looks_foreign(c)) {
        world_fail("a half-closed client was not answered");
    }
    if (!c->over && !c->ended && !c->blind && !w->no_memory &&
        !looks_foreign(c)) {
        world_fail("closed without a last word");
    }
    if (c->heard.len > 0 && !w->no_memory && !c->blind) {
        world_fail("half a reply");
    }
}

void
world_clients_read(struct session_world *w)
{
    for (unsigned n = 0; n < WORLD_CLIENTS; n++) {
        struct world_client *c = &w->clients[n];
        uint8_t room[16384];
        ssize_t got = 1;

        while (c->fd >= 0 && !c->stalled && got > 0) {
            got = read(c->fd, room, sizeof(room));
            if (got > 0) {
                w->moved = true;
                buf_put(&c->heard, bytes_make(room, (size_t)got));
                take_replies(c);
            } else if (got == 0 || errno != EAGAIN) {
                w->moved = true;
                on_end(w, c);
            }
        }
    }
}

bool
world_client_waits(const struct world_client *c)
{
    struct buf content = BUF_INIT;
    struct bytes in = unanswered(c);
    struct chunk chunk;
    bool waits;

    if (c->fd < 0 || c->over || c->blind) {
        return false;
    }
    if (c->mode == CLIENT_DATA) {
        waits = has_ended(c, &content);
        buf_free(&content);
    } else if (read_chunk(c, &chunk)) {
        waits = chunk.whole;
    } else {
        waits = find(in, crlf) < in.len;
    }
    return waits || !c->greeted;
}
