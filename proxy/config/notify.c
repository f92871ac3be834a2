/*
 * notify - which listener takes our own notices, and what [notify] lacks.
 */
#include "reader.h"
#include "sections.h"

#include <arpa/inet.h>

/* Our own address when we connect to its first one. */
static bool
is_in(const struct conf_networks *nets, const struct listen_conf *l)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    const char *host = l->addresses.list[0].host;

    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        if (v4.sin_addr.s_addr == htonl(INADDR_ANY)) {
            v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        }
        return conf_networks_has(nets, (struct sockaddr *)&v4);
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        if (IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr)) {
            v6.sin6_addr = in6addr_loopback;
        }
        return conf_networks_has(nets, (struct sockaddr *)&v6);
    }
    return false;
}

/* Without a PROXY header, and with our password or as a trusted one. */
static bool
takes_ours(const struct conf *conf, const struct listen_conf *l)
{
    return l->mode == CONF_OUTBOUND && l->addresses.count > 0 &&
           !is_in(&l->proxy_protocol_from, l) &&
           (conf->notify.username[0] != '\0' ? l->auth != CONF_AUTH_NONE
                                             : is_in(&l->trusted_networks, l));
}

const struct listen_conf *
conf_notify_listen(const struct conf *conf)
{
    const struct listen_conf *found = NULL;

    for (size_t i = 0; i < conf->listen_count; i++) {
        const struct listen_conf *l = &conf->listens[i];
        bool wanted = conf->notify.listener[0] != '\0'
                          ? strcmp(l->name, conf->notify.listener) == 0
                          : found == NULL || (!found->loopback && l->loopback);

        if (wanted && takes_ours(conf, l)) {
            found = l;
        }
    }
    return found;
}

bool
conf_is_address(const char *text)
{
    struct bytes b = bytes_str(text);
    size_t at = bytes_find(b, '@');

    for (size_t i = 0; i < b.len; i++) {
        if (b.ptr[i] <= ' ' || b.ptr[i] >= 0x7f ||
            strchr("<>()[],:;\\\"", b.ptr[i]) != NULL) {
            return false;
        }
    }
    b = bytes_skip(b, at < b.len ? at + 1 : b.len);
    return at > 0 && at <= 64 && b.len > 0 && bytes_find(b, '@') == b.len;
}

/* Is what decides whether a listener takes our mail as it is written? */
static bool
are_listeners_sound(const struct conf *conf)
{
    for (size_t i = 0; i < conf->listen_count; i++) {
        if (!conf_is_sound(conf_section_of(conf, &conf->listens[i]),
                           "address mode auth trusted_networks "
                           "proxy_protocol_from")) {
            return false;
        }
    }
    return !conf_has_misnamed(conf, "listen");
}

static void
rule_mail(const struct conf *conf, const struct conf_section *s,
          struct conf_errors *errors)
{
    const struct notify_conf *n = &conf->notify;

    if (!conf_is_address(n->mail)) {
        conf_error(errors, AT(s, "mail"),
                   "mail = %s: not an address; one such as "
                   "postmaster@example.com",
                   n->mail);
    }
    if (!conf_is_address(n->from)) {
        conf_error(errors, AT(s, "from"),
                   "from = %s: not an address; one that the relay's sender "
                   "may use",
                   n->from);
    }
    if (conf_notify_listen(conf) == NULL && are_listeners_sound(conf) &&
        conf_is_sound(s, "listener username password_file")) {
        conf_error(errors, AT(s, n->listener[0] != '\0' ? "listener" : "mail"),
                   "no outbound listener takes our own mail: without username "
                   "it is one that has our address in trusted_networks, with "
                   "username one with auth, and never one that wants PROXY; "
                   "username and password_file, or listener = NAME");
    }
}

void
conf_rules_notify(const struct conf *conf, struct conf_errors *errors)
{
    const struct notify_conf *n = &conf->notify;
    const struct conf_section *s = conf_section_of(conf, n);

    if ((n->username[0] == '\0') != (n->password_file[0] == '\0') &&
        conf_is_sound(s, "username password_file")) {
        conf_error(errors,
                   AT(s, n->username[0] == '\0' ? "password_file" : "username"),
                   "username and password_file belong together; both or "
                   "none");
    }
    if (n->mail[0] != '\0') {
        rule_mail(conf, s, errors);
    } else if (n->present && n->command[0] == '\0' &&
               conf_is_sound(s, "mail command")) {
        conf_warning(errors, s->at.file, s->at.line,
                     "[notify] without command and mail tells nobody; mail = "
                     "ADDRESS or command = COMMAND");
    }
}
