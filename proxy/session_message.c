/*
 * session_message - content from the client: spooled, hashed, judged.
 *
 * Each view of decoded octets is looked at once: until the header has ended
 * it is gathered in memory, then it goes to the body hash and the spool. What
 * is wrong with a message is noted while it arrives and said at its end.
 */
#include "proxy/session_log.h"
#include "proxy/session_received.h"
#include "proxy/session_state.h"

#include <proxy/check.h>
#include <proxy/clock.h>
#include <proxy/limits.h>
#include <proxy/stats/stats.h>
#include <stdlib.h>

enum {
    DATA_S = 180, /* RFC 5321 4.5.3.2.5 */
    HOPS_MAX = 100
};

void
session_message_pace(struct session *s, size_t octets)
{
    unsigned most_s = s->worker->stressed ? LIMITS_STRESS_S : DATA_S;
    struct limits_pace pace = { .most_ms = most_s * 1000,
                                .rate = s->worker->conf->limits.min_data_rate };
    struct transaction *tx = s->tx;
    uint64_t now = clock_ms();

    if (tx->paced_ms == 0) {
        tx->patience_ms = pace.most_ms;
    } else {
        tx->patience_ms =
            limits_patience(&pace, tx->patience_ms, now - tx->paced_ms, octets);
    }
    tx->paced_ms = now;
    conn_set_deadline(s->client, (unsigned)tx->patience_ms);
}

void
session_timed_out(struct session *s)
{
    bool content = s->tx != NULL && s->tx->message == MESSAGE_ARRIVING;
    bool slow = content && s->tx->octets > 0;

    stats_count(s->worker->stats, slow ? STATS_TOO_SLOW : STATS_TIMEOUTS, 1);
    session_log_cut(s, slow ? "min_data_rate" : "timeout");
    session_bye(s, "4.4.2",
                slow ? "Timeout, content comes too slowly"
                     : "Timeout, closing the connection");
}

static bool
two_readings(const struct session *s)
{
    return s->conf->mode == CONF_INBOUND && s->conf->normalize;
}

bool
session_message_begin(struct session *s)
{
    const struct conf *conf = s->worker->conf;
    struct transaction *tx = s->tx;

    tx->spool = spool_new(&conf->spool, &s->worker->spool_octets);
    tx->body_hash = dkim_body_hash_new(
        conf->sign.body_relaxed ? DKIM_CANON_RELAXED : DKIM_CANON_SIMPLE,
        DKIM_HASH_SHA256, UINT64_MAX);
    if (two_readings(s)) {
        tx->received = session_received_new();
    }
    if (tx->spool == NULL || tx->body_hash == NULL ||
        (two_readings(s) && tx->received == NULL)) {
        spool_free(&tx->spool);
        dkim_body_hash_free(&tx->body_hash);
        session_received_free(&tx->received);
        return false;
    }
    tx->message = MESSAGE_ARRIVING;
    tx->data_ms = clock_ms();
    session_message_pace(s, 0);
    session_link_keep(s);
    return true;
}

static void
take_body(struct session *s, struct bytes octets)
{
    struct transaction *tx = s->tx;

    if (tx->check != NULL && tx->received == NULL) {
        check_body(tx->check, octets);
    } else if (tx->check == NULL) {
        dkim_body_hash_feed(tx->body_hash, octets);
    }
    if (tx->spool_result == SPOOL_OK) {
        tx->spool_result = spool_append(tx->spool, octets);
        if (tx->spool_result != SPOOL_OK) {
            session_log_spool(s, tx->spool_result, spool_error(tx->spool));
        }
    }
}

/* The header's end was seen, or the message's. */
static void
header_known(struct session *s)
{
    struct transaction *tx = s->tx;

    tx->head_done = true;
    tx->head_too_big = tx->head.len > DKIM_HEADER_OCTETS_MAX;
    if (tx->head_too_big) {
        return;
    }
    tx->header_result = dkim_header_parse(buf_bytes(&tx->head), &tx->header);
    if (s->conf->mode == CONF_INBOUND && tx->received == NULL &&
        tx->header_result == DKIM_HEADER_OK) {
        session_check_begin(s, &tx->header);
    }
}

/* The body behind it, often a whole one, is not copied into the header. A
 * blank line that began in earlier octets ends before this one. */
