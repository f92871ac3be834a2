/*
 * rules_tls - what settings about certificates forbid together; see sections.h.
 */
#include "reader.h"
#include "sections.h"
#include "values.h"

#include <smtp/caps.h>

#include <arpa/inet.h>

struct rule {
    struct conf_errors *errors;
    const struct conf_section *s;
};

/* --- clients -------------------------------------------------------------- */

/* A subject means something only when somebody vouches for it. */
static void
rule_subjects(const struct rule *r, const struct listen_conf *l)
{
    for (size_t i = 0; i < l->tls_client_users.count; i++) {
        if (l->tls_client_users.list[i].subject != NULL &&
            l->tls_client_ca[0] == '\0' &&
            conf_is_sound(r->s, "tls_client_ca")) {
            conf_error(r->errors, AT(r->s, "tls_client_users"),
                       "subject: without tls_client_ca: anybody could write "
                       "such a certificate; tls_client_ca = FILE, or sha256:");
            return;
        }
    }
}

static void
rule_external(const struct rule *r, const struct listen_conf *l)
{
    bool external = (l->auth_mechanisms & SMTP_MECH_EXTERNAL) != 0;
    bool users = l->tls_client_users.count > 0;

    if (external && !users && conf_is_sound(r->s, "tls_client_users")) {
        conf_error(r->errors, AT(r->s, "auth_mechanisms"),
                   "external without tls_client_users: nobody could use it; "
                   "tls_client_users = sha256:HEX = USER, or take it out");
    }
    if (users && l->tls == CONF_TLS_NONE) {
        conf_error(r->errors, AT(r->s, "tls_client_users"),
                   "tls_client_users with tls = none: no certificate is ever "
                   "seen; tls = starttls or implicit");
    }
    if (external && users && l->auth == CONF_AUTH_NONE) {
        conf_error(r->errors, AT(r->s, "auth_mechanisms"),
                   "external with auth = none: nobody could use it; auth = "
                   "required, or take it out, and the certificate is enough");
    }
    if (users && l->auth_backend.judge == CONF_JUDGE_UPSTREAM) {
        conf_error(
            r->errors, AT(r->s, "tls_client_users"),
            "who does not log in has no connection to the upstream with "
            "auth_backend = upstream; another listener for certificates");
    }
    if (users && l->mode == CONF_INBOUND) {
        conf_error(r->errors, AT(r->s, "tls_client_users"),
                   "tls_client_users with mode = inbound: nobody signs there; "
                   "take it out");
    }
    if (l->tls_client_ca[0] != '\0' && !users &&
        conf_is_sound(r->s, "tls_client_users")) {
        conf_warning(r->errors, AT(r->s, "tls_client_ca"),
                     "tls_client_ca does nothing without tls_client_users; "
                     "tls_client_users = subject:DN = USER");
    }
}

/* --- upstreams ------------------------------------------------------------ */

/* What is shown to an upstream that asks for a certificate. */
static void
rule_own_certificate(const struct rule *r, const struct upstream_conf *u)
{
    bool certificate = u->certificate[0] != '\0';
    bool key = u->private_key[0] != '\0';

    if (certificate != key && conf_is_sound(r->s, "certificate private_key")) {
        conf_error(r->errors,
                   AT(r->s, certificate ? "certificate" : "private_key"),
                   "%s without %s; both, or neither",
                   certificate ? "certificate" : "private_key",
                   certificate ? "private_key" : "certificate");
    }
    if (u->tls == CONF_TLS_NONE && certificate) {
        conf_warning(r->errors, AT(r->s, "certificate"),
                     "certificate does nothing with tls = none; tls = "
                     "starttls, or take it out");
    }
}

/* A pin that whoever cuts STARTTLS out gets around is none. */
static void
rule_pins(const struct rule *r, const struct upstream_conf *u)
{
    if (u->tls_fingerprints.count == 0) {
        return;
    }
    if (u->tls == CONF_TLS_NONE || u->tls == CONF_TLS_OPPORTUNISTIC) {
        conf_error(r->errors, AT(r->s, "tls_fingerprint"),
                   "tls_fingerprint with tls = %s: mail would go on in clear "
                   "without it; tls = starttls or implicit",
                   u->tls == CONF_TLS_NONE ? "none" : "opportunistic");
    }
    if (u->ca_file[0] != '\0') {
        conf_warning(r->errors, AT(r->s, "ca_file"),
                     "ca_file does nothing beside tls_fingerprint, which "
                     "decides alone; take one of them out");
    }
}

/* Is one of them numeric? NULL: none is. */
static const char *
find_number(const struct conf_addresses *addresses)
{
    uint8_t number[16];

    for (size_t i = 0; i < addresses->count; i++) {
        const char *host = addresses->list[i].host;

        if (inet_pton(AF_INET, host, number) == 1 ||
            inet_pton(AF_INET6, host, number) == 1) {
            return host;
        }
    }
    return NULL;
}

/* RFC 7672: names, and a resolver whose word about DNSSEC is believed. */
static void
rule_dane(const struct rule *r, const struct upstream_conf *u,
          const struct conf_addresses *nameservers)
{
    const char *number = find_number(&u->addresses);

    if (u->tls != CONF_TLS_DANE) {
        return;
    }
    if (number != NULL) {
        conf_error(r->errors, AT(r->s, "address"),
                   "tls = dane and the address %s: TLSA records belong to "
                   "names; HOST:PORT, or tls = starttls",
                   number);
    }
    if (u->tls_fingerprints.count > 0) {
        conf_error(r->errors, AT(r->s, "tls_fingerprint"),
                   "tls_fingerprint beside tls = dane: each would decide "
                   "alone; take one of them out");
    }
    if (u->ca_file[0] != '\0') {
        conf_warning(r->errors, AT(r->s, "ca_file"),
                     "ca_file does nothing with tls = dane; take it out");
    }
    if (nameservers->count > 0 && !conf_all_loopback(nameservers)) {
        conf_error(r->errors, AT(r->s, "tls"),
                   "tls = dane needs a validating resolver on loopback: "
                   "nobody's word about DNSSEC is believed across a network; "
                   "[dns] nameserver = 127.0.0.1");
    }
}

void
conf_rules_tls(const struct conf *conf, struct conf_errors *errors)
{
    for (size_t i = 0; i < conf->listen_count; i++) {
        const struct listen_conf *l = &conf->listens[i];
        struct rule r = { errors, conf_section_of(conf, l) };

        rule_subjects(&r, l);
        rule_external(&r, l);
    }
    for (size_t i = 0; i < conf->upstream_count; i++) {
        const struct upstream_conf *u = &conf->upstreams[i];
        struct rule r = { errors, conf_section_of(conf, u) };

        rule_own_certificate(&r, u);
        rule_pins(&r, u);
        rule_dane(&r, u, &conf->dns.nameservers);
    }
}
