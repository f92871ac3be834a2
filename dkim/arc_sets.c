/*
 * arc_sets - see dkim/arc_sets.h.
 */
#include "arc_sets.h"

#include <dkim/taglist.h>

/* What a seal and a message signature are parsed into. */
struct target {
    struct arc_set *set;
    struct dkim_signature *sig;
    uint64_t instance;
};

typedef bool tag_parser(struct target *t, struct bytes value);

enum {
    IN_SEAL = 1,
    IN_MESSAGE = 2
};

static bool
parse_instance(struct target *t, struct bytes value)
{
    return bytes_to_u64(value, ARC_SETS_MAX, &t->instance) && t->instance > 0;
}

/* 4.1.2, 4.1.3: as in DKIM; SHA-1 is gone since RFC 8301. */
static bool
parse_alg(struct target *t, struct bytes value)
{
    return dkim_signature_alg(t->sig, value) == DKIM_SIG_OK &&
           t->sig->alg != DKIM_ALG_RSA_SHA1;
}

static bool
parse_b(struct target *t, struct bytes value)
{
    return dkim_signature_b(t->sig, value) == DKIM_SIG_OK;
}

static bool
parse_bh(struct target *t, struct bytes value)
{
    return dkim_signature_bh(t->sig, value) == DKIM_SIG_OK;
}

static bool
parse_canon(struct target *t, struct bytes value)
{
    t->set->has_canon = true;
    return dkim_signature_canon(t->sig, value) == DKIM_SIG_OK;
}

static bool
parse_domain(struct target *t, struct bytes value)
{
    return dkim_signature_domain(t->sig, value) == DKIM_SIG_OK;
}

static bool
parse_selector(struct target *t, struct bytes value)
{
    return dkim_signature_selector(t->sig, value) == DKIM_SIG_OK;
}

static bool
parse_time(struct target *t, struct bytes value)
{
    return dkim_signature_time(t->sig, value) == DKIM_SIG_OK;
}

/* 4.1.2: any list of names, also none and empty ones, but for ARC-Seal. */
static bool
parse_names(struct target *t, struct bytes value)
{
    struct bytes name;
    unsigned count = 0;
    bool more = true;

    t->sig->names = value;
    while (dkim_taglist_element(&value, &more, &name)) {
        if (++count > DKIM_NAMES_MAX || bytes_is_ci(name, "arc-seal")) {
            return false;
        }
    }
    return true;
}

static bool
parse_cv(struct target *t, struct bytes value)
{
    t->set->cv = bytes_is(value, "none")   ? ARC_CV_NONE
                 : bytes_is(value, "pass") ? ARC_CV_PASS
                 : bytes_is(value, "fail") ? ARC_CV_FAIL
                                           : ARC_CV_MISSING;
    return t->set->cv != ARC_CV_MISSING;
}

/* 4.1.3: "h" in a seal is a failing chain. */
static bool
refuse(struct target *t, struct bytes value)
{
    (void)t;
    (void)value;
    return false;
}

static const struct rule {
    const char *name;
    unsigned where;
    unsigned required;
    tag_parser *parse;
} rules[] = {
    { "i", IN_SEAL | IN_MESSAGE, IN_SEAL | IN_MESSAGE, parse_instance },
    { "a", IN_SEAL | IN_MESSAGE, IN_SEAL | IN_MESSAGE, parse_alg },
    { "b", IN_SEAL | IN_MESSAGE, IN_SEAL | IN_MESSAGE, parse_b },
    { "d", IN_SEAL | IN_MESSAGE, IN_SEAL | IN_MESSAGE, parse_domain },
    { "s", IN_SEAL | IN_MESSAGE, IN_SEAL | IN_MESSAGE, parse_selector },
    { "t", IN_SEAL | IN_MESSAGE, 0, parse_time },
    { "cv", IN_SEAL, IN_SEAL, parse_cv },
    { "h", IN_SEAL, 0, refuse },
    { "h", IN_MESSAGE, IN_MESSAGE, parse_names },
    { "bh", IN_MESSAGE, IN_MESSAGE, parse_bh },
    { "c", IN_MESSAGE, 0, parse_canon },
};

enum {
    RULES = sizeof(rules) / sizeof(*rules)
};

/* The rule for a tag; RULES: unknown, to be passed over. */
static size_t
find_rule(struct bytes name, unsigned where)
{
    size_t i = 0;

    while (i < RULES &&
           ((rules[i].where & where) == 0 || !bytes_is(name, rules[i].name))) {
        i++;
    }
    return i;
}

