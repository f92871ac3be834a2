/*
 * test_decide_faults - which key signs when the record of the one that should
 * is gone from DNS, or another; and that no other may.
 */
#include "proxy/users/decide.h"

#include <stdio.h>
#include <tests/support/cmocka.h>

enum {
    KEYS_MAX = 8
};

/*
 * A key is NAME STATE TIME [MARKS]: states n p a t r (new, published, active,
 * reTiring, revoked), marks f (faulty), v (proved at TIME + 1000), e (Ed25519),
 * o (alice's own slot), d (of host.example). Names that begin with f are
 * fixed selectors of fay and finn.
 */
static const struct fault_case {
    const char *name;
    const char *keys;
    const char *user;
    enum conf_signatures signatures;
    const char *want; /* selectors, then what the fault is about */
} cases[] = {
    { "no fault", "a1 a 1, a2 a 2", "bob", CONF_SIGN_RSA, "domain-key a2" },
    { "older active", "a1 a 1, a2 a 2 f", "bob", CONF_SIGN_RSA,
      "domain-key a1 instead" },
    { "older fault", "a1 a 1 f, a2 a 2", "bob", CONF_SIGN_RSA,
      "domain-key a2" },
    { "retiring", "a1 t 1, a2 a 2 f", "bob", CONF_SIGN_RSA,
      "domain-key a1 instead" },
    { "newest retiring", "a1 t 1, a2 t 3, a3 t 2, a4 a 4 f", "bob",
      CONF_SIGN_RSA, "domain-key a2 instead" },
    { "retiring, gone as well", "a1 t 1 f, a2 a 2 f", "bob", CONF_SIGN_RSA,
      "domain-key a2 faulty" },
    { "active before retiring", "a1 a 1, a2 t 5, a3 a 6 f", "bob",
      CONF_SIGN_RSA, "domain-key a1 instead" },
    { "published and proved", "a1 a 1 f, a2 p 0 v", "bob", CONF_SIGN_RSA,
      "domain-key a2 instead" },
    { "the newest proof", "a1 a 1 f, a2 p 5 v, a3 p 4 v", "bob", CONF_SIGN_RSA,
      "domain-key a2 instead" },
    { "retiring before published", "a1 a 3 f, a2 p 9 v, a3 t 1", "bob",
      CONF_SIGN_RSA, "domain-key a3 instead" },
    { "published, never proved", "a1 a 1 f, a2 p 0", "bob", CONF_SIGN_RSA,
      "domain-key a1 faulty" },
    { "published, gone as well", "a1 a 1 f, a2 p 5 vf", "bob", CONF_SIGN_RSA,
      "domain-key a1 faulty" },
    { "new", "a1 a 1 f, a2 n 5 v", "bob", CONF_SIGN_RSA,
      "domain-key a1 faulty" },
    { "revoked", "a1 a 1 f, a2 r 5 v", "bob", CONF_SIGN_RSA,
      "domain-key a1 faulty" },
    { "the last proved goes on", "a1 a 5 fv, a2 a 9 f", "bob", CONF_SIGN_RSA,
      "domain-key a1 faulty" },
    { "no active key, only retiring", "a1 t 1", "bob", CONF_SIGN_RSA,
      "no-key" },
    { "no active key, only proved", "a1 p 1 v", "bob", CONF_SIGN_RSA,
      "key-pending" },
    { "another algorithm", "a1 a 1 f, a2 t 2 e", "bob", CONF_SIGN_RSA,
      "domain-key a1 faulty" },
    { "one of two algorithms", "a1 a 1 f, a2 t 1, e1 a 1 e", "bob",
      CONF_SIGN_DUAL, "domain-key a2 e1 instead" },
    /* own slots */
    { "own", "o1 a 1 o, a1 a 2", "alice", CONF_SIGN_RSA, "user-selector o1" },
    { "own, retiring slot", "o1 a 2 of, o2 t 1 o, a1 a 3", "alice",
      CONF_SIGN_RSA, "user-selector o2 instead" },
    { "own, next slot", "o1 a 2 of, o2 p 1 ov, a1 a 3", "alice", CONF_SIGN_RSA,
      "user-selector o2 instead" },
    { "own, all gone", "o1 a 2 of, a1 a 3", "alice", CONF_SIGN_RSA,
      "domain-key a1 instead" },
    { "own and the domain's gone", "o1 a 2 of, a1 a 3 f", "alice",
      CONF_SIGN_RSA, "user-selector o1 faulty" },
    { "own gone, the domain's stands in", "o1 a 2 of, a1 a 3 f, a2 t 1",
      "alice", CONF_SIGN_RSA, "domain-key a2 instead" },
    { "own, not active", "o1 t 2 o, a1 a 3", "alice", CONF_SIGN_RSA,
      "domain-key a1" },
    { "never another's", "o1 a 9 o, a1 a 3 f", "bob", CONF_SIGN_RSA,
      "domain-key a1 faulty" },
    /* fixed selectors */
    { "fixed", "f1 a 1, a1 a 2", "fay", CONF_SIGN_RSA, "user-selector f1" },
    { "fixed, gone", "f1 a 1 f, a1 a 2", "fay", CONF_SIGN_RSA,
      "domain-key a1 instead" },
    { "fixed, her second", "f1 a 1 f, f2 a 1, a1 a 2", "fay", CONF_SIGN_RSA,
      "user-selector f2 instead" },
    { "fixed, all gone", "f1 a 1 f, a1 a 2 f", "fay", CONF_SIGN_RSA,
      "user-selector f1 faulty" },
    { "fixed, nothing else", "f1 a 1 f", "fay", CONF_SIGN_RSA,
      "user-selector f1 faulty" },
    { "fixed, retiring", "f1 t 1, a1 a 2 f", "fay", CONF_SIGN_RSA,
      "domain-key a1 faulty" },
    { "another's fixed does not stand in", "f1 a 1, a1 a 2 f", "bob",
      CONF_SIGN_RSA, "domain-key a1 faulty" },
    /* the user's domain */
    { "user-domain", "h1 a 1 df, h2 t 1 d", "tenant", CONF_SIGN_RSA,
      "user-domain h2 instead" },
    { "user-domain, all gone", "h1 a 1 df", "tenant", CONF_SIGN_RSA,
      "user-domain h1 faulty" },
};

