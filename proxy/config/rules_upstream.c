/*
 * rules_upstream - what settings of an [upstream] forbid one another; a part
 * of rules.c.
 *
 * A login goes to nobody whom TLS has not made known, unless it is said that
 * it may.
 */
#include "reader.h"
#include "sections.h"
#include "values.h"

#include <smtp/caps.h>

#include <string.h>

struct rule {
    const struct conf *conf;
    const struct upstream_conf *u;
    const struct conf_section *s;
    struct conf_errors *errors;
};

/* Which file has what it logs in with. */
static void
rule_credentials(const struct rule *r)
{
    bool oauth = r->u->login == CONF_LOGIN_OAUTH;
    const char *word = oauth ? "oauth" : "password";
    const char *key = oauth ? "token_file" : "password_file";
    const char *path = oauth ? r->u->token_file : r->u->password_file;
    const char *other = oauth ? "password_file" : "token_file";

    if (r->u->username[0] == '\0' && conf_is_sound(r->s, "username")) {
        conf_error(r->errors, AT(r->s, "login"),
                   "login = %s needs username; username = NAME", word);
    }
    if (path[0] == '\0' && conf_is_sound(r->s, key)) {
        conf_error(r->errors, AT(r->s, "login"),
                   "login = %s needs %s; %s = FILE with the %s in its first "
                   "line",
                   word, key, key, oauth ? "token" : "password");
    }
    if (conf_is_set(r->s, other)) {
        conf_warning(r->errors, AT(r->s, other),
                     "%s is not used with login = %s; take it out", other,
                     word);
    }
}

static void
rule_unused_login(const struct rule *r)
{
    static const char *const keys[] = { "username", "password_file",
                                        "token_file", "auth_mechanisms",
                                        "login_unverified" };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (conf_is_set(r->s, keys[i]) && conf_is_sound(r->s, "login")) {
            conf_warning(r->errors, AT(r->s, keys[i]),
                         "nobody logs in with login = none; login = password "
                         "or oauth");
            return;
        }
    }
}

/* Whom would it be shown to? */
static void
rule_verified(const struct rule *r)
{
    const struct upstream_conf *u = r->u;

    if (conf_all_loopback(&u->addresses) || u->login_unverified ||
        !conf_is_sound(r->s, "address tls tls_verify tls_fingerprint "
                             "login_unverified")) {
        return;
    }
    if (u->tls == CONF_TLS_NONE) {
        conf_error(r->errors, AT(r->s, "tls"),
                   "the login of [upstream %s] would cross the network in "
                   "clear; tls = starttls or implicit, or login_unverified = "
                   "yes",
                   u->name);
    } else if (!u->tls_verify && u->tls_fingerprints.count == 0 &&
               u->tls != CONF_TLS_DANE) {
        conf_error(r->errors, AT(r->s, "tls_verify"),
                   "whoever stands in for [upstream %s] gets the login; "
                   "tls_verify = yes, with ca_file when its certificate is "
                   "your own, or login_unverified = yes",
                   u->name);
    }
}

/* login = client: the one who sends has logged in to it, nobody else can. */
static void
rule_client(const struct rule *r)
{
    static const char *const keys[] = { "username", "password_file",
                                        "token_file", "auth_mechanisms" };
    bool used = false;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (conf_is_set(r->s, keys[i])) {
            conf_warning(r->errors, AT(r->s, keys[i]),
                         "%s is not used with login = client; take it out",
                         keys[i]);
        }
    }
    for (size_t i = 0; i < r->conf->listen_count; i++) {
        used = used || strcmp(r->conf->listens[i].upstream, r->u->name) == 0;
    }
    if (!used) {
        conf_warning(r->errors, AT(r->s, "login"),
                     "login = client, and no listener has upstream = %s with "
                     "auth_backend = upstream",
                     r->u->name);
    }
    if (r->u->sender_domains[0] != NULL) {
        conf_error(r->errors, AT(r->s, "sender_domains"),
                   "sender_domains with login = client: who sends may have "
                   "logged in elsewhere; take it out");
    }
    if (r->u->lmtp) {
        conf_error(r->errors, AT(r->s, "login"),
                   "login = client with protocol = lmtp; protocol = smtp");
    }
}

