/*
 * rotating - a run of the life cycle from the command line; see rotating.h.
 */
#include "proxy/cli/rotating.h"

#include "proxy/cli/keyrecord.h"
#include "proxy/json/json.h"
#include "proxy/keys/keynote.h"
#include "proxy/keys/replace.h"

#include <proxy/notices/notice.h>
#include <proxy/reports/reports.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

/* --- what the run is given ---------------------------------------------- */

static bool
may_rotate(void *arg, const char *domain, const char *selector,
           uint64_t activated_s, struct buf *why_out)
{
    const struct rotating *r = arg;
    const struct reports_question q = { r->world.store->state_dir, domain,
                                        selector, activated_s, r->world.now_s };

    return reports_may_rotate(&q, why_out);
}

/* Nobody is asked, and nothing is known. */
static bool
ask_nobody(void *arg, const struct seen_question *questions, size_t count,
           struct seen *seen_out)
{
    (void)arg;
    (void)questions;
    for (size_t i = 0; i < count; i++) {
        seen_out[i] = (struct seen){ 0, NULL, 0 };
    }
    return true;
}

void
rotating_without_dns(struct rotating *r)
{
    r->world.survey = ask_nobody;
}

/* --- what is told ------------------------------------------------------- */

void
rotating_when(uint64_t when_s, uint64_t now_s, char *out)
{
    if (when_s == 0) {
        snprintf(out, KEYNOTE_TIME, "-");
    } else if (when_s <= now_s) {
        snprintf(out, KEYNOTE_TIME, "now");
    } else {
        keynote_time(when_s, out);
    }
}

static const char *
past_of(enum plan_step step)
{
    static const char *const names[] = {
        [PLAN_WAIT] = "waits",      [PLAN_NOTE] = "seen",
        [PLAN_CREATE] = "created",  [PLAN_PUBLISH] = "published",
        [PLAN_PROVE] = "proved",    [PLAN_ACTIVATE] = "active",
        [PLAN_RETIRE] = "retiring", [PLAN_REVOKE] = "revoked",
        [PLAN_DELETE] = "deleted",
    };

    return names[step];
}

static void
put_text(const struct rotating *r, const struct rotate_event *e, FILE *out,
         const char *what)
{
    char when[KEYNOTE_TIME];

    fprintf(out, "%s%s%s%s%s%s: %s%s%s", r->cli->dry_run ? "dry run: " : "",
            e->domain[0] == '\0' ? "zone" : e->domain,
            e->selector[0] == '\0' ? "" : " ", e->selector,
            e->user[0] == '\0' ? "" : " of ", e->user, what,
            e->why[0] == '\0' ? "" : ": ", e->why);
    if (e->when_s != 0) {
        rotating_when(e->when_s, r->world.now_s, when);
        fprintf(out, " (%s)", when);
    }
    fputc('\n', out);
}

static void
put_line(const struct rotating *r, const struct rotate_event *e)
{
    switch (e->kind) {
    case ROTATE_STEP:
        if (!r->silent) {
            put_text(r, e, stdout, past_of(e->step));
        }
        break;
    case ROTATE_FAILED:
        put_text(r, e, stderr, "failed");
        break;
    case ROTATE_WAITS:
        if (r->waits) {
            put_text(r, e, stdout, "waits");
        }
        break;
    case ROTATE_UNPUBLISHED:
        put_text(r, e, stderr, "cannot be changed");
        break;
    case ROTATE_COLOUR:
        if (!r->silent) {
            put_text(r, e, stdout, domainfile_colour_name(e->colour));
        }
        break;
    case ROTATE_STUCK:
        put_text(r, e, stderr, "stuck");
        break;
    case ROTATE_FAULT:
        put_text(r, e, stderr, "the record of the key that signs is at fault");
        break;
    }
}