static const struct view_from from_example[] = {
    { VIEW_FROM_DOMAIN, "", "example.com" },
};
static const char *const no_selectors[] = { NULL };
static const char *const fixed_selectors[] = { "f1", "f2", NULL };

static void
add_user(struct view_builder *b, const char *name, bool own,
         conf_list selectors, const char *domain)
{
    const struct view_user u = { .name = name,
                                 .from = from_example,
                                 .from_count = 1,
                                 .selectors = selectors,
                                 .own_selector = own,
                                 .domain = domain,
                                 .upstream = "" };

    assert_true(view_builder_user(b, &u));
}

static enum view_key_state
state_of(char letter)
{
    switch (letter) {
    case 'n':
        return VIEW_KEY_NEW;
    case 'p':
        return VIEW_KEY_PUBLISHED;
    case 'a':
        return VIEW_KEY_ACTIVE;
    case 't':
        return VIEW_KEY_RETIRING;
    default:
        return VIEW_KEY_REVOKED;
    }
}

static void
add_key(struct view_builder *b, const char *text)
{
    char name[8], state[2], marks[8] = "";
    unsigned time;
    struct view_key k = { .bits = 2048, .owner = "" };

    assert_true(sscanf(text, " %7[^ ] %1[^ ] %u %7[a-z]", name, state, &time,
                       marks) >= 3);
    k.domain = strchr(marks, 'd') != NULL ? "host.example" : "example.com";
    k.selector = name;
    k.state = state_of(state[0]);
    k.activated_s = time;
    k.faulty = strchr(marks, 'f') != NULL;
    k.proved_s = strchr(marks, 'v') != NULL ? 1000 + time : 0;
    k.alg = strchr(marks, 'e') != NULL ? DKIM_ALG_ED25519_SHA256
                                       : DKIM_ALG_RSA_SHA256;
    k.owner = strchr(marks, 'o') != NULL ? "alice" : "";
    assert_true(view_builder_key(b, &k));
}

static struct view *
make_view(const char *keys)
{
    struct view_builder *b = view_builder_new();
    const char *next = keys;

    assert_non_null(b);
    add_user(b, "bob", false, no_selectors, "");
    add_user(b, "alice", true, no_selectors, "");
    add_user(b, "fay", false, fixed_selectors, "");
    add_user(b, "tenant", false, no_selectors, "host.example");
    for (unsigned n = 0; next != NULL && n < KEYS_MAX; n++) {
        add_key(b, next);
        next = strchr(next, ',');
        next = next == NULL ? NULL : next + 1;
    }
    return view_build(&b, 1);
}

