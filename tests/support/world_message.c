/*
 * world_message - what a message is when it has arrived, and whose the one is
 * that the upstream has read; see session_world.h.
 *
 * It is worked out here from the client's octets alone.
 */
#include "tests/support/world_client_private.h"

const struct bytes world_crlf = { (const uint8_t *)"\r\n", 2 };

size_t
world_find(struct bytes b, struct bytes needle)
{
    const uint8_t *at =
        b.len == 0 ? NULL : memmem(b.ptr, b.len, needle.ptr, needle.len);

    return at == NULL ? b.len : (size_t)(at - b.ptr);
}

struct bytes
world_unanswered(const struct world_client *c)
{
    return bytes_skip(buf_bytes(&c->sent), c->at);
}

/* --- what a message is ---------------------------------------------------- */

bool
world_read_message(struct bytes in, struct buf *content, size_t *taken)
{
    for (size_t at = 0;;) {
        struct bytes rest = bytes_skip(in, at);
        size_t n = world_find(rest, world_crlf);
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

bool
world_read_chunk(const struct world_client *c, struct world_chunk *out)
{
    struct bytes in = world_unanswered(c), line, size, word;
    size_t n = world_find(in, world_crlf);
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
    *out = (struct world_chunk){ .octets =
                                     bytes_take(bytes_skip(in, n + 2), octets),
                                 .last = word.len > 0 };
    out->whole = out->octets.len == octets;
    out->taken = n + 2 + out->octets.len;
    return true;
}

/* The last chunk is here: all of them are a message. */
static bool
chunks_ended(const struct world_client *c, struct buf *content)
{
    struct world_chunk chunk;

    if (!world_read_chunk(c, &chunk) || !chunk.whole || !chunk.last) {
        return false;
    }
    buf_put(content, buf_bytes(&c->chunks));
    buf_put(content, chunk.octets);
    if (content->len > 0 && content->ptr[content->len - 1] != '\n') {
        buf_puts(content, "\r\n");
    }
    return true;
}

bool
world_has_fault(struct bytes content)
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
        size_t line = world_find(rest, world_crlf);

        n += line < rest.len ? line + 2 : rest.len;
    } while (n < header.len && byte_is_wsp(header.ptr[n]));
    return bytes_take(header, n);
}

static size_t
header_octets(struct bytes content)
{
    size_t n = world_find(content, BYTES_LIT("\r\n\r\n"));

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

    body = body.len == 0 ? world_crlf : body;
    if (world_has_fault(client)) {
        return "a bare CR, LF or a NUL went upstream";
    }
    if (!bytes_eq(body, bytes_skip(far, theirs))) {
        return "the body upstream is not the client's";
    }
    return judge_header(bytes_take(client, mine), bytes_take(far, theirs));
}

/* --- the upstream has it -------------------------------------------------- */

bool
world_has_ended(const struct world_client *c, struct buf *content)
{
    size_t taken;

    return c->mode == CLIENT_DATA
               ? c->sent.len > c->at &&
                     world_read_message(world_unanswered(c), content, &taken)
               : chunks_ended(c, content);
}

/* What a message upstream lacks to be this client's. */
static const char *
judge(const struct world_client *c, struct bytes content, struct bytes rcpts,
      bool honest)
{
    struct buf sent = BUF_INIT;
    const char *wrong = "no client has ended it, or it came twice";

    if (world_has_ended(c, &sent) && c->seen == 0) {
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
