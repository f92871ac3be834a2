/*
 * session_rcpt - RCPT: whom we take, and how many.
 *
 * What is refused here is answered in its turn, behind the recipients that the
 * upstream was asked about before (RFC 2920 3.2).
 */
#include "proxy/session_state.h"

#include <proxy/idn.h>
#include <proxy/limits.h>
#include <proxy/stats/stats.h>

static const struct refusal not_ours = {
    550, "5.7.1", "Relaying denied, this domain is not served here"
};
static const struct refusal one_only = {
    452, "4.5.3",
    "One recipient a message goes to this upstream, send to the others in "
    "messages of their own"
};
static const struct refusal too_many = {
    452, "4.5.3",
    "The upstream takes no more recipients, send the rest in another message"
};
static const struct refusal too_many_domains = {
    452, "4.5.3",
    "The upstream takes no more domains, send the rest in another message"
};
static const struct refusal no_dsn = {
    555, "5.5.4", "The upstream does not take NOTIFY and ORCPT any more"
};
static const struct refusal too_fast = {
    450, "4.7.1", "Too many recipients for now, try again later"
};

/*
 * A local part that an MTA behind us may read as another address, and relay,
 * because it trusts us: "user%other", "other!user", "user@other" in quotes.
 */
static bool
is_route(struct bytes local)
{
    for (size_t i = 0; i < local.len; i++) {
        if (local.ptr[i] == '%' || local.ptr[i] == '!' || local.ptr[i] == '@') {
            return true;
        }
    }
    return false;
}

/* Inbound: whose mail is taken. <postmaster> is always ours (RFC 5321
 * 4.5.1). */
static bool
is_ours(const struct listen_conf *conf, const struct smtp_path *path)
{
    char domain[IDN_NAME_MAX + 1];

    if (conf->mode == CONF_OUTBOUND || conf->relay_domains[0] == NULL ||
        path->domain.len == 0) {
        return true;
    }
    if (is_route(path->local) || !idn_domain(path->domain, domain)) {
        return false;
    }
    for (conf_list at = conf->relay_domains; *at != NULL; at++) {
        if (bytes_is_ci(bytes_str(domain), *at)) {
            return true;
        }
    }
    return false;
}

/* A reply now would be taken for that of a RCPT that still waits for its own;
 * only the last word may come out of turn. */
static void
no_memory_for_rcpt(struct session *s)
{
    if (s->tx->rcpt_answered < s->tx->rcpt_count) {
        session_bye(s, "4.3.1", "Out of memory, try again later");
    } else {
        session_reply(s, 452, "4.3.1", "Out of memory, try again later");
    }
}

/* Those before the one at hand that go upstream. */
static size_t
taken(const struct transaction *tx)
{
    size_t n = 0;

    for (size_t i = 0; i + 1 < tx->rcpt_count; i++) {
        n += tx->rcpts[i].state != RCPT_REFUSED;
    }
    return n;
}

static bool
same_domain(const struct rcpt *a, const struct rcpt *b)
{
    return bytes_eq_ci(a->path.domain, b->path.domain);
}

/* Their domains, that of the one at hand too. */
static size_t
domains(const struct transaction *tx)
{
    size_t n = 0;

    for (size_t i = 0; i < tx->rcpt_count; i++) {
        bool first =
            i + 1 == tx->rcpt_count || tx->rcpts[i].state != RCPT_REFUSED;

        for (size_t k = 0; first && k < i; k++) {
            first = tx->rcpts[k].state == RCPT_REFUSED ||
                    !same_domain(&tx->rcpts[i], &tx->rcpts[k]);
        }
        n += first;
    }
    return n;
}

/* RFC 9422 4: what the upstream would refuse need not be tried. */
static const struct refusal *
over_limits(const struct transaction *tx)
{
    const struct smtp_caps *caps = tx->link != NULL
                                       ? upstream_link_caps(tx->link)
                                       : upstream_caps(tx->upstream);

    /* RFC 2033 4.2: behind the dot LMTP has an answer for each recipient, and
     * SMTP one for all. So there is one recipient. */
    if (upstream_settings(tx->upstream)->lmtp && taken(tx) > 0) {
        return &one_only;
    }
    if (caps == NULL) {
        return NULL;
    }
    if (caps->rcpt_max > 0 && taken(tx) >= caps->rcpt_max) {
        return &too_many;
    }
    return caps->rcpt_domain_max > 0 && domains(tx) > caps->rcpt_domain_max
               ? &too_many_domains
               : NULL;
}

/* Offered before, by another address of the upstream perhaps: to drop them
 * would owe the sender a notification (RFC 3461 5.2.2). */
static bool
loses_dsn(const struct transaction *tx, const struct smtp_params *params)
{
    return (params->present &
            (1u << SMTP_PARAM_NOTIFY | 1u << SMTP_PARAM_ORCPT)) != 0 &&
           tx->link != NULL &&
           (upstream_link_caps(tx->link)->offers & SMTP_CAP_DSN) == 0;
}

static const struct refusal *
judge(struct session *s, const struct smtp_command *cmd)
{
    const struct refusal *over;
    unsigned wait_s;

    if (!is_ours(s->conf, &cmd->path)) {
        return &not_ours;
    }
    if (loses_dsn(s->tx, &cmd->params)) {
        return &no_dsn;
    }
    over = over_limits(s->tx);
    if (over != NULL) {
        stats_count(s->worker->stats, STATS_OVER_RECIPIENTS, 1);
        return over;
    }
    return limits_recipient(s->worker, session_user(s),
                            s->identity == SESSION_AUTHENTICATED, &wait_s)
               ? NULL
               : &too_fast;
}

void
session_rcpt_command(struct session *s, const struct smtp_command *cmd)
{
    struct transaction *tx = s->tx;
    struct rcpt *r;

    if (tx->rcpt_count >= s->worker->conf->limits.recipients) {
        stats_count(s->worker->stats, STATS_OVER_RECIPIENTS, 1);
        session_reply(s, 452, "4.5.3",
                      "Too many recipients, send the rest in another message");
        return;
    }
    if (!session_add_rcpt(s, cmd)) {
        no_memory_for_rcpt(s);
        return;
    }
    r = &tx->rcpts[tx->rcpt_count - 1];
    r->refusal = judge(s, cmd);
    r->state = r->refusal == NULL ? r->state : RCPT_REFUSED;
}
