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
    char name[DNS_NAME_MAX + 1];  /* whose record is asked for */
    char lower[DNS_NAME_MAX + 1]; /* a zone that a server refers to, or "" */
    unsigned redirects;
    size_t pending;
};

struct item {
    struct run *run;
    size_t index;
    const struct look_name *q;
    struct side owner, target;
    struct sight *lines; /* owns */
    size_t count;
    uint64_t no_way; /* bit a line: IPv6 that this machine has not */
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
    size_t line;
    struct sockaddr_storage server;
    char rcode[16]; /* what it said without CD, or "" */
};

static void
probe_free(struct probe *probe)
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

/* --- lines ---------------------------------------------------------------- */

static struct sight *
add_line(struct item *item, enum seen_role role, const char *server,
         const char *name)
{
    struct sight *line = &item->lines[item->count];

    if (item->count == LOOK_SIGHTS_MAX) {
        return NULL;
    }
    item->count++;
    *line = (struct sight){ .role = role, .end = DIRECT_OURS };
    snprintf(line->server, sizeof(line->server), "%.290s", server);
    snprintf(line->name, sizeof(line->name), "%s", name);
    return line;
}

/* A line in the place of servers that cannot be asked. */
static void
add_trouble(const struct side *side, const char *server, const char *trouble)
{
    struct sight *line = add_line(side->item, side->role, server, side->name);

    if (line != NULL) {
        line->trouble = trouble;
    }
}

static void
line_free(struct sight *line)
{
    struct raw_answer *answer = (struct raw_answer *)line->answer;

    raw_free(&answer);
    line->answer = NULL;
}

static void
keep_answer(struct sight *line, enum direct_end end, struct raw_answer *answer)
{
    line->end = end;
    line->answer = answer == NULL ? NULL : raw_ref(answer);
}

static int
compare(const void *left, const void *right)
{
    const struct sight *a = left;
    const struct sight *b = right;

    if (a->role != b->role) {
        return a->role < b->role ? -1 : 1;
    }
    return strcmp(a->server, b->server);
}