static void
put_json(struct rotating *r, const struct rotate_event *e)
{
    static const char *const kinds[] = { "step",        "failed", "waits",
                                         "unpublished", "colour", "stuck",
                                         "fault" };
    struct buf *o = &r->json;

    buf_puts(o, r->events++ == 0 ? "[\n{" : ",\n{");
    json_member(o, "event", kinds[e->kind]);
    json_member(o, "domain", e->domain);
    json_member(o, "selector", e->selector);
    json_member(o, "user", e->user);
    if (e->kind == ROTATE_STEP) {
        json_member(o, "step", plan_step_name(e->step));
    }
    if (e->kind == ROTATE_COLOUR) {
        json_member(o, "colour", domainfile_colour_name(e->colour));
        json_member(o, "was", domainfile_colour_name(e->was));
    }
    if (e->kind == ROTATE_WAITS) {
        cli_json_time(o, "when", e->when_s);
    }
    json_member(o, "why", e->why);
    buf_putc(o, '}');
}

/* --- notices ------------------------------------------------------------ */

enum {
    TRIES_MIN = 3 /* so often the zone could not be changed: worth a notice */
};

static void
send_notice(const struct rotating *r, enum notice_kind kind,
            const char *subject, const char *selector, const char *text)
{
    const struct notice n = { kind, subject, selector, text, r->world.now_s };

    (void)notice_send(r->cli->conf, &n); /* a failure is logged */
}

static void
notice_zone(const struct rotating *r, const struct rotate_event *e)
{
    struct publish_tries tries;

    publish_tries_read(r->world.store->state_dir, &tries);
    if (tries.failures >= TRIES_MIN) {
        send_notice(r, NOTICE_ROTATION_STUCK, r->world.rotate->zone, "",
                    e->why);
    }
}

static void
notice_event(const struct rotating *r, const struct rotate_event *e)
{
    switch (e->kind) {
    case ROTATE_COLOUR:
        if (e->colour == PLAN_GREEN || e->colour == PLAN_RED) {
            send_notice(r,
                        e->colour == PLAN_GREEN ? NOTICE_DOMAIN_GREEN
                                                : NOTICE_DOMAIN_RED,
                        e->domain, "",
                        e->why[0] == '\0' ? "its keys are as they should be"
                                          : e->why);
        }
        break;
    case ROTATE_STUCK:
        send_notice(r, NOTICE_ROTATION_STUCK, e->domain, "", e->why);
        break;
    case ROTATE_FAULT:
        send_notice(r, NOTICE_KEY_CHANGED, e->domain, e->selector, e->why);
        break;
    case ROTATE_UNPUBLISHED:
        notice_zone(r, e);
        break;
    default:
        break;
    }
}

static void
on_told(void *arg, const struct rotate_event *e)
{
    struct rotating *r = arg;

    if (r->notices && !r->cli->dry_run) {
        notice_event(r, e);
    }

    if (r->cli->json) {
        put_json(r, e);
    } else {
        put_line(r, e);
    }
}

/* --- a run -------------------------------------------------------------- */

int
rotating_begin(struct rotating *r, struct cli *c, uint64_t now_s)
{
    const struct conf *conf = c->conf;
    bool quiet = c->quiet;
    int code;

    *r = (struct rotating){ .cli = c, .json = BUF_INIT };
    r->data.users_path = (struct buf)BUF_INIT;
    c->quiet = true; /* the run says it again */
    code = cli_load(c, true, &r->data);
    c->quiet = quiet;
    if (code != CLI_GO_ON) {
        return code;
    }
    r->survey =
        (struct survey){ .dns = &conf->dns, .prove = conf->rotate.prove };
    r->publisher = (struct publisher){
        .rotate = &conf->rotate,
        .publish = &conf->publish,
        .state_dir = conf->server.state_dir,
        .now_s = now_s,
    };
    r->world = (struct rotate_world){
        .store = &r->data.store_conf,
        .rotate = &conf->rotate,
        .expire_s = conf->sign.expire_s,
        .now_s = now_s == 0 ? (uint64_t)time(NULL) : now_s,
        .users = r->data.view,
        .survey = survey_ask,
        .survey_arg = &r->survey,
        .publish = publish,
        .publish_arg = &r->publisher,
        .record = keyrecord_value,
        .told = on_told,
        .told_arg = r,
        .may = may_rotate,
        .may_arg = r,
    };
    return CLI_GO_ON;
}

