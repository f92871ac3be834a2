/*
 * session_received - inbound with `bare_newline = normalize`: two readings.
 *
 * What is verified are the octets as received; what goes upstream has CRLF at
 * the end of each line and no bare CR. So the octets are read twice: as they
 * came for the checks, and normalized for all the rest. Fields that claim our
 * name are looked for in the second, where a bare LF can hide none.
 */
#include "proxy/session_received.h"

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
    switch (session_gather_head(&r->head, octets, &octets)) {
    case HEAD_ENDED:
    case HEAD_TOO_BIG: /* CRLFs are missing: judged as far as it was read */
        head_known(s, r);
        if (s->tx->check != NULL) {
            check_body(s->tx->check, octets);
        }
        break;
    case HEAD_NO_MEMORY:
        s->tx->spool_result = SPOOL_NO_MEMORY;
        break;
    case HEAD_MORE:
        break;
    }
}

void
session_received_data(struct session *s, struct bytes octets)
{
    struct received *r = s->tx->received;

    if (s->tx->head_too_big || s->tx->spool_result != SPOOL_OK) {
        return; /* refused at the end; until then it is only read */
    }
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

/* The author whom the checks judged must be the one whom the next reader
 * sees: a From behind a bare LF is a field only in the second reading. */
bool
session_received_agrees(const struct session *s)
{
    struct dkim_author judged, seen;

    if (s->tx->received == NULL ||
        dkim_from_parse(&s->tx->received->header, &judged) != DKIM_FROM_OK) {
        return true; /* nobody was found to stand behind it */
    }
    return dkim_from_parse(&s->tx->header, &seen) == DKIM_FROM_OK &&
           strcmp(judged.domain, seen.domain) == 0 &&
           strcmp(judged.local, seen.local) == 0;
}

unsigned
session_received_end(struct session *s, unsigned faults)
{
    struct received *r = s->tx->received;
    unsigned lines = SMTP_FAULT_LONG_LINE;

    session_message_take(s, smtp_data_chunks_end(&r->normalizer));
    if (!r->head_done) {
        head_known(s, r);
    }
    return (faults & ~lines) | (smtp_data_faults(&r->normalizer) & lines);
}
