/*
 * publish - key records put into the operator's zone; see publish.h.
 */
#include "proxy/publish/publish.h"

#include "proxy/publish/tries.h"
#include "proxy/publish/ways.h"

#include <proxy/log/log.h>
#include <time.h>

/* Names become text of programs and files: nothing but what a key's has. */
static bool
name_is_good(const char *name, const char *zone)
{
    struct bytes tail = bytes_str(zone);
    struct bytes b = bytes_str(name);

    for (size_t i = 0; i < b.len; i++) {
        if (!byte_is_alpha(b.ptr[i]) && !byte_is_digit(b.ptr[i]) &&
            b.ptr[i] != '-' && b.ptr[i] != '_' && b.ptr[i] != '.') {
            return false;
        }
    }
    return b.len <= 253 && b.len > tail.len + 1 && bytes_ends_ci(b, tail) &&
           b.ptr[b.len - tail.len - 1] == '.';
}

static bool
names_are_good(const struct publish_work *w, const char *zone,
               struct buf *why_out)
{
    for (size_t i = 0; i < w->count; i++) {
        if (!name_is_good(w->records[i].name, zone)) {
            buf_printf(why_out, "%s is not a name below [rotate] zone = %s",
                       w->records[i].name, zone);
            return false;
        }
    }
    return true;
}

bool
publish_any_changed(const struct publish_work *w)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->records[i].changed) {
            return true;
        }
    }
    return false;
}

static bool
try_it(enum conf_publish way, const struct publish_work *w, struct buf *why_out)
{
    switch (way) {
    case CONF_PUBLISH_RFC2136:
        return !publish_any_changed(w) || publish_rfc2136(w, why_out);
    case CONF_PUBLISH_EXEC:
        return !publish_any_changed(w) || publish_exec(w, why_out);
    case CONF_PUBLISH_ZONEFILE:
        return publish_zonefile(w, why_out);
    case CONF_PUBLISH_NONE:
        break;
    }
    buf_puts(why_out, "nothing says how records get into the zone; [rotate] "
                      "publish = rfc2136, zonefile or exec");
    return false;
}

static void
note_try(const struct publisher *p, uint64_t now_s, bool good, struct buf *why)
{
    const char *text = good ? "" : buf_str(why);

    if (p->state_dir == NULL) {
        return;
    }
    if (!publish_tries_note(p->state_dir, now_s, good,
                            text == NULL ? "no memory" : text)) {
        log_event(LOG_LEVEL_WARN, "publish",
                  "%s/publish cannot be written: the next try does not wait",
                  p->state_dir);
    }
}

static bool
must_wait(const struct publish_tries *tries, uint64_t now_s,
          struct buf *why_out)
{
    /* A clock that was ahead at the last failure must not hold us up. */
    if (tries->failures == 0 || now_s >= tries->next_s ||
        now_s < tries->failed_s) {
        return false;
    }
    buf_printf(why_out, "waits %ju s more after %u failed %s: %s",
               (uintmax_t)(tries->next_s - now_s), tries->failures,
               tries->failures == 1 ? "try" : "tries", tries->why);
    return true;
}

bool
publish(void *arg, const struct publish_record *records, size_t count,
        struct buf *why_out)
{
    const struct publisher *p = arg;
    uint64_t now_s = p->now_s != 0 ? p->now_s : (uint64_t)time(NULL);
    struct publish_tries tries = { 0 };
    struct publish_work w = { p->publish, p->publish->zone,
                              records,    count,
                              now_s,      false };
    bool good;

    if (p->state_dir != NULL) {
        publish_tries_read(p->state_dir, &tries);
    }
    w.again = tries.failures > 0;
    if (w.zone[0] == '\0') {
        w.zone = p->rotate->zone;
    }
    if (!names_are_good(&w, p->rotate->zone, why_out) ||
        (!p->at_once && must_wait(&tries, now_s, why_out))) {
        return false;
    }
    good = try_it(p->rotate->publish, &w, why_out);
    note_try(p, now_s, good, why_out);
    return good;
}
