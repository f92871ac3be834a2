/*
 * hosts - /etc/hosts: addresses of names, read once at the start.
 */
#ifndef PROXY_DNS_HOSTS_H
#define PROXY_DNS_HOSTS_H

#include <base/bytes.h>

#include <sys/socket.h>

enum {
    HOSTS_MAX = 4096,
    HOSTS_LINE_MAX = 4096
};

struct hosts;

/* A file that is missing or can't be read is an empty one. NULL: no memory. */
struct hosts *hosts_load(const char *path);
void hosts_free(struct hosts **h);

/*
 * Puts up to max addresses of name, port 0, into list; how many there are.
 * "localhost" has one even in an empty file (RFC 6761 6.3).
 */
size_t hosts_find(const struct hosts *h, const char *name,
                  struct sockaddr_storage *list, size_t max);

/* A numeric address, also with brackets or %scope; port is set. */
bool hosts_numeric(const char *text, uint16_t port,
                   struct sockaddr_storage *addr_out);

#endif
