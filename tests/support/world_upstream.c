/*
 * world_upstream - the far end of each connection; see session_world.h.
 *
 * It reads strictly, for what reaches it must be ours to the last octet, and
 * answers as the script says.
 */
#include "tests/support/world_client_private.h"
#include "tests/support/world_describe.h"
#include "tests/support/world_upstream_private.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the far end speaks --------------------------------------------------- */

static void
far_close(struct far *f)
{
    if (f->fd >= 0) {
        (void)close(f->fd);
        f->fd = -1;
        f->world->moved = true;
    }
    f->phase = FAR_CLOSED;
    f->whole = NULL;
}

static void
far_write(struct far *f, struct bytes octets)
{
    if (f->fd >= 0 && octets.len > 0) {
        (void)send(f->fd, octets.ptr, octets.len, MSG_NOSIGNAL);
        f->said = true;
        f->world->moved = true;
    }
}

static enum far_action
next_action(struct session_world *w)
{
    if (w->script_at == w->script_len) {
        w->script_at = w->script_len = 0;
        return FAR_OK;
    }
    return (enum far_action)w->script[w->script_at++];
}

void
world_far_next(struct session_world *w, enum far_action action)
{
    if (w->script_len < WORLD_SCRIPT_MAX) {
        w->script[w->script_len++] = (uint8_t)action;
    }
}

/* The final 2yz leaves: from now on the client may be told so. */
static void
accepted(struct far *f)
{
    if (f->whole != NULL) {
        f->whole->accepted = true;
        f->world->deliveries++;
        f->whole = NULL;
    }
}

static void
answer_well(struct far *f, const char *good, bool final)
{
    far_write(f, bytes_str(good));
    if (final) {
        accepted(f);
    }
}

static bool
lies(enum far_action action)
{
    return action >= FAR_TWICE;
}

/* In pieces, twice, or not at all. */
static void
answer_badly(struct far *f, enum far_action action, const char *good,
             bool final)
{
    struct bytes text = bytes_str(good);

    switch (action) {
    case FAR_SPLIT:
        far_write(f, bytes_take(text, text.len / 2));
        buf_put(&f->late, bytes_skip(text, text.len / 2));
        f->late_is_good = final;
        break;
    case FAR_TWICE:
        answer_well(f, good, final);
        far_write(f, text);
        break;
    case FAR_3YZ:
        far_write(f, BYTES_LIT("350 4.0.0 perhaps\r\n"));
        break;
    case FAR_JUNK:
        far_write(f, BYTES_LIT("well, well\r\n"));
        break;
    case FAR_EARLY:
        answer_well(f, good, final);
        far_write(f, BYTES_LIT("250 2.0.0 taken already\r\n"));
        break;
    default:
        break;
    }
}

/* True: it was answered well, or will be. */
static bool
answer(struct far *f, const char *good, bool final)
{
    enum far_action action = next_action(f->world);

    f->lies = f->lies || lies(action);
    switch (action) {
    case FAR_LINES:
        far_write(f, bytes_take(bytes_str(good), 3));
        far_write(f, BYTES_LIT("-and more\r\n"));
        answer_well(f, good, final);
        return true;
    case FAR_TEMP:
        far_write(f, BYTES_LIT("450 4.2.1 not now\r\n"));
        return false;
    case FAR_PERM:
        far_write(f, BYTES_LIT("550-5.1.1 no\r\n550 5.1.1 such thing\r\n"));
        return false;
    case FAR_421:
        far_write(f, BYTES_LIT("421 4.3.2 going away\r\n"));
        far_close(f);
        return false;
    case FAR_OK_CLOSE:
        answer_well(f, good, final);
        far_close(f);
        return true;
    case FAR_CLOSE:
        far_close(f);
        return false;
    case FAR_OK:
        answer_well(f, good, final);
        return true;
    default:
        answer_badly(f, action, good, final);
        return action != FAR_3YZ && action != FAR_JUNK && action != FAR_SILENT;
    }
}

/* --- the far end listens -------------------------------------------------- */

static void
reset(struct far *f)
{
    f->mail = f->mail_refused = false;
    buf_clear(&f->rcpts);
    buf_clear(&f->content);
}