static void
describe(const struct decision *d, char *out, size_t cap)
{
    size_t n = (size_t)snprintf(out, cap, "%s", d->rule);

    for (size_t i = 0; i < d->count; i++) {
        n += (size_t)snprintf(out + n, cap - n, " %s",
                              d->signatures[i].selector);
    }
    if (d->fault[0] != '\0') {
        n += (size_t)snprintf(
            out + n, cap - n, "%s",
            strcmp(d->fault_word, "stand-in") == 0 ? " instead" : " faulty");
    }
}

/* The keeper lets sign what was decided, besides active keys nothing else. */
static void
check_rights(const struct view *v, const struct decide_question *q,
             const struct decision *d, const char *name)
{
    for (size_t i = 0; i < view_key_count(v); i++) {
        const struct view_key *k = view_key_at(v, i);
        bool decided = false;
        bool may = users_may_sign(v, q->sign, q->user, k->domain, k->selector);

        for (size_t n = 0; n < d->count; n++) {
            decided =
                decided || strcmp(d->signatures[n].selector, k->selector) == 0;
        }
        if ((decided && !may) || (may && k->state == VIEW_KEY_NEW) ||
            (may && k->state == VIEW_KEY_REVOKED)) {
            fail_msg("%s: %s may%s sign", name, k->selector, may ? "" : " not");
        }
    }
}

static void
run(const struct view *v, const struct fault_case *c)
{
    static const struct sign_conf sign = { .also = "" };
    static const struct dkim_author author = { "a", "example.com" };
    struct decide_question q = { v, &sign, view_user(v, bytes_str(c->user)),
                                 &author, c->signatures };
    struct decision d;
    char got[128];

    decide(&q, &d);
    describe(&d, got, sizeof(got));
    if (strcmp(got, c->want) != 0) {
        fail_msg("%s: %s; wanted %s", c->name, got, c->want);
    }
    check_rights(v, &q, &d, c->name);
}

static void
test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct view *v = make_view(cases[i].keys);
        struct buf packed = BUF_INIT;
        struct view *copy;

        assert_non_null(v);
        run(v, &cases[i]);
        assert_true(view_pack(v, &packed));
        copy = view_unpack(buf_bytes(&packed));
        assert_non_null(copy);
        run(copy, &cases[i]);
        view_free(&copy);
        view_free(&v);
        buf_free(&packed);
    }
}

/* Who may sign with a key that is not active, and when. */
static void
test_rights(void **state)
{
    static const struct {
        const char *keys;
        const char *user;
        const char *selector;
        bool want;
    } asks[] = {
        { "a1 t 1, a2 a 2", "bob", "a1", false },
        { "a1 t 1, a2 a 2 f", "bob", "a1", true },
        { "a1 t 1, a2 a 2 f", "bob", "a2", true },
        { "a1 t 1, a2 t 2, a3 a 3 f", "bob", "a1", false }, /* a2 does */
        { "a1 t 1, a2 a 2 f, a3 a 1", "bob", "a1", false },
        { "a1 p 1, a2 a 2 f", "bob", "a1", false },
        { "a1 p 1 v, a2 a 2 f", "bob", "a1", true },
        { "a1 p 1 vf, a2 a 2 f", "bob", "a1", false },
        { "a1 t 1 o, a2 a 2 of", "bob", "a1", false },
        { "a1 t 1 o, a2 a 2 of", "alice", "a1", true },
        { "a1 t 1 o, a2 a 2 f", "alice", "a1", false },
        { "a1 t 1 e, a2 a 2 f", "bob", "a1", false },
        { "f1 t 1, a2 a 2 f", "bob", "f1", false },
        { "a1 t 1", "bob", "a1", false },
    };
    static const struct sign_conf sign = { .also = "" };

    (void)state;
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        struct view *v = make_view(asks[i].keys);

        if (users_may_sign(v, &sign, view_user(v, bytes_str(asks[i].user)),
                           "example.com", asks[i].selector) != asks[i].want) {
            fail_msg("%s: %s may%s sign with %s", asks[i].keys, asks[i].user,
                     asks[i].want ? " not" : "", asks[i].selector);
        }
        view_free(&v);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_rights),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
