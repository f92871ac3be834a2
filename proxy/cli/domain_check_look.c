/*
 * domain_check_look - which keys `domain check` looks at, and the look.
 */
#include "proxy/cli/domain_check.h"
#include "proxy/survey/findings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
    DAY_S = 86400,
    KEYS_MAX = 4096 /* of one domain */
};

/* --- which keys ----------------------------------------------------------- */

static const char *
zone_of(const struct domain_check *dc)
{
    return dc->cli.conf == NULL ? "" : dc->cli.conf->rotate.zone;
}

/* target NULL: a TXT record of the owner's own. False: no memory. */
static bool
add_key(struct domain_check *dc, struct check_domain *d, const char *selector,
        const struct keystore_key *key, bool delegated)
{
    struct check_key *grown =
        realloc(d->keys, (d->count + 1) * sizeof(*d->keys));
    struct check_key *k;
    const char *target = "";

    if (grown == NULL) {
        return false;
    }
    d->keys = grown;
    k = &d->keys[d->count++];
    memset(k, 0, sizeof(*k));
    if (delegated) {
        buf_printf(&k->target, "%s.%s", selector, zone_of(dc));
        target = buf_str(&k->target);
    }
    k->key = key;
    k->facts.key = (struct fact_key){
        .domain = d->name, /* d stands still by now */
        .selector = selector,
        .target = target,
        .public_b64 = "",
        .zone = zone_of(dc),
        .waiting =
            delegated && (key == NULL || key->view.state == VIEW_KEY_NEW),
    };
    if (key != NULL) {
        k->facts.key.revoked = key->view.state == VIEW_KEY_REVOKED;
        k->facts.key.public_b64 = k->facts.key.revoked ? "" : key->public_b64;
        k->facts.key.ed25519 = key->view.alg == DKIM_ALG_ED25519_SHA256;
        k->facts.key.test_mode = key->test_mode;
    }
    return target != NULL && d->count < KEYS_MAX;
}