static void
whole(struct far *f)
{
    struct session_world *w = f->world;

    f->phase = FAR_COMMAND;
    buf_clear(&w->last);
    buf_put(&w->last, buf_bytes(&f->content));
    f->whole = world_client_seen(w, buf_bytes(&f->content),
                                 buf_bytes(&f->rcpts), !f->lies);
    reset(f);
    f->said = false;
    if (f->lies && f->whole != NULL) {
        f->whole->accepted = true; /* an answer too many is on its way */
    }
    (void)answer(f, "250 2.0.0 queued as far1\r\n", true);
    if (f->said && f->late.len == 0) {
        f->whole = NULL;
    }
}

static void
on_rcpt(struct far *f, struct bytes line)
{
    if (!f->mail && !f->mail_refused) {
        world_fail("RCPT upstream without MAIL");
    }
    if (!f->mail) {
        far_write(f, BYTES_LIT("503 5.5.1 MAIL first\r\n"));
        return;
    }
    if (answer(f, "250 2.1.5 recipient ok\r\n", false)) {
        buf_put(&f->rcpts, bytes_take(line, bytes_find(line, '>') + 1));
        buf_putc(&f->rcpts, '\n');
    }
}

static void
on_data(struct far *f)
{
    if (f->rcpts.len == 0 && !f->lies) {
        world_fail("DATA upstream without a recipient");
    }
    if (answer(f, "354 go ahead\r\n", false) && f->fd >= 0) {
        f->phase = FAR_DATA;
    }
}

static void
on_mail(struct far *f)
{
    if (f->mail) {
        world_fail("MAIL upstream inside a transaction");
    }
    f->mail = answer(f, "250 2.1.0 sender ok\r\n", false);
    f->mail_refused = !f->mail;
}

static void
on_chunk(struct far *f, struct bytes line)
{
    struct bytes size = bytes_take(line, bytes_find(line, ' '));

    if (!bytes_is(bytes_skip(line, size.len), " LAST") || size.len == 0 ||
        !bytes_to_u64(size, 1 << 30, &f->chunk_left)) {
        world_fail("BDAT upstream: %.*s", (int)line.len, line.ptr);
    }
    if (f->rcpts.len == 0 && !f->lies) {
        world_fail("BDAT upstream without a recipient");
    }
    f->phase = FAR_CHUNK;
}

static void
on_line(struct far *f, struct bytes line)
{
    if (bytes_starts_ci(line, "MAIL FROM:<")) {
        on_mail(f);
    } else if (bytes_starts_ci(line, "RCPT TO:<")) {
        on_rcpt(f, bytes_skip(line, 8));
    } else if (bytes_is(line, "DATA")) {
        on_data(f);
    } else if (bytes_starts_ci(line, "BDAT ")) {
        on_chunk(f, bytes_skip(line, 5));
    } else if (bytes_is(line, "RSET")) {
        reset(f);
        (void)answer(f, "250 2.0.0 flushed\r\n", false);
    } else if (bytes_is(line, "NOOP")) {
        (void)answer(f, "250 2.0.0 ok\r\n", false);
    } else if (bytes_is(line, "QUIT")) {
        far_write(f, BYTES_LIT("221 2.0.0 bye\r\n"));
        far_close(f);
    } else {
        world_fail("upstream has read: %.*s", (int)line.len, line.ptr);
    }
}

static void
on_content_line(struct far *f, struct bytes line)
{
    if (bytes_is(line, ".\r\n")) {
        whole(f);
        return;
    }
    buf_put(&f->content, line.ptr[0] == '.' ? bytes_skip(line, 1) : line);
}

/* One line or one chunk off the front. False: there is none yet. */
static bool
step(struct far *f)
{
    struct bytes in = buf_bytes(&f->in);
    size_t n = bytes_find(in, '\n');

    if (f->phase == FAR_CHUNK) {
        n = f->chunk_left < in.len ? (size_t)f->chunk_left : in.len;
        buf_put(&f->content, bytes_take(in, n));
        buf_consume(&f->in, n);
        f->chunk_left -= n;
        if (f->chunk_left == 0) {
            whole(f);
            return true;
        }
        return n > 0;
    }
    if (f->phase == FAR_CLOSED || n == in.len) {
        return false;
    }
    if (f->phase == FAR_DATA) {
        on_content_line(f, bytes_take(in, n + 1));
    } else {
        on_line(f, bytes_take(in, n - 1));
    }
    buf_consume(&f->in, n + 1);
    return true;
}

