/*
 * dmarc_walk - up the DNS tree, label by label; see dkim/dmarc_walk.h.
 */
#include "dmarc_walk.h"

#include <assert.h>

void
dmarc_walk_start(struct dmarc_walk *w, const char *domain)
{
    memset(w, 0, sizeof(*w));
    memcpy(w->domain, domain, strlen(domain) + 1);
}

static size_t
count_labels(const char *name)
{
    size_t labels = 1;

    for (; *name != '\0'; name++) {
        labels += *name == '.';
    }
    return labels;
}

static void
drop_label(struct dmarc_walk *w)
{
    const char *dot = strchr(w->domain + w->at, '.');

    if (dot == NULL) {
        w->over = true;
    } else {
        w->at = (size_t)(dot + 1 - w->domain);
    }
}

void
dmarc_walk_up(struct dmarc_walk *w)
{
    do {
        drop_label(w);
    } while (!w->over && count_labels(w->domain + w->at) > DMARC_WALK_MAX - 1);
}

bool
dmarc_walk_question(const struct dmarc_walk *w, struct dns_question *q)
{
    static const char prefix[] = "_dmarc.";
    size_t len = strlen(w->domain + w->at);

    if (len + sizeof(prefix) - 1 > DNS_NAME_MAX) {
        return false;
    }
    q->type = DNS_TXT;
    memcpy(q->name, prefix, sizeof(prefix) - 1);
    memcpy(q->name + sizeof(prefix) - 1, w->domain + w->at, len + 1);
    return true;
}

void
dmarc_walk_answer(struct dmarc_walk *w, const struct dns_answer *a)
{
    struct dmarc_record record = { 0 }, next;
    size_t records = 0;

    if (a->status == DNS_TEMPFAIL) {
        w->failed = w->over = true;
        return;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (dmarc_record_parse(a->records[i].data, &next)) {
            record = next;
            records++;
        }
    }
    if (records == 1) {
        assert(w->found < DMARC_WALK_MAX);
        w->where[w->found] = w->at;
        w->records[w->found++] = record;
        if (record.psd != DMARC_PSD_UNKNOWN) {
            w->over = true;
            return;
        }
    }
    dmarc_walk_up(w);
}

size_t
dmarc_walk_organization(const struct dmarc_walk *w)
{
    for (size_t i = 0; i < w->found; i++) {
        size_t at = w->where[i];

        if (w->records[i].psd == DMARC_PSD_NO) {
            return at;
        }
        if (w->records[i].psd == DMARC_PSD_YES && at > 0) {
            at--; /* the dot; then one label below */
            while (at > 0 && w->domain[at - 1] != '.') {
                at--;
            }
            return at;
        }
    }
    return w->found > 0 ? w->where[w->found - 1] : 0;
}

const struct dmarc_record *
dmarc_walk_record_at(const struct dmarc_walk *w, size_t at)
{
    for (size_t i = 0; i < w->found; i++) {
        if (w->where[i] == at) {
            return &w->records[i];
        }
    }
    return NULL;
}
