/*
 * test_findings_mail - facts of a domain's mail in, findings out.
 */
#include "tests/support/cmocka.h"
#include "tests/support/shown.h"

#include <stdlib.h>

static const struct mail_facts sound = {
    .domain = "example.com",
    .from = "example.com",
    .has_keys = true,
    .keys_expected = true,
    .spf_records = 1,
    .spf_text = "v=spf1 -all",
    .spf_result = SPF_FAIL,
    .dmarc_records = 1,
    .dmarc_text = "v=DMARC1; p=reject",
    .dmarc_domain = "example.com",
    .dmarc_policy = DMARC_POLICY_REJECT,
    .aligned = true,
};

static void
expect_mail(const struct mail_facts *m, const char *want)
{
    struct findings found = { .count = 0 };
    char ids[1024];

    findings_of_mail(m, &found);
    shown_ids(&found, ids, sizeof(ids));
    assert_string_equal(ids, want);
    findings_free(&found);
}

static void
mail(void **state)
{
    struct seenfrom_line line = { "a.example.com", 1, 2, 3 };
    struct mail_facts m = sound;

    (void)state;
    expect_mail(&m, "");
    m.has_keys = false;
    expect_mail(&m, "no-key");
    m.no_mail = true;
    expect_mail(&m, "");
    m.spf_result = SPF_SOFTFAIL;
    m.dmarc_policy = DMARC_POLICY_NONE;
    expect_mail(&m, "no-mail-dmarc no-mail-spf");
    m = sound;
    m.spf_records = 0;
    m.spf_result = SPF_NONE;
    expect_mail(&m, "spf-missing");
    m.spf_failed = true;
    expect_mail(&m, "spf-unknown");
    m = (struct mail_facts){ .domain = "exmaple.com", .from = "exmaple.com" };
    m.keys_expected = true;
    expect_mail(&m, "dmarc-missing no-key spf-missing");
    m.missing = true; /* advice for it would be of no use */
    expect_mail(&m, "domain-missing");
    m = sound;
    m.spf_records = 2;
    m.spf_result = SPF_PERMERROR;
    expect_mail(&m, "spf-several");
    m.spf_records = 1;
    expect_mail(&m, "spf-broken");
    m.spf_result = SPF_PASS;
    expect_mail(&m, "spf-open");
    m = sound;
    m.aligned = false;
    expect_mail(&m, "not-aligned");
    m.dmarc_domain[0] = '\0';
    expect_mail(&m, "dmarc-broken");
    m.dmarc_records = 0;
    expect_mail(&m, "dmarc-missing");
    m.dmarc_failed = true;
    expect_mail(&m, "dmarc-unknown");
    m = sound;
    m.dmarc_policy = DMARC_POLICY_NONE;
    m.subdomains = &line;
    m.subdomain_count = 1;
    expect_mail(&m, "dmarc-none from-without-key");
}

/* What is too much is not kept, and nothing is lost track of. */
static void
too_many(void **state)
{
    struct seenfrom_line *lines = calloc(100, sizeof(*lines));
    struct findings found = { .count = 0 };
    struct mail_facts m = sound;

    (void)state;
    assert_non_null(lines);
    for (unsigned i = 0; i < 100; i++) {
        lines[i].count = 100 - i; /* the most frequent first */
    }
    m.subdomains = lines;
    m.subdomain_count = 100;
    findings_of_mail(&m, &found);
    assert_int_equal(found.count, FINDINGS_MAX);
    assert_memory_equal(found.list[FINDINGS_MAX - 1].what.ptr, "37 messages",
                        11);
    findings_free(&found);
    free(lines);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail),
        cmocka_unit_test(too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
