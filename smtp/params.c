/*
 * params - one table, one checker a parameter; see params.h.
 *
 * To support another one: enum smtp_param, a row and a checker here, its
 * extension in server.c (param_caps) and, to send it on, client.c.
 *
 * RFC 5321 4.1.2 (esmtp-param); the rest at each checker.
 */
#include "params.h"

#include "path.h"

#include <base/hex.h>

enum {
    ENVID_MAX = 100, /* octets: RFC 3461 4.4 */
    ORCPT_MAX = 500  /* octets: RFC 3461 4.2 */
};

typedef bool check_value(struct smtp_params *params, struct bytes value);

static bool
upper_hex_octet(struct bytes text, uint8_t *octet_out)
{
    return hex_octet(text, octet_out) && text.ptr[0] < 'a' && text.ptr[1] < 'a';
}

/*
 * RFC 3461 4: printable but "+" and "=", or "+" and two upper-case hex
 * digits. What it stands for may hold no control but HTAB, so that nothing
 * can break out of a line when a later hop decodes it.
 */
static bool
is_xtext(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (c == '+') {
            if (!upper_hex_octet(bytes_skip(text, i + 1), &c) ||
                (c < ' ' && c != '\t') || c == 0x7f) {
                return false;
            }
            i += 2;
        } else if (c <= ' ' || c > '~' || c == '=') {
            return false;
        }
    }
    return text.len > 0;
}

/* RFC 1870 6: 1*20DIGIT. */
static bool
check_size(struct smtp_params *params, struct bytes value)
{
    return value.len <= 20 && bytes_to_u64(value, UINT64_MAX, &params->size);
}

/* RFC 6152 2; 3030 3. */
static bool
check_body(struct smtp_params *params, struct bytes value)
{
    static const char *const names[] = { "7BIT", "8BITMIME", "BINARYMIME" };

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (bytes_is_ci(value, names[i])) {
            params->body = (enum smtp_body)i;
            return true;
        }
    }
    return false;
}

/* RFC 4954 5: xtext of a mailbox, or <>. */
static bool
check_auth(struct smtp_params *params, struct bytes value)
{
    (void)params;
    return bytes_is(value, "<>") || is_xtext(value);
}

/* RFC 3461 4.3. */
static bool
check_ret(struct smtp_params *params, struct bytes value)
{
    (void)params;
    return bytes_is_ci(value, "FULL") || bytes_is_ci(value, "HDRS");
}

static bool
check_envid(struct smtp_params *params, struct bytes value)
{
    (void)params;
    return value.len <= ENVID_MAX && is_xtext(value);
}

/* RFC 3461 4.1: NEVER alone, or a list of the others. */
static bool
check_notify(struct smtp_params *params, struct bytes value)
{
    (void)params;
    if (bytes_is_ci(value, "NEVER")) {
        return true;
    }
    for (;;) {
        struct bytes word = bytes_take(value, bytes_find(value, ','));

        if (!bytes_is_ci(word, "SUCCESS") && !bytes_is_ci(word, "FAILURE") &&
            !bytes_is_ci(word, "DELAY")) {
            return false;
        }
        if (word.len == value.len) {
            return true;
        }
        value = bytes_skip(value, word.len + 1);
    }
}

/* RFC 3461 4.2: addr-type ";" xtext. RFC 6533 3: type utf-8 may be UTF-8. */
static bool
check_orcpt(struct smtp_params *params, struct bytes value)
{
    size_t semicolon = bytes_find(value, ';');
    struct bytes type = bytes_take(value, semicolon);
    struct bytes address;

    (void)params;
    if (semicolon == 0 || semicolon == value.len || value.len > ORCPT_MAX) {
        return false;
    }
    for (size_t i = 0; i < type.len; i++) {
        uint8_t c = type.ptr[i];

        if (!byte_is_alpha(c) && !byte_is_digit(c) && c != '-') {
            return false;
        }
    }
    address = bytes_skip(value, semicolon + 1);
    if (bytes_is_ci(type, "utf-8") && smtp_has_8bit(address)) {
        return smtp_utf8_valid(address);
    }
    return is_xtext(address);
}

static const struct param_rule {
    const char *name;
    enum smtp_verb verb;
    check_value *check; /* NULL: it has no value */
} rules[SMTP_PARAM_COUNT] = {
    [SMTP_PARAM_SIZE] = { "SIZE", SMTP_VERB_MAIL, check_size },
    [SMTP_PARAM_BODY] = { "BODY", SMTP_VERB_MAIL, check_body },
    [SMTP_PARAM_SMTPUTF8] = { "SMTPUTF8", SMTP_VERB_MAIL, NULL },
    [SMTP_PARAM_AUTH] = { "AUTH", SMTP_VERB_MAIL, check_auth },
    [SMTP_PARAM_RET] = { "RET", SMTP_VERB_MAIL, check_ret },
    [SMTP_PARAM_ENVID] = { "ENVID", SMTP_VERB_MAIL, check_envid },
    [SMTP_PARAM_REQUIRETLS] = { "REQUIRETLS", SMTP_VERB_MAIL, NULL },
    [SMTP_PARAM_NOTIFY] = { "NOTIFY", SMTP_VERB_RCPT, check_notify },
    [SMTP_PARAM_ORCPT] = { "ORCPT", SMTP_VERB_RCPT, check_orcpt },
};

/* SMTP_PARAM_COUNT: unknown for this verb. */
static unsigned
find_rule(enum smtp_verb verb, struct bytes name)
{
    unsigned i = 0;

    while (i < SMTP_PARAM_COUNT &&
           (rules[i].verb != verb || !bytes_is_ci(name, rules[i].name))) {
        i++;
    }
    return i;
}

/* esmtp-keyword: (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static bool
is_keyword(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];

        if (!byte_is_alpha(c) && !byte_is_digit(c) && (c != '-' || i == 0)) {
            return false;
        }
    }
    return name.len > 0;
}

static enum smtp_err
parse_one(enum smtp_verb verb, struct bytes word, struct smtp_params *params)
{
    struct bytes name = bytes_take(word, bytes_find(word, '='));
    bool has_value = name.len < word.len;
    struct bytes value = bytes_skip(word, name.len + (has_value ? 1 : 0));
    unsigned i;

    if (!is_keyword(name)) {
        return SMTP_ERR_SYNTAX;
    }
    i = find_rule(verb, name);
    if (i == SMTP_PARAM_COUNT) {
        return SMTP_ERR_PARAM;
    }
    if (params->present & 1u << i) {
        return SMTP_ERR_PARAM_TWICE;
    }
    if (has_value != (rules[i].check != NULL) ||
        (has_value && !rules[i].check(params, value))) {
        return SMTP_ERR_PARAM_VALUE;
    }
    params->present |= 1u << i;
    params->value[i] = value;
    return SMTP_OK;
}

enum smtp_err
smtp_params_parse(enum smtp_verb verb, struct bytes text,
                  struct smtp_params *params_out)
{
    struct smtp_params params = { 0 };

    while (text.len > 0) {
        struct bytes word = bytes_take(text, bytes_find(text, ' '));

        if (word.len > 0) { /* more than one space is let through */
            enum smtp_err err = parse_one(verb, word, &params);

            if (err != SMTP_OK) {
                return err;
            }
        }
        text = bytes_skip(text, word.len + (word.len < text.len ? 1 : 0));
    }
    *params_out = params;
    return SMTP_OK;
}
