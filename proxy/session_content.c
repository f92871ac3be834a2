/*
 * session_content - the new header and the spooled body go to the upstream.
 *
 * Octets are encoded once, here: dots stuffed after DATA, or as they are in
 * one BDAT chunk where the upstream offers CHUNKING (RFC 3030), which no other
 * line end can cut short. "The dot" is the end of either. It is written with
 * the last piece, so that a small message leaves in one system call; it counts
 * as sent when it has left this process, and until then a drop of the
 * connection is safe.
 */
#include "proxy/clock.h"
#include "proxy/session_log.h"
#include "proxy/session_state.h"

enum {
    PENDING_MAX = 256 * 1024, /* waiting for the upstream to read */
    RUNS_MAX = 64
};

bool
session_dot_left(const struct session *s)
{
    return s->tx != NULL && s->tx->up == UP_DOT && s->tx->dot_left;
}

/* From here on only the upstream knows: the client's whole deadline counts. */
void
session_content_drained(struct session *s)
{
    struct transaction *tx = s->tx;
    uint64_t deadline =
        tx->end_ms + (uint64_t)s->conf->end_of_data_deadline_s * 1000;
    uint64_t now = clock_ms();

    if (tx->up != UP_DOT || tx->dot_left) {
        return;
    }
    tx->dot_left = true;
    session_set_timer(s, deadline > now ? deadline - now : 1);
}

/* What to encode next. A piece of the spool is lent until the next one is
 * asked for. */
static bool
next_piece(struct session *s)
{
    struct transaction *tx = s->tx;
    enum spool_result result;

    if (!tx->head_sent) {
        tx->head_sent = true;
        tx->piece = buf_bytes(&tx->out_head);
        return true;
    }
    result = spool_read(tx->spool, &tx->piece);
    if (result != SPOOL_OK) {
        session_log_spool(s, result, spool_error(tx->spool));
        session_give_up(s, "The message can't be read back, try again later");
        return false;
    }
    return true;
}

static void
encode(struct transaction *tx, struct bytes *run)
{
    if (tx->bdat) {
        *run = tx->piece;
        tx->piece = bytes_make(NULL, 0);
    } else {
        smtp_data_encode(&tx->encoder, &tx->piece, run);
    }
}

/* Fills runs from the pieces at hand, at most one of them the spool's: the
 * next would overwrite what the runs point to. A piece may be left over from
 * the turn before. False: the transaction was ended. */
static bool
gather(struct session *s, struct bytes *runs, size_t *count)
{
    struct transaction *tx = s->tx;
    bool spool_lent = tx->head_sent && tx->piece.len > 0;

    for (*count = 0; *count < RUNS_MAX;) {
        if (tx->piece.len == 0) {
            tx->body_sent = tx->head_sent && spool_at_end(tx->spool);
            if (tx->body_sent || spool_lent) {
                return true;
            }
            spool_lent = tx->head_sent;
            if (!next_piece(s)) {
                return false;
            }
            continue;
        }
        encode(tx, &runs[*count]);
        *count += runs[*count].len > 0;
    }
    return true;
}

/* Time is kept for the upstream's answer, or the dot is not sent. */
static bool
too_late(const struct session *s)
{
    uint64_t spent = clock_ms() - s->tx->end_ms;
    uint64_t limit =
        ((uint64_t)s->conf->end_of_data_deadline_s - s->conf->dot_reserve_s) *
        1000;

    return spent >= limit;
}

uint64_t
session_content_octets(const struct transaction *tx)
{
    return tx->out_head.len + spool_octets(tx->spool);
}

bool
session_send_content(struct session *s)
{
    struct transaction *tx = s->tx;
    struct bytes runs[RUNS_MAX + 1];
    struct conn *conn;
    size_t count;

    if (tx->up != UP_CONTENT) {
        return false;
    }
    conn = upstream_link_conn(tx->link);
    if (conn_pending(conn) >= PENDING_MAX || !gather(s, runs, &count)) {
        return false;
    }
    if (tx->body_sent && tx->piece.len == 0) {
        if (too_late(s)) {
            session_give_up(s, "The upstream is too slow, try again later");
            return true;
        }
        if (!tx->bdat) {
            runs[count++] = smtp_data_encode_end(&tx->encoder);
        }
        tx->up = UP_DOT;
    }
    for (size_t i = 0; i < count; i++) {
        tx->turn_octets += runs[i].len;
    }
    conn_writev(conn, runs, count);
    if (tx->up == UP_DOT) {
        session_content_free(s); /* the connection has what did not leave */
    }
    if (conn_pending(conn) == 0) {
        session_content_drained(s);
    }
    return true;
}
