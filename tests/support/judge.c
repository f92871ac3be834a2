/*
 * judge - see tests/support/judge.h.
 */
#include "judge.h"

static void
answer(struct dkim_verify *v, unsigned id, const struct dns_question *q,
       const struct judge_dns *dns)
{
    struct dns_record records[JUDGE_RECORDS_MAX];
    struct dns_answer a = { .status = DNS_NXDOMAIN, .records = records };

    while (dns->name != NULL && strcmp(dns->name, "*") != 0 &&
           strcmp(dns->name, q->name) != 0) {
        dns++;
    }
    if (dns->name != NULL) {
        a.status = dns->status;
        while (a.count < JUDGE_RECORDS_MAX && dns->records[a.count] != NULL) {
            records[a.count] =
                (struct dns_record){ bytes_str(dns->records[a.count]), 0 };
            a.count++;
        }
    }
    dkim_verify_answer(v, id, &a);
}

void
judge(struct judged *j, struct bytes message, const struct judge_dns *dns,
      const struct dkim_verify_conf *conf)
{
    struct bytes block, body;
    struct dns_question q;
    unsigned id;

    (void)dkim_header_split(message, &block, &body);
    j->questions = 0;
    if (dkim_header_parse(block, &j->header) != DKIM_HEADER_OK) {
        abort();
    }
    j->verify = dkim_verify_new(&j->header, conf);
    if (j->verify == NULL) {
        abort();
    }
    while (dkim_verify_question(j->verify, &q, &id)) {
        j->questions++;
        answer(j->verify, id, &q, dns);
    }
    dkim_verify_body(j->verify, body);
    dkim_verify_end(j->verify);
}

void
judge_free(struct judged *j)
{
    dkim_verify_free(&j->verify);
    dkim_header_free(&j->header);
}