static struct bytes
up_to_blank_line(struct bytes octets)
{
    const uint8_t *blank =
        octets.len < 4 ? NULL : memmem(octets.ptr, octets.len, "\r\n\r\n", 4);

    return blank == NULL ? octets
                         : bytes_take(octets, (size_t)(blank - octets.ptr) + 4);
}

enum head_step
session_gather_head(struct buf *head, struct bytes octets,
                    struct bytes *body_out)
{
    size_t before = head->len;
    size_t known = before < 3 ? 0 : before - 3;
    struct bytes block;
    size_t end;

    *body_out = bytes_make(NULL, 0);
    buf_put(head, up_to_blank_line(octets));
    if (buf_failed(head)) {
        return HEAD_NO_MEMORY;
    }
    end = dkim_header_end(buf_bytes(head), known, &block);
    if (end == 0) {
        return head->len > DKIM_HEADER_OCTETS_MAX ? HEAD_TOO_BIG : HEAD_MORE;
    }
    *body_out = bytes_skip(octets, end - before);
    head->len = block.len;
    return HEAD_ENDED;
}

static void
take_header(struct session *s, struct bytes octets)
{
    struct transaction *tx = s->tx;

    switch (session_gather_head(&tx->head, octets, &octets)) {
    case HEAD_ENDED:
        header_known(s);
        take_body(s, octets);
        break;
    case HEAD_TOO_BIG:
        tx->head_too_big = true;
        break;
    case HEAD_NO_MEMORY:
        tx->spool_result = SPOOL_NO_MEMORY;
        break;
    case HEAD_MORE:
        break;
    }
}

void
session_message_take(struct session *s, struct bytes octets)
{
    struct transaction *tx = s->tx;

    if (octets.len == 0 || tx->head_too_big || tx->spool_result != SPOOL_OK) {
        return; /* refused at the end; until then it is only read */
    }
    if (tx->head_done) {
        take_body(s, octets);
    } else {
        take_header(s, octets);
    }
}

/* The first chunk begins a message; a failure is told at the chunk's end. */
static void
begin_chunks(struct session *s)
{
    if (s->tx->message == MESSAGE_NONE && !session_message_begin(s)) {
        s->tx->spool_result = SPOOL_NO_MEMORY;
    }
}

void
session_message_data(struct session *s, struct bytes octets)
{
    begin_chunks(s);
    s->tx->octets += octets.len;
    session_message_pace(s, octets.len);
    if (s->tx->received != NULL) {
        session_received_data(s, octets);
    } else {
        session_message_take(s, octets);
    }
}

/* --- judged --------------------------------------------------------------- */

static struct refusal
framing_refusal(const struct session *s, unsigned faults)
{
    const struct transaction *tx = s->tx;
    unsigned bare = SMTP_FAULT_BARE_CR | SMTP_FAULT_BARE_LF;

    if ((faults & SMTP_FAULT_TOO_BIG) != 0) {
        return (struct refusal){ 552, "5.3.4", "Message too big" };
    }
    if ((faults & SMTP_FAULT_NUL) != 0) {
        return (struct refusal){ 550, "5.6.0", "Message holds a NUL octet" };
    }
    if ((faults & bare) != 0 && !s->conf->normalize) {
        return (struct refusal){ 550, "5.6.0",
                                 "Message holds a bare CR or LF; lines must "
                                 "end in CRLF" };
    }
    if (tx->head_too_big) {
        return (struct refusal){ 552, "5.3.4", "Message header too big" };
    }
    if ((faults & SMTP_FAULT_LONG_LINE) != 0) {
        return (struct refusal){ 550, "5.6.0",
                                 "Message has a line of more than 998 octets; "
                                 "it must be encoded" };
    }
    if (tx->spool_result == SPOOL_NO_MEMORY) {
        return (struct refusal){ 452, "4.3.1",
                                 "Out of memory, try again later" };
    }
    if (tx->spool_result != SPOOL_OK) {
        return (struct refusal){ 452, "4.3.1",
                                 "No room for the message, try again later" };
    }
    return (struct refusal){ 0, "", "" };
}

/* Sign what will be sent: nobody behind us may have to recode it. */
static bool
upstream_takes_8bit(const struct session *s)
{
    const struct transaction *tx = s->tx;
    const struct smtp_caps *caps = tx->link != NULL
                                       ? upstream_link_caps(tx->link)
                                       : upstream_caps(tx->upstream);

    return caps == NULL || (caps->offers & SMTP_CAP_8BITMIME) != 0;
}

