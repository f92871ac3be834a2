/*
 * test_decide - product.md's rules 1 to 4 as a table, and the keeper's own
 * check of them against hostile requests.
 */
#include "proxy/users/decide.h"
#include "tests/support/decide_view.h"

#include <stdio.h>
#include <tests/support/cmocka.h>

#define ED DKIM_ALG_ED25519_SHA256

/* "sign a.example/s1/rsa-sha256 rule aligned" and so on. */
static void
describe(const struct decision *d, char *out, size_t cap)
{
    size_t n = 0;

    if (d->kind != DECIDE_SIGN) {
        snprintf(out, cap, "%s %s %d %s",
                 d->kind == DECIDE_REFUSE ? "refuse" : "unsigned", d->rule,
                 d->code, d->enhanced);
        return;
    }
    n += (size_t)snprintf(out, cap, "%s%s", d->rule,
                          d->aligned ? "" : " unaligned");
    for (size_t i = 0; i < d->count; i++) {
        n += (size_t)snprintf(
            out + n, cap - n, " %s/%s%s", d->signatures[i].domain,
            d->signatures[i].selector, d->signatures[i].alg == ED ? "/ed" : "");
    }
}

static const struct decide_case {
    const char *user; /* NULL: the loopback identity */
    const char *local;
    const char *domain;
    enum conf_signatures signatures;
    const char *options; /* of [sign]: "noparent", "also", "unsigned" ... */
    const char *want;
} cases[] = {
    /* rule 1: the From */
    { "plain", "a", "example.com", CONF_SIGN_RSA, "",
      "domain-key example.com/a2" },
    { "plain", "a", "x.example.org", CONF_SIGN_RSA, "",
      "domain-key x.example.org/x1" },
    { "plain", "a", "example.org", CONF_SIGN_RSA, "",
      "refuse other-from 550 5.7.1" },
    { "plain", "ceo", "example.net", CONF_SIGN_RSA, "",
      "domain-key example.net/n1" },
    { "plain", "CEO", "example.net", CONF_SIGN_RSA, "",
      "domain-key example.net/n1" },
    { "plain", "cfo", "example.net", CONF_SIGN_RSA, "",
      "refuse other-from 550 5.7.1" },
    { "plain", "ceo", "mail.example.net", CONF_SIGN_RSA, "",
      "refuse other-from 550 5.7.1" },
    { "plain", "a", "victim.example", CONF_SIGN_RSA, "",
      "refuse other-from 550 5.7.1" },
    { "plain", "a", "notexample.com", CONF_SIGN_RSA, "",
      "refuse other-from 550 5.7.1" },
    { "plain", "a", "sub.example.com", CONF_SIGN_RSA, "",
      "refuse other-from 550 5.7.1" },
    { "nobody", "a", "example.com", CONF_SIGN_RSA, "",
      "refuse other-from 550 5.7.1" },
    { "plain", "a", "victim.example", CONF_SIGN_RSA, "unsigned",
      "unsigned other-from 0 " },
    { "strict", "a", "victim.example", CONF_SIGN_RSA, "unsigned",
      "refuse other-from 550 5.7.1" },
    { "mta", "a", "victim.example", CONF_SIGN_RSA, "",
      "unsigned other-from 0 " },
    { "list", "a", "victim.example", CONF_SIGN_RSA, "",
      "sign-as-user unaligned host.example/h1" },
    { "list", "a", "victim.example", CONF_SIGN_DUAL, "",
      "sign-as-user unaligned host.example/h1 host.example/h1e/ed" },
    { "list", "a", "example.com", CONF_SIGN_RSA, "",
      "domain-key example.com/a2" },
    { "listless", "a", "victim.example", CONF_SIGN_RSA, "",
      "unsigned no-key 0 " },
    { "plain", "a", "victim.example", CONF_SIGN_RSA, "as-user",
      "unsigned no-key 0 " },
    { "locked", "a", "example.com", CONF_SIGN_RSA, "",
      "refuse locked 550 5.7.1" },
    /* rule 1 comes before the upstream's contract */
    { "plain", "a", "victim.example", CONF_SIGN_NONE, "",
      "refuse other-from 550 5.7.1" },
    /* rule 2: the user's selector */
    { "alice", "a", "example.com", CONF_SIGN_RSA, "",
      "user-selector example.com/alice2026" },
    { "alice", "a", "example.com", CONF_SIGN_ED25519, "",
      "user-selector example.com/alice2026e/ed" },
    { "alice", "a", "example.com", CONF_SIGN_DUAL, "",
      "user-selector example.com/alice2026 example.com/alice2026e/ed" },
    { "alice", "a", "sub.example.com", CONF_SIGN_RSA, "",
      "parent-key example.com/a2" },
    { "retired", "a", "example.com", CONF_SIGN_RSA, "",
      "domain-key example.com/a2" },
    { "bob", "a", "example.com", CONF_SIGN_RSA, "",
      "user-selector example.com/bob2" },
    { "bob", "a", "example.com", CONF_SIGN_ED25519, "",
      "domain-key example.com/e1/ed" },
    { "bob", "a", "example.com", CONF_SIGN_DUAL, "",
      "user-selector example.com/bob2 example.com/e1/ed" },
    { "eve", "a", "example.com", CONF_SIGN_RSA, "",
      "domain-key example.com/a2" },
    /* rule 2: the domain's active key, newest and nobody's */
    { "root", "a", "example.com", CONF_SIGN_RSA, "",
      "domain-key example.com/a2" },
    { "root", "a", "example.com", CONF_SIGN_DUAL, "",
      "domain-key example.com/a2 example.com/e1/ed" },
    { "root", "a", "other.example", CONF_SIGN_RSA, "",
      "domain-key other.example/alice2026" },
    { "root", "a", "host.example", CONF_SIGN_RSA, "",
      "domain-key host.example/h1" },
    /* rule 2: parents inside `from` */
    { "root", "a", "a.b.example.com", CONF_SIGN_RSA, "",
      "parent-key example.com/a2" },
    { "root", "a", "a.deep.sub.example.com", CONF_SIGN_ED25519, "",
      "parent-key deep.sub.example.com/d1/ed" },
    { "root", "a", "a.deep.sub.example.com", CONF_SIGN_DUAL, "",
      "parent-key example.com/a2 deep.sub.example.com/d1/ed" },
    { "root", "a", "a.b.example.com", CONF_SIGN_RSA, "noparent",
      "unsigned no-key 0 " },
    { "below", "a", "b.example.com", CONF_SIGN_RSA, "", "unsigned no-key 0 " },
    { "below", "a", "x.deep.sub.example.com", CONF_SIGN_ED25519, "",
      "parent-key deep.sub.example.com/d1/ed" },
    { "plain", "a", "y.x.example.org", CONF_SIGN_RSA, "",
      "parent-key x.example.org/x1" },
    { "plain", "a", "y.example.org", CONF_SIGN_RSA, "", "unsigned no-key 0 " },
    /* rule 2: the user's domain, not aligned */
    { "tenant", "a", "nokey.example", CONF_SIGN_RSA, "",
      "user-domain unaligned host.example/h1" },
    { "tenant", "a", "nokey.example", CONF_SIGN_DUAL, "",
      "user-domain unaligned host.example/h1 host.example/h1e/ed" },
    { "bot", "a", "nokey.example", CONF_SIGN_RSA, "",
      "user-domain unaligned host.example/bot1" },
    { "bot", "a", "nokey.example", CONF_SIGN_ED25519, "",
      "unsigned no-key 0 " },
    { "lost", "a", "nokey.example", CONF_SIGN_RSA, "", "unsigned no-key 0 " },
    /* rule 3: no key */
    { "nokey", "a", "nokey.example", CONF_SIGN_RSA, "", "unsigned no-key 0 " },
    { "nokey", "a", "nokey.example", CONF_SIGN_RSA, "no-key-tempfail",
      "refuse no-key 451 4.7.5" },
    { "nokey", "a", "nokey.example", CONF_SIGN_RSA, "no-key-reject",
      "refuse no-key 550 5.7.5" },
    { "tempfail", "a", "nokey.example", CONF_SIGN_RSA, "no-key-reject",
      "refuse no-key 451 4.7.5" },
    { "refuse", "a", "nokey.example", CONF_SIGN_RSA, "",
      "refuse no-key 550 5.7.5" },
    { "slow", "a", "pending.example", CONF_SIGN_RSA, "",
      "unsigned key-pending 0 " },
    { "slow", "a", "pending.example", CONF_SIGN_ED25519, "",
      "unsigned no-key 0 " },
    { "slowly", "a", "pending.example", CONF_SIGN_RSA, "",
      "refuse key-pending 451 4.7.5" },
    /* rule 4: how many, which, and the operator's own */
    { "plain", "a", "example.com", CONF_SIGN_NONE, "",
      "unsigned upstream-none 0 " },
    { "plain", "a", "x.example.org", CONF_SIGN_DUAL, "",
      "domain-key x.example.org/x1" },
    { "plain", "a", "example.com", CONF_SIGN_RSA, "also",
      "domain-key example.com/a2 host.example/h1" },
    { "alice", "a", "example.com", CONF_SIGN_DUAL, "also",
      "user-selector example.com/alice2026 example.com/alice2026e/ed "
      "host.example/h1 host.example/h1e/ed" },
    { "tenant", "a", "nokey.example", CONF_SIGN_RSA, "also",
      "user-domain unaligned host.example/h1" },
    { "mta", "a", "victim.example", CONF_SIGN_RSA, "also",
      "unsigned other-from 0 " },
    { "nokey", "a", "nokey.example", CONF_SIGN_RSA, "also",
      "unsigned no-key 0 " },
    /* the loopback identity: any From, its domain's key */
    { NULL, "a", "victim.example", CONF_SIGN_RSA, "",
      "domain-key victim.example/v1" },
    { NULL, "a", "example.com", CONF_SIGN_RSA, "",
      "domain-key example.com/a2" },
    { NULL, "a", "m.victim.example", CONF_SIGN_RSA, "",
      "parent-key victim.example/v1" },
    { NULL, "a", "nokey.example", CONF_SIGN_RSA, "no-key-tempfail",
      "refuse no-key 451 4.7.5" },
};

