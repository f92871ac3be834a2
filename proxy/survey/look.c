/*
 * look - records as every server shows them; see look.h.
 *
 * An item is one name: up to two sides (the owner's servers, the target's) and
 * the resolvers. Every question under way counts in item.pending; the item is
 * over when that is 0, and only settle() looks.
 */
#include "proxy/survey/look.h"

#include "proxy/dns/internal.h"
#include "proxy/survey/asker.h"
#include "proxy/survey/judge.h"
#include "proxy/survey/sights.h"
#include "proxy/survey/where.h"
#include "proxy/survey/zones.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

enum {
    REDIRECTS_MAX = 2 /* zone cuts that the resolver did not tell of */
};

struct run;
struct item;
struct probe;

struct side {
    struct item *item;
    enum seen_role role;
    const struct zone *zone; /* NULL: not known yet */
    struct zone_waiter waiter;
    bool begun;
    char name[DNS_NAME_MAX + 1];  /* whose record is asked for */
    char lower[DNS_NAME_MAX + 1]; /* a zone that a server refers to, or "" */
    unsigned redirects;
};

struct item {
    struct run *run;
    size_t index;
    const struct look_name *q;
    struct side owner, target;
    struct sights sights;
    size_t pending;
    bool running;
};

/* One call of look(). */
struct run {
    const struct look_options *options;
    struct where_resolvers resolvers;
    struct event_base *base;
    struct resolver *resolver;
    struct zones *zones;
    struct asker *asker;
    struct event *more; /* an item has ended: others may start */
    LIST_HEAD(, probe) probes;
    struct item *items;
    size_t count, started, done;
    bool failed; /* no memory */
};

/* One question under way. */
struct probe {
    LIST_ENTRY(probe) link; /* of its run */
    struct item *item;
    struct side *side; /* NULL: a resolver */
    size_t sight;      /* its number */
    struct sockaddr_storage server;
    char rcode[16]; /* what it said without CD, or "" */
};

static void
probe_end(struct probe *probe)
{
    LIST_REMOVE(probe, link);
    free(probe);
}

static void
fail(struct run *run)
{
    run->failed = true;
    event_base_loopbreak(run->base);
}

/* --- the end of an item --------------------------------------------------- */

static void
hand_over(struct item *item)
{
    struct run *run = item->run;
    const struct look_options *o = run->options;

    item->running = false;
    sights_end(&item->sights);
    if (!o->done(o->arg, item->index, item->sights.list, item->sights.count)) {
        fail(run);
    }
    sights_free(&item->sights);
    run->done++;
    if (o->progress != NULL) {
        o->progress(o->arg, run->done, run->count);
    }
    event_active(run->more, EV_TIMEOUT, 0);
}

/* --- servers of a zone ---------------------------------------------------- */

static void start_side(struct side *side, const char *name,
                       const char *zone_start);

/* A name below the zone that was asked is a zone of its own. */
static void
note_referral(struct side *side, const struct raw_answer *answer)
{
    const char *zone = judge_referral(answer);

    if (zone != NULL && strlen(zone) > strlen(side->zone->name) &&
        packet_name_below(side->name, zone)) {
        snprintf(side->lower, sizeof(side->lower), "%.253s", zone);
    }
}

/*
 * Where the zone is lower, once more; only when everybody has spoken, as
 * probes know their sights by number and sights_drop() moves them.
 */
static void
end_side(struct side *side)
{
    struct item *item = side->item;
    char lower[DNS_NAME_MAX + 1];
    char name[DNS_NAME_MAX + 1];

    if (item->pending > 0 || side->lower[0] == '\0' ||
        side->redirects >= REDIRECTS_MAX) {
        return;
    }
    side->redirects++;
    memcpy(lower, side->lower, sizeof(lower));
    memcpy(name, side->name, sizeof(name));
    side->lower[0] = '\0';
    sights_drop(&item->sights, side->role);
    start_side(side, name, lower);
}

/* After each answer. */
static void
settle(struct item *item)
{
    end_side(&item->owner);
    end_side(&item->target);
    if (item->running && item->pending == 0) {
        hand_over(item);
    }
}

static void
end_probe(struct probe *probe)
{
    struct item *item = probe->item;

    probe_end(probe);
    item->pending--;
    settle(item);
}