static struct refusal
header_refusal(const struct session *s)
{
    const struct dkim_header *h = &s->tx->header;

    /* A fold on the first line would become part of the field that we put
     * above it. */
    unsigned refused = s->conf->mode == CONF_OUTBOUND
                           ? ~(unsigned)DKIM_HEADER_NO_BLANK
                           : (unsigned)DKIM_HEADER_FOLD_FIRST;

    if ((h->faults & refused) != 0) {
        return (struct refusal){ 550, "5.6.0",
                                 "Message header has a line that is no field" };
    }
    if (dkim_header_count(h, "received") > HOPS_MAX) {
        return (struct refusal){ 554, "5.4.6",
                                 "Too many hops, this message goes in a loop" };
    }
    return (struct refusal){ 0, "", "" };
}

static struct refusal
parse_refusal(const struct session *s)
{
    switch (s->tx->header_result) {
    case DKIM_HEADER_OK:
        return header_refusal(s);
    case DKIM_HEADER_TOO_MANY:
        return (struct refusal){ 552, "5.3.4", "Too many header fields" };
    case DKIM_HEADER_NO_MEMORY:
    default:
        return (struct refusal){ 452, "4.3.1",
                                 "Out of memory, try again later" };
    }
}

static void
note_message_id(struct transaction *tx)
{
    const struct dkim_field *f = dkim_header_get(&tx->header, "message-id", 0);

    if (f != NULL) {
        struct bytes id = bytes_take(bytes_trim(f->value), 250);

        tx->message_id = strndup((const char *)id.ptr, id.len);
    }
}

void
session_message_chunk(struct session *s, uint64_t octets)
{
    struct transaction *tx = s->tx;
    struct refusal no;
    char text[64];

    begin_chunks(s);
    no = framing_refusal(s, 0);
    if (no.code == 0 && tx->dead != NULL) {
        no = (struct refusal){ 451, "4.4.2", tx->dead };
    }
    if (no.code != 0) {
        tx->chunk_refused = true;
        session_reply(s, no.code, no.enhanced, no.text);
        return;
    }
    snprintf(text, sizeof(text), "%llu octets taken",
             (unsigned long long)octets);
    session_reply(s, 250, "2.0.0", text);
}

void
session_message_whole(struct session *s, unsigned faults)
{
    uint64_t limit_s = s->conf->end_of_data_deadline_s - s->conf->dot_reserve_s;
    struct transaction *tx = s->tx;
    struct refusal no;

    begin_chunks(s); /* BDAT 0 LAST and nothing before */
    session_count_spool(s);
    tx->end_ms = clock_ms();
    s->owed = OWED_END;
    session_set_timer(s, limit_s * 1000);
    if (tx->received != NULL && tx->spool_result == SPOOL_OK) {
        faults = session_received_end(s, faults);
    }
    if (!tx->head_done && tx->spool_result == SPOOL_OK) {
        header_known(s);
    }
    tx->eight_bit = (faults & SMTP_FAULT_8BIT) != 0;
    no = framing_refusal(s, faults);
    if (no.code == 0) {
        no = parse_refusal(s);
    }
    if (no.code == 0 && tx->eight_bit && !upstream_takes_8bit(s)) {
        no = (struct refusal){ 554, "5.6.3",
                               "Message has 8-bit content and the upstream "
                               "takes 7-bit only; it must be encoded" };
    }
    note_message_id(tx);
    if (no.code != 0) {
        session_finish(s, no.code, no.enhanced, no.text, OUTCOME_REFUSED);
        return;
    }
    tx->message = MESSAGE_WHOLE;
}

/* --- the step ------------------------------------------------------------- */

bool
session_step_message(struct session *s)
{
    struct transaction *tx = s->tx;

    if (tx == NULL || tx->dead != NULL) {
        return false;
    }
    if (tx->message == MESSAGE_WHOLE && tx->check != NULL) {
        session_check_end(s);
    } else if (tx->message == MESSAGE_WHOLE && s->request == NULL) {
        session_sign(s);
    } else if (tx->message == MESSAGE_SIGNING && tx->signing_pending == 0) {
        session_signed(s);
    } else if (tx->message == MESSAGE_JUDGING && tx->check_done) {
        session_checked(s);
    } else {
        return false;
    }
    return true;
}