static struct sign_conf
make_sign(const char *options)
{
    struct sign_conf s = { .parent_key = strstr(options, "noparent") == NULL,
                           .other_from = CONF_OTHER_REJECT,
                           .no_key = CONF_NO_KEY_UNSIGNED,
                           .also = "" };

    if (strcmp(options, "also") == 0) {
        s.also = "host.example";
    }
    if (strcmp(options, "unsigned") == 0) {
        s.other_from = CONF_OTHER_UNSIGNED;
    }
    if (strcmp(options, "as-user") == 0) {
        s.other_from = CONF_OTHER_AS_USER;
    }
    if (strcmp(options, "no-key-tempfail") == 0) {
        s.no_key = CONF_NO_KEY_TEMPFAIL;
    }
    if (strcmp(options, "no-key-reject") == 0) {
        s.no_key = CONF_NO_KEY_REJECT;
    }
    return s;
}

static void
run(const struct view *v, const struct decide_case *c)
{
    struct sign_conf sign = make_sign(c->options);
    struct dkim_author author = { 0 };
    struct decide_question q = { v, &sign, NULL, &author, c->signatures };
    struct decision d;
    char got[512];

    if (c->user != NULL) {
        q.user = view_user(v, bytes_str(c->user));
        assert_non_null(q.user);
    }
    snprintf(author.local, sizeof(author.local), "%s", c->local);
    snprintf(author.domain, sizeof(author.domain), "%s", c->domain);
    decide(&q, &d);
    describe(&d, got, sizeof(got));
    if (strcmp(got, c->want) != 0) {
        fail_msg("%s %s@%s [%s]:\n  got  %s\n  want %s",
                 c->user == NULL ? "-" : c->user, c->local, c->domain,
                 c->options, got, c->want);
    }
    assert_non_null(d.reason);
    assert_int_not_equal(strlen(d.reason), 0);
    for (size_t i = 0; i < d.count; i++) {
        assert_true(users_may_sign(v, &sign, q.user, d.signatures[i].domain,
                                   d.signatures[i].selector));
    }
}