static int
code_of(const struct rotating *r, enum rotate_result result,
        const struct conf_errors *errors)
{
    int code = cli_errors(r->cli, errors);

    switch (result) {
    case ROTATE_OK:
        return code == CLI_GO_ON ? EX_OK : code;
    case ROTATE_INCOMPLETE:
    case ROTATE_DIED:
        return EX_TEMPFAIL;
    case ROTATE_UNREADABLE:
        break;
    }
    return code == CLI_GO_ON ? cli_fail(r->cli, EX_OSERR, "no memory") : code;
}

/*
 * Who was told not to reload leaves a mark: the shipped timer runs as the
 * keys' account, and systemd reloads for it.
 */
static void
mark_change(const struct rotating *r)
{
    const struct keystore_conf *store = r->world.store;
    const struct replace_owner owner = { store->uid, store->gid, 0600 };
    struct buf path = BUF_INIT;

    buf_printf(&path, "%s/domains/.changed", store->state_dir);
    if (buf_str(&path) != NULL) {
        (void)replace_file((const char *)path.ptr, bytes_str(""), &owner);
    }
    buf_free(&path);
}

static int
finish(struct rotating *r, enum rotate_result result,
       struct conf_errors *errors, bool changed)
{
    int code = code_of(r, result, errors);

    conf_errors_free(&errors);
    if (changed && !r->cli->dry_run && r->cli->no_reload) {
        mark_change(r);
    } else if (changed && !r->cli->dry_run) {
        cli_reload(r->cli);
    }
    return code;
}

int
rotating_run(struct rotating *r, const struct rotate_wish *wish)
{
    struct conf_errors *errors = conf_errors_new();
    bool changed = false;
    enum rotate_result result;

    if (errors == NULL) {
        return cli_fail(r->cli, EX_OSERR, "no memory");
    }
    r->publisher.at_once = wish->emergency;
    result = rotate_run(&r->world, wish, errors, &changed);
    if (r->notices && !r->cli->dry_run) {
        (void)notice_certificates(r->cli->conf, r->world.now_s);
    }
    return finish(r, result, errors, changed);
}

int
rotating_forget(struct rotating *r, const char *domain, bool keys)
{
    struct conf_errors *errors = conf_errors_new();
    enum rotate_result result;

    if (errors == NULL) {
        return cli_fail(r->cli, EX_OSERR, "no memory");
    }
    result = rotate_forget(&r->world, domain, keys, errors);
    return finish(r, result, errors, true);
}

int
rotating_delete(struct rotating *r, const char *domain, const char *selector)
{
    struct conf_errors *errors = conf_errors_new();
    enum rotate_result result;

    if (errors == NULL) {
        return cli_fail(r->cli, EX_OSERR, "no memory");
    }
    result = rotate_delete(&r->world, domain, selector, errors);
    return finish(r, result, errors, true);
}

int
rotating_configured(const struct cli *c)
{
    if (c->conf->rotate.present) {
        return CLI_GO_ON;
    }
    return cli_fail(c, EX_CONFIG,
                    "%s has no [rotate]: nothing rotates; add it, with zone "
                    "and publish for delegated domains",
                    c->conf->path);
}

void
rotating_end(struct rotating *r)
{
    if (r->cli->json && r->world.store != NULL) {
        buf_puts(&r->json, r->events == 0 ? "[]\n" : "\n]\n");
        if (!buf_failed(&r->json)) {
            (void)cli_write(r->cli, buf_bytes(&r->json));
        }
    }
    buf_free(&r->json);
    cli_data_free(&r->data);
}
