/*
 * test_decide - product.md's rules 1 to 4 as a table, and the keeper's own
 * check of them against hostile requests.
 */
#include "proxy/users/decide.h"

#include <stdio.h>
#include <tests/support/cmocka.h>

#define RSA DKIM_ALG_RSA_SHA256
#define ED  DKIM_ALG_ED25519_SHA256
#define NEW VIEW_KEY_NEW
#define PUB VIEW_KEY_PUBLISHED
#define ACT VIEW_KEY_ACTIVE
#define RET VIEW_KEY_RETIRING
#define REV VIEW_KEY_REVOKED

/* Not reserved, never proved, not faulty. */
#define KEY_REST false, 0, false, { 0 }

#define FROM(list) .from = list, .from_count = sizeof(list) / sizeof(list[0])

static const char *const alice_selectors[] = { "alice2026", "alice2026e",
                                               NULL };
static const char *const retired_selectors[] = { "old2025", NULL };
static const char *const bot_selectors[] = { "bot1", NULL };

static const struct view_from corp[] = {
    { VIEW_FROM_DOMAIN, "", "example.com" },
    { VIEW_FROM_BELOW, "", "example.org" },
    { VIEW_FROM_ADDRESS, "ceo", "example.net" },
};
static const struct view_from tree[] = {
    { VIEW_FROM_DOMAIN, "", "example.com" },
    { VIEW_FROM_BELOW, "", "example.com" },
};
static const struct view_from below_only[] = {
    { VIEW_FROM_BELOW, "", "example.com" },
};
static const struct view_from any[] = { { VIEW_FROM_ANY, "", "" } };
static const struct view_from bare[] = {
    { VIEW_FROM_DOMAIN, "", "nokey.example" },
};
static const struct view_from slow[] = {
    { VIEW_FROM_DOMAIN, "", "pending.example" },
};

static const struct view_user users[] = {
    { .name = "plain", FROM(corp) },
    { .name = "alice", FROM(tree), .selectors = alice_selectors },
    { .name = "bob", FROM(tree), .own_selector = true },
    { .name = "eve", FROM(tree), .own_selector = true },
    { .name = "retired", FROM(tree), .selectors = retired_selectors },
    { .name = "below", FROM(below_only) },
    { .name = "root", FROM(any) },
    { .name = "tenant", FROM(bare), .domain = "host.example" },
    { .name = "bot",
      FROM(bare),
      .domain = "host.example",
      .selectors = bot_selectors },
    { .name = "lost",
      FROM(bare),
      .domain = "host.example",
      .selectors = retired_selectors },
    { .name = "nokey", FROM(bare) },
    { .name = "tempfail", FROM(bare), .no_key = CONF_NO_KEY_TEMPFAIL },
    { .name = "refuse", FROM(bare), .no_key = CONF_NO_KEY_REJECT },
    { .name = "mta", FROM(corp), .other_from = CONF_OTHER_UNSIGNED },
    { .name = "strict", FROM(corp), .other_from = CONF_OTHER_REJECT },
    { .name = "list",
      FROM(corp),
      .other_from = CONF_OTHER_AS_USER,
      .domain = "host.example" },
    { .name = "listless", FROM(corp), .other_from = CONF_OTHER_AS_USER },
    { .name = "slow", FROM(slow) },
    { .name = "slowly", FROM(slow), .no_key = CONF_NO_KEY_TEMPFAIL },
    { .name = "locked", FROM(any), .locked = true },
    { .name = "nobody" },
};