/* Where the key is the owner's own and she has put it behind a CNAME. */
static void
note_alias(struct side *side, const struct raw_answer *answer)
{
    struct item *item = side->item;
    const struct raw_record *alias;

    if (side->role != SEEN_OWNER || !(item->q->roles & LOOK_TARGET) ||
        item->q->target[0] != '\0' || item->target.begun) {
        return;
    }
    alias = raw_find(answer, side->name, RAW_TYPE_CNAME);
    if (alias != NULL) {
        start_side(&item->target, (const char *)alias->data.ptr, NULL);
    }
}

static void
on_server(enum direct_end end, struct raw_answer *answer, void *arg)
{
    struct probe *probe = arg;
    struct side *side = probe->side;
    struct item *item = probe->item;

    sights_answer(&item->sights, probe->sight, end,
                  end == DIRECT_NO_ROUTE && probe->server.ss_family == AF_INET6,
                  answer);
    if (end == DIRECT_ANSWERED) {
        note_referral(side, answer);
        note_alias(side, answer);
    }
    end_probe(probe);
}

/* Sight number waits for this answer. */
static void
ask(struct item *item, struct side *side, size_t sight,
    const struct asker_question *q, direct_callback *cb)
{
    struct probe *probe = calloc(1, sizeof(*probe));

    if (probe == NULL) {
        fail(item->run);
        return;
    }
    probe->item = item;
    probe->side = side;
    probe->sight = sight;
    probe->server = q->server;
    LIST_INSERT_HEAD(&item->run->probes, probe, link);
    if (!asker_ask(item->run->asker, q, cb, probe)) {
        probe_end(probe);
        fail(item->run);
        return;
    }
    item->pending++;
}

/* A sight in the place of servers that cannot be asked. */
static void
add_trouble(const struct side *side, const char *server, bool may_pass,
            const char *trouble)
{
    struct sight *sight =
        sights_add(&side->item->sights, side->role, server, side->name);

    if (sight != NULL) {
        sight->trouble = trouble;
        sight->end = may_pass ? DIRECT_SILENT : DIRECT_OURS;
    }
}

static void
ask_server(struct side *side, const struct zone_server *server)
{
    struct item *item = side->item;
    char text[WHERE_TEXT_MAX];

    where_server_text(server, text);
    if (server->addr.ss_family == 0) {
        add_trouble(side, text, server->unknown,
                    server->unknown
                        ? "no resolver says where this server is"
                        : "this server's name has no address in DNS");
        return;
    }
    if (sights_add(&item->sights, side->role, text, side->name) != NULL) {
        ask(item, side, item->sights.count - 1,
            &(struct asker_question){ .server = server->addr,
                                      .name = side->name,
                                      .type = item->q->type },
            on_server);
    }
}

static void
take_zone(struct side *side, const struct zone *zone)
{
    side->zone = zone;
    if (zone->no_memory) {
        fail(side->item->run);
        return;
    }
    if (zone->name[0] == '\0') {
        add_trouble(side, side->name, zone->failed,
                    zone->failed
                        ? "no resolver says which servers this name has"
                        : "no servers (NS) exist for this name");
        return;
    }
    for (size_t i = 0; i < zone->count; i++) {
        ask_server(side, &zone->servers[i]);
    }
}

static void
on_zone(const struct zone *zone, void *arg)
{
    struct side *side = arg;

    side->item->pending--;
    take_zone(side, zone);
    settle(side->item);
}

/* zone_start NULL: the zone of what is above name. */
static void
start_side(struct side *side, const char *name, const char *zone_start)
{
    const char *dot = strchr(name, '.');
    const struct zone *zone;
    bool failed = false;

    if (zone_start == NULL) {
        zone_start = dot == NULL ? name : dot + 1;
    }
    where_lower(name, side->name);
    side->begun = true;
    if (strlen(name) > DNS_NAME_MAX || !where_can_ask(side->name)) {
        add_trouble(side, side->name, false, "no key's record has this name");
        return;
    }
    side->waiter.cb = on_zone;
    side->waiter.arg = side;
    zone =
        zones_find(side->item->run->zones, zone_start, &side->waiter, &failed);
    if (failed) {
        fail(side->item->run);
    } else if (zone != NULL) {
        take_zone(side, zone);
    } else {
        side->item->pending++;
    }
}

/* --- resolvers ------------------------------------------------------------ */

static void
ask_resolver(struct item *item, size_t sight,
             const struct sockaddr_storage *server, bool unchecked,
             direct_callback *cb)
{
    ask(item, NULL, sight,
        &(struct asker_question){ .server = *server,
                                  .name = item->q->name,
                                  .type = item->q->type,
                                  .recurse = true,
                                  .check_disabled = unchecked },
        cb);
}

