/*
 * rules_auth - who judges the logins of a listener; a part of rules.c.
 *
 * A client's own password goes to nobody but the judge that the listener
 * names, and where the upstream judges, mail goes over the connection on which
 * it did.
 */
#include "reader.h"
#include "sections.h"
#include "values.h"

#include <smtp/caps.h>

#include <string.h>

struct rule {
    const struct conf *conf;
    const struct listen_conf *l;
    const struct conf_section *s;
    struct conf_errors *errors;
};

enum {
    SCRAM = SMTP_MECH_SCRAM_SHA_256 | SMTP_MECH_SCRAM_SHA_256_PLUS,
    TOKENS = SMTP_MECH_XOAUTH2 | SMTP_MECH_OAUTHBEARER
};

/* --- mechanisms ----------------------------------------------------------- */

static void
rule_tokens(const struct rule *r)
{
    if (r->l->auth_backend.judge == CONF_JUDGE_USERS &&
        (r->l->auth_mechanisms & TOKENS) != 0 &&
        conf_is_sound(r->s, "auth_backend")) {
        conf_error(r->errors, AT(r->s, "auth_mechanisms"),
                   "users.conf knows no tokens; auth_backend = dovecot:PATH "
                   "or upstream, or take xoauth2 and oauthbearer out");
    }
}

static void
rule_dovecot(const struct rule *r)
{
    if ((r->l->auth_mechanisms & SMTP_MECH_SCRAM_SHA_256_PLUS) != 0) {
        conf_error(r->errors, AT(r->s, "auth_mechanisms"),
                   "Dovecot does not see our TLS connection and can't bind "
                   "to it; take scram-sha-256-plus out");
    }
}

/* --- pass-through --------------------------------------------------------- */

static void
rule_passed_mechanisms(const struct rule *r)
{
    if ((r->l->auth_mechanisms & (SCRAM | SMTP_MECH_EXTERNAL)) != 0) {
        conf_error(r->errors, AT(r->s, "auth_mechanisms"),
                   "scram and external prove something to us that can't be "
                   "shown to the upstream; plain, login, xoauth2, "
                   "oauthbearer");
    }
}

static void
rule_passed(const struct rule *r)
{
    const struct upstream_conf *u = conf_upstream(r->conf, r->l->upstream);

    rule_passed_mechanisms(r);
    if ((r->l->mode != CONF_OUTBOUND || r->l->auth != CONF_AUTH_REQUIRED) &&
        conf_is_sound(r->s, "mode auth")) {
        conf_error(r->errors, AT(r->s, "auth_backend"),
                   "auth_backend = upstream: who does not log in could send "
                   "nothing; mode = outbound and auth = required");
    }
    if (r->l->trusted_networks.count > 0) {
        conf_error(r->errors, AT(r->s, "trusted_networks"),
                   "who does not log in has no connection to the upstream "
                   "with auth_backend = upstream; another listener for "
                   "trusted_networks");
    }
    if (u != NULL && u->login != CONF_LOGIN_CLIENT &&
        conf_is_sound(conf_section_of(r->conf, u), "login")) {
        conf_error(r->errors, AT(r->s, "auth_backend"),
                   "auth_backend = upstream, and [upstream %s] does not take "
                   "the client's credentials; login = client there",
                   u->name);
    }
}

/* Who comes another way has no credentials for it. */
static void
rule_not_passed(const struct rule *r)
{
    const struct upstream_conf *u = conf_upstream(r->conf, r->l->upstream);

    if (u != NULL && u->login == CONF_LOGIN_CLIENT &&
        conf_is_sound(r->s, "auth_backend")) {
        conf_error(r->errors, AT(r->s, "upstream"),
                   "[upstream %s] has login = client and nobody here logs in "
                   "to it; auth_backend = upstream, or another upstream",
                   u->name);
    }
}

void
conf_rules_auth(const struct conf *conf, struct conf_errors *errors)
{
    for (size_t i = 0; i < conf->listen_count; i++) {
        const struct listen_conf *l = &conf->listens[i];
        struct rule r = { conf, l, conf_section_of(conf, l), errors };

        rule_tokens(&r);
        if (l->auth_backend.judge == CONF_JUDGE_UPSTREAM) {
            rule_passed(&r);
        } else {
            rule_not_passed(&r);
        }
        if (l->auth_backend.judge == CONF_JUDGE_DOVECOT) {
            rule_dovecot(&r);
        }
    }
}
