/*
 * world_describe - see world_describe.h.
 *
 * Phases and flags of session and transaction, octets that are held or not
 * answered, connections and what their far ends expect, timers in their
 * order; not names, counters for the log or the time of day.
 */
#include "tests/support/world_describe.h"

__attribute__((format(printf, 2, 3))) static void
put(struct buf *out, const char *format, ...)
{
    char text[300];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buf_puts(out, text);
}

static void
describe_server(const struct smtp_server *s, struct buf *out)
{
    put(out, "server %d %d %u %u %u %u %zu %d %d %d %d %d %d %d %d\n",
        (int)s->phase, (int)s->pending, s->rcpt_pending, s->errors, s->junk,
        s->refusal, s->discarded, s->chunk_open, s->chunk_last, s->chunk_failed,
        s->esmtp, s->authenticated, s->discarding, s->closing,
        s->conf.mail_needs_auth);
    if (s->chunk_open) {
        put(out, "chunk %llu %llu\n", (unsigned long long)s->chunk_octets,
            (unsigned long long)s->chunk_left);
    }
}

static void
describe_message(const struct transaction *tx, struct buf *out)
{
    put(out, "message %d %d %d %d %d %d %zu %d %d %d %d %d %zu %llu\n",
        (int)tx->message, (int)tx->header_result, tx->head_done,
        tx->head_too_big, tx->chunk_refused, (int)tx->spool_result,
        tx->signing_pending, tx->check != NULL, tx->check_done, tx->bdat,
        tx->head_sent, tx->body_sent, tx->piece.len,
        (unsigned long long)tx->octets);
    buf_put(out, buf_bytes(&tx->head));
}

static void
describe_transaction(const struct transaction *tx, struct buf *out)
{
    put(out, "tx %zu %zu %zu %zu %zu up %d %d %d %d %d %d %d %d %d %d %d\n",
        tx->rcpt_count, tx->rcpt_sent, tx->rcpt_replied, tx->rcpt_answered,
        tx->rcpt_accepted, (int)tx->up, tx->wait != NULL, tx->link != NULL,
        tx->mail_sent, tx->mail_replied, tx->noop_sent, tx->link_ended,
        tx->dot_left, tx->replayed, tx->mail_code, tx->dead != NULL);
    for (size_t i = 0; i < tx->rcpt_count; i++) {
        put(out, "rcpt %d %d\n", (int)tx->rcpts[i].state,
            tx->rcpts[i].refusal != NULL);
    }
    if (tx->link != NULL) {
        put(out, "link %u %zu %zu\n", tx->link->uses > 0,
            conn_input(tx->link->conn).len, conn_pending(tx->link->conn));
    }
    describe_message(tx, out);
}

static void
describe_session(const struct session *s, struct buf *out)
{
    put(out, "session %d %d %d %d %d %u %d %d %d %d %d %d %d %zu\n",
        (int)s->identity, (int)s->owed, s->request != NULL, s->login != NULL,
        s->user != NULL, s->auth_failures, s->has_handle, session_expelled(s),
        s->client_gone, s->client_eof, s->closing, s->greeted, s->dead,
        conn_pending(s->client));
    buf_put(out, conn_input(s->client));
    describe_server(&s->server, out);
    if (s->tx != NULL) {
        describe_transaction(s->tx, out);
    }
}

static void
describe_client(const struct world_client *c, struct buf *out)
{
    put(out, "client %d mode %d seen %u %d %d %d %d %d %d %d\n", c->fd >= 0,
        (int)c->mode, c->seen, c->accepted, c->greeted, c->over, c->stalled,
        c->blind, c->unknown, c->ended);
    if (c->fd >= 0) {
        buf_put(out, bytes_skip(buf_bytes(&c->sent), c->at));
    }
    buf_put(out, buf_bytes(&c->rcpts));
    buf_put(out, buf_bytes(&c->chunks));
}

static void
describe_pool(const struct upstream *u, struct buf *out)
{
    unsigned resetting = 0;

    for (const struct upstream_link *l = u->resetting; l != NULL; l = l->next) {
        resetting++;
    }
    put(out, "pool %u %u %u %d\n", u->idle_count, resetting, u->connections,
        u->waits != NULL);
}

void
world_describe(struct session_world *w, struct buf *out)
{
    for (unsigned n = 0; n < WORLD_CLIENTS; n++) {
        describe_client(&w->clients[n], out);
    }
    for (const struct session *s = w->worker.sessions; s != NULL; s = s->next) {
        describe_session(s, out);
    }
    describe_pool(w->upstreams[0], out);
    world_far_describe(w, out);
    world_timers_describe(w, out);
    put(out, "world %u %u %d %d %d %d %d %d\n", w->dial_fail, w->handles,
        w->dial_hold, w->far_hold, w->dns_hold, w->keeper_hold, w->orphans,
        w->worker.draining);
    buf_put(out,
            bytes_make(w->script + w->script_at, w->script_len - w->script_at));
}
