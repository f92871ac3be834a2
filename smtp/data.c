/*
 * data - dot transparency, both ways; see smtp/data.h.
 *
 * The decoder gives out the longest view that the wire octets allow: it ends
 * only before a dot that is not content, before a CR whose next octet is not
 * here yet, and, when normalizing, before a bare CR or LF. Between those,
 * text_run() looks at eight octets at a time.
 *
 * A CR is held until the next octet says whether it is half of a line end.
 *
 * The encoder looks for dots at the start of a line in blocks: mail has few.
 */
#include <smtp/data.h>

enum {
    LINE_OCTETS_MAX = 998, /* without CRLF: RFC 5322 2.1.1 */
    BLOCK = 64             /* octets that are looked at as one */
};

enum state {
    LINE_START,
    IN_LINE,
    HELD_CR,     /* a CR is taken, not given out */
    HELD_DOT,    /* a dot at the start of a line is taken and never given */
    HELD_DOT_CR, /* the same, and a CR behind it */
    OVER
};

static const struct bytes empty = { NULL, 0 };
static const struct bytes crlf = { (const uint8_t *)"\r\n", 2 };

void
smtp_data_decoder_init(struct smtp_data_decoder *d, uint64_t octets_max,
                       bool normalize)
{
    *d = (struct smtp_data_decoder){ .octets_max = octets_max,
                                     .state = LINE_START,
                                     .normalize = normalize };
}

void
smtp_data_chunks_init(struct smtp_data_decoder *d, uint64_t octets_max,
                      bool normalize)
{
    smtp_data_decoder_init(d, octets_max, normalize);
    d->chunks = true;
}

/* Eight octets as a number, the first one lowest. */
static inline uint64_t
load_word(const uint8_t *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? w : __builtin_bswap64(w);
}

static inline bool
is_special(uint8_t c)
{
    return c == '\r' || c == '\n' || c == '\0';
}

/*
 * Octets at p before the first CR, LF or NUL. *high collects the top bits.
 *
 * A word is looked at for octets below 0x0e, so that a HTAB costs a second
 * look and nothing else does. The borrow of the subtraction can only spoil
 * octets behind the first one found.
 */
static size_t
text_run(const uint8_t *p, size_t n, uint64_t *high)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = ones * 0x80;
    uint64_t seen = 0;
    size_t i = 0;

    while (n - i >= sizeof(uint64_t)) {
        uint64_t w = load_word(p + i);
        uint64_t low = (w - ones * 0x0e) & ~w & tops;

        if (low == 0) {
            seen |= w;
            i += sizeof(w);
            continue;
        }
        seen |= w & ((low & (~low + 1)) - 1); /* what stands before it */
        i += (size_t)__builtin_ctzll(low) / 8;
        if (is_special(p[i])) {
            *high |= seen & tops;
            return i;
        }
        i++;
    }
    for (; i < n && !is_special(p[i]); i++) {
        seen |= p[i];
    }
    *high |= seen & tops;
    return i;
}

static void
count_line(struct smtp_data_decoder *d, size_t octets)
{
    d->line_octets += octets;
    if (d->line_octets > LINE_OCTETS_MAX) {
        d->faults |= SMTP_FAULT_LONG_LINE;
    }
}

static void
end_line(struct smtp_data_decoder *d)
{
    d->line_octets = 0;
    d->state = LINE_START;
}

/*
 * The octet at in.ptr[n] is a CR, LF or NUL. Octets from there that are given
 * out as they stand, faults noted; 0: take_text() has to look at it.
 */
static size_t
pass_special(struct smtp_data_decoder *d, struct bytes in, size_t n)
{
    switch (in.ptr[n]) {
    case '\r':
        if (in.len - n == 1) {
            return 0; /* what follows is not here yet */
        }
        if (in.ptr[n + 1] == '\n') {
            end_line(d);
            return 2;
        }
        d->faults |= SMTP_FAULT_BARE_CR;
        break;
    case '\n':
        d->faults |= SMTP_FAULT_BARE_LF;
        break;
    default:
        d->faults |= SMTP_FAULT_NUL;
        count_line(d, 1);
        return 1;
    }
    if (d->normalize) {
        return 0;
    }
    count_line(d, 1);
    return 1;
}

/* How much of in, from its front, is given out in one view. */
static size_t
view_len(struct smtp_data_decoder *d, struct bytes in)
{
    uint64_t high = 0;
    size_t n = 0;

    while (n < in.len) {
        size_t run = text_run(in.ptr + n, in.len - n, &high);
        size_t special;

        d->state = IN_LINE;
        n += run;
        count_line(d, run);
        if (n == in.len) {
            break;
        }
        special = pass_special(d, in, n);
        n += special;
        if (special == 0 || (d->state == LINE_START && !d->chunks &&
                             n < in.len && in.ptr[n] == '.')) {
            break;
        }
    }
    d->faults |= high != 0 ? SMTP_FAULT_8BIT : 0;
    return n;
}

/* Text, or the CR or LF in front of which the last view ended. */
static void
take_text(struct smtp_data_decoder *d, struct bytes *in, struct bytes *out)
{
    size_t n = view_len(d, *in);

    if (n > 0) {
        *out = bytes_take(*in, n);
    } else if (in->ptr[0] == '\r') {
        d->state = HELD_CR;
        n = 1;
    } else {
        /* Out it is a line end; what follows is no start of a line for the
         * dot: "\n.\r\n" ends nothing. */
        *out = crlf;
        d->line_octets = 0;
        n = 1;
    }
    *in = bytes_skip(*in, n);
}

