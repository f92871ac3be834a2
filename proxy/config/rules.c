/*
 * rules - the last step of loading: what a pair of settings forbids.
 *
 * An open relay, or a password in clear on its way, must not come from a
 * forgotten line: the first is an error and has no option, the second a
 * warning.
 */
#include "reader.h"
#include "sections.h"
#include "values.h"

enum {
    RFC5321_REPLY_S = 300,       /* 4.5.3.2.2, 3: MAIL and RCPT */
    RFC5321_END_OF_DATA_S = 600, /* 4.5.3.2.6 */
    UNIT_STOP_S = 150,           /* TimeoutStopSec of the shipped unit */
    TRUSTED_BITS_4 = 8,          /* 10.0.0.0/8 is the widest that is private */
    TRUSTED_BITS_6 = 7           /* fc00::/7 */
};

struct judging {
    const struct conf *conf;
    struct conf_errors *errors;
};

struct listen_rule {
    const struct judging *j;
    const struct conf_section *s;
    const struct listen_conf *l;
    bool exposed; /* not on loopback alone, as far as that is known */
};

static void
rule_open_relay(const struct listen_rule *r)
{
    const struct conf_networks *nets = &r->l->trusted_networks;
    struct conf_errors *errors = r->j->errors;

    for (size_t i = 0; i < nets->count && r->exposed; i++) {
        unsigned least =
            nets->nets[i].family == AF_INET ? TRUSTED_BITS_4 : TRUSTED_BITS_6;

        if (nets->nets[i].prefix < least) {
            conf_error(errors, AT(r->s, "trusted_networks"),
                       "trusted_networks holds a /%u: an open relay; at least "
                       "/%u, or take it out",
                       nets->nets[i].prefix, least);
        }
    }
    if (nets->count > 0 && r->l->trusted_user[0] == '\0' && r->exposed &&
        conf_is_sound(r->s, "trusted_user")) {
        conf_error(errors, AT(r->s, "trusted_networks"),
                   "trusted_networks without trusted_user; trusted_user = "
                   "USER of users.conf, whose From domains and key count, or "
                   "listen on loopback only");
    }
    if (r->l->mode == CONF_OUTBOUND && r->l->auth == CONF_AUTH_NONE &&
        nets->count == 0 && r->l->tls_client_users.count == 0 &&
        conf_is_sound(r->s, "mode trusted_networks tls_client_users")) {
        conf_error(errors, AT(r->s, "auth"),
                   "auth = none and no trusted_networks: nobody could send; "
                   "auth = required, or trusted_networks = those who may");
    }
    if (r->l->mode == CONF_INBOUND && r->l->relay_domains[0] == NULL &&
        r->exposed && conf_is_sound(r->s, "relay_domains")) {
        conf_error(errors, AT(r->s, "relay_domains"),
                   "mode = inbound without relay_domains: an open relay; "
                   "relay_domains = the domains whose mail is taken");
    }
}

/*
 * Who is believed about every address may be as trusted as it likes: it has
 * only to name one of trusted_networks.
 */
static void
rule_believed(const struct listen_rule *r, const char *key,
              const struct conf_networks *nets)
{
    for (size_t i = 0; i < nets->count && r->exposed; i++) {
        unsigned least =
            nets->nets[i].family == AF_INET ? TRUSTED_BITS_4 : TRUSTED_BITS_6;

        if (nets->nets[i].prefix >= least) {
            continue;
        }
        if (r->l->trusted_networks.count > 0) {
            conf_error(r->j->errors, AT(r->s, key),
                       "%s holds a /%u beside trusted_networks: an open relay; "
                       "the addresses of your own balancers and MTAs",
                       key, nets->nets[i].prefix);
        } else {
            conf_warning(r->j->errors, AT(r->s, key),
                         "%s holds a /%u, and all of it is believed about "
                         "every address; those of your own balancers and MTAs",
                         key, nets->nets[i].prefix);
        }
    }
}

static void
rule_unused(const struct listen_rule *r)
{
    struct conf_errors *errors = r->j->errors;

    if (r->l->trusted_user[0] != '\0' && r->l->trusted_networks.count == 0 &&
        conf_is_sound(r->s, "trusted_networks")) {
        conf_warning(errors, AT(r->s, "trusted_user"),
                     "trusted_user without trusted_networks does nothing; "
                     "trusted_networks = those who send as %s",
                     r->l->trusted_user);
    }
    if (r->l->mode == CONF_OUTBOUND && r->l->relay_domains[0] != NULL &&
        conf_is_sound(r->s, "mode")) {
        conf_warning(errors, AT(r->s, "relay_domains"),
                     "relay_domains does nothing with mode = outbound; take "
                     "it out");
    }
}

