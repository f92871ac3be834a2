/*
 * canon - body and header canonicalization; see dkim/canon.h.
 *
 * The whole trick: a line end or a space is *held* until a later text octet
 * proves that it was not trailing. What is still held at the end is dropped.
 *
 * Nearly all mail is its own canonical form but for the end of the body. So
 * the longest prefix that nothing has to be changed in is looked for in blocks
 * and goes out in one piece; only what lies between such runs is walked
 * through octet by octet.
 */
#include <dkim/canon.h>

enum {
    BLOCK = 64
};

static const char line_ends[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"
                                "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";

static void
put(const struct dkim_sink *sink, struct bytes text)
{
    if (text.len > 0) {
        sink->put(sink->ctx, text);
    }
}

void
dkim_body_canon_init(struct dkim_body_canon *c, enum dkim_canon_mode mode,
                     struct dkim_sink sink)
{
    *c = (struct dkim_body_canon){ .mode = mode, .sink = sink };
}

static void
put_text(struct dkim_body_canon *c, struct bytes text)
{
    while (c->held_lines > 0) {
        size_t max = (sizeof(line_ends) - 1) / 2;
        size_t n = c->held_lines < max ? (size_t)c->held_lines : max;

        put(&c->sink, bytes_make(line_ends, 2 * n));
        c->held_lines -= n;
    }
    if (c->held_space) {
        put(&c->sink, BYTES_LIT(" "));
        c->held_space = false;
    }
    put(&c->sink, text);
    c->wrote_text = true;
}

/* Consumes the octet after a CR if it completes a line end. */
static size_t
after_cr(struct dkim_body_canon *c, uint8_t octet)
{
    c->held_cr = false;
    if (octet != '\n') {
        put_text(c, BYTES_LIT("\r")); /* a bare CR is text */
        return 0;
    }
    c->held_space = false; /* 3.4.4: ignore WSP at the end of a line */
    c->held_lines++;
    return 1;
}

/* Whether relaxed changes nothing at octet, knowing the one behind it. */
static inline unsigned
changes(uint8_t octet, uint8_t next)
{
    return (unsigned)(octet == '\t') |
           ((unsigned)(octet == ' ') &
            ((unsigned)(next == ' ') | (unsigned)(next == '\r'))) |
           ((unsigned)(octet == '\r') & (unsigned)(next != '\n'));
}

/* BLOCK octets and one behind them; no branch, so that it is vectorized. */
static bool
block_changes(const uint8_t *p)
{
    uint8_t any = 0;

    for (size_t i = 0; i < BLOCK; i++) {
        any = (uint8_t)(any | changes(p[i], p[i + 1]));
    }
    return any != 0;
}

/* Held space and what may make it vanish: no run starts here. */
static bool
after_space(const struct dkim_body_canon *c, uint8_t octet)
{
    return c->held_space && (byte_is_wsp(octet) || octet == '\r');
}

/* Octets at the start of body that are their own relaxed form. */
static size_t
clean_run(struct bytes body)
{
    size_t n = 0;

    while (body.len - n > BLOCK && !block_changes(body.ptr + n)) {
        n += BLOCK;
    }
    while (n + 1 < body.len && changes(body.ptr[n], body.ptr[n + 1]) == 0) {
        n++;
    }
    /* the last octet: a space is held by the caller, a CR waits for its LF */
    if (n + 1 == body.len && body.ptr[n] != '\t' && body.ptr[n] != '\r') {
        n++;
    }
    return n;
}

/*
 * Takes a run off body that needs no change; 0: there is none. Its text goes
 * out at once, the line ends and the space behind that text are held.
 */
static size_t
take_run(struct dkim_body_canon *c, struct bytes body)
{
    bool relaxed = c->mode == DKIM_CANON_RELAXED;
    size_t n =
        relaxed ? clean_run(body) : body.len - (body.ptr[body.len - 1] == '\r');
    size_t text = n;
    uint64_t lines = 0;
    bool space = relaxed && n > 0 && body.ptr[n - 1] == ' ';

    text -= space;
    while (text >= 2 && body.ptr[text - 1] == '\n' &&
           body.ptr[text - 2] == '\r') {
        text -= 2;
        lines++;
    }
    if (text > 0) {
        put_text(c, bytes_take(body, text));
    }
    c->held_lines += lines;
    c->held_space = c->held_space || space;
    return n;
}

void
dkim_body_canon_feed(struct dkim_body_canon *c, struct bytes body)
{
    while (body.len > 0) {
        size_t n;

        if (c->held_cr) {
            n = after_cr(c, body.ptr[0]);
        } else if (after_space(c, body.ptr[0]) ||
                   (n = take_run(c, body)) == 0) {
            /* WSP to be squeezed or dropped, or a CR that may end a line */
            c->held_cr = body.ptr[0] == '\r';
            c->held_space = c->held_space || !c->held_cr;
            n = 1;
        }
        body = bytes_skip(body, n);
    }
}

void
dkim_body_canon_end(struct dkim_body_canon *c)
{
    if (c->held_cr) {
        c->held_cr = false;
        put_text(c, BYTES_LIT("\r"));
    }
    /* 3.4.3: an empty body is CRLF. 3.4.4: an empty body is nothing. */
    if (c->wrote_text || c->mode == DKIM_CANON_SIMPLE) {
        put(&c->sink, BYTES_LIT("\r\n"));
    }
}

void
dkim_field_canon_init(struct dkim_field_canon *c, enum dkim_canon_mode mode,
                      struct dkim_sink sink)
{
    *c = (struct dkim_field_canon){ .mode = mode, .sink = sink };
}

/* 3.4.2: lower case, no WSP before the colon. Returns what is behind it. */
static struct bytes
put_name(struct dkim_field_canon *c, struct bytes field)
{
    struct bytes name = bytes_take(field, bytes_find(field, ':'));
    struct bytes rest = bytes_skip(field, name.len);

    c->in_value = true;
    name = bytes_trim(name);
    while (name.len > 0) {
        uint8_t lower[64];
        size_t n = name.len < sizeof(lower) ? name.len : sizeof(lower);

        for (size_t i = 0; i < n; i++) {
            lower[i] = byte_lower(name.ptr[i]);
        }
        put(&c->sink, bytes_make(lower, n));
        name = bytes_skip(name, n);
    }
    put(&c->sink, BYTES_LIT(":"));
    return rest.len > 0 ? bytes_skip(rest, 1) : rest;
}

static bool
starts_with_crlf(struct bytes text)
{
    return text.len >= 2 && text.ptr[0] == '\r' && text.ptr[1] == '\n';
}

/* Octets up to the next WSP or CRLF; a CR or LF alone is text. */
static size_t
word_len(struct bytes text)
{
    size_t n = 0;

    while (n < text.len && !byte_is_wsp(text.ptr[n]) &&
           !(text.ptr[n] == '\r' && starts_with_crlf(bytes_skip(text, n)))) {
        n++;
    }
    return n;
}

static void
put_word(struct dkim_field_canon *c, struct bytes word)
{
    if (c->held_space && c->wrote_text) {
        put(&c->sink, BYTES_LIT(" "));
    }
    put(&c->sink, word);
    c->held_space = false;
    c->wrote_text = true;
}

void
dkim_field_canon_feed(struct dkim_field_canon *c, struct bytes text)
{
    if (c->mode == DKIM_CANON_SIMPLE) {
        put(&c->sink, text);
        return;
    }
    if (!c->in_value) {
        text = put_name(c, text);
    }
    while (text.len > 0) {
        size_t n = word_len(text);

        if (n > 0) {
            put_word(c, bytes_take(text, n));
        } else if (starts_with_crlf(text)) {
            n = 2; /* 3.4.2: unfold; the WSP behind it is seen next */
        } else {
            c->held_space = true;
            n = 1;
        }
        text = bytes_skip(text, n);
    }
}
