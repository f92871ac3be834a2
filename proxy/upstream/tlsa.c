/*
 * tlsa - see proxy/upstream/tlsa.h.
 */
#include "proxy/upstream/tlsa.h"

#include <stdlib.h>

static void ask_alias(struct tlsa *t);
static void ask_records(struct tlsa *t);

void
tlsa_free(struct tlsa **t)
{
    if (*t != NULL) {
        dns_cancel(&(*t)->query);
        buf_free(&(*t)->data);
        free(*t);
        *t = NULL;
    }
}

/* The last line of every path. */
static void
fail(struct tlsa *t, const char *why)
{
    (void)snprintf(t->error, sizeof(t->error), "%s: tls = dane: %s", t->host,
                   why);
    t->cb(t, t->arg);
}

static void
ask(struct tlsa *t, const struct dns_question *q, dns_callback *cb)
{
    t->query = dns_ask(t->resolver, q, cb, t);
    if (t->query == NULL) {
        fail(t, "no memory for a DNS question");
    }
}

/* --- the records ---------------------------------------------------------- */

static bool
keep_records(struct tlsa *t, const struct dns_answer *answer)
{
    size_t count =
        answer->count < TLSA_RECORDS_MAX ? answer->count : TLSA_RECORDS_MAX;
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        buf_put(&t->data, answer->records[i].data);
    }
    if (buf_failed(&t->data)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t len = answer->records[i].data.len;

        t->records[i] = bytes_make(t->data.ptr + at, len);
        at += len;
    }
    t->count = count;
    return true;
}

static void
on_records(const struct dns_answer *answer, void *arg)
{
    struct tlsa *t = arg;
    char why[TLSA_ERROR_MAX];

    t->query = NULL;
    if (answer->status == DNS_OK && answer->authenticated) {
        if (keep_records(t, answer)) {
            t->cb(t, t->arg);
        } else {
            fail(t, "no memory");
        }
        return;
    }
    if (strcmp(t->base, t->host) != 0 && answer->status != DNS_TEMPFAIL) {
        (void)bytes_copy(bytes_str(t->host), t->base, sizeof(t->base));
        ask_records(t);
        return;
    }
    (void)snprintf(
        why, sizeof(why), "_%u._tcp.%.253s %s", (unsigned)t->port, t->base,
        answer->status == DNS_TEMPFAIL ? "could not be looked up; it must not "
                                         "be assumed to have no TLSA record"
        : answer->status == DNS_OK
            ? "has a TLSA record for which DNSSEC does not vouch; a validating "
              "resolver on loopback, or options trust-ad in resolv.conf"
            : "has no TLSA record; the upstream publishes none, tls = starttls "
              "verifies its certificate");
    fail(t, why);
}

static void
ask_records(struct tlsa *t)
{
    struct dns_question q = { .type = DNS_TLSA };
    int n = snprintf(q.name, sizeof(q.name), "_%u._tcp.%s", (unsigned)t->port,
                     t->base);

    if (n < 0 || (size_t)n >= sizeof(q.name)) {
        fail(t, "its name is too long to have TLSA records");
        return;
    }
    ask(t, &q, on_records);
}

/* --- aliases -------------------------------------------------------------- */

/* A chain that is not secure to its end counts as none (RFC 7672 2.2.2). */
static void
on_alias(const struct dns_answer *answer, void *arg)
{
    struct tlsa *t = arg;
    bool moved = answer->status == DNS_OK && answer->count == 1;

    t->query = NULL;
    if (answer->status == DNS_TEMPFAIL) {
        fail(t, "its name could not be looked up in DNS");
        return;
    }
    if (moved && answer->authenticated && t->hops++ < TLSA_HOPS_MAX &&
        bytes_copy(answer->records[0].data, t->base, sizeof(t->base))) {
        ask_alias(t);
        return;
    }
    if (moved) {
        (void)bytes_copy(bytes_str(t->host), t->base, sizeof(t->base));
    }
    ask_records(t);
}

static void
ask_alias(struct tlsa *t)
{
    struct dns_question q = { .type = DNS_CNAME };

    (void)bytes_copy(bytes_str(t->base), q.name, sizeof(q.name));
    ask(t, &q, on_alias);
}

struct tlsa *
tlsa_lookup(struct resolver *r, const char *host, uint16_t port,
            tlsa_callback *cb, void *arg)
{
    struct dns_question q = { .type = DNS_CNAME };
    struct tlsa *t = calloc(1, sizeof(*t));

    if (t == NULL || !bytes_copy(bytes_str(host), t->host, sizeof(t->host))) {
        free(t);
        return NULL;
    }
    for (char *c = t->host; *c != '\0'; c++) {
        *c = (char)byte_lower((uint8_t)*c);
    }
    memcpy(t->base, t->host, sizeof(t->base));
    memcpy(q.name, t->host, sizeof(q.name));
    t->resolver = r;
    t->port = port;
    t->cb = cb;
    t->arg = arg;
    t->query = dns_ask(r, &q, on_alias, t);
    if (t->query == NULL) {
        tlsa_free(&t);
    }
    return t;
}
