/*
 * canon - canonicalization of bodies and of header fields, as streams.
 *
 * Input may be split anywhere. Output goes to a sink in runs as long as the
 * input allows; concatenated, the runs are the canonical form. O(1) memory.
 *
 * Only CRLF is a line end. A bare CR or LF is text, as are FF and VT.
 * RFC 6376 3.4.
 */
#ifndef DKIM_CANON_H
#define DKIM_CANON_H

#include <base/bytes.h>

#include <dkim/hash.h>

/* text is lent for the call; ctx is borrowed. */
struct dkim_sink {
    void (*put)(void *ctx, struct bytes text);
    void *ctx;
};

/* Caller-allocated so that it can live inside another object; fields private.
 */
struct dkim_body_canon {
    enum dkim_canon_mode mode;
    struct dkim_sink sink;
    uint64_t held_lines; /* line ends seen, not yet known to be inner */
    bool held_space;     /* relaxed: WSP run seen, not yet known to be inner */
    bool held_cr;        /* CR seen, waiting for its LF */
    bool wrote_text;
};

void dkim_body_canon_init(struct dkim_body_canon *c, enum dkim_canon_mode mode,
                          struct dkim_sink sink);
/* The next octets of the body, without dot-stuffing. */
void dkim_body_canon_feed(struct dkim_body_canon *c, struct bytes body);
/* The body is over. Init again before the next one. */
void dkim_body_canon_end(struct dkim_body_canon *c);

/* As above, for one header field: name, colon, value with its folds. */
struct dkim_field_canon {
    enum dkim_canon_mode mode;
    struct dkim_sink sink;
    bool in_value;   /* relaxed: the colon was seen */
    bool wrote_text; /* relaxed: of the value */
    bool held_space;
};

void dkim_field_canon_init(struct dkim_field_canon *c,
                           enum dkim_canon_mode mode, struct dkim_sink sink);
/*
 * The next octets of the field, without its last CRLF. A split inside a CRLF
 * or before the colon is not allowed.
 */
void dkim_field_canon_feed(struct dkim_field_canon *c, struct bytes text);

#endif
