/*
 * sign_user - `sealpost sign -u`: a user's mail, as the daemon signs it.
 */
#include "proxy/cli/sign.h"
#include "proxy/idn.h"
#include "proxy/trace.h"
#include "proxy/users/decide.h"

#include <dkim/address.h>
#include <dkim/authres.h>

#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

static bool
is_removed(const struct signing *s, const struct upstream_conf *up,
           const struct dkim_field *f)
{
    const struct conf *conf = s->cli.conf;

    for (conf_list n = conf->sign.remove_headers; *n != NULL; n++) {
        if (bytes_is_ci(f->name, *n)) {
            return true;
        }
    }
    if (up->strip_signatures && bytes_is_ci(f->name, "dkim-signature")) {
        return true;
    }
    return bytes_is_ci(f->name, "authentication-results") &&
           dkim_authres_claims(f, conf->server.authserv_id);
}

static void
remove_fields(struct signing *s, const struct upstream_conf *up)
{
    struct dkim_header *h = &s->message.header;
    size_t kept = 0;

    for (size_t i = 0; i < h->count; i++) {
        if (!is_removed(s, up, h->fields + i)) {
            h->fields[kept++] = h->fields[i];
        }
    }
    h->count = kept;
}

/* Date and Message-ID, only to mail that nobody has signed. */
static int
add_missing(struct signing *s)
{
    struct dkim_header *h = &s->message.header;
    struct dkim_header more = { NULL, 0, 0 };
    struct dkim_field *fields;
    char id[32];

    if (!s->cli.conf->sign.add_missing ||
        dkim_header_count(h, "dkim-signature") > 0) {
        return CLI_GO_ON;
    }
    snprintf(id, sizeof(id), "%llx.%lx", (unsigned long long)s->time_s,
             s->time_given ? 0L : (long)getpid());
    if (dkim_header_count(h, "date") == 0) {
        trace_date(&s->added, s->time_s);
    }
    if (dkim_header_count(h, "message-id") == 0) {
        trace_message_id(&s->added, id, s->cli.conf->server.hostname);
    }
    if (dkim_header_parse(buf_bytes(&s->added), &more) != DKIM_HEADER_OK) {
        return cli_fail(&s->cli, EX_OSERR, "no memory");
    }
    fields = realloc(h->fields, (h->count + more.count + 1) * sizeof(*fields));
    if (fields == NULL) {
        dkim_header_free(&more);
        return cli_fail(&s->cli, EX_OSERR, "no memory");
    }
    h->fields = fields;
    for (size_t i = 0; i < more.count; i++) {
        h->fields[h->count++] = more.fields[i];
    }
    dkim_header_free(&more);
    return CLI_GO_ON;
}

/* The upstream whose contract counts: hers, else that of the author's domain
 * (as if it were the envelope sender's), else the first outbound one. */
static const struct upstream_conf *
find_upstream(const struct conf *conf, const struct view_user *user,
              const char *domain)
{
    const struct upstream_conf *u = conf_upstream_of_sender(conf, domain);

    if (user->upstream[0] != '\0') {
        return conf_upstream(conf, user->upstream);
    }
    if (u != NULL) {
        return u;
    }
    for (size_t i = 0; i < conf->listen_count; i++) {
        if (conf->listens[i].mode == CONF_OUTBOUND) {
            return conf_upstream(conf, conf->listens[i].upstream);
        }
    }
    return NULL;
}

static int
sign_decided(struct signing *s, const struct decision *d)
{
    int code = CLI_GO_ON;

    for (size_t i = 0; i < d->count && code == CLI_GO_ON; i++) {
        const struct decide_signature *sig = d->signatures + i;
        enum dkim_alg alg = sig->alg;
        EVP_PKEY *key = NULL;

        code = sign_stored_key(s, sig->domain, sig->selector, &key, &alg);
        if (code == CLI_GO_ON) {
            code = sign_with(s, key, sig->domain, sig->selector, alg);
        }
        EVP_PKEY_free(key);
    }
    return code;
}

int
sign_as_user(struct signing *s)
{
    struct dkim_author author;
    struct decide_question q = { .sign = &s->cli.conf->sign,
                                 .author = &author };
    const struct upstream_conf *up;
    enum dkim_from_result from;
    struct decision d;
    int code = cli_load(&s->cli, true, &s->data);

    if (code != CLI_GO_ON) {
        return code;
    }
    q.view = s->data.view;
    q.user = view_user(q.view, bytes_str(s->user));
    if (q.user == NULL) {
        return cli_fail(&s->cli, EX_NOUSER,
                        "there is no user %s; sealpost "
                        "user list",
                        s->user);
    }
    from = idn_author(&s->message.header, &author);
    if (from != DKIM_FROM_OK) {
        return cli_fail(&s->cli, EX_DATAERR, "%s", dkim_from_text(from));
    }
    up = find_upstream(s->cli.conf, q.user, author.domain);
    if (up == NULL) {
        return cli_fail(&s->cli, EX_CONFIG,
                        "no upstream for %s; an outbound "
                        "listener, or her `upstream`",
                        s->user);
    }
    q.signatures = up->signatures;
    remove_fields(s, up);
    decide(&q, &d);
    decide_signed(conf_skips_signed(s->cli.conf, up), &s->message.header,
                  author.domain, &d);
    if (d.kind == DECIDE_REFUSE) {
        return cli_fail(&s->cli, d.code == 451 ? EX_TEMPFAIL : EX_NOPERM,
                        "%d %s %s (%s)", d.code, d.enhanced, d.text, d.reason);
    }
    code = add_missing(s);
    if (code == CLI_GO_ON && d.kind == DECIDE_UNSIGNED) {
        cli_note(&s->cli, "not signed: %s", d.reason);
    }
    return code == CLI_GO_ON ? sign_decided(s, &d) : code;
}