static bool
has_way(const struct item *item, enum seen_role role)
{
    for (size_t i = 0; i < item->count; i++) {
        if (item->lines[i].role == role &&
            (item->no_way & UINT64_C(1) << i) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * A machine without IPv6 says nothing about the IPv6 addresses of a server:
 * its lines go, unless they are all that there is.
 */
static void
drop_unreachable(struct item *item)
{
    size_t kept = 0;
    bool goes[LOOK_SIGHTS_MAX];

    for (size_t i = 0; i < item->count; i++) {
        goes[i] = (item->no_way & UINT64_C(1) << i) != 0 &&
                  has_way(item, item->lines[i].role);
    }
    for (size_t i = 0; i < item->count; i++) {
        if (!goes[i]) {
            item->lines[kept++] = item->lines[i];
        } else {
            line_free(&item->lines[i]);
        }
    }
    item->count = kept;
    item->no_way = 0;
}

static void
drop_lines(struct item *item, enum seen_role role)
{
    size_t kept = 0;

    drop_unreachable(item);
    for (size_t i = 0; i < item->count; i++) {
        if (item->lines[i].role != role) {
            item->lines[kept++] = item->lines[i];
        } else {
            line_free(&item->lines[i]);
        }
    }
    item->count = kept;
}

/* --- the end of an item --------------------------------------------------- */

static void
item_free(struct item *item)
{
    for (size_t i = 0; i < item->count; i++) {
        line_free(&item->lines[i]);
    }
    free(item->lines);
    item->lines = NULL;
    item->count = 0;
}

static void
hand_over(struct item *item)
{
    struct run *run = item->run;
    const struct look_options *o = run->options;

    item->running = false;
    drop_unreachable(item);
    qsort(item->lines, item->count, sizeof(item->lines[0]), compare);
    if (!o->done(o->arg, item->index, item->lines, item->count)) {
        fail(run);
    }
    item_free(item);
    run->done++;
    if (o->progress != NULL) {
        o->progress(o->arg, run->done, run->count);
    }
    event_active(run->more, EV_TIMEOUT, 0);
}

static void
settle(struct item *item)
{
    if (item->running && item->pending == 0) {
        hand_over(item);
    }
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

/* When all its servers have spoken: where the zone is lower, once more. */
static void
end_side(struct side *side)
{
    struct item *item = side->item;
    char lower[DNS_NAME_MAX + 1];
    char name[DNS_NAME_MAX + 1];

    if (side->lower[0] == '\0' || side->redirects >= REDIRECTS_MAX) {
        return;
    }
    /* no other side has a question under way that knows its line by number */
    if (item->pending > 0) {
        return;
    }
    side->redirects++;
    memcpy(lower, side->lower, sizeof(lower));
    memcpy(name, side->name, sizeof(name));
    side->lower[0] = '\0';
    drop_lines(item, side->role);
    start_side(side, name, lower);
}

/* Where the key is the owner's own and she has put it behind a CNAME. */
static void
note_alias(struct side *side, const struct raw_answer *answer)
{
    struct item *item = side->item;
    const struct raw_record *alias;

    if (side->role != SEEN_OWNER || !(item->q->roles & LOOK_TARGET) ||
        item->q->target[0] != '\0' || item->target.name[0] != '\0') {
        return;
    }
    alias = raw_find(answer, side->name, RAW_TYPE_CNAME);
    if (alias != NULL && alias->data.len <= DNS_NAME_MAX) {
        start_side(&item->target, (const char *)alias->data.ptr, NULL);
    }
}

static void
on_server(enum direct_end end, struct raw_answer *answer, void *arg)
{
    struct probe *probe = arg;
    struct side *side = probe->side;
    struct item *item = probe->item;

    keep_answer(&item->lines[probe->line], end, answer);
    if (end == DIRECT_NO_ROUTE && probe->server.ss_family == AF_INET6) {
        item->no_way |= UINT64_C(1) << probe->line;
    }
    probe_free(probe);
    item->pending--;
    side->pending--;
    if (end == DIRECT_ANSWERED) {
        note_referral(side, answer);
        note_alias(side, answer);
    }
    end_side(&item->owner);
    end_side(&item->target);
    settle(item);
}

/* item->lines[line] waits for this answer. False: no memory. */
static bool
ask(struct item *item, struct side *side, size_t line,
    const struct asker_question *q, direct_callback *cb)
{
    struct probe *probe = calloc(1, sizeof(*probe));

    if (probe == NULL) {
        fail(item->run);
        return false;
    }
    probe->item = item;
    probe->side = side;
    probe->line = line;
    probe->server = q->server;
    LIST_INSERT_HEAD(&item->run->probes, probe, link);
    if (!asker_ask(item->run->asker, q, cb, probe)) {
        probe_free(probe);
        fail(item->run);
        return false;
    }
    item->pending++;
    return true;
}

static void
ask_server(struct side *side, const struct zone_server *server)
{
    struct item *item = side->item;
    char text[WHERE_TEXT_MAX];

    where_server_text(server, text);
    if (server->addr.ss_family == 0) {
        add_trouble(side, text, "this server's name has no address in DNS");
        return;
    }
    if (add_line(item, side->role, text, side->name) != NULL &&
        ask(item, side, item->count - 1,
            &(struct asker_question){ .server = server->addr,
                                      .name = side->name,
                                      .type = item->q->type },
            on_server)) {
        side->pending++;
    }
}

static void
take_zone(struct side *side, const struct zone *zone)
{
    side->zone = zone;
    if (zone->name[0] == '\0') {
        add_trouble(side, side->name,
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
ask_resolver(struct item *item, size_t line,
             const struct sockaddr_storage *server, bool unchecked,
             direct_callback *cb)
{
    (void)ask(item, NULL, line,
              &(struct asker_question){ .server = *server,
                                        .name = item->q->name,
                                        .type = item->q->type,
                                        .recurse = true,
                                        .check_disabled = unchecked },
              cb);
}

static void
end_probe(struct probe *probe)
{
    struct item *item = probe->item;

    probe_free(probe);
    item->pending--;
    end_side(&item->owner);
    end_side(&item->target);
    settle(item);
}

/* It failed and, asked not to validate, does not: the signatures are wrong. */
static void
on_unchecked(enum direct_end end, struct raw_answer *answer, void *arg)
{
    struct probe *probe = arg;

    probe->item->lines[probe->line].bogus =
        end == DIRECT_ANSWERED &&
        (answer->rcode == RAW_NOERROR || answer->rcode == RAW_NXDOMAIN);
    end_probe(probe);
}

static void
on_resolver(enum direct_end end, struct raw_answer *answer, void *arg)
{
    struct probe *probe = arg;
    struct item *item = probe->item;

    keep_answer(&item->lines[probe->line], end, answer);
    if (end == DIRECT_ANSWERED && answer->rcode == RAW_SERVFAIL) {
        ask_resolver(item, probe->line, &probe->server, true, on_unchecked);
    }
    end_probe(probe);
}

static void
start_resolvers(struct item *item)
{
    const struct where_resolvers *r = &item->run->resolvers;
    char text[WHERE_TEXT_MAX];

    for (size_t i = 0; i < r->count; i++) {
        struct sight *line;

        where_address_text(&r->list[i], text);
        line = add_line(item, SEEN_RESOLVER, text, item->q->name);
        if (line != NULL) {
            line->own = i < r->own;
            ask_resolver(item, item->count - 1, &r->list[i], false,
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
    item->lines = calloc(LOOK_SIGHTS_MAX, sizeof(*item->lines));
    if (item->lines == NULL) {
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
    while (!LIST_EMPTY(&run->probes)) { /* no memory: some were under way */
        probe_free(LIST_FIRST(&run->probes));
    }
    resolver_free(&run->resolver);
    if (run->more != NULL) {
        event_free(run->more);
    }
    for (size_t i = 0; run->items != NULL && i < run->count; i++) {
        item_free(&run->items[i]);
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
