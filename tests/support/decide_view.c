/*
 * decide_view - see decide_view.h.
 */
#include "tests/support/decide_view.h"

#include "tests/support/cmocka.h"

#define RSA DKIM_ALG_RSA_SHA256
#define ED  DKIM_ALG_ED25519_SHA256
#define NEW VIEW_KEY_NEW
#define PUB VIEW_KEY_PUBLISHED
#define ACT VIEW_KEY_ACTIVE
#define RET VIEW_KEY_RETIRING
#define REV VIEW_KEY_REVOKED

/* Not reserved, never proved, not faulty. */
#define KEY_REST     \
    false, 0, false, \
    {                \
        0            \
    }

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

struct view *
decide_view_new(void)
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