static void
rule_mechanisms(const struct rule *r)
{
    unsigned tokens = SMTP_MECH_XOAUTH2 | SMTP_MECH_OAUTHBEARER;
    bool oauth = r->u->login == CONF_LOGIN_OAUTH;
    unsigned left = r->u->auth_mechanisms & (oauth ? tokens : ~tokens);

    if (left == 0 && conf_is_sound(r->s, "auth_mechanisms")) {
        conf_error(r->errors, AT(r->s, "auth_mechanisms"),
                   "none of these auth_mechanisms is one of login = %s; %s",
                   oauth ? "oauth" : "password",
                   oauth ? "oauthbearer, xoauth2"
                         : "scram-sha-256-plus, scram-sha-256, plain, login");
    }
}

static void
rule_limits(const struct rule *r)
{
    const struct upstream_conf *u = r->u;

    if (u->max_connections > 0 &&
        u->max_connections < r->conf->server.workers) {
        conf_warning(r->errors, AT(r->s, "max_connections"),
                     "max_connections (%u) is less than [server] workers "
                     "(%u), and each worker makes at least one; fewer workers",
                     u->max_connections, r->conf->server.workers);
    }
    for (size_t i = 0; i < r->conf->listen_count; i++) {
        const struct listen_conf *l = &r->conf->listens[i];

        if (u->max_connections > 0 && strcmp(l->upstream, u->name) == 0 &&
            u->queue_timeout_s >= l->reply_deadline_s) {
            conf_warning(r->errors, AT(r->s, "queue_timeout"),
                         "queue_timeout (%us) is not less than reply_deadline "
                         "(%us) of [listen %s], which ends the wait",
                         u->queue_timeout_s, l->reply_deadline_s, l->name);
        }
    }
    if (u->health_interval_s > 0 &&
        u->health_timeout_s > u->health_interval_s) {
        conf_warning(r->errors, AT(r->s, "health_timeout"),
                     "health_timeout (%us) is more than health_interval "
                     "(%us); at most that",
                     u->health_timeout_s, u->health_interval_s);
    }
}

/* Each domain has one way out. */
static void
rule_senders(const struct rule *r)
{
    for (conf_list at = r->u->sender_domains; *at != NULL; at++) {
        for (const struct upstream_conf *o = r->conf->upstreams; o != r->u;
             o++) {
            for (conf_list other = o->sender_domains; *other != NULL; other++) {
                if (strcmp(*at, *other) == 0) {
                    conf_error(r->errors, AT(r->s, "sender_domains"),
                               "%s goes to [upstream %s] already; one "
                               "upstream a domain",
                               *at, o->name);
                }
            }
        }
    }
}

static void
rule_weight(const struct rule *r)
{
    const struct conf_addresses *a = &r->u->addresses;

    if (a->count == 1 && a->list[0].weight > 0) {
        conf_warning(r->errors, AT(r->s, "address"),
                     "a weight for the only address does nothing; take it "
                     "out");
    }
}

void
conf_rules_upstream(const struct conf *conf, const struct upstream_conf *u,
                    struct conf_errors *errors)
{
    struct rule r = { conf, u, conf_section_of(conf, u), errors };

    if (u->login == CONF_LOGIN_NONE) {
        rule_unused_login(&r);
    } else if (u->login == CONF_LOGIN_CLIENT) {
        rule_client(&r);
        rule_verified(&r);
    } else {
        rule_credentials(&r);
        rule_mechanisms(&r);
        rule_verified(&r);
    }
    rule_limits(&r);
    rule_senders(&r);
    rule_weight(&r);
}