static bool
is_slot(const struct check_domain *d, const char *selector)
{
    for (size_t i = 0; d->file != NULL && i < d->file->track_count; i++) {
        const struct domain_track *t = &d->file->tracks[i];

        for (size_t k = 0; k < t->slot_count; k++) {
            if (strcmp(t->slots[k].token, selector) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool
add_slots(struct domain_check *dc, struct check_domain *d)
{
    for (size_t i = 0; d->file != NULL && i < d->file->track_count; i++) {
        const struct domain_track *t = &d->file->tracks[i];

        for (size_t k = 0; k < t->slot_count; k++) {
            const char *token = t->slots[k].token;

            if (!add_key(dc, d, token,
                         keystore_find(dc->data.store, d->name, token),
                         zone_of(dc)[0] != '\0')) {
                return false;
            }
        }
    }
    return true;
}

static bool
add_own(struct domain_check *dc, struct check_domain *d)
{
    for (size_t i = 0; i < keystore_count(dc->data.store); i++) {
        const struct keystore_key *key = keystore_key_at(dc->data.store, i);

        if (strcmp(key->view.domain, d->name) == 0 &&
            !is_slot(d, key->view.selector) &&
            !add_key(dc, d, key->view.selector, key, false)) {
            return false;
        }
    }
    return true;
}

/* --selector: ours where it is, else whatever stands there. */
static bool
add_named(struct domain_check *dc, struct check_domain *d)
{
    const struct keystore_key *key = NULL;

    if (dc->data.store != NULL) {
        key = keystore_find(dc->data.store, d->name, dc->selector_name);
    }
    return add_key(dc, d, dc->selector_name, key,
                   is_slot(d, dc->selector_name) && zone_of(dc)[0] != '\0');
}

static int
load_file(struct domain_check *dc, struct check_domain *d)
{
    struct conf_errors *errors = conf_errors_new();
    int code;

    if (errors == NULL) {
        return cli_fail(&dc->cli, EX_OSERR, "no memory");
    }
    d->file = domainfile_load(&dc->data.store_conf, d->name, errors);
    code = cli_errors(&dc->cli, errors);
    conf_errors_free(&errors);
    return code;
}

static int
choose(struct domain_check *dc, struct check_domain *d)
{
    int code = CLI_GO_ON;
    bool good;

    if (dc->data.store != NULL) {
        code = load_file(dc, d);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    if (dc->selector != NULL) {
        good = add_named(dc, d);
    } else {
        good = dc->data.store == NULL || (add_slots(dc, d) && add_own(dc, d));
    }
    return good ? CLI_GO_ON : cli_fail(&dc->cli, EX_OSERR, "no memory");
}

/* Once each. False: no memory. */
static bool
add_domain(struct domain_check *dc, const char *name)
{
    struct check_domain *grown;
    struct check_domain *d;

    for (size_t i = 0; i < dc->count; i++) {
        if (strcmp(dc->domains[i].name, name) == 0) {
            return true;
        }
    }
    grown = realloc(dc->domains, (dc->count + 1) * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    dc->domains = grown;
    d = &grown[dc->count];
    memset(d, 0, sizeof(*d));
    snprintf(d->name, sizeof(d->name), "%s", name);
    dc->count++;
    return true;
}

static int
add_words(struct domain_check *dc)
{
    char name[DKIM_DOMAIN_MAX + 1];

    for (size_t i = 0; i < dc->cli.word_count; i++) {
        int code = cli_take_domain(&dc->cli, dc->cli.words[i], name);

        if (code != CLI_GO_ON) {
            return code;
        }
        if (!add_domain(dc, name)) {
            return cli_fail(&dc->cli, EX_OSERR, "no memory");
        }
    }
    return CLI_GO_ON;
}

/* Those with a file, and those with a key: both lists are sorted. */
static int
add_all(struct domain_check *dc)
{
    struct conf_errors *errors = conf_errors_new();
    struct strings s = { 0 };
    size_t count = 0;
    const char **names = NULL;
    bool good;
    int code;

    if (errors != NULL) {
        names = domainfile_names(&dc->data.store_conf, &s, &count, errors);
    }
    good = names != NULL;
    for (size_t i = 0; good && i < count; i++) {
        good = add_domain(dc, names[i]);
    }
    for (size_t i = 0; good && i < keystore_count(dc->data.store); i++) {
        good = add_domain(dc, keystore_key_at(dc->data.store, i)->view.domain);
    }
    code = errors == NULL ? CLI_GO_ON : cli_errors(&dc->cli, errors);
    if (code == CLI_GO_ON && !good) {
        code = cli_fail(&dc->cli, EX_OSERR, "no memory");
    }
    conf_errors_free(&errors);
    strings_free(&s);
    return code;
}

int
domain_check_choose(struct domain_check *dc)
{
    int code = CLI_GO_ON;

    if (dc->cli.word_count > 0) {
        code = add_words(dc);
    } else if (dc->data.store != NULL) {
        code = add_all(dc);
    }
    if (code == CLI_GO_ON && dc->count == 0) {
        code = cli_misuse(&dc->cli, "which domain? there is none with a key");
    }
    for (size_t i = 0; i < dc->count && code == CLI_GO_ON; i++) {
        code = choose(dc, &dc->domains[i]);
    }
    return code;
}

/* --- From domains without a key ------------------------------------------- */

/* Those that have a key meanwhile are nobody's worry. */
static size_t
without_key(const struct domain_check *dc, const struct check_domain *d,
            struct seenfrom_line *list, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        bool has = strcmp(list[i].domain, d->name) == 0;

        for (size_t k = 0; !has && k < keystore_count(dc->data.store); k++) {
            const struct keystore_key *key = keystore_key_at(dc->data.store, k);

            has = strcmp(key->view.domain, list[i].domain) == 0 &&
                  key->view.state == VIEW_KEY_ACTIVE;
        }
        if (!has) {
            list[kept++] = list[i];
        }
    }
    return kept;
}

static int
read_subdomains(struct domain_check *dc, struct check_domain *d)
{
    struct buf path = BUF_INIT;
    struct buf text = BUF_INIT;
    int code = EX_OK;
    int fd = -1;

    if (dc->data.store == NULL) {
        return CLI_GO_ON;
    }
    d->subdomains = calloc(SEENFROM_LINES_MAX, sizeof(*d->subdomains));
    buf_printf(&path, "%s/keeper/seen-from", dc->data.store_conf.state_dir);
    if (d->subdomains == NULL || buf_str(&path) == NULL) {
        code = cli_fail(&dc->cli, EX_OSERR, "no memory");
    } else {
        fd = open((const char *)path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd >= 0) {
        code = cli_read_all(&dc->cli, fd, (const char *)path.ptr,
                            SEENFROM_OCTETS_MAX, &text);
        close(fd);
    }
    if (code == EX_OK && text.len > 0) {
        d->mail.subdomain_count =
            without_key(dc, d, d->subdomains,
                        seenfrom_read(buf_bytes(&text), d->name,
                                      (uint64_t)time(NULL) / DAY_S,
                                      d->subdomains, SEENFROM_LINES_MAX));
        d->mail.subdomains = d->subdomains;
    }
    buf_free(&path);
    buf_free(&text);
    return code == EX_OK ? CLI_GO_ON : code;
}

/* --- the look ------------------------------------------------------------- */

static void
on_progress(void *arg, size_t done, size_t count)
{
    (void)arg;
    fprintf(stderr, "\r%zu of %zu names", done, count);
    if (done == count) {
        fprintf(stderr, "\r%*s\r", 40, "");
    }
}

static bool
gather(struct domain_check *dc)
{
    bool terminal = isatty(STDERR_FILENO) == 1;
    struct facts_options options = {
        .dns = cli_dns_conf(dc->dns),
        .resolvers_only = dc->cli.conf != NULL &&
                          dc->cli.conf->rotate.prove == CONF_PROVE_RESOLVER,
        .progress = terminal ? on_progress : NULL,
    };
    struct facts *all;
    size_t count = 0;
    size_t n = 0;
    bool good;

    for (size_t i = 0; i < dc->count; i++) {
        count += dc->domains[i].count;
    }
    all = calloc(count + 1, sizeof(*all));
    if (all == NULL) {
        return false;
    }
    for (size_t i = 0; i < dc->count; i++) {
        for (size_t k = 0; k < dc->domains[i].count; k++) {
            all[n++].key = dc->domains[i].keys[k].facts.key;
        }
    }
    good = facts_gather(all, count, &options);
    for (size_t i = 0, m = 0; i < dc->count; i++) {
        for (size_t k = 0; k < dc->domains[i].count; k++) {
            dc->domains[i].keys[k].facts = all[m++];
        }
    }
    free(all);
    return good;
}

static bool
judge_keys(struct check_domain *d)
{
    for (size_t k = 0; k < d->count; k++) {
        findings_of_key(&d->keys[k].facts, &d->keys[k].findings);
        if (d->keys[k].findings.failed) {
            return false;
        }
    }
    return true;
}

static int
prepare_mail(struct domain_check *dc, struct check_domain *d)
{
    d->mail.domain = d->name;
    d->mail.from = dc->from == NULL ? d->name : dc->from_domain;
    d->mail.no_mail = d->file != NULL && d->file->way == DOMAIN_NO_MAIL;
    d->mail.has_keys = d->count > 0;
    d->mail.keys_expected = dc->selector == NULL;
    return read_subdomains(dc, d);
}

/* Something was seen at the name of a key: then what is above exists, too,
 * and is an alias that leads nowhere (RFC 6604 3). */
static bool
has_names_below(const struct check_domain *d)
{
    for (size_t k = 0; k < d->count; k++) {
        const struct facts *f = &d->keys[k].facts;

        for (size_t i = 0; i < f->counts[PLACE_RECORD]; i++) {
            const struct raw_answer *a = f->sights[PLACE_RECORD][i].answer;

            if (a != NULL && a->rcode == RAW_NOERROR) {
                return true;
            }
        }
    }
    return false;
}

/* False: no memory. */
static bool
look_at_all(struct domain_check *dc)
{
    bool good = gather(dc) && domain_check_mail(dc);

    for (size_t i = 0; good && i < dc->count; i++) {
        struct check_domain *d = &dc->domains[i];

        d->mail.missing = d->mail.missing && !has_names_below(d);
        findings_of_mail(&d->mail, &d->findings);
        good = judge_keys(d) && !d->findings.failed;
    }
    return good;
}

int
domain_check_look(struct domain_check *dc)
{
    int code = cli_dns_open(&dc->cli, NULL, dc->nameserver, &dc->dns);

    if (code != EX_OK) {
        return code;
    }
    for (size_t i = 0; i < dc->count; i++) {
        code = prepare_mail(dc, &dc->domains[i]);
        if (code != CLI_GO_ON) {
            return code;
        }
    }
    return look_at_all(dc) ? CLI_GO_ON
                           : cli_fail(&dc->cli, EX_OSERR, "no memory");
}

void
domain_check_forget(struct domain_check *dc)
{
    for (size_t i = 0; i < dc->count; i++) {
        struct check_domain *d = &dc->domains[i];

        for (size_t k = 0; k < d->count; k++) {
            facts_free(&d->keys[k].facts);
            findings_free(&d->keys[k].findings);
        }
        findings_free(&d->findings);
        free(d->subdomains);
        d->subdomains = NULL;
        d->mail = (struct mail_facts){ 0 };
    }
    cli_dns_close(&dc->dns);
}