/*
 * All tags of one field. False: some mistake; the instance is known all the
 * same when its tag was good.
 */
static bool
parse_tags(struct bytes value, unsigned where, struct target *t)
{
    struct dkim_taglist list;
    struct dkim_tag tag;
    enum dkim_tag_result found;
    unsigned seen = 0;
    bool good = true;

    dkim_taglist_init(&list, value);
    while ((found = dkim_taglist_next(&list, &tag)) == DKIM_TAG_FOUND) {
        size_t i = find_rule(tag.name, where);

        if (i < RULES) {
            seen |= 1u << i;
            good = rules[i].parse(t, tag.value) && good;
        }
    }
    for (size_t i = 0; i < RULES; i++) {
        if ((rules[i].required & where) != 0 && (seen & 1u << i) == 0) {
            good = false;
        }
    }
    return good && found == DKIM_TAG_END;
}

/* The i= of any list of tags, as far as it can be read. */
static unsigned
peek_instance(struct bytes value)
{
    struct dkim_taglist list;
    struct dkim_tag tag;
    struct target t = { 0 };

    dkim_taglist_init(&list, value);
    while (dkim_taglist_next(&list, &tag) == DKIM_TAG_FOUND) {
        if (bytes_is(tag.name, "i")) {
            return parse_instance(&t, tag.value) ? (unsigned)t.instance : 0;
        }
    }
    return 0;
}

/* 4.1.1: "i" "=" instance ";" before all else. */
static unsigned
results_instance(struct bytes value)
{
    size_t semicolon = bytes_find(value, ';');
    struct bytes tag = bytes_take(value, semicolon);
    size_t equals = bytes_find(tag, '=');
    struct target t = { 0 };

    if (semicolon == value.len || equals == tag.len ||
        !bytes_is(bytes_trim(bytes_take(tag, equals)), "i") ||
        !parse_instance(&t, bytes_trim(bytes_skip(tag, equals + 1)))) {
        return 0;
    }
    return (unsigned)t.instance;
}

/* Puts a field into its place of a set. False: no good i=, or one too many. */
static bool
place(const struct dkim_field *field, const struct dkim_field **seat)
{
    if (*seat != NULL) {
        return false;
    }
    *seat = field;
    return true;
}

static bool
take_field(const struct dkim_field *field, struct arc_set *sets)
{
    bool results = bytes_is_ci(field->name, "arc-authentication-results");
    bool message = bytes_is_ci(field->name, "arc-message-signature");
    unsigned instance;
    struct arc_set *set;

    if (!results && !message && !bytes_is_ci(field->name, "arc-seal")) {
        return true;
    }
    instance =
        results ? results_instance(field->value) : peek_instance(field->value);
    if (instance == 0) {
        return false;
    }
    set = &sets[instance - 1];
    return place(field, results ? &set->aar : message ? &set->ams : &set->as);
}

static unsigned
count_sets(const struct arc_set *sets)
{
    unsigned n = ARC_SETS_MAX;

    while (n > 0 && sets[n - 1].aar == NULL && sets[n - 1].ams == NULL &&
           sets[n - 1].as == NULL) {
        n--;
    }
    return n;
}

/* 5.2 step 3: what one set must look like. */
static const char *
check_set(struct arc_set *set, unsigned instance)
{
    struct target seal = { set, &set->seal, 0 };
    struct target message = { set, &set->message, 0 };

    if (set->aar == NULL || set->ams == NULL || set->as == NULL) {
        return "an ARC set is not complete";
    }
    if (!parse_tags(set->as->value, IN_SEAL, &seal)) {
        return "an ARC-Seal is malformed";
    }
    set->message_good = parse_tags(set->ams->value, IN_MESSAGE, &message);
    if (set->cv == ARC_CV_FAIL) {
        return "the chain was already broken when it was sealed";
    }
    if (set->cv != (instance == 1 ? ARC_CV_NONE : ARC_CV_PASS)) {
        return "cv= of an ARC-Seal does not fit its place";
    }
    return "";
}

const char *
arc_sets_collect(const struct dkim_header *header, struct arc_set *sets,
                 unsigned *count_out)
{
    const char *fault = "";

    memset(sets, 0, ARC_SETS_MAX * sizeof(*sets));
    for (size_t i = 0; i < header->count; i++) {
        if (!take_field(&header->fields[i], sets)) {
            fault = "an ARC field has no good i=, or one that occurs twice";
        }
    }
    *count_out = count_sets(sets);
    for (unsigned i = 0; i < *count_out && fault[0] == '\0'; i++) {
        fault = check_set(&sets[i], i + 1);
    }
    return fault;
}
