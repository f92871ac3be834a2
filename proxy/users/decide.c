/*
 * decide - which signature for whom; see decide.h.
 *
 * One function a rule, in product.md's order. Everything that a rule may use
 * is in the question, so the keeper, the worker and `sealpost user test`
 * cannot come to different answers.
 */
#include "proxy/users/decide.h"

#include "proxy/users/keychoice.h"
#include "proxy/users/rights.h"

/* The outcomes that sign nothing; the zero code is "unsigned". */
struct outcome {
    const char *rule;
    const char *reason;
    int code;
    const char *enhanced;
    const char *text;
};

static const struct outcome locked = {
    "locked", "the user is locked", 550, "5.7.1",
    "This account is locked; ask your mail administrator"
};
static const struct outcome other_reject = {
    "other-from", "the From address is not in the user's `from` list", 550,
    "5.7.1", "You may not send with this From address; use one of your own"
};
static const struct outcome other_unsigned = {
    "other-from",
    "the From address is not in the user's `from` list, and other_from = "
    "unsigned lets the message pass without a signature",
    0, "", ""
};
static const struct outcome upstream_none = {
    "upstream-none", "the upstream has signatures = none", 0, "", ""
};

/* No key: by [no_key policy][a key is on its way]. */
static const struct outcome no_keys[][2] = {
    [CONF_NO_KEY_UNSIGNED] = {
        { "no-key", "there is no active key that fits", 0, "", "" },
        { "key-pending", "the only key that fits is not active yet", 0, "",
          "" },
    },
    [CONF_NO_KEY_TEMPFAIL] = {
        { "no-key", "there is no active key that fits; no_key = tempfail",
          451, "4.7.5", "No signing key for this From domain; try later" },
        { "key-pending",
          "the only key that fits is not active yet; no_key = tempfail", 451,
          "4.7.5", "The signing key of this From domain is not active yet; "
                   "try later" },
    },
    [CONF_NO_KEY_REJECT] = {
        { "no-key", "there is no active key that fits; no_key = reject", 550,
          "5.7.5", "No signing key for this From domain; ask your mail "
                   "administrator" },
        { "key-pending",
          "the only key that fits is not active yet; no_key = reject", 550,
          "5.7.5", "The signing key of this From domain is not active yet; "
                   "ask your mail administrator" },
    },
};

/* Ways to a key, from the best; the sentences of `user test`. */
enum way {
    WAY_USER_SELECTOR,
    WAY_DOMAIN_KEY,
    WAY_PARENT_KEY,
    WAY_USER_DOMAIN,
    WAY_AS_USER
};

static const struct {
    const char *rule;
    const char *reason;
} ways[] = {
    [WAY_USER_SELECTOR] = { "user-selector",
                            "the user's selector names an active key of the "
                            "From domain" },
    [WAY_DOMAIN_KEY] = { "domain-key", "the From domain's active key" },
    [WAY_PARENT_KEY] = { "parent-key",
                         "the From domain has no active key; its nearest "
                         "parent that the user may use has one" },
    [WAY_USER_DOMAIN] = { "user-domain",
                          "neither the From domain nor a parent has an "
                          "active key; the user's `domain` signs" },
    [WAY_AS_USER] = { "sign-as-user",
                      "the From address is not in the user's `from` list; "
                      "other_from = sign-as-user lets the user's `domain` "
                      "sign" },
};

/* What is said beside the reason; [the key that signs is faulty]. */
static const struct {
    const char *word;
    const char *text;
} faults[] = {
    { "stand-in",
      "the record of the key that should sign is gone from DNS, or another; "
      "the newest proved key that is visible signs" },
    { "last-proved",
      "its record is gone from DNS, or another, and no other proved key is "
      "visible; the last proved one goes on" },
};

static void
conclude(struct decision *d, const struct outcome *o)
{
    *d = (struct decision){
        .kind = o->code == 0 ? DECIDE_UNSIGNED : DECIDE_REFUSE,
        .rule = o->rule,
        .reason = o->reason,
        .fault = "",
        .fault_word = "",
        .code = o->code,
        .enhanced = o->enhanced,
        .text = o->text,
    };
}

/* --- rule 2: which key -------------------------------------------------- */

/* The domain's active key. */
static struct keychoice
domain_key(const struct view *v, const char *domain, enum dkim_alg alg)
{
    return keychoice_make(v, domain, alg, "");
}

/* The first of the user's selectors that names an active key; one that is
 * faulty only when there is no other. */
