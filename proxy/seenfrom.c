/*
 * seenfrom - counts a few domains at a time; see seenfrom.h.
 */
#include "proxy/seenfrom.h"

#include <dkim/address.h>

#include <stdlib.h>

enum {
    DOMAINS = 64, /* told early when there are more */
    TELL_S = 2
};

struct seen_domain {
    char name[DKIM_DOMAIN_MAX + 1];
    uint32_t count;
};

struct seenfrom {
    struct keeper_client *keeper; /* borrowed */
    struct event *timer;          /* while there is something to tell */
    size_t count;
    struct seen_domain domains[DOMAINS];
};

static void
tell(struct seenfrom *s)
{
    for (size_t i = 0; i < s->count; i++) {
        keeper_from(s->keeper, s->domains[i].name, s->domains[i].count);
    }
    s->count = 0;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    tell(arg);
}

static void
add(struct seenfrom *s, const char *domain)
{
    static const struct timeval soon = { TELL_S, 0 };

    if (s->count == DOMAINS) {
        tell(s);
    }
    if (s->count == 0) {
        (void)event_add(s->timer, &soon);
    }
    (void)bytes_copy(bytes_str(domain), s->domains[s->count].name,
                     sizeof(s->domains[s->count].name));
    s->domains[s->count++].count = 1;
}

void
seenfrom_note(struct seenfrom *s, const struct view *view, const char *domain)
{
    if (s == NULL || strlen(domain) > DKIM_DOMAIN_MAX ||
        view_has_active_key(view, domain)) {
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->domains[i].name, domain) == 0) {
            s->domains[i].count++;
            return;
        }
    }
    add(s, domain);
}

struct seenfrom *
seenfrom_new(struct event_base *base, struct keeper_client *keeper)
{
    struct seenfrom *s = calloc(1, sizeof(*s));

    if (s != NULL) {
        s->keeper = keeper;
        s->timer = evtimer_new(base, on_timer, s);
        if (s->timer == NULL) {
            free(s);
            s = NULL;
        }
    }
    return s;
}

void
seenfrom_free(struct seenfrom **sp)
{
    struct seenfrom *s = *sp;

    *sp = NULL;
    if (s != NULL) {
        tell(s);
        event_free(s->timer);
        free(s);
    }
}
