/*
 * spf_record - the grammar of SPF records; see dkim/spf_parts.h.
 *
 * A record is checked as a whole before any of it is believed (4.6.1); after
 * that its terms are read again, one at a time, by the same parser.
 *
 * RFC 7208 4.5, 4.6.1, 5, 6, 12.
 */
#include "spf_parts.h"

#include <arpa/inet.h>

enum spec_rule {
    SPEC_NONE,
    SPEC_OPTIONAL,
    SPEC_REQUIRED
};

static const struct rule {
    const char *name;
    enum spf_mechanism mechanism;
    enum spec_rule spec;
    bool cidr;
} rules[] = {
    { "all", SPF_MECH_ALL, SPEC_NONE, false },
    { "include", SPF_MECH_INCLUDE, SPEC_REQUIRED, false },
    { "a", SPF_MECH_A, SPEC_OPTIONAL, true },
    { "mx", SPF_MECH_MX, SPEC_OPTIONAL, true },
    { "ptr", SPF_MECH_PTR, SPEC_OPTIONAL, false },
    { "ip4", SPF_MECH_IP4, SPEC_REQUIRED, false },
    { "ip6", SPF_MECH_IP6, SPEC_REQUIRED, false },
    { "exists", SPF_MECH_EXISTS, SPEC_REQUIRED, false },
};

bool
spf_record_is(struct bytes text)
{
    return bytes_starts_ci(text, "v=spf1") &&
           (text.len == 6 || text.ptr[6] == ' ');
}

/* Takes the next run of octets that are no SP; empty: there is none. */
static struct bytes
next_word(struct bytes *rest)
{
    struct bytes word;

    while (rest->len > 0 && rest->ptr[0] == ' ') {
        *rest = bytes_skip(*rest, 1);
    }
    word = bytes_take(*rest, bytes_find(*rest, ' '));
    *rest = bytes_skip(*rest, word.len);
    return word;
}

/* 12: name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ) */
static struct bytes
leading_name(struct bytes word)
{
    size_t n = 0;

    while (n < word.len &&
           (byte_is_alpha(word.ptr[n]) ||
            (n > 0 && (byte_is_digit(word.ptr[n]) || word.ptr[n] == '-' ||
                       word.ptr[n] == '_' || word.ptr[n] == '.')))) {
        n++;
    }
    return bytes_take(word, n);
}

/* 12: "0" or digits without a leading zero, up to max. */
static bool
parse_length(struct bytes digits, unsigned max, unsigned *length_out)
{
    uint64_t value;

    if (!bytes_to_u64(digits, max, &value) ||
        (digits.len > 1 && digits.ptr[0] == '0')) {
        return false;
    }
    *length_out = (unsigned)value;
    return true;
}

/* How many octets "SLASHES DIGITS" takes at the end of text; 0: not there. */
static size_t
slash_tail(struct bytes text, size_t slashes)
{
    size_t digits = 0, i;

    while (digits < text.len &&
           byte_is_digit(text.ptr[text.len - digits - 1])) {
        digits++;
    }
    if (digits == 0 || text.len < digits + slashes) {
        return 0;
    }
    for (i = text.len - digits; i > text.len - digits - slashes; i--) {
        if (text.ptr[i - 1] != '/') {
            return 0;
        }
    }
    return digits + slashes;
}

/* 5: takes "/24//64", either half or nothing off the end of *text. */
static bool
take_dual_cidr(struct bytes *text, struct spf_term *t)
{
    size_t n = slash_tail(*text, 2);

    if (n > 0) {
        if (!parse_length(bytes_skip(*text, text->len - n + 2), 128,
                          &t->cidr6)) {
            return false;
        }
        text->len -= n;
    }
    n = slash_tail(*text, 1);
    if (n > 0) {
        if (!parse_length(bytes_skip(*text, text->len - n + 1), 32,
                          &t->cidr4)) {
            return false;
        }
        text->len -= n;
    }
    return true;
}

