/*
 * session_received - inbound with `bare_newline = normalize`: two readings.
 *
 * What is verified are the octets as received; what goes upstream has CRLF at
 * the end of each line and no bare CR. So the octets are read twice: as they
 * came for the checks, and normalized for all the rest. Fields that claim our
 * name are looked for in the second, where a bare LF can hide none.
 */
#include "proxy/session_state.h"

#include <proxy/check.h>
#include <stdlib.h>

struct received {
    struct smtp_data_decoder normalizer;
    struct buf head;
    struct dkim_header header; /* borrows head */
    bool head_done;
};

struct received *
session_received_new(void)
{
    struct received *r = calloc(1, sizeof(*r));

    if (r != NULL) {
        smtp_data_chunks_init(&r->normalizer, UINT64_MAX, true);
    }
    return r;
}

void
session_received_free(struct received **r)
{
    if (*r != NULL) {
        dkim_header_free(&(*r)->header);
        buf_free(&(*r)->head);
        free(*r);
        *r = NULL;
    }
}

/* The header as received has ended, or the message has. */
static void
head_known(struct session *s, struct received *r)
{
    r->head_done = true;
    if (dkim_header_parse(buf_bytes(&r->head), &r->header) == DKIM_HEADER_OK) {
        session_check_begin(s, &r->header);
    } else {
        s->tx->head_too_big = true;
    }
}

static void
check_head(struct session *s, struct received *r, struct bytes octets)
{
    size_t known = r->head.len < 3 ? 0 : r->head.len - 3;
    struct bytes block;
    size_t end;

    buf_put(&r->head, octets);
    if (buf_failed(&r->head)) {
        s->tx->spool_result = SPOOL_NO_MEMORY;
        return;
    }
    end = dkim_header_end(buf_bytes(&r->head), known, &block);
    if (end == 0) {
        s->tx->head_too_big = r->head.len > DKIM_HEADER_OCTETS_MAX;
        return;
    }
    octets = bytes_skip(buf_bytes(&r->head), end);
    r->head.len = block.len;
    head_known(s, r);
    if (s->tx->check != NULL) {
        check_body(s->tx->check, octets);
    }
}

void
session_received_data(struct session *s, struct bytes octets)
{
    struct received *r = s->tx->received;

    if (!r->head_done) {
        check_head(s, r, octets);
    } else if (s->tx->check != NULL) {
        check_body(s->tx->check, octets);
    }
    while (octets.len > 0) {
        struct bytes out;

        (void)smtp_data_decode(&r->normalizer, &octets, &out);
        session_message_take(s, out);
    }
}

void
session_received_end(struct session *s)
{
    struct received *r = s->tx->received;

    session_message_take(s, smtp_data_chunks_end(&r->normalizer));
    if (!r->head_done) {
        head_known(s, r);
    }
}
