/*
 * session_sign - who signs an outbound message, and with what.
 *
 * The header is settled first (session_header.c), then signed as it will be
 * sent.
 */
#include "proxy/session_state.h"

#include <dkim/selfcheck.h>
#include <dkim/sign.h>

#include <proxy/idn.h>
#include <proxy/log/log.h>
#include <proxy/seenfrom.h>
#include <proxy/stats/stats.h>
#include <stdlib.h>
#include <time.h>

static uint64_t
now_s(void)
{
    return (uint64_t)time(NULL);
}

/* --- the decision --------------------------------------------------------- */

/* The view that lends the names may be replaced while the keeper signs.
 * False: no memory. */
static bool
keep_names(struct transaction *tx)
{
    tx->signing = calloc(tx->decision.count + 1, sizeof(*tx->signing));
    if (tx->signing == NULL) {
        return false;
    }
    tx->signing_count = tx->decision.count;
    for (size_t i = 0; i < tx->decision.count; i++) {
        struct decide_signature *sig = &tx->decision.signatures[i];
        struct signing *sg = &tx->signing[i];

        snprintf(sg->domain, sizeof(sg->domain), "%s", sig->domain);
        snprintf(sg->selector, sizeof(sg->selector), "%s", sig->selector);
        sig->domain = sg->domain;
        sig->selector = sg->selector;
    }
    return true;
}

/* False: no memory. */
static bool
take_decision(struct session *s)
{
    struct transaction *tx = s->tx;
    const struct sign_conf *sign = &s->worker->conf->sign;
    const struct upstream_conf *up = upstream_settings(tx->upstream);
    struct decide_question q = {
        .view = keeper_client_view(s->worker->keeper),
        .sign = sign,
        .user = session_user(s),
        .author = &tx->author,
        .signatures = up->signatures,
    };

    decide(&q, &tx->decision);
    if (!keep_names(tx)) {
        return false;
    }
    if (tx->decision.kind != DECIDE_REFUSE) {
        seenfrom_note(s->worker->seenfrom, q.view, tx->author.domain);
    }
    decide_signed(conf_skips_signed(s->worker->conf, up), &tx->header,
                  tx->author.domain, &tx->decision);
    return true;
}

/* Rights of a user who is not in the view are nobody's to know: deleted since
 * MAIL, or so new that only the keeper has heard. */
static bool
is_known(const struct session *s)
{
    return keeper_client_view(s->worker->keeper) != NULL &&
           (s->user == NULL || s->user[0] == '\0' || session_user(s) != NULL);
}

static void
out_of_memory(struct session *s)
{
    session_finish(s, 452, "4.3.1", "Out of memory, try again later",
                   OUTCOME_REFUSED);
}

/* False: the transaction was ended. */
static bool
may_be_sent(struct session *s)
{
    struct transaction *tx = s->tx;
    enum dkim_from_result from = idn_author(&tx->header, &tx->author);

    if (from != DKIM_FROM_OK) {
        session_finish(s, 550, "5.6.0", dkim_from_text(from), OUTCOME_REFUSED);
        return false;
    }
    if (!is_known(s)) {
        session_finish(s, 451, "4.7.5",
                       "Signing is not possible now, try again later",
                       OUTCOME_REFUSED);
        return false;
    }
    if (!take_decision(s)) {
        out_of_memory(s);
        return false;
    }
    if (tx->decision.kind == DECIDE_REFUSE) {
        session_finish(s, tx->decision.code, tx->decision.enhanced,
                       tx->decision.text, OUTCOME_REFUSED);
        return false;
    }
    return true;
}

/* --- the keeper ----------------------------------------------------------- */

static void
log_fault(const struct transaction *tx, const struct decide_signature *sig,
          const char *event, const char *what, const char *why)
{
    struct log_line l;

    log_begin(&l, LOG_LEVEL_ERROR, event);
    log_text(&l, "id", tx->id);
    log_text(&l, "domain", sig->domain);
    log_text(&l, "selector", sig->selector);
    log_format(&l, "text", "%s: %s", what, why);
    log_end(&l);
}

/* The keeper wants this one looked at: does a receiver find in the field what
 * was signed? What does not verify is not sent. */
static void
check_field(struct signing *sg, const struct decide_signature *sig,
            struct bytes public_key)
{
    const struct transaction *tx = sg->session->tx;
    const char *why = dkim_selfcheck(
        &tx->header, buf_bytes(&sg->field),
        bytes_make(tx->body_digest, tx->body_digest_len), sig->alg, public_key);

