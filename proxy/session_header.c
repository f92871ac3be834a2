/*
 * session_header - the header as it goes upstream.
 *
 * Fields are removed from and added to the parsed list, never in a stream of
 * octets. Ours stand above the rest as one block: Authentication-Results,
 * DKIM-Signatures, Received (RFC 5322 3.6.7). Received is not signed.
 */
#include "proxy/session_state.h"

#include <dkim/authres.h>

#include <proxy/check.h>
#include <proxy/net/tls.h>
#include <proxy/trace.h>
#include <stdlib.h>
#include <time.h>

enum {
    OURS_ABOUT = 1400 /* octets: two signatures, Received */
};

static uint64_t
now_s(void)
{
    return (uint64_t)time(NULL);
}

/* --- the header ----------------------------------------------------------- */

static bool
listed(conf_list names, struct bytes name)
{
    for (; *names != NULL; names++) {
        if (bytes_is_ci(name, *names)) {
            return true;
        }
    }
    return false;
}

static bool
removed_outbound(const struct session *s, const struct dkim_field *f)
{
    const struct conf *conf = s->worker->conf;

    if (listed(conf->sign.remove_headers, f->name)) {
        return true;
    }
    return upstream_settings(s->tx->upstream)->strip_signatures &&
           bytes_is_ci(f->name, "dkim-signature");
}

/* Marks that only a receiver may set, claimed from outside. */
static bool
removed_inbound(const struct dkim_field *f)
{
    return bytes_is_ci(f->name, "bimi-location") ||
           bytes_is_ci(f->name, "bimi-indicator");
}

static bool
removed(const struct session *s, const struct dkim_field *f)
{
    if (bytes_is_ci(f->name, "authentication-results") &&
        dkim_authres_claims(f, s->worker->conf->server.authserv_id)) {
        return true;
    }
    return s->conf->mode == CONF_INBOUND ? removed_inbound(f)
                                         : removed_outbound(s, f);
}

void
session_header_remove(struct session *s)
{
    struct dkim_header *h = &s->tx->header;
    size_t kept = 0;

    for (size_t i = 0; i < h->count; i++) {
        if (!removed(s, &h->fields[i])) {
            h->fields[kept++] = h->fields[i];
        }
    }
    h->count = kept;
}

/* Appends what `added` holds as fields of the header. */
static bool
append_added(struct transaction *tx)
{
    struct dkim_header more = { 0 };
    struct dkim_field *fields;
    bool ok;

    if (dkim_header_parse(buf_bytes(&tx->added), &more) != DKIM_HEADER_OK) {
        return false;
    }
    fields = realloc(tx->header.fields,
                     (tx->header.count + more.count) * sizeof(*fields));
    ok = fields != NULL;
    if (ok) {
        memcpy(fields + tx->header.count, more.fields,
               more.count * sizeof(*fields));
        tx->header.fields = fields;
        tx->header.count += more.count;
    }
    dkim_header_free(&more);
    /* cppcheck-suppress memleak ; the header of the transaction owns them */
    return ok;
}

/* Only to mail of our own users that nobody has signed yet: a field added
 * later breaks a signature that covers its absence. */
bool
session_header_add_missing(struct session *s)
{
    struct transaction *tx = s->tx;
    const struct conf *conf = s->worker->conf;

    if (!conf->sign.add_missing || s->identity == SESSION_NOBODY ||
        dkim_header_count(&tx->header, "dkim-signature") > 0) {
        return true;
    }
    if (dkim_header_count(&tx->header, "date") == 0) {
        trace_date(&tx->added, now_s());
    }
    if (dkim_header_count(&tx->header, "message-id") == 0) {
        trace_message_id(&tx->added, tx->id, conf->server.hostname);
    }
    if (buf_failed(&tx->added)) {
        return false;
    }
    return tx->added.len == 0 || append_added(tx);
}

static void
put_received(struct session *s, struct buf *out)
{
    const struct transaction *tx = s->tx;
    char tls[128];
    struct trace t = {
        .helo = s->helo,
        .address = s->address,
        .hostname = s->worker->conf->server.hostname,
        .tls = tls,
        .id = tx->id,
        .recipient = tx->rcpt_count == 1 ? tx->rcpts[0].path.mailbox
                                         : bytes_make(NULL, 0),
        .esmtp = s->server.esmtp,
        .authenticated = s->identity == SESSION_AUTHENTICATED,
        .utf8 = (tx->from.params.present & 1u << SMTP_PARAM_SMTPUTF8) != 0,
        .now_s = now_s(),
    };

    tls_describe(s->client == NULL ? NULL : conn_ssl(s->client), tls,
                 sizeof(tls));
    trace_received(out, &t);
}

static void
put_verdict(const struct session *s, struct buf *out)
{
    const struct check_conf *conf =
        conf_check_section(s->worker->conf, s->conf->check);

    buf_put(out, check_field(s->tx->check));
    if (check_verdict(s->tx->check)->quarantine &&
        conf->quarantine_header[0] != '\0') {
        buf_printf(out, "%s: dmarc\r\n", conf->quarantine_header);
    }
}

void
session_header_build(struct session *s)
{
    struct transaction *tx = s->tx;
    struct buf *out = &tx->out_head;

    (void)buf_reserve(out, tx->head.len + OURS_ABOUT);
    if (tx->check != NULL) {
        put_verdict(s, out);
    }
    for (size_t i = 0; i < tx->decision.count; i++) {
        buf_put(out, buf_bytes(&tx->signing[i].field));
    }
    put_received(s, out);
    for (size_t i = 0; i < tx->header.count; i++) {
        buf_put(out, tx->header.fields[i].raw);
    }
    buf_puts(out, "\r\n");
    if (buf_failed(out)) {
        session_finish(s, 452, "4.3.1", "Out of memory, try again later",
                       OUTCOME_REFUSED);
    } else {
        tx->message = MESSAGE_READY;
    }
}
