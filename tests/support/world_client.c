/*
 * world_client - the client's end, and the judge of what it is told; see
 * session_world.h.
 *
 * Each reply is matched with what the client had sent: a command line, a line
 * of AUTH, or a message's end.
 */
#include "tests/support/world_client_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

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
on_chunk_reply(struct world_client *c, const struct world_chunk *chunk,
               int code, struct bytes text)
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
    struct bytes in = world_unanswered(c);
    struct buf content = BUF_INIT;
    struct world_chunk chunk;
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
        if (!world_read_message(in, &content, &n)) {
            world_fail("%d before the end of data", code);
        }
        buf_free(&content);
        on_end_reply(c, code, text);
    } else if (world_read_chunk(c, &chunk)) {
        on_chunk_reply(c, &chunk, code, text);
        n = chunk.taken;
    } else {
        n = world_find(in, world_crlf);
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
           (line.ptr[3] == ' ' || line.ptr[3] == '-') && !world_has_fault(line);
}

/* Whole replies off the front of what was heard. */
static void
take_replies(struct world_client *c)
{
    for (size_t from = 0;;) {
        struct bytes in = bytes_skip(buf_bytes(&c->heard), from);
        size_t n = world_find(in, world_crlf);
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
    struct bytes in = world_unanswered(c);

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
    struct bytes in = world_unanswered(c);
    struct world_chunk chunk;
    bool waits;

    if (c->fd < 0 || c->over || c->blind) {
        return false;
    }
    if (c->mode == CLIENT_DATA) {
        waits = world_has_ended(c, &content);
        buf_free(&content);
    } else if (world_read_chunk(c, &chunk)) {
        waits = chunk.whole;
    } else {
        waits = world_find(in, world_crlf) < in.len;
    }
    return waits || !c->greeted;
}