static struct keychoice
fixed_key(const struct decide_question *q, const char *domain,
          enum dkim_alg alg)
{
    struct keychoice c = { .key = NULL };

    for (conf_list s = q->user->selectors; *s != NULL; s++) {
        const struct view_key *key = view_key(q->view, domain, *s);

        if (key == NULL || key->alg != alg || key->state != VIEW_KEY_ACTIVE ||
            !rights_key(q->user, key)) {
            continue;
        }
        if (!key->faulty) {
            c.instead = c.key != NULL;
            c.key = key;
            return c;
        }
        c.key = c.key == NULL ? key : c.key;
    }
    return c;
}

/* What the user's `selector` names in a domain: those she fixed, or the
 * active key of her own slots. */
static struct keychoice
user_key(const struct decide_question *q, const char *domain, enum dkim_alg alg)
{
    if (q->user == NULL) {
        return (struct keychoice){ .key = NULL };
    }
    return q->user->own_selector
               ? keychoice_make(q->view, domain, alg, q->user->name)
               : fixed_key(q, domain, alg);
}

/* The key of the nearest parent that the user may use and that has one. */
static struct keychoice
parent_key(const struct decide_question *q, enum dkim_alg alg)
{
    const char *dot = strchr(q->author->domain, '.');
    struct keychoice c = { .key = NULL };

    for (; dot != NULL && c.key == NULL; dot = strchr(dot + 1, '.')) {
        if (rights_domain(q->user, dot + 1)) {
            c = domain_key(q->view, dot + 1, alg);
        }
    }
    c.way = WAY_PARENT_KEY;
    return c;
}

/* `from = ceo@example.net` covers her address and gives her the domain's key;
 * a From that rule 1 let pass is always inside. */
static struct keychoice
aligned_key(const struct decide_question *q, enum dkim_alg alg)
{
    struct keychoice own = user_key(q, q->author->domain, alg);
    struct keychoice c;

    own.way = WAY_USER_SELECTOR;
    if (own.key != NULL && !own.key->faulty) {
        return own;
    }
    c = domain_key(q->view, q->author->domain, alg);
    c.way = WAY_DOMAIN_KEY;
    if (own.key != NULL && (c.key == NULL || c.key->faulty)) {
        return own; /* no proved key is visible: the last one goes on */
    }
    c.instead = c.instead || own.key != NULL;
    return c.key == NULL && q->sign->parent_key ? parent_key(q, alg) : c;
}

/* The user's `domain` with her selector, or its active key without one. */
static struct keychoice
fallback_key(const struct decide_question *q, enum dkim_alg alg)
{
    const struct view_user *user = q->user;

    if (user == NULL || user->domain[0] == '\0') {
        return (struct keychoice){ .key = NULL };
    }
    if (user->own_selector || user->selectors[0] != NULL) {
        return user_key(q, user->domain, alg);
    }
    return domain_key(q->view, user->domain, alg);
}

/* --- the answer --------------------------------------------------------- */

struct algs {
    enum dkim_alg list[2];
    size_t count;
};

static const struct algs wanted_algs[] = {
    [CONF_SIGN_NONE] = { { DKIM_ALG_RSA_SHA256 }, 0 },
    [CONF_SIGN_RSA] = { { DKIM_ALG_RSA_SHA256 }, 1 },
    [CONF_SIGN_ED25519] = { { DKIM_ALG_ED25519_SHA256 }, 1 },
    [CONF_SIGN_DUAL] = { { DKIM_ALG_RSA_SHA256, DKIM_ALG_ED25519_SHA256 }, 2 },
};

static void
add_signature(struct decision *d, const struct view_key *key)
{
    for (size_t i = 0; i < d->count; i++) {
        if (strcmp(d->signatures[i].domain, key->domain) == 0 &&
            strcmp(d->signatures[i].selector, key->selector) == 0) {
            return;
        }
    }
    if (d->count < DECIDE_SIGNATURES_MAX) {
        d->signatures[d->count].domain = key->domain;
        d->signatures[d->count].selector = key->selector;
        d->signatures[d->count].alg = key->alg;
        d->count++;
    }
}

/* The first signature's way is the decision's rule. */
static void
add_choice(struct decision *d, const struct keychoice *c,
           const char *from_domain)
{
    if (c->key == NULL) {
        return;
    }
    if (d->count == 0) {
        d->rule = ways[c->way].rule;
        d->reason = ways[c->way].reason;
        d->aligned = dkim_domain_within(from_domain, c->key->domain);
    }
    if (c->key->faulty || c->instead) {
        d->fault = faults[c->key->faulty].text;
        d->fault_word = faults[c->key->faulty].word;
    }
    add_signature(d, c->key);
}