/* In commands and in content, whatever the client sent. */
static void
check_line_ends(struct far *f, struct bytes octets)
{
    for (size_t i = 0; i < octets.len; i++) {
        uint8_t c = octets.ptr[i];

        if (c == '\0' || (c == '\n') != f->after_cr) {
            world_fail("upstream has read a NUL or a bare CR or LF");
        }
        f->after_cr = c == '\r';
    }
}

static void
far_read(struct far *f)
{
    uint8_t room[16384];
    ssize_t n = f->fd < 0 ? 0 : read(f->fd, room, sizeof(room));

    if (n > 0) {
        f->world->moved = true;
        check_line_ends(f, bytes_make(room, (size_t)n));
        buf_put(&f->in, bytes_make(room, (size_t)n));
    } else if (f->fd >= 0 && (n == 0 || errno != EAGAIN)) {
        far_close(f);
    }
}

static void
say_late(struct far *f)
{
    if (f->late.len > 0) {
        far_write(f, buf_bytes(&f->late));
        buf_clear(&f->late);
        if (f->late_is_good) {
            accepted(f);
        }
        f->late_is_good = false;
        f->whole = NULL;
    }
}

static void
far_run(struct far *f)
{
    say_late(f);
    far_read(f);
    while (f->late.len == 0 && step(f)) {
    }
}

void
world_far_run(struct session_world *w)
{
    for (struct far *f = w->fars; !w->far_hold && f != NULL; f = f->next) {
        if (f->fd >= 0) {
            far_run(f);
        }
    }
}

/* What is said out of turn: read before anything else arrives there. */
void
world_far_says(struct session_world *w, struct bytes octets)
{
    for (struct far *f = w->fars; f != NULL; f = f->next) {
        if (f->fd >= 0) {
            f->lies = true;
            accepted(f); /* it may have been in there */
            far_write(f, octets);
        }
    }
    world_loop(w);
}

bool
world_far_lies(const struct session_world *w)
{
    for (const struct far *f = w->fars; f != NULL; f = f->next) {
        if (f->lies) {
            return true;
        }
    }
    return false;
}

void
world_far_settled(struct session_world *w)
{
    for (struct far *f = w->fars; f != NULL; f = f->next) {
        f->lies = f->lies && f->fd >= 0;
    }
}

void
world_far_forget(struct session_world *w, const struct world_client *c)
{
    for (struct far *f = w->fars; f != NULL; f = f->next) {
        f->whole = f->whole == c ? NULL : f->whole;
    }
}

void
world_far_closes(struct session_world *w)
{
    for (struct far *f = w->fars; f != NULL; f = f->next) {
        far_close(f);
    }
}

void
world_far_describe(const struct session_world *w, struct buf *out)
{
    for (const struct far *f = w->fars; f != NULL; f = f->next) {
        char text[100];

        if (f->fd < 0 && !f->lies) {
            continue;
        }
        (void)snprintf(text, sizeof(text), "far %d %d %d %d %d %d %d %llu\n",
                       f->fd >= 0, (int)f->phase, f->mail, f->mail_refused,
                       f->lies, f->whole != NULL, f->said,
                       (unsigned long long)f->chunk_left);
        buf_puts(out, text);
        buf_put(out, buf_bytes(&f->rcpts));
        buf_put(out, buf_bytes(&f->in));
        buf_put(out, buf_bytes(&f->late));
        /* Of what has come, the end counts: Received bears a date. */
        buf_putc(out, f->content.len > 0 ? 'c' : '-');
    }
}

void
world_far_free(struct session_world *w)
{
    while (w->fars != NULL) {
        struct far *f = w->fars;

        w->fars = f->next;
        far_close(f);
        buf_free(&f->in);
        buf_free(&f->content);
        buf_free(&f->rcpts);
        buf_free(&f->late);
        free(f);
    }
    if (w->dials != NULL) {
        world_fail("a dial was left behind");
    }
    buf_free(&w->last);
}