    if (why[0] != '\0') {
        sg->failed = true;
        stats_count(sg->session->worker->stats, STATS_SELF_VERIFY_FAILED, 1);
        log_fault(tx, sig, "self-verify-failed",
                  "the field that was made does not verify", why);
    }
}

static void
on_signature(const struct keeper_reply *reply, void *arg)
{
    struct signing *sg = arg;
    struct session *s = sg->session;
    size_t i = (size_t)(sg - s->tx->signing);
    const struct decide_signature *sig = &s->tx->decision.signatures[i];

    sg->request = NULL;
    s->tx->signing_pending--;
    if (reply->status == KEEPER_OK) {
        dkim_sign_finish(&sg->field, reply->signature);
        if (reply->public_key.len > 0 && !buf_failed(&sg->field)) {
            check_field(sg, sig, reply->public_key);
        }
    } else {
        sg->failed = true;
        log_fault(s->tx, sig, "sign-failed", keeper_status_text(reply->status),
                  reply->text);
    }
    session_run(s);
}

static bool
prepare(struct session *s, size_t i, struct bytes body_hash)
{
    const struct sign_conf *conf = &s->worker->conf->sign;
    const struct decide_signature *sig = &s->tx->decision.signatures[i];
    const struct dkim_sign_headers headers = {
        .sign = conf->headers,
        .oversign = conf->oversign,
        .oversign_present = conf->oversign_present,
    };
    uint64_t now = now_s();
    const struct dkim_sign_params params = {
        .domain = sig->domain,
        .selector = sig->selector,
        .alg = sig->alg,
        .header_canon =
            conf->header_relaxed ? DKIM_CANON_RELAXED : DKIM_CANON_SIMPLE,
        .body_canon =
            conf->body_relaxed ? DKIM_CANON_RELAXED : DKIM_CANON_SIMPLE,
        .time_s = now,
        .expires_s = conf->expire_s == 0 ? 0 : now + conf->expire_s,
        .body_hash = body_hash,
        .headers = &headers,
    };
    struct signing *sg = &s->tx->signing[i];
    uint8_t digest[DKIM_SHA256_OCTETS];

    sg->session = s;
    if (!dkim_sign_prepare(&s->tx->header, &params, &sg->field, digest)) {
        return false;
    }
    sg->request =
        keeper_sign(s->worker->keeper, &s->handle, sig->domain, sig->selector,
                    sig->alg, digest, on_signature, sg);
    s->tx->signing_pending += sg->request != NULL;
    return sg->request != NULL;
}

static void
ask_keeper(struct session *s)
{
    uint8_t *hash = s->tx->body_digest;
    size_t octets = dkim_body_hash_end(s->tx->body_hash, hash);
    bool may = s->has_handle &&
               s->handle_life == keeper_client_life(s->worker->keeper);

    s->tx->body_digest_len = octets;
    for (size_t i = 0; i < s->tx->decision.count; i++) {
        s->tx->signing[i].failed =
            octets == 0 || !may || !prepare(s, i, bytes_make(hash, octets));
    }
}

void
session_sign(struct session *s)
{
    struct transaction *tx = s->tx;

    session_header_remove(s);
    if (!may_be_sent(s)) {
        return;
    }
    if (!session_header_add_missing(s)) {
        out_of_memory(s);
        return;
    }
    tx->message = MESSAGE_SIGNING;
    if (tx->decision.kind == DECIDE_SIGN) {
        ask_keeper(s);
    }
}

/* --- the header that goes out --------------------------------------------- */

static bool
any_failed(const struct transaction *tx)
{
    for (size_t i = 0; i < tx->decision.count; i++) {
        if (tx->signing[i].failed || buf_failed(&tx->signing[i].field)) {
            return true;
        }
    }
    return false;
}

void
session_signed(struct session *s)
{
    struct transaction *tx = s->tx;
    bool failed = any_failed(tx);

    if (failed && !s->worker->conf->sign.on_error_pass) {
        session_finish(s, 451, "4.7.5",
                       "The signature can't be made now, try again later",
                       OUTCOME_REFUSED);
        return;
    }
    if (failed) {
        tx->decision.count = 0;
        tx->decision.rule = "sign-failed";
    }
    session_header_build(s);
}