static void
rule_listen_tls(const struct listen_rule *r)
{
    const struct listen_conf *l = r->l;
    struct conf_errors *errors = r->j->errors;
    size_t certificates = conf_list_count(l->certificates);
    size_t keys = conf_list_count(l->private_keys);

    if (l->tls == CONF_TLS_NONE && l->require_tls) {
        conf_error(errors, AT(r->s, "require_tls"),
                   "require_tls = yes with tls = none: nobody could send; "
                   "tls = starttls or implicit, or require_tls = no");
    }
    if (l->tls != CONF_TLS_NONE && certificates == 0 &&
        conf_is_sound(r->s, "tls certificate")) {
        conf_error(errors, AT(r->s, "tls"),
                   "[listen %s] has TLS and no certificate; certificate = "
                   "FILE, or tls = none",
                   l->name);
    }
    if (l->tls != CONF_TLS_NONE && keys == 0 &&
        conf_is_sound(r->s, "tls private_key")) {
        conf_error(errors, AT(r->s, "tls"),
                   "[listen %s] has TLS and no private_key; private_key = "
                   "FILE, or tls = none",
                   l->name);
    }
    if (certificates > 0 && keys > 0 && certificates != keys &&
        conf_is_sound(r->s, "certificate private_key")) {
        conf_error(errors, AT(r->s, "private_key"),
                   "private_key has %zu files and certificate has %zu; the "
                   "key of each certificate, in the same order",
                   keys, certificates);
    }
    if (l->tls != CONF_TLS_IMPLICIT && !l->require_tls &&
        l->auth != CONF_AUTH_NONE && r->exposed &&
        conf_is_sound(r->s, "tls require_tls auth")) {
        conf_warning(errors,
                     AT(r->s, l->tls == CONF_TLS_NONE ? "tls" : "require_tls"),
                     "passwords may cross the network in clear; tls = "
                     "starttls with require_tls = yes, or listen on loopback "
                     "only");
    }
}

static void
rule_deadlines(const struct listen_rule *r)
{
    const struct listen_conf *l = r->l;
    struct conf_errors *errors = r->j->errors;

    if (l->dot_reserve_s >= l->end_of_data_deadline_s &&
        conf_is_sound(r->s, "dot_reserve end_of_data_deadline")) {
        conf_error(errors, AT(r->s, "dot_reserve"),
                   "dot_reserve (%us) leaves nothing of "
                   "end_of_data_deadline (%us): no message could be sent; "
                   "less than it",
                   l->dot_reserve_s, l->end_of_data_deadline_s);
    }
    if (l->reply_deadline_s >= RFC5321_REPLY_S) {
        conf_warning(errors, AT(r->s, "reply_deadline"),
                     "clients may give up after %ds (RFC 5321 4.5.3.2); less "
                     "than it",
                     RFC5321_REPLY_S);
    }
    if (l->end_of_data_deadline_s >= RFC5321_END_OF_DATA_S) {
        conf_warning(errors, AT(r->s, "end_of_data_deadline"),
                     "clients may give up after %ds (RFC 5321 4.5.3.2.6) and "
                     "send the message again; less than it",
                     RFC5321_END_OF_DATA_S);
    }
}

static void
rule_names(const struct listen_rule *r)
{
    const struct conf *conf = r->j->conf;
    const struct listen_conf *l = r->l;

    if (l->upstream[0] != '\0' && conf_upstream(conf, l->upstream) == NULL &&
        !conf_has_misnamed(conf, "upstream")) {
        conf_error(r->j->errors, AT(r->s, "upstream"),
                   "there is no [upstream %s]; the NAME of an [upstream NAME]",
                   l->upstream);
    }
    if (conf_check_section(conf, l->check) == NULL &&
        !conf_has_misnamed(conf, "check")) {
        conf_error(r->j->errors, AT(r->s, "check"),
                   "there is no [check %s]; the NAME of a [check NAME], or "
                   "default",
                   l->check);
    }
    if (l->max_message_size > conf->spool.max_total &&
        conf_is_sound(conf_section_of(conf, &conf->spool), "max_total") &&
        conf_is_sound(r->s, "max_message_size")) {
        conf_error(r->j->errors, AT(r->s, "max_message_size"),
                   "max_message_size is more than [spool] max_total (%ju "
                   "octets): such a message could never be kept; at most that",
                   (uintmax_t)conf->spool.max_total);
    }
}