static void
test_rules(void **state)
{
    struct view *v = decide_view_new();

    (void)state;
    assert_non_null(v);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run(v, cases + i);
    }
    view_free(&v);
}

/* The same answers from the view that a worker is sent. */
static void
test_rules_packed(void **state)
{
    struct view *v = decide_view_new();
    struct buf packed = BUF_INIT;
    struct view *copy;

    (void)state;
    assert_true(view_pack(v, &packed));
    copy = view_unpack(buf_bytes(&packed));
    assert_non_null(copy);
    assert_int_equal(view_epoch(copy), 7);
    assert_int_equal(view_user_count(copy), view_user_count(v));
    assert_int_equal(view_key_count(copy), view_key_count(v));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run(copy, cases + i);
    }
    for (size_t n = 0; n < packed.len; n++) {
        assert_null(view_unpack(bytes_take(buf_bytes(&packed), n)));
    }
    buf_putc(&packed, 'x');
    assert_null(view_unpack(buf_bytes(&packed)));
    view_free(&copy);
    view_free(&v);
    buf_free(&packed);
}

/* What a worker that was taken over would ask the keeper for. */
static void
test_may_sign(void **state)
{
    static const struct {
        const char *user;
        const char *domain;
        const char *selector;
        const char *options;
        bool want;
    } asks[] = {
        { "plain", "example.com", "a2", "", true },
        { "plain", "example.com", "a1", "", true },
        { "plain", "example.com", "a3", "", false },        /* retiring */
        { "plain", "example.com", "a4", "", false },        /* new */
        { "plain", "example.com", "alice2026", "", false }, /* alice's */
        { "plain", "example.com", "bob2", "", false },      /* bob's slot */
        { "plain", "example.com", "nosuch", "", false },
        { "plain", "EXAMPLE.COM", "a2", "", false },
        { "plain", "victim.example", "v1", "", false },
        { "plain", "example.net", "n1", "", true },  /* ceo@: its domain */
        { "plain", "example.org", "o1", "", false }, /* *. is below only */
        { "plain", "x.example.org", "x1", "", true },
        { "plain", "host.example", "h1", "", false },
        { "plain", "host.example", "h1", "also", true },
        { "plain", "host.example", "bot1", "also", false },
        { "alice", "example.com", "alice2026", "", true },
        { "alice", "example.com", "bob2", "", false },
        { "alice", "other.example", "alice2026", "", false },
        { "bob", "example.com", "bob2", "", true },
        { "bob", "example.com", "bob1", "", true },
        { "bob", "example.com", "bob3", "", false }, /* published only */
        { "bob", "example.com", "alice2026", "", false },
        { "eve", "example.com", "bob2", "", false },
        { "retired", "example.com", "old2025", "", false },
        { "below", "example.com", "a2", "", false },
        { "below", "deep.sub.example.com", "d1", "", true },
        { "below", "example.com", "a2", "also", false },
        { "root", "victim.example", "v1", "", true },
        { "root", "example.com", "alice2026", "", false },
        { "root", "example.com", "bob1", "", false },
        { "tenant", "host.example", "h1", "", true },
        { "tenant", "host.example", "bot1", "", false },
        { "bot", "host.example", "bot1", "", true },
        { "nobody", "example.com", "a2", "", false },
        { "nobody", "", "", "", false },
        { "locked", "example.com", "a2", "", false },
        { "locked", "host.example", "h1", "also", false },
        { NULL, "victim.example", "v1", "", true },
        { NULL, "example.com", "alice2026", "", false },
        { NULL, "example.com", "bob1", "", false },
        { NULL, "pending.example", "p1", "", false },
    };
    struct view *v = decide_view_new();

    (void)state;
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        struct sign_conf sign = make_sign(asks[i].options);
        const struct view_user *u =
            asks[i].user == NULL ? NULL : view_user(v, bytes_str(asks[i].user));

        assert_true(asks[i].user == NULL || u != NULL);
        if (users_may_sign(v, &sign, u, asks[i].domain, asks[i].selector) !=
            asks[i].want) {
            fail_msg("%s may%s sign %s/%s",
                     asks[i].user == NULL ? "-" : asks[i].user,
                     asks[i].want ? " not" : "", asks[i].domain,
                     asks[i].selector);
        }
    }
    view_free(&v);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_rules_packed),
        cmocka_unit_test(test_may_sign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
