/*
 * resolvconf - resolv.conf(5); see resolvconf.h.
 */
#include "proxy/dns/resolvconf.h"

#include "proxy/dns/hosts.h"

#include <stdio.h>

enum {
    LINE_OCTETS = 1024,
    DNS_PORT = 53
};

static void
read_line(struct resolvconf *conf, char *line)
{
    static const char space[] = " \t\r\n";
    char *rest;
    char *word = strtok_r(line, space, &rest);

    if (word == NULL) {
        return;
    }
    if (strcmp(word, "nameserver") == 0) {
        word = strtok_r(NULL, space, &rest);
        if (word != NULL && conf->count < RESOLVCONF_SERVERS_MAX &&
            hosts_numeric(word, DNS_PORT, &conf->servers[conf->count])) {
            conf->count++;
        }
    } else if (strcmp(word, "options") == 0) {
        while ((word = strtok_r(NULL, space, &rest)) != NULL) {
            conf->trust_ad = conf->trust_ad || strcmp(word, "trust-ad") == 0;
        }
    }
}

void
resolvconf_load(const char *path, struct resolvconf *conf_out)
{
    struct resolvconf conf = { 0 };
    char line[LINE_OCTETS];
    FILE *f = fopen(path, "re");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        read_line(&conf, line);
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    if (conf.count == 0) {
        (void)hosts_numeric("127.0.0.1", DNS_PORT, &conf.servers[0]);
        conf.count = 1;
    }
    *conf_out = conf;
}
