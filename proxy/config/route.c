/*
 * route - what the configuration says of an [upstream] when it is asked for;
 * see conf.h.
 */
#include "conf.h"

#include <string.h>

/* How much of domain the pattern names; 0: it is another one. */
static size_t
match(const char *pattern, const char *domain)
{
    size_t len = strlen(domain);
    size_t tail;

    if (strncmp(pattern, "*.", 2) != 0) {
        return strcmp(pattern, domain) == 0 ? len + 1 : 0;
    }
    tail = strlen(pattern + 1); /* with its dot */
    return len > tail && strcmp(domain + len - tail, pattern + 1) == 0 ? tail
                                                                       : 0;
}

const struct upstream_conf *
conf_upstream_of_sender(const struct conf *conf, const char *domain)
{
    const struct upstream_conf *best = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < conf->upstream_count; i++) {
        const struct upstream_conf *u = &conf->upstreams[i];

        for (conf_list at = u->sender_domains; *at != NULL; at++) {
            size_t len = match(*at, domain);

            if (len > longest) {
                longest = len;
                best = u;
            }
        }
    }
    return best;
}

bool
conf_skips_signed(const struct conf *conf, const struct upstream_conf *u)
{
    return u->already_signed == CONF_ALREADY_UNSET
               ? conf->sign.skip_aligned
               : u->already_signed == CONF_ALREADY_SKIP;
}
