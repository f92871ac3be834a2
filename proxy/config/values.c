/*
 * values - the text of one setting into its field; see values.h.
 *
 * Scalars here, networks and addresses in addresses.c, lists in lists.c.
 */
#include "values.h"

#include "fingerprints.h"
#include "lists.h"
#include "suggest.h"

#include <stdio.h>

_Static_assert(offsetof(struct sign_conf, body_relaxed) ==
                   offsetof(struct sign_conf, header_relaxed) + sizeof(bool),
               "CONF_CANON writes both");

static const char *
keep_text(struct conf_value *v, struct bytes text, union conf_field *out)
{
    out->text = conf_arena_text(v->arena, text);
    return NULL;
}

/* The reader lets no control character pass. */
static const char *
parse_text(struct conf_value *v, union conf_field *out)
{
    return v->elements[0].len > v->setting->max
               ? "too long"
               : keep_text(v, v->elements[0], out);
}

bool
conf_is_user(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (byte_is_wsp(text.ptr[i]) || text.ptr[i] == '[' ||
            text.ptr[i] == ']' || text.ptr[i] == ';') {
            return false;
        }
    }
    return text.len > 0;
}

static const char *
parse_user(struct conf_value *v, union conf_field *out)
{
    return conf_is_user(v->elements[0]) ? parse_text(v, out)
                                        : "not the name of a user";
}

bool
conf_is_host(struct bytes text)
{
    size_t label = 0;

    if (text.len == 0 || text.len > 253) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool last = i + 1 == text.len || text.ptr[i + 1] == '.';

        if (c == '.') {
            if (label == 0 || i + 1 == text.len) {
                return false;
            }
            label = 0;
            continue;
        }
        if (!byte_is_alpha(c) && !byte_is_digit(c) && c != '_' &&
            !(c == '-' && label > 0 && !last)) {
            return false;
        }
        if (++label > 63) { /* RFC 1035 2.3.4 */
            return false;
        }
    }
    return true;
}

bool
conf_is_field(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= 0x20 || text.ptr[i] > 0x7e || text.ptr[i] == ':') {
            return false;
        }
    }
    return text.len > 0;
}

static const char *
parse_host(struct conf_value *v, union conf_field *out)
{
    return conf_is_host(v->elements[0]) ? keep_text(v, v->elements[0], out)
                                        : "not a DNS name";
}

static const char *
parse_path(struct conf_value *v, union conf_field *out)
{
    if (v->elements[0].ptr[0] != '/') {
        return CONF_NO_PATH;
    }
    return keep_text(v, v->elements[0], out);
}

/* As useradd's default NAME_REGEX, upper case allowed. */
static const char *
parse_account(struct conf_value *v, union conf_field *out)
{
    struct bytes text = v->elements[0];

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (!byte_is_alpha(c) && c != '_' &&
            !(i > 0 && (byte_is_digit(c) || c == '-' || c == '.'))) {
            return "not the name of an account";
        }
    }
    return text.len > v->setting->max ? "too long for an account"
                                      : keep_text(v, text, out);
}

static const char *
parse_log(struct conf_value *v, union conf_field *out)
{
    struct bytes text = v->elements[0];

    if (!bytes_is(text, "stderr") && !bytes_is(text, "syslog") &&
        text.ptr[0] != '/') {
        return "not a place for a log";
    }
    return keep_text(v, text, out);
}

static const char *
parse_name(struct conf_value *v, union conf_field *out)
{
    return conf_is_host(v->elements[0]) ? keep_text(v, v->elements[0], out)
                                        : "not a section's name";
}

static const char *
parse_field(struct conf_value *v, union conf_field *out)
{
    return conf_is_field(v->elements[0]) ? keep_text(v, v->elements[0], out)
                                         : "not a header field's name";
}

static const char *
range(const struct conf_value *v, uint64_t n)
{
    if (n < v->setting->min) {
        return "too small";
    }
    return n > v->setting->max ? "too big" : NULL;
}

