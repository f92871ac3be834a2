/*
 * session_check - an inbound message and its checks.
 *
 * RFC 8601: what is verified are the octets as received; our result stands
 * above everything.
 */
#include "proxy/session_received.h"
#include "proxy/session_state.h"

#include <proxy/check.h>
#include <time.h>

static void
on_checked(void *arg)
{
    struct session *s = arg;

    s->tx->check_done = true;
    session_run(s);
}

/* Three tries; 15 s at the most. */
static unsigned
budget_ms(const struct dns_conf *conf)
{
    unsigned try_s = conf->timeout_s == 0 ? 5 : conf->timeout_s;

    return (try_s < 5 ? 3 * try_s : 15) * 1000;
}

void
session_check_begin(struct session *s, const struct dkim_header *header)
{
    const struct conf *conf = s->worker->conf;
    struct transaction *tx = s->tx;
    const struct check_input input = {
        .base = s->worker->base,
        .resolver = s->worker->resolver,
        .conf = conf_check_section(conf, s->conf->check),
        .hostname = conf->server.hostname,
        .authserv_id = conf->server.authserv_id,
        .header = header,
        .peer = &s->peer.address.any,
        .anonymous = s->peer.anonymous,
        .address = s->address,
        .helo = bytes_str(s->helo == NULL ? "" : s->helo),
        .mail_from = tx->from.mailbox,
        .now_s = (uint64_t)time(NULL),
        .budget_ms = budget_ms(&conf->dns),
    };

    tx->check = check_new(&input, on_checked, s);
    if (tx->check == NULL) {
        tx->spool_result = SPOOL_NO_MEMORY;
    }
}

void
session_check_end(struct session *s)
{
    s->tx->message = MESSAGE_JUDGING;
    s->tx->check_done = check_end(s->tx->check);
}

void
session_checked(struct session *s)
{
    const struct check_verdict *verdict = check_verdict(s->tx->check);

    if (verdict->code != 0) {
        session_finish(s, verdict->code, verdict->enhanced, verdict->text,
                       OUTCOME_REFUSED);
        return;
    }
    if (!session_received_agrees(s)) {
        session_finish(s, 550, "5.6.0",
                       "The author can be read in two ways; lines must end "
                       "in CRLF",
                       OUTCOME_REFUSED);
        return;
    }
    session_header_remove(s);
    session_header_build(s);
}
