/*
 * survey - what DNS says about many keys, asked of everybody who answers.
 *
 * For each key: the authoritative servers of the owner's domain, those of the
 * zone that its CNAME points into, and the resolvers. A command's own event
 * loop runs inside; nothing of the daemon is used or held up.
 *
 * The caller owns the struct survey; what it points to is borrowed.
 */
#ifndef PROXY_SURVEY_SURVEY_H
#define PROXY_SURVEY_SURVEY_H

#include <proxy/config/conf.h>
#include <proxy/domains/seen.h>

/* Called now and then while a survey runs; count keys are asked about. */
typedef void survey_progress(void *arg, size_t done, size_t count);

struct survey {
    const struct dns_conf *dns;
    enum conf_prove prove; /* CONF_PROVE_RESOLVER: no authoritative servers */
    survey_progress *progress; /* or NULL */
    void *progress_arg;
};

/*
 * A seen_survey: arg is the struct survey. Each key gets a line for each
 * server; a role whose servers cannot be found has one line that says so,
 * with what BROKEN (SILENT when no resolver answered). Where target is "" and
 * the owner has a CNAME, that is SEEN_CNAME, and the servers behind it are
 * asked as SEEN_TARGET. Lines are in the order of role, server.
 *
 * Cost: some seconds for a key whose servers are silent, else round trips;
 * many keys at a time (look.h).
 */
seen_survey survey_ask;

/* How the detail of a BROKEN resolver's line begins when DNSSEC is why. */
#define SURVEY_BOGUS "DNSSEC bogus"

#endif