/* A CR was held and this is not its LF. */
static struct bytes
bare_cr(struct smtp_data_decoder *d)
{
    d->faults |= SMTP_FAULT_BARE_CR;
    d->state = IN_LINE;
    count_line(d, 1);
    return d->normalize ? BYTES_LIT(" ") : BYTES_LIT("\r");
}

/* Takes one thing off *in, which is not empty. True: it was the end. */
static bool
decode_step(struct smtp_data_decoder *d, struct bytes *in, struct bytes *out)
{
    uint8_t c = in->ptr[0];

    switch ((enum state)d->state) {
    case LINE_START:
        if (c == '.' && !d->chunks) {
            d->state = HELD_DOT; /* 4.5.2: the first dot is removed */
            *in = bytes_skip(*in, 1);
            return false;
        }
        take_text(d, in, out);
        return false;
    case IN_LINE:
        take_text(d, in, out);
        return false;
    case HELD_CR:
        if (c != '\n') {
            *out = bare_cr(d);
            return false;
        }
        *out = crlf;
        *in = bytes_skip(*in, 1);
        end_line(d);
        return false;
    case HELD_DOT:
        if (c == '\r') {
            *in = bytes_skip(*in, 1);
        }
        d->state = c == '\r' ? HELD_DOT_CR : IN_LINE;
        return false;
    case HELD_DOT_CR:
        if (c != '\n') {
            d->state = HELD_CR;
            return false;
        }
        *in = bytes_skip(*in, 1);
        d->state = OVER;
        return true;
    case OVER:
        break;
    }
    return true;
}

/* Counts what comes out, and cuts what is too much. */
static void
count_out(struct smtp_data_decoder *d, struct bytes *out)
{
    uint64_t room = d->octets < d->octets_max ? d->octets_max - d->octets : 0;

    d->octets += out->len;
    if (out->len > room) {
        d->faults |= SMTP_FAULT_TOO_BIG;
        *out = bytes_take(*out, (size_t)room);
    }
}

enum smtp_data_result
smtp_data_decode(struct smtp_data_decoder *d, struct bytes *in,
                 struct bytes *out)
{
    *out = empty;
    while (in->len > 0 && out->len == 0) {
        if (decode_step(d, in, out)) {
            return SMTP_DATA_DONE;
        }
    }
    count_out(d, out);
    return SMTP_DATA_MORE;
}

struct bytes
smtp_data_chunks_end(struct smtp_data_decoder *d)
{
    bool cr = d->state == HELD_CR;
    struct bytes out = empty;

    if (cr) {
        (void)bare_cr(d);
    }
    if (cr && d->normalize) {
        out = BYTES_LIT(" \r\n");
    } else if (cr) {
        out = BYTES_LIT("\r");
    } else if (d->line_octets > 0) {
        out = crlf;
    }
    count_out(d, &out);
    d->line_octets = 0; /* asked again, there is nothing */
    d->state = OVER;
    return out;
}

unsigned
smtp_data_faults(const struct smtp_data_decoder *d)
{
    return d->faults;
}

uint64_t
smtp_data_octets(const struct smtp_data_decoder *d)
{
    return d->octets;
}

/* Does a dot stand behind an LF, in BLOCK octets and the one behind them? No
 * branch, so that it is vectorized. */
static bool
block_has_dot(const uint8_t *p)
{
    uint8_t any = 0;

    for (size_t i = 0; i < BLOCK; i++) {
        any |= (uint8_t)((p[i] == '\n') & (p[i + 1] == '.'));
    }
    return any != 0;
}

/* Octets up to and with the first CRLF that has a dot behind it. */
static size_t
before_dot(struct bytes in, bool after_cr)
{
    size_t n = 0;

    for (;;) {
        while (in.len - n > BLOCK && !block_has_dot(in.ptr + n)) {
            n += BLOCK;
        }
        n += bytes_find(bytes_skip(in, n), '\n');
        if (n + 1 >= in.len) {
            return in.len;
        }
        if (in.ptr[n + 1] == '.' &&
            (n > 0 ? in.ptr[n - 1] == '\r' : after_cr)) {
            return n + 1;
        }
        n++;
    }
}

void
smtp_data_encode(struct smtp_data_encoder *e, struct bytes *in,
                 struct bytes *out)
{
    size_t n;

    *out = empty;
    if (in->len == 0) {
        return;
    }
    if (!e->mid_line && in->ptr[0] == '.') {
        *out = BYTES_LIT("."); /* 4.5.2; the dot itself follows as text */
        e->mid_line = true;
        e->after_cr = false;
        return;
    }
    n = before_dot(*in, e->after_cr);
    *out = bytes_take(*in, n);
    e->mid_line = in->ptr[n - 1] != '\n' ||
                  !(n > 1 ? in->ptr[n - 2] == '\r' : e->after_cr);
    e->after_cr = in->ptr[n - 1] == '\r';
    *in = bytes_skip(*in, n);
}

struct bytes
smtp_data_encode_end(const struct smtp_data_encoder *e)
{
    return e->mid_line ? BYTES_LIT("\r\n.\r\n") : BYTES_LIT(".\r\n");
}
