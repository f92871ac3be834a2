/*
 * hosts - names from /etc/hosts; see hosts.h.
 */
#include "proxy/dns/hosts.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

struct host {
    char *name; /* owns */
    struct sockaddr_storage addr;
};

struct hosts {
    struct host *list; /* owns */
    size_t count;
};

static bool
numeric_v4(const char *text, uint16_t port, struct sockaddr_storage *addr_out)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

    if (inet_pton(AF_INET, text, &in.sin_addr) != 1) {
        return false;
    }
    memset(addr_out, 0, sizeof(*addr_out));
    memcpy(addr_out, &in, sizeof(in));
    return true;
}

/* fe80::1%eth0: the zone is an interface of this machine. */
static bool
numeric_v6(char *text, uint16_t port, struct sockaddr_storage *addr_out)
{
    struct sockaddr_in6 in = { .sin6_family = AF_INET6,
                               .sin6_port = htons(port) };
    char *zone = strchr(text, '%');

    if (zone != NULL) {
        *zone = '\0';
        in.sin6_scope_id = if_nametoindex(zone + 1);
    }
    if (inet_pton(AF_INET6, text, &in.sin6_addr) != 1 ||
        (zone != NULL && in.sin6_scope_id == 0)) {
        return false;
    }
    memset(addr_out, 0, sizeof(*addr_out));
    memcpy(addr_out, &in, sizeof(in));
    return true;
}

bool
hosts_numeric(const char *text, uint16_t port,
              struct sockaddr_storage *addr_out)
{
    struct bytes t = bytes_str(text);
    char host[128];

    if (t.len > 2 && t.ptr[0] == '[' && t.ptr[t.len - 1] == ']') {
        t = bytes_make(t.ptr + 1, t.len - 2);
    }
    return bytes_copy(t, host, sizeof(host)) &&
           (numeric_v4(host, port, addr_out) ||
            numeric_v6(host, port, addr_out));
}

static bool
add(struct hosts *h, const char *name, const struct sockaddr_storage *addr)
{
    struct host *list = h->list;
    char *copy;

    if (h->count % 64 == 0) {
        list = realloc(list, (h->count + 64) * sizeof(*list));
        if (list == NULL) {
            return false;
        }
        h->list = list;
    }
    copy = strdup(name);
    if (copy == NULL) {
        return false;
    }
    list[h->count].name = copy;
    list[h->count].addr = *addr;
    h->count++;
    return true;
}

/* ADDRESS NAME... # comment; false: no memory. A bad line is skipped. */
static bool
add_line(struct hosts *h, char *line)
{
    static const char space[] = " \t\r\n";
    struct sockaddr_storage addr;
    char *rest, *word;

    line[strcspn(line, "#")] = '\0';
    word = strtok_r(line, space, &rest);
    if (word == NULL || !hosts_numeric(word, 0, &addr)) {
        return true;
    }
    while ((word = strtok_r(NULL, space, &rest)) != NULL &&
           h->count < HOSTS_MAX) {
        if (!add(h, word, &addr)) {
            return false;
        }
    }
    return true;
}

struct hosts *
hosts_load(const char *path)
{
    struct hosts *h = calloc(1, sizeof(*h));
    char line[HOSTS_LINE_MAX];
    bool good = h != NULL;
    FILE *f;

    f = good ? fopen(path, "re") : NULL;
    while (f != NULL && good && fgets(line, sizeof(line), f) != NULL) {
        good = add_line(h, line);
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    if (!good) {
        hosts_free(&h);
    }
    return h;
}

void
hosts_free(struct hosts **h)
{
    if (*h == NULL) {
        return;
    }
    for (size_t i = 0; i < (*h)->count; i++) {
        free((*h)->list[i].name);
    }
    free((*h)->list);
    free(*h);
    *h = NULL;
}

size_t
hosts_find(const struct hosts *h, const char *name,
           struct sockaddr_storage *list, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < h->count && n < max; i++) {
        if (bytes_is_ci(bytes_str(name), h->list[i].name)) {
            list[n++] = h->list[i].addr;
        }
    }
    if (n == 0 && max > 0 && bytes_is_ci(bytes_str(name), "localhost")) {
        (void)hosts_numeric("127.0.0.1", 0, &list[n++]);
    }
    return n;
}