/* Digits, then one of units or nothing. False: what is wrong is in *why. */
static bool
parse_scaled(struct conf_value *v, const char *units, const uint64_t *scale,
             const char *kind, uint64_t *n_out, const char **why)
{
    struct bytes text = v->elements[0];
    uint8_t last = text.ptr[text.len - 1];
    struct bytes digits = text;
    uint64_t factor = 1;
    size_t i = 0;

    for (size_t unit = 0; units[unit] != '\0'; unit++) {
        if ((uint8_t)units[unit] == last) {
            factor = scale[unit];
            digits.len = text.len - 1;
        }
    }
    while (i < digits.len && byte_is_digit(digits.ptr[i])) {
        i++;
    }
    if (digits.len == 0 || i < digits.len) {
        *why = digits.len > 1 && digits.ptr[0] == '-' ? "negative" : kind;
        return false;
    }
    if (!bytes_to_u64(digits, UINT64_MAX / factor, n_out)) {
        *why = "too big";
        return false;
    }
    *n_out *= factor;
    *why = range(v, *n_out);
    return *why == NULL;
}

static const char *
parse_number(struct conf_value *v, union conf_field *out)
{
    const char *why;
    uint64_t n;

    if (!parse_scaled(v, "", NULL, "not a number", &n, &why)) {
        return why;
    }
    out->number = (unsigned)n;
    return NULL;
}

static const char *
parse_auto_number(struct conf_value *v, union conf_field *out)
{
    if (bytes_is(v->elements[0], "auto")) {
        out->number = 0;
        return NULL;
    }
    return parse_number(v, out);
}

static const char *
parse_time(struct conf_value *v, union conf_field *out)
{
    static const uint64_t scale[] = { 1, 60, 3600, 86400 };
    const char *why;
    uint64_t n;

    if (!parse_scaled(v, "smhd", scale, "not a time", &n, &why)) {
        return why;
    }
    out->number = (unsigned)n;
    return NULL;
}

static const char *
parse_size(struct conf_value *v, union conf_field *out)
{
    static const uint64_t scale[] = { 1 << 10, 1 << 20, 1 << 30,
                                      1 << 10, 1 << 20, 1 << 30 };
    const char *why;
    uint64_t n;

    if (!parse_scaled(v, "KMGkmg", scale, "not a size", &n, &why)) {
        return why;
    }
    out->size = n;
    return NULL;
}

static const char *
parse_rate(struct conf_value *v, union conf_field *out)
{
    static const struct {
        const char *unit;
        unsigned s;
    } units[] = { { "/s", 1 }, { "/m", 60 }, { "/h", 3600 }, { "/d", 86400 } };
    struct bytes text = v->elements[0];
    size_t slash = bytes_find(text, '/');
    uint64_t count;

    if (text.len == 0) {
        out->rate = (struct conf_rate){ 0, 0 };
        return NULL;
    }
    if (!bytes_to_u64(bytes_take(text, slash), v->setting->max, &count) ||
        count == 0) {
        return "not a rate";
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (bytes_is(bytes_skip(text, slash), units[i].unit)) {
            out->rate = (struct conf_rate){ (unsigned)count, units[i].s };
            return NULL;
        }
    }
    return "not a rate";
}

static const char *
parse_bool(struct conf_value *v, union conf_field *out)
{
    if (!bytes_is(v->elements[0], "yes") && !bytes_is(v->elements[0], "no")) {
        return "neither yes nor no";
    }
    out->flags[0] = bytes_is(v->elements[0], "yes");
    return NULL;
}

const struct conf_word *
conf_word_find(struct conf_value *v, struct bytes text, const char **why_out)
{
    struct conf_suggest near = CONF_SUGGEST(text);

    for (const struct conf_word *w = v->setting->words; w->word != NULL; w++) {
        if (bytes_is(text, w->word)) {
            *why_out = NULL;
            return w;
        }
        conf_suggest_offer(&near, w->word);
    }
    *why_out = "unknown";
    if (near.best != NULL) {
        (void)snprintf(v->hint, sizeof(v->hint), "unknown (`%s`?)", near.best);
        *why_out = v->hint;
    }
    return NULL;
}

static const char *
parse_word(struct conf_value *v, union conf_field *out)
{
    const char *why;
    const struct conf_word *word = conf_word_find(v, v->elements[0], &why);

    if (word != NULL) {
        out->number = word->value;
    }
    return why;
}

static const char *
parse_choice(struct conf_value *v, union conf_field *out)
{
    const char *why;
    const struct conf_word *word = conf_word_find(v, v->elements[0], &why);

    if (word != NULL) {
        out->text = word->word;
    }
    return why;
}

static const char dovecot[] = "dovecot:";