/* It failed and, asked not to validate, does not: the signatures are wrong. */
static void
on_unchecked(enum direct_end end, struct raw_answer *answer, void *arg)
{
    struct probe *probe = arg;

    probe->item->sights.list[probe->sight].bogus =
        end == DIRECT_ANSWERED &&
        (answer->rcode == RAW_NOERROR || answer->rcode == RAW_NXDOMAIN);
    end_probe(probe);
}

static void
on_resolver(enum direct_end end, struct raw_answer *answer, void *arg)
{
    struct probe *probe = arg;
    struct item *item = probe->item;

    sights_answer(&item->sights, probe->sight, end, false, answer);
    if (end == DIRECT_ANSWERED && answer->rcode == RAW_SERVFAIL) {
        ask_resolver(item, probe->sight, &probe->server, true, on_unchecked);
    }
    end_probe(probe);
}

static void
start_resolvers(struct item *item)
{
    const struct where_resolvers *r = &item->run->resolvers;
    char text[WHERE_TEXT_MAX];

    for (size_t i = 0; i < r->count; i++) {
        struct sight *sight;

        where_address_text(&r->list[i], text);
        sight = sights_add(&item->sights, SEEN_RESOLVER, text, item->q->name);
        if (sight != NULL) {
            sight->own = i < r->own;
            ask_resolver(item, item->sights.count - 1, &r->list[i], false,
                         on_resolver);
        }
    }
}

/* --- items ---------------------------------------------------------------- */

static void
start_item(struct item *item)
{
    const struct look_name *q = item->q;

    item->owner = (struct side){ .item = item, .role = SEEN_OWNER };
    item->target = (struct side){ .item = item, .role = SEEN_TARGET };
    if (!sights_init(&item->sights)) {
        fail(item->run);
        return;
    }
    item->running = true;
    if (q->roles & LOOK_OWNER) {
        start_side(&item->owner, q->name, NULL);
    }
    if ((q->roles & LOOK_TARGET) && q->target[0] != '\0') {
        start_side(&item->target, q->target, NULL);
    }
    if (q->roles & LOOK_RESOLVER) {
        start_resolvers(item);
    }
    settle(item);
}

static void
on_more(evutil_socket_t fd, short what, void *arg)
{
    struct run *run = arg;

    (void)fd;
    (void)what;
    while (!run->failed && run->started < run->count &&
           run->started - run->done < LOOK_NAMES_MAX) {
        start_item(&run->items[run->started++]);
    }
    if (run->done == run->count) {
        event_base_loopbreak(run->base);
    }
}

/* --- one run -------------------------------------------------------------- */

static bool
run_prepare(struct run *run)
{
    const struct dns_conf *dns = run->options->dns;

    run->items = calloc(run->count, sizeof(*run->items));
    run->base = event_base_new();
    if (run->items == NULL || run->base == NULL) {
        return false;
    }
    where_resolvers_set(&run->resolvers, dns);
    run->resolver = where_resolver(run->base, dns);
    run->asker = asker_new(run->base, where_try_ms(dns));
    run->more = evtimer_new(run->base, on_more, run);
    if (run->resolver == NULL || run->asker == NULL || run->more == NULL) {
        return false;
    }
    run->zones = zones_new(run->resolver, where_port(dns));
    return run->zones != NULL;
}

static void
run_free(struct run *run)
{
    zones_free(&run->zones);
    asker_free(&run->asker);
    while (!LIST_EMPTY(&run->probes)) { /* no memory: some are under way */
        probe_end(LIST_FIRST(&run->probes));
    }
    resolver_free(&run->resolver);
    if (run->more != NULL) {
        event_free(run->more);
    }
    for (size_t i = 0; run->items != NULL && i < run->count; i++) {
        sights_free(&run->items[i].sights);
    }
    free(run->items);
    if (run->base != NULL) {
        event_base_free(run->base);
    }
}

bool
look(const struct look_options *options, const struct look_name *names,
     size_t count)
{
    struct run run = { .options = options, .count = count };
    bool good;

    if (count == 0) {
        return true;
    }
    good = run_prepare(&run);
    for (size_t i = 0; good && i < count; i++) {
        run.items[i].run = &run;
        run.items[i].index = i;
        run.items[i].q = &names[i];
    }
    if (good) {
        event_active(run.more, EV_TIMEOUT, 0);
        (void)event_base_dispatch(run.base);
        good = !run.failed && run.done == count;
    }
    run_free(&run);
    return good;
}