/* 5.6: ip4:ADDRESS[/LENGTH], ip6 likewise. */
static bool
parse_network(struct bytes text, struct spf_term *t)
{
    bool v4 = t->mechanism == SPF_MECH_IP4;
    size_t slash = bytes_find(text, '/');
    char address[INET6_ADDRSTRLEN];

    if (slash < text.len &&
        !parse_length(bytes_skip(text, slash + 1), v4 ? 32 : 128,
                      v4 ? &t->cidr4 : &t->cidr6)) {
        return false;
    }
    return bytes_copy(bytes_take(text, slash), address, sizeof(address)) &&
           inet_pton(v4 ? AF_INET : AF_INET6, address, t->ip) == 1;
}

static enum spf_result_code
take_qualifier(struct bytes *word)
{
    enum spf_result_code result = SPF_PASS;

    switch (word->ptr[0]) {
    case '+':
        break;
    case '-':
        result = SPF_FAIL;
        break;
    case '~':
        result = SPF_SOFTFAIL;
        break;
    case '?':
        result = SPF_NEUTRAL;
        break;
    default:
        return SPF_PASS;
    }
    *word = bytes_skip(*word, 1);
    return result;
}

static const struct rule *
find_rule(struct bytes name)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        if (bytes_is_ci(name, rules[i].name)) {
            return &rules[i];
        }
    }
    return NULL;
}

static bool
parse_directive(struct bytes word, struct spf_term *t_out)
{
    struct spf_term t = { .text = word, .cidr4 = 32, .cidr6 = 128 };
    const struct rule *rule;
    struct bytes name;

    t.result = take_qualifier(&word);
    name = bytes_take(word, 0);
    while (name.len < word.len && word.ptr[name.len] != ':' &&
           word.ptr[name.len] != '/') {
        name.len++;
    }
    rule = find_rule(name);
    if (rule == NULL) {
        return false;
    }
    t.mechanism = rule->mechanism;
    word = bytes_skip(word, name.len);
    if (rule->cidr && !take_dual_cidr(&word, &t)) {
        return false;
    }
    if (word.len == 0) {
        *t_out = t;
        return rule->spec != SPEC_REQUIRED;
    }
    if (rule->spec == SPEC_NONE || word.ptr[0] != ':') {
        return false;
    }
    t.spec = bytes_skip(word, 1);
    *t_out = t;
    return t.mechanism == SPF_MECH_IP4 || t.mechanism == SPF_MECH_IP6
               ? parse_network(t.spec, t_out)
               : spf_domain_spec_good(t.spec);
}

/* 6: redirect and exp at most once; others only need good macros. */
static bool
parse_modifier(struct bytes word, struct bytes name, struct spf_record *r)
{
    struct spf_term t = { .text = word };

    t.spec = bytes_skip(word, name.len + 1);
    if (bytes_is_ci(name, "redirect")) {
        t.mechanism = SPF_MOD_REDIRECT;
        if (r->has_redirect || !spf_domain_spec_good(t.spec)) {
            return false;
        }
        r->redirect = t;
        r->has_redirect = true;
        return true;
    }
    if (bytes_is_ci(name, "exp")) {
        t.mechanism = SPF_MOD_EXP;
        if (r->has_exp || !spf_domain_spec_good(t.spec)) {
            return false;
        }
        r->exp = t;
        r->has_exp = true;
        return true;
    }
    return spf_macro_good(t.spec, true);
}

static bool
is_modifier(struct bytes word, struct bytes *name_out)
{
    *name_out = leading_name(word);
    return name_out->len > 0 && name_out->len < word.len &&
           word.ptr[name_out->len] == '=';
}

bool
spf_record_parse(struct bytes text, struct spf_record *record_out)
{
    struct spf_record r = { .terms = bytes_skip(text, 6) };
    struct bytes rest = r.terms, word, name;
    struct spf_term t;

    while ((word = next_word(&rest)).len > 0) {
        if (is_modifier(word, &name) ? !parse_modifier(word, name, &r)
                                     : !parse_directive(word, &t)) {
            return false;
        }
    }
    *record_out = r;
    return true;
}

bool
spf_record_next(struct bytes *rest, struct spf_term *term_out)
{
    struct bytes word, name;

    while ((word = next_word(rest)).len > 0) {
        if (!is_modifier(word, &name)) {
            return parse_directive(word, term_out);
        }
    }
    return false;
}
