/*
 * oauth - `sealpost oauth`: keeps access tokens fresh.
 *
 * Each [oauth NAME] has a moment when it is next renewed: when a quarter of
 * its token's life is left; after a failure soon, and later each time. One
 * process for all of them, which waits for the next moment.
 */
#include "proxy/cli/cli.h"
#include "proxy/oauth/grant.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

enum {
    BACK_OFF_S = 5,
    BACK_OFF_MAX_S = 600
};

static const char usage[] =
    "usage: sealpost oauth [-c FILE] [--once] [--dry-run] [NAME ...]\n"
    "\n"
    "Keeps the token_file of each [oauth NAME] fresh, or of those named, until\n"
    "it is stopped.\n"
    "  --once     renew them now and end\n"
    "  --dry-run  say what would be asked of whom\n";

/* One token that is looked after. */
struct keeping {
    const struct oauth_conf *conf;
    int64_t due_s; /* monotonic */
    unsigned back_off_s;
};

struct oauth {
    struct cli cli;
    bool once;
    struct keeping *list; /* owns */
    size_t count;
};

static int64_t
now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* NULL name: all. False: there is none. */
static bool
choose(struct oauth *o, const char *name)
{
    const struct conf *conf = o->cli.conf;
    size_t before = o->count;

    for (size_t i = 0; i < conf->oauth_count; i++) {
        if (name == NULL || strcmp(conf->oauths[i].name, name) == 0) {
            o->list[o->count++] = (struct keeping){ .conf = &conf->oauths[i] };
        }
    }
    return o->count > before;
}

static int
choose_all(struct oauth *o)
{
    const struct cli *c = &o->cli;

    o->list =
        calloc(c->conf->oauth_count + c->word_count + 1, sizeof(o->list[0]));
    if (o->list == NULL) {
        return cli_fail(c, EX_OSERR, "no memory");
    }
    if (c->word_count == 0 && !choose(o, NULL)) {
        return cli_fail(c, EX_CONFIG,
                        "%s has no [oauth NAME] section; sealpost.conf(5) "
                        "says what stands in one",
                        c->conf->path);
    }
    for (size_t i = 0; i < c->word_count; i++) {
        if (!choose(o, c->words[i])) {
            return cli_fail(c, EX_CONFIG, "%s has no [oauth %s]", c->conf->path,
                            c->words[i]);
        }
    }
    return CLI_GO_ON;
}

/* EX_OK, or why not; the next moment is set. */
static int
renew(const struct cli *c, struct keeping *k)
{
    struct buf error = BUF_INIT;
    unsigned life_s = 0;
    enum oauth_result result = oauth_renew(k->conf, &life_s, &error);

    if (result == OAUTH_OK) {
        k->back_off_s = 0;
        k->due_s = now_s() + life_s - life_s / 4;
        cli_note(c, "[oauth %s] %s is good for %us", k->conf->name,
                 k->conf->token_file, life_s);
        return EX_OK;
    }
    k->back_off_s = k->back_off_s == 0 ? BACK_OFF_S : k->back_off_s * 2;
    if (k->back_off_s > BACK_OFF_MAX_S || result == OAUTH_REFUSED) {
        k->back_off_s = BACK_OFF_MAX_S;
    }
    k->due_s = now_s() + k->back_off_s;
    (void)cli_fail(c, 0, "[oauth %s] %s", k->conf->name,
                   buf_str(&error) == NULL ? "no memory" : buf_str(&error));
    buf_free(&error);
    return result == OAUTH_LATER ? EX_TEMPFAIL : EX_NOPERM;
}

static int
renew_once(struct oauth *o)
{
    int code = EX_OK;

    for (size_t i = 0; i < o->count; i++) {
        int one = renew(&o->cli, &o->list[i]);

        code = one == EX_OK ? code : one;
    }
    return code;
}

static void
wait_until(int64_t due_s)
{
    struct timespec at = { due_s, 0 };

    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* Ends by a signal only. */
static void
renew_forever(struct oauth *o)
{
    for (;;) {
        struct keeping *next = &o->list[0];

        for (size_t i = 1; i < o->count; i++) {
            if (o->list[i].due_s < next->due_s) {
                next = &o->list[i];
            }
        }
        wait_until(next->due_s);
        if (next->due_s <= now_s()) {
            (void)renew(&o->cli, next);
        }
    }
}

static void
say(const struct oauth *o)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct oauth_conf *c = o->list[i].conf;

        printf("[oauth %s] asks %s as %s for %s by %s, and writes %s\n",
               c->name, c->token_url, c->client_id,
               c->scope[0] == '\0' ? "no scope" : c->scope,
               c->refresh_token_file[0] == '\0' ? "client credentials"
                                                : "refresh token",
               c->token_file);
    }
}

static int
run(struct oauth *o)
{
    int code = cli_conf(&o->cli);

    if (code == CLI_GO_ON) {
        code = choose_all(o);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    if (o->cli.dry_run) {
        say(o);
        return EX_OK;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return cli_fail(&o->cli, EX_SOFTWARE, "libcurl does not start");
    }
    if (!o->once) {
        renew_forever(o);
    }
    code = renew_once(o);
    curl_global_cleanup();
    return code;
}

int
cli_oauth(int argc, char **argv)
{
    struct oauth o = { .cli = { .name = "oauth", .usage = usage } };
    const struct cli_option options[] = {
        { "--once", 0, &o.once, NULL, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&o.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run(&o);
    }
    free(o.list);
    cli_free(&o.cli);
    return code;
}
