/*
 * spf - may this client send mail for this domain? RFC 7208.
 *
 *   s = spf_new(&input)
 *   while (spf_run(s, &q) == SPF_ASK) spf_answer(s, answer to q)
 *   spf_result(s), spf_identity(s), spf_reason(s) ...
 *
 * One question at a time; the order decides what is asked next. MAIL FROM is
 * checked, or postmaster@HELO when it is empty (2.4). HELO is checked too when
 * MAIL FROM gave no clear answer (2.3) and input.helo_too is set.
 *
 * Limits (4.6.4): 10 terms with look-ups, 10 names of an MX or PTR answer, 2
 * void look-ups, for each identity. No more than SPF_QUESTIONS_MAX questions
 * are ever asked; how long they may take is the caller's limit.
 */
#ifndef DKIM_SPF_H
#define DKIM_SPF_H

#include <base/bytes.h>

#include <dkim/dns.h>

enum spf_result_code {
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR,
    SPF_RESULTS
};

enum spf_identity {
    SPF_MAIL_FROM,
    SPF_HELO
};

enum spf_step {
    SPF_ASK, /* answer *q_out with spf_answer() */
    SPF_DONE
};

enum {
    SPF_EXPLANATION_MAX = 500, /* octets; longer ones are cut */
    SPF_TERM_MAX = 120,        /* octets of a term that are shown */
    SPF_QUESTIONS_MAX = 300
};

/* Text is copied; mail_from without angle brackets, empty for <>. */
struct spf_input {
    uint8_t ip[16];   /* network order; v4-mapped counts as IPv4 */
    size_t ip_octets; /* 4 or 16 */
    struct bytes helo;
    struct bytes mail_from;
    const char *receiver; /* our host name, for %{r} */
    uint64_t now_s;       /* for %{t} */
    bool helo_too;
    bool explain; /* fetch the domain's explanation of a fail (6.2) */
};

/* What check_host() (4) gave for one identity. */
struct spf_outcome {
    enum spf_result_code result;
    const char *reason;            /* one static sentence, no full stop */
    char domain[DNS_NAME_MAX + 1]; /* the identity's; "" when it has none */
    char where[DNS_NAME_MAX + 1];  /* whose record decided; "" for none */
    char term[SPF_TERM_MAX + 1];   /* the term of it that did; "" for none */
    bool checked;
};

struct spf;

/* NULL: no memory. */
struct spf *spf_new(const struct spf_input *input);
enum spf_step spf_run(struct spf *s, struct dns_question *q_out);
void spf_answer(struct spf *s, const struct dns_answer *answer);
void spf_free(struct spf **s);

/* All below: after SPF_DONE; text is lent until spf_free(). */
enum spf_result_code spf_result(const struct spf *s);
enum spf_identity spf_identity(const struct spf *s); /* which one decided */
const char *spf_reason(const struct spf *s);
const struct spf_outcome *spf_outcome(const struct spf *s,
                                      enum spf_identity identity);
/* The domain's own words about a fail, printable ASCII; "" for none. They are
 * a stranger's words: say whose they are (6.2). */
const char *spf_explanation(const struct spf *s);
/*
 * The domain that DMARC may align: of a passing MAIL FROM, or of a passing
 * HELO when MAIL FROM was empty; "" for none. RFC 9989 4.4.2.
 */
const char *spf_dmarc_domain(const struct spf *s);

/* "pass" */
const char *spf_result_name(enum spf_result_code result);

struct dkim_authres;
/* Appends "spf=RESULT smtp.mailfrom=DOMAIN" or smtp.helo. RFC 8601 2.7.2. */
void spf_authres(struct dkim_authres *a, const struct spf *s);

#endif
