/*
 * rotating - a run of the life cycle as the commands start it: with the real
 * DNS, the configured publisher, and notices.
 */
#ifndef PROXY_CLI_ROTATING_H
#define PROXY_CLI_ROTATING_H

#include <proxy/cli/cli.h>
#include <proxy/domains/rotate.h>
#include <proxy/publish/publish.h>
#include <proxy/survey/survey.h>

struct rotating {
    struct cli *cli; /* borrowed; its configuration is loaded */
    struct cli_data data;
    struct survey survey;
    struct publisher publisher;
    struct rotate_world world;
    bool waits;   /* say what each track waits for, too */
    bool silent;  /* only say what fails */
    bool notices; /* send them: a run that nobody watches */
    struct buf json;
    size_t events;
};

/* now_s 0: the clock's. CLI_GO_ON, or an exit code that was explained. */
int rotating_begin(struct rotating *r, struct cli *c, uint64_t now_s);
/* CLI_GO_ON when there is a [rotate], else an exit code that was explained. */
int rotating_configured(const struct cli *c);
/* DNS is not asked in the next runs. */
void rotating_without_dns(struct rotating *r);
/* Prints what happens, and lets the daemon reload. An exit code. */
int rotating_run(struct rotating *r, const struct rotate_wish *wish);
int rotating_forget(struct rotating *r, const char *domain, bool keys);
int rotating_delete(struct rotating *r, const char *domain,
                    const char *selector);
void rotating_end(struct rotating *r);

/* "2026-11-21T22:00:00Z" or "when DNS shows it"; room: KEYNOTE_TIME. */
void rotating_when(uint64_t when_s, uint64_t now_s, char *out);

#endif
