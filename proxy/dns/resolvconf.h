/*
 * resolvconf - which nameservers: resolv.conf(5), read once at the start.
 */
#ifndef PROXY_DNS_RESOLVCONF_H
#define PROXY_DNS_RESOLVCONF_H

#include <base/bytes.h>

#include <sys/socket.h>

enum {
    RESOLVCONF_SERVERS_MAX = 3
}; /* as glibc's MAXNS */

struct resolvconf {
    struct sockaddr_storage servers[RESOLVCONF_SERVERS_MAX];
    size_t count;  /* at least one: 127.0.0.1 when the file names none */
    bool trust_ad; /* options trust-ad */
};

/*
 * nameserver and options lines; a line that says nothing to us or is wrong is
 * skipped, as is all after the third nameserver. No file: an empty one.
 */
void resolvconf_load(const char *path, struct resolvconf *conf_out);

#endif
