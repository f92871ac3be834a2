/*
 * session_stats - what `sealpost status` is told of a transaction.
 */
#include "proxy/session_state.h"

#include <proxy/stats/stats.h>
#include <time.h>

/* What a row's value and a counter are for one end. */
static const struct ending {
    enum stats_counter counter;
    enum stats_row_value value;
} delivered = { STATS_DELIVERED, STATS_ROW_DELIVERED },
  refused = { STATS_REFUSED_MAIL, STATS_ROW_REFUSED },
  deferred = { STATS_DEFERRED, STATS_ROW_DEFERRED },
  unknown = { STATS_UNKNOWN, STATS_ROW_DEFERRED };

static uint64_t
wall_clock_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec;
}

static const struct ending *
ending_of(const struct transaction *tx, enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_DELIVERED:
        return &delivered;
    case OUTCOME_UNKNOWN:
        return &unknown;
    case OUTCOME_REFUSED:
        return tx->reply_code / 100 == 5 ? &refused : &deferred;
    case OUTCOME_ABORTED:
    default:
        return NULL;
    }
}

static void
note(struct stats *stats, enum stats_row_kind kind, struct bytes name,
     const struct transaction *tx, const struct ending *ending)
{
    uint64_t now_s = wall_clock_s();

    if (name.len == 0) {
        return;
    }
    stats_note(stats, kind, name, ending->value, 1, now_s);
    if (ending == &delivered) {
        stats_note(stats, kind, name, STATS_ROW_RECIPIENTS, tx->rcpt_accepted,
                   now_s);
        stats_note(stats, kind, name, STATS_ROW_OCTETS, tx->octets, now_s);
    }
}

void
session_count_spool(struct session *s)
{
    stats_set(s->worker->stats, STATS_SPOOL_OCTETS, s->worker->spool_octets);
}

/* The author's, where the header was read. */
static struct bytes
domain_of(const struct transaction *tx)
{
    return tx->author.domain[0] == '\0' ? tx->from.domain
                                        : bytes_str(tx->author.domain);
}

void
session_count_begin(struct session *s)
{
    struct worker *w = s->worker;

    stats_set(w->stats, STATS_TRANSACTIONS, ++w->transactions);
}

void
session_count_end(struct session *s, enum outcome outcome)
{
    const struct transaction *tx = s->tx;
    const struct ending *ending = ending_of(tx, outcome);
    struct worker *w = s->worker;
    struct stats *stats = w->stats;

    stats_set(stats, STATS_TRANSACTIONS, --w->transactions);
    if (ending == NULL) {
        stats_count(stats, STATS_ABORTED, 1);
        return;
    }
    stats_count(stats, ending->counter, 1);
    if (ending == &delivered) {
        stats_count(stats, STATS_RECIPIENTS, tx->rcpt_accepted);
        stats_count(stats, STATS_OCTETS, tx->octets);
        stats_count(stats, STATS_SIGNED, tx->decision.count > 0);
    }
    note(stats, STATS_ROW_USER, bytes_str(s->user == NULL ? "" : s->user), tx,
         ending);
    note(stats, STATS_ROW_DOMAIN, domain_of(tx), tx, ending);
    note(stats, STATS_ROW_UPSTREAM,
         bytes_str(upstream_settings(tx->upstream)->name), tx, ending);
}

void
session_count_unreachable(struct session *s)
{
    struct stats *stats = s->worker->stats;

    stats_count(stats, STATS_UPSTREAM_FAILED, 1);
    stats_note(stats, STATS_ROW_UPSTREAM,
               bytes_str(upstream_settings(s->tx->upstream)->name),
               STATS_ROW_FAILURES, 1, wall_clock_s());
}
