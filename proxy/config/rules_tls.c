/*
 * rules_tls - what settings about certificates forbid together; see sections.h.
 */
#include "reader.h"
#include "sections.h"

#include <smtp/caps.h>

#define AT(s, key) \
    conf_place_of((s), (key)).file, conf_place_of((s), (key)).line

struct rule {
    struct conf_errors *errors;
    const struct conf_section *s;
};

/* --- clients ---------------------------------------------------------------
 */

/* A subject means something only when somebody vouches for it. */
static void
rule_subjects(const struct rule *r, const struct listen_conf *l)
{
    for (size_t i = 0; i < l->tls_client_users.count; i++) {
        if (l->tls_client_users.list[i].subject != NULL &&
            l->tls_client_ca[0] == '\0') {
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

    if (external && !users) {
        conf_error(r->errors, AT(r->s, "auth_mechanisms"),
                   "external without tls_client_users: nobody could use it; "
                   "tls_client_users = sha256:HEX = USER, or take it out");
    }
    if (users && !external) {
        conf_warning(r->errors, AT(r->s, "tls_client_users"),
                     "tls_client_users does nothing without external; "
                     "auth_mechanisms += external");
    }
    if (users && l->tls == CONF_TLS_NONE) {
        conf_error(r->errors, AT(r->s, "tls_client_users"),
                   "tls_client_users with tls = none: no certificate is ever "
                   "seen; tls = starttls or implicit");
    }
    if (users && l->mode == CONF_INBOUND) {
        conf_error(r->errors, AT(r->s, "tls_client_users"),
                   "tls_client_users with mode = inbound: nobody signs there; "
                   "take it out");
    }
    if (l->tls_client_ca[0] != '\0' && !users) {
        conf_warning(r->errors, AT(r->s, "tls_client_ca"),
                     "tls_client_ca does nothing without tls_client_users; "
                     "tls_client_users = subject:DN = USER");
    }
}

/* --- upstreams -------------------------------------------------------------
 */

/* What is shown to an upstream that asks for a certificate. */
static void
rule_own_certificate(const struct rule *r, const struct upstream_conf *u)
{
    bool certificate = u->certificate[0] != '\0';
    bool key = u->private_key[0] != '\0';

    if (certificate != key) {
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
    }
}