/* A unix socket's name has 107 octets (unix(7)). */
static const char *
parse_dovecot(struct conf_value *v, struct bytes path, union conf_field *out)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        return "not a path that begins with /";
    }
    if (path.len > CONF_SOCKET_MAX) {
        return "longer than a socket's name may be (107 octets)";
    }
    out->backend.judge = CONF_JUDGE_DOVECOT;
    out->backend.path = conf_arena_text(v->arena, path);
    return NULL;
}

static const char *
parse_backend(struct conf_value *v, union conf_field *out)
{
    struct bytes text = v->elements[0];

    out->backend = (struct conf_backend){ CONF_JUDGE_USERS, "" };
    if (bytes_is(text, "upstream")) {
        out->backend.judge = CONF_JUDGE_UPSTREAM;
        return NULL;
    }
    if (bytes_is(bytes_take(text, sizeof(dovecot) - 1), dovecot)) {
        return parse_dovecot(v, bytes_skip(text, sizeof(dovecot) - 1), out);
    }
    return bytes_is(text, "users") ? NULL : "unknown";
}

/* RFC 6376 3.5, c=. */
static const char *
parse_canon(struct conf_value *v, union conf_field *out)
{
    struct bytes text = v->elements[0];
    size_t slash = bytes_find(text, '/');
    struct bytes header = bytes_take(text, slash);
    struct bytes body = bytes_skip(text, slash < text.len ? slash + 1 : slash);

    if ((!bytes_is(header, "relaxed") && !bytes_is(header, "simple")) ||
        (!bytes_is(body, "relaxed") && !bytes_is(body, "simple"))) {
        return "unknown";
    }
    out->flags[0] = bytes_is(header, "relaxed");
    out->flags[1] = bytes_is(body, "relaxed");
    return NULL;
}

typedef const char *parser(struct conf_value *v, union conf_field *out);

static parser *const parsers[CONF_TYPES] = {
    [CONF_TEXT] = parse_text,
    [CONF_HOST] = parse_host,
    [CONF_PATH] = parse_path,
    [CONF_ACCOUNT] = parse_account,
    [CONF_USER] = parse_user,
    [CONF_LOG] = parse_log,
    [CONF_NAME] = parse_name,
    [CONF_FIELD] = parse_field,
    [CONF_NUMBER] = parse_number,
    [CONF_AUTO_NUMBER] = parse_auto_number,
    [CONF_TIME] = parse_time,
    [CONF_SIZE] = parse_size,
    [CONF_RATE] = parse_rate,
    [CONF_BOOL] = parse_bool,
    [CONF_WORD] = parse_word,
    [CONF_CHOICE] = parse_choice,
    [CONF_BACKEND] = parse_backend,
    [CONF_CANON] = parse_canon,
    [CONF_WORDS] = conf_parse_words,
    [CONF_LISTEN] = conf_parse_listen,
    [CONF_SERVERS] = conf_parse_servers,
    [CONF_TARGETS] = conf_parse_targets,
    [CONF_POOL] = conf_parse_pool,
    [CONF_SENDERS] = conf_parse_senders,
    [CONF_NETWORKS] = conf_parse_networks,
    [CONF_PINS] = conf_parse_fingerprints,
    [CONF_CERT_USERS] = conf_parse_client_users,
    [CONF_PATHS] = conf_parse_paths,
    [CONF_DOMAINS] = conf_parse_domains,
    [CONF_FIELDS] = conf_parse_fields,
    [CONF_HEADERS] = conf_parse_headers,
};

const char *
conf_value_parse(struct conf_value *v, union conf_field *field_out)
{
    union conf_field field;
    const char *why;

    memset(&field, 0, sizeof(field));
    v->faulty = 0;
    why = parsers[v->setting->type](v, &field);
    if (why == NULL) {
        *field_out = field;
    }
    return why;
}

void
conf_value_store(const struct conf_setting *s, const union conf_field *field,
                 void *base)
{
    bool flag = field->number != 0;
    const void *from = field;

    if (s->type == CONF_WORD && s->size == sizeof(bool)) {
        from = &flag;
    }
    if (s->type == CONF_CANON) {
        memcpy((uint8_t *)base + s->offset, field->flags, sizeof(field->flags));
    } else {
        memcpy((uint8_t *)base + s->offset, from, s->size);
    }
}
