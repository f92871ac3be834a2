/*
 * fingerprints - see proxy/config/fingerprints.h.
 *
 * An element of tls_client_users is `sha256:HEX = USER` or `subject:DN = USER`.
 * A DN holds commas and equals signs (RFC 4514), so there ` = ` with its
 * spaces, which the form of RFC 4514 never has outside of a value, separates,
 * and a comma before it is the DN's own.
 */
#include "proxy/config/fingerprints.h"

#include <base/hex.h>

#define SHA256_PREFIX  "sha256:"
#define SUBJECT_PREFIX "subject:"

static bool
take_octet(struct bytes *text, uint8_t *octet_out)
{
    if (!hex_octet(*text, octet_out)) {
        return false;
    }
    *text = bytes_skip(*text, 2);
    return true;
}

const char *
conf_fingerprint_parse(struct bytes text,
                       struct conf_fingerprint *fingerprint_out)
{
    struct conf_fingerprint f;

    if (!bytes_starts_ci(text, SHA256_PREFIX)) {
        return "a fingerprint begins with sha256:";
    }
    text = bytes_skip(text, strlen(SHA256_PREFIX));
    for (size_t i = 0; i < sizeof(f.sha256); i++) {
        if (i > 0 && text.len > 0 && text.ptr[0] == ':') {
            text = bytes_skip(text, 1);
        }
        if (!take_octet(&text, &f.sha256[i])) {
            return "not 64 hexadecimal digits";
        }
    }
    if (text.len > 0) {
        return "more than 64 hexadecimal digits";
    }
    *fingerprint_out = f;
    return NULL;
}

const char *
conf_parse_fingerprints(struct conf_value *v, union conf_field *out)
{
    struct conf_fingerprint *list =
        conf_arena_new(v->arena, v->count + 1, sizeof(*list));

    if (list == NULL) {
        return NULL;
    }
    for (v->faulty = 0; v->faulty < v->count; v->faulty++) {
        const char *why =
            conf_fingerprint_parse(v->elements[v->faulty], &list[v->faulty]);

        if (why != NULL) {
            return why;
        }
    }
    out->fingerprints.list = list;
    out->fingerprints.count = v->count;
    return NULL;
}

/* --- tls_client_users ----------------------------------------------------- */

/* Where " = " begins; text.len: nowhere. */
static size_t
find_equals(struct bytes text)
{
    for (size_t i = 0; i + 2 < text.len; i++) {
        if (memcmp(text.ptr + i, " = ", 3) == 0) {
            return i;
        }
    }
    return text.len;
}

size_t
conf_client_user_end(struct bytes text)
{
    struct bytes trimmed = bytes_trim(text);
    size_t equals =
        bytes_starts_ci(trimmed, SUBJECT_PREFIX) ? find_equals(text) : 0;

    return equals + bytes_find(bytes_skip(text, equals), ',');
}

static const char *
keep_user(struct conf_value *v, struct bytes name,
          struct conf_client_user *user_out)
{
    char *user;

    if (!conf_is_user(name)) {
        return "not the name of a user behind `=`";
    }
    user = conf_arena_text(v->arena, name);
    for (char *c = user; c != NULL && *c != '\0'; c++) {
        *c = (char)byte_lower((uint8_t)*c);
    }
    user_out->user = user;
    return NULL;
}

static const char *
parse_client_user(struct conf_value *v, struct bytes text,
                  struct conf_client_user *user_out)
{
    bool subject = bytes_starts_ci(text, SUBJECT_PREFIX);
    size_t equals = subject ? find_equals(text) : bytes_find(text, '=');
    struct bytes who = bytes_trim(bytes_take(text, equals));
    struct bytes name = bytes_trim(bytes_skip(text, equals));
    const char *why = NULL;

    if (equals == text.len) {
        return "no ` = USER` behind it";
    }
    name = bytes_trim(bytes_skip(name, 1));
    if (subject) {
        who = bytes_trim(bytes_skip(who, strlen(SUBJECT_PREFIX)));
        user_out->subject = conf_arena_text(v->arena, who);
        if (bytes_find(who, '=') == who.len) {
            why = "not a subject as RFC 4514 writes it";
        }
    } else if (bytes_starts_ci(text, SHA256_PREFIX)) {
        why = conf_fingerprint_parse(who, &user_out->fingerprint);
    } else {
        why = "neither sha256: nor subject:";
    }
    return why != NULL ? why : keep_user(v, name, user_out);
}

const char *
conf_parse_client_users(struct conf_value *v, union conf_field *out)
{
    struct conf_client_user *list =
        conf_arena_new(v->arena, v->count + 1, sizeof(*list));

    if (list == NULL) {
        return NULL;
    }
    for (v->faulty = 0; v->faulty < v->count; v->faulty++) {
        const char *why =
            parse_client_user(v, v->elements[v->faulty], &list[v->faulty]);

        if (why != NULL) {
            return why;
        }
    }
    out->client_users.list = list;
    out->client_users.count = v->count;
    return NULL;
}

bool
conf_client_users_has(const struct conf_client_users *users, struct bytes name)
{
    for (size_t i = 0; i < users->count; i++) {
        if (bytes_is_ci(name, users->list[i].user)) {
            return true;
        }
    }
    return false;
}