static bool
same_address(const struct conf_address *a, const struct conf_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Who connects there is answered by this listener. */
static bool
is_listened_on(const struct listen_conf *l, const struct conf_address *to)
{
    struct conf_address one = *to;
    bool near = conf_all_loopback(&(struct conf_addresses){ &one, 1 }) ||
                strcmp(to->host, "localhost") == 0;

    for (size_t i = 0; i < l->addresses.count; i++) {
        const struct conf_address *own = &l->addresses.list[i];
        bool any =
            strcmp(own->host, "0.0.0.0") == 0 || strcmp(own->host, "::") == 0;

        if (same_address(own, to) || (any && near && own->port == to->port)) {
            return true;
        }
    }
    return false;
}

/* One message would ask for connection after connection until none is left. */
static void
rule_circle(const struct listen_rule *r)
{
    const struct upstream_conf *u = conf_upstream(r->j->conf, r->l->upstream);

    for (size_t i = 0; u != NULL && i < u->addresses.count; i++) {
        const struct conf_address *to = &u->addresses.list[i];

        if (is_listened_on(r->l, to)) {
            conf_error(r->j->errors, AT(r->s, "upstream"),
                       "[upstream %s] is at %s port %u, where this listener "
                       "is: mail would go in a circle; the address of the "
                       "server behind",
                       u->name, to->host, (unsigned)to->port);
        }
    }
}

/* Any address before the n-th of listener k that is the same. */
static bool
is_taken(const struct conf *conf, size_t k, size_t n)
{
    const struct conf_address *address = &conf->listens[k].addresses.list[n];

    for (size_t i = 0; i <= k; i++) {
        const struct conf_addresses *a = &conf->listens[i].addresses;

        for (size_t m = 0; m < (i == k ? n : a->count); m++) {
            if (same_address(&a->list[m], address)) {
                return true;
            }
        }
    }
    return false;
}

static void
rule_addresses(const struct judging *j, size_t k)
{
    const struct listen_conf *l = &j->conf->listens[k];
    const struct conf_section *s = conf_section_of(j->conf, l);

    for (size_t n = 0; n < l->addresses.count; n++) {
        if (is_taken(j->conf, k, n)) {
            conf_error(j->errors, AT(s, "address"),
                       "%s port %u is listened on twice; one listener each",
                       l->addresses.list[n].host,
                       (unsigned)l->addresses.list[n].port);
        }
    }
}

static void
rules_single(const struct judging *j)
{
    const struct conf *conf = j->conf;
    const struct conf_section *server = conf_section_of(conf, &conf->server);
    const struct conf_section *spool = conf_section_of(conf, &conf->spool);
    const struct conf_section *console = conf_section_of(conf, &conf->console);

    if (conf->server.stop_deadline_s > UNIT_STOP_S) {
        conf_warning(j->errors, AT(server, "stop_deadline"),
                     "systemd ends the service after TimeoutStopSec = %d; "
                     "less than it, or raise it in the unit",
                     UNIT_STOP_S);
    }
    if (conf->spool.memory_threshold > conf->spool.max_total &&
        conf_is_sound(spool, "memory_threshold max_total")) {
        conf_error(j->errors, AT(spool, "memory_threshold"),
                   "memory_threshold is more than max_total; at most %ju",
                   (uintmax_t)conf->spool.max_total);
    }
    if (conf->console.present) {
        conf_warning(j->errors, console->at.file, console->at.line,
                     "[console] does nothing yet; take it out until it does");
    }
    if (conf->listen_count == 0 && !conf_has_misnamed(conf, "listen")) {
        conf_error(j->errors, conf->path, 0,
                   "no [listen NAME] section: nobody could send; one for "
                   "each kind of client");
    }
}

void
conf_rules(const struct conf *conf, struct conf_errors *errors)
{
    struct judging j = { conf, errors };

    rules_single(&j);
    conf_rules_publish(conf, errors);
    conf_rules_notify(conf, errors);
    for (size_t i = 0; i < conf->listen_count; i++) {
        const struct listen_conf *l = &conf->listens[i];
        const struct conf_section *s = conf_section_of(conf, l);
        struct listen_rule r = { &j, s, l,
                                 !l->loopback && conf_is_sound(s, "address") };

        rule_open_relay(&r);
        rule_believed(&r, "proxy_protocol_from", &l->proxy_protocol_from);
        rule_believed(&r, "xclient_from", &l->xclient_from);
        rule_unused(&r);
        rule_listen_tls(&r);
        rule_deadlines(&r);
        rule_names(&r);
        rule_circle(&r);
        rule_addresses(&j, i);
    }
    for (size_t i = 0; i < conf->upstream_count; i++) {
        conf_rules_upstream(conf, &conf->upstreams[i], errors);
    }
    for (size_t i = 0; i < conf->oauth_count; i++) {
        conf_rules_oauth(conf, &conf->oauths[i], errors);
    }
    conf_rules_tls(conf, errors);
    conf_rules_auth(conf, errors);
}