static const struct view_key keys[] = {
    { "example.com", "a1", RSA, 2048, ACT, 100, "", KEY_REST },
    { "example.com", "a2", RSA, 2048, ACT, 200, "", KEY_REST },
    { "example.com", "a3", RSA, 2048, RET, 300, "", KEY_REST },
    { "example.com", "a4", RSA, 2048, NEW, 400, "", KEY_REST },
    { "example.com", "e1", ED, 256, ACT, 150, "", KEY_REST },
    { "example.com", "alice2026", RSA, 2048, ACT, 900, "", KEY_REST },
    { "example.com", "alice2026e", ED, 256, ACT, 900, "", KEY_REST },
    { "example.com", "bob1", RSA, 2048, ACT, 800, "bob", KEY_REST },
    { "example.com", "bob2", RSA, 2048, ACT, 850, "bob", KEY_REST },
    { "example.com", "bob3", RSA, 2048, PUB, 0, "bob", KEY_REST },
    { "example.com", "old2025", RSA, 2048, REV, 10, "", KEY_REST },
    { "example.net", "n1", RSA, 2048, ACT, 100, "", KEY_REST },
    { "deep.sub.example.com", "d1", ED, 256, ACT, 100, "", KEY_REST },
    { "example.org", "o1", RSA, 2048, ACT, 100, "", KEY_REST },
    { "x.example.org", "x1", RSA, 2048, ACT, 100, "", KEY_REST },
    { "host.example", "h1", RSA, 2048, ACT, 100, "", KEY_REST },
    { "host.example", "h1e", ED, 256, ACT, 100, "", KEY_REST },
    { "host.example", "bot1", RSA, 2048, ACT, 500, "", KEY_REST },
    { "other.example", "alice2026", RSA, 2048, ACT, 100, "", KEY_REST },
    { "pending.example", "p1", RSA, 2048, PUB, 0, "", KEY_REST },
    { "victim.example", "v1", RSA, 2048, ACT, 100, "", KEY_REST },
};

static struct view *
make_view(void)
{
    struct view_builder *b = view_builder_new();

    assert_non_null(b);
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        struct view_user u = users[i];

        u.domain = u.domain == NULL ? "" : u.domain;
        u.upstream = u.upstream == NULL ? "" : u.upstream;
        assert_true(view_builder_user(b, &u));
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_true(view_builder_key(b, keys + i));
    }
    return view_build(&b, 7);
}

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
    struct view *v = make_view();

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
    struct view *v = make_view();
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
    struct view *v = make_view();

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

static void
test_view_lookup(void **state)
{
    struct view *v = make_view();
    size_t count;

    (void)state;
    assert_non_null(view_user(v, BYTES_LIT("ALICE")));
    assert_null(view_user(v, BYTES_LIT("alic")));
    assert_null(view_user(v, BYTES_LIT("ali\0ce")));
    assert_null(view_user(v, BYTES_LIT("")));
    assert_non_null(view_key(v, "host.example", "bot1"));
    assert_true(view_key(v, "host.example", "bot1")->reserved);
    assert_false(view_key(v, "host.example", "h1")->reserved);
    assert_true(view_key(v, "example.com", "alice2026")->reserved);
    assert_false(view_key(v, "other.example", "alice2026")->reserved);
    assert_null(view_key(v, "host.example", "bot"));
    assert_non_null(view_domain(v, "host.example", &count));
    assert_int_equal(count, 3);
    assert_null(view_domain(v, "host.exampl", &count));
    assert_int_equal(count, 0);
    assert_null(view_user_at(v, view_user_count(v)));
    assert_null(view_key_at(v, view_key_count(v)));
    view_free(&v);
    view_free(&v);
}

static void
test_view_empty(void **state)
{
    struct view_builder *b = view_builder_new();
    struct buf packed = BUF_INIT;
    struct view *v;
    size_t count;

    (void)state;
    v = view_build(&b, 1);
    assert_non_null(v);
    assert_null(b);
    assert_null(view_user(v, BYTES_LIT("a")));
    assert_null(view_key(v, "a", "b"));
    assert_null(view_domain(v, "a", &count));
    assert_true(view_pack(v, &packed));
    view_free(&v);
    v = view_unpack(buf_bytes(&packed));
    assert_non_null(v);
    view_free(&v);
    buf_free(&packed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),      cmocka_unit_test(test_rules_packed),
        cmocka_unit_test(test_may_sign),   cmocka_unit_test(test_view_lookup),
        cmocka_unit_test(test_view_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