static void
add_aligned(const struct decide_question *q, const struct algs *algs,
            struct decision *d)
{
    for (size_t i = 0; i < algs->count; i++) {
        struct keychoice c = aligned_key(q, algs->list[i]);

        add_choice(d, &c, q->author->domain);
    }
}

static void
add_fallback(const struct decide_question *q, const struct algs *algs,
             enum way way, struct decision *d)
{
    for (size_t i = 0; i < algs->count; i++) {
        struct keychoice c = fallback_key(q, algs->list[i]);

        c.way = way;
        add_choice(d, &c, q->author->domain);
    }
}

/* Rule 4: the operator's own, beside a signature of rules 1 to 3. */
static void
add_operators(const struct decide_question *q, const struct algs *algs,
              struct decision *d)
{
    for (size_t i = 0; i < algs->count && q->sign->also[0] != '\0'; i++) {
        struct keychoice c = domain_key(q->view, q->sign->also, algs->list[i]);

        add_choice(d, &c, q->author->domain);
    }
}

/* A key of the domain that could be this user's, and is on its way. */
static bool
has_pending(const struct decide_question *q, const struct algs *algs,
            const char *domain)
{
    size_t count;
    const struct view_key *keys = view_domain(q->view, domain, &count);

    for (size_t i = 0; i < count; i++) {
        bool wanted = keys[i].alg == algs->list[0] ||
                      (algs->count > 1 && keys[i].alg == algs->list[1]);

        if (wanted && rights_key(q->user, keys + i) &&
            (keys[i].state == VIEW_KEY_NEW ||
             keys[i].state == VIEW_KEY_PUBLISHED)) {
            return true;
        }
    }
    return false;
}

/* Rule 3. */
static void
conclude_no_key(const struct decide_question *q, const struct algs *algs,
                bool as_user, struct decision *d)
{
    enum conf_no_key policy = q->sign->no_key;
    bool pending = !as_user && has_pending(q, algs, q->author->domain);

    if (q->user != NULL && q->user->domain[0] != '\0') {
        pending = pending || has_pending(q, algs, q->user->domain);
    }
    if (q->user != NULL && q->user->no_key != CONF_NO_KEY_UNSET) {
        policy = q->user->no_key;
    }
    if (policy == CONF_NO_KEY_UNSET) {
        policy = CONF_NO_KEY_UNSIGNED;
    }
    conclude(d, &no_keys[policy][pending]);
}

/* Rule 1: NULL, or what is to become of a From that is not the user's. */
static const struct outcome *
judge_from(const struct decide_question *q, bool *as_user_out)
{
    enum conf_other_from policy;

    *as_user_out = false;
    if (q->user == NULL) {
        return NULL;
    }
    if (q->user->locked) {
        return &locked;
    }
    if (users_from_covers(q->user, q->author->local, q->author->domain)) {
        return NULL;
    }
    policy = q->user->other_from != CONF_OTHER_UNSET ? q->user->other_from
                                                     : q->sign->other_from;
    if (policy == CONF_OTHER_UNSIGNED) {
        return &other_unsigned;
    }
    *as_user_out = policy == CONF_OTHER_AS_USER;
    return *as_user_out ? NULL : &other_reject;
}

void
decide(const struct decide_question *q, struct decision *decision_out)
{
    const struct algs *algs = &wanted_algs[q->signatures];
    struct decision d = { .kind = DECIDE_SIGN,
                          .fault = "",
                          .fault_word = "",
                          .enhanced = "",
                          .text = "" };
    bool as_user;
    const struct outcome *stop = judge_from(q, &as_user);

    if (stop == NULL && algs->count == 0) {
        stop = &upstream_none;
    }
    if (stop != NULL) {
        conclude(decision_out, stop);
        return;
    }
    if (!as_user) {
        add_aligned(q, algs, &d);
    }
    if (d.count == 0) {
        add_fallback(q, algs, as_user ? WAY_AS_USER : WAY_USER_DOMAIN, &d);
    }
    if (d.count == 0) {
        conclude_no_key(q, algs, as_user, decision_out);
        return;
    }
    add_operators(q, algs, &d);
    *decision_out = d;
}
