/*
 * uservalue - the values of users.conf, one grammar each; see uservalue.h.
 */
#include "proxy/users/uservalue.h"

#include <crypt.h>

static size_t
span(const char *text, const char *extra)
{
    size_t n = 0;

    while (byte_is_alpha((uint8_t)text[n]) || byte_is_digit((uint8_t)text[n]) ||
           text[n] == '.' || text[n] == '/' ||
           (text[n] != '\0' && strchr(extra, text[n]) != NULL)) {
        n++;
    }
    return n;
}

/* crypt(5): after prefix, runs of ./A-Za-z0-9 parted by `$`. hash: octets of
 * the last run. */
static bool
is_hash(const char *text, const char *prefix, const char *extra, size_t hash)
{
    const char *last = strrchr(text, '$');

    return bytes_eq(bytes_take(bytes_str(text), strlen(prefix)),
                    bytes_str(prefix)) &&
           span(text, extra) == strlen(text) && last != NULL &&
           last > text + strlen(prefix) - 1 && strlen(last + 1) == hash;
}

bool
uservalue_hash(const char *hash)
{
    if (strlen(hash) > CRYPT_MAX_PASSPHRASE_SIZE / 2) {
        return false;
    }
    if (!is_hash(hash, "$y$", "$", 43) && !is_hash(hash, "$6$", "$=", 86) &&
        !is_hash(hash, "$2b$", "$", 53) && !is_hash(hash, "$2a$", "$", 53) &&
        !is_hash(hash, "$2y$", "$", 53)) {
        return false;
    }
    return crypt_checksalt(hash) != CRYPT_SALT_INVALID &&
           crypt_checksalt(hash) != CRYPT_SALT_METHOD_DISABLED;
}

bool
uservalue_name(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];

        if (c <= 0x20 || c == 0x7f || c == '[' || c == ']' || c == ';') {
            return false;
        }
    }
    return name.len > 0 && name.len <= USERVALUE_NAME_MAX;
}

bool
uservalue_item(struct bytes *rest, struct bytes *item_out)
{
    while (rest->len > 0) {
        size_t end = bytes_find(*rest, ',');
        struct bytes item = bytes_trim(bytes_take(*rest, end));

        *rest = bytes_skip(*rest, end < rest->len ? end + 1 : end);
        if (item.len > 0) {
            *item_out = item;
            return true;
        }
    }
    return false;
}

/* Where the last `@` stands; text.len when there is none. */
static size_t
find_at(struct bytes text)
{
    for (size_t i = text.len; i > 0; i--) {
        if (text.ptr[i - 1] == '@') {
            return i - 1;
        }
    }
    return text.len;
}

/* RFC 5321 4.1.2: blanks and `@` stand in quotes only. */
static bool
is_local(struct bytes local)
{
    bool quoted =
        local.len > 2 && local.ptr[0] == '"' && local.ptr[local.len - 1] == '"';

    for (size_t i = 0; i < local.len && !quoted; i++) {
        if (local.ptr[i] == '@' || byte_is_wsp(local.ptr[i])) {
            return false;
        }
    }
    return local.len > 0;
}

bool
uservalue_from(struct bytes text, struct uservalue_from *from_out)
{
    struct uservalue_from from = { .kind = VIEW_FROM_DOMAIN };
    size_t at = find_at(text);

    if (bytes_is(text, "*")) {
        from.kind = VIEW_FROM_ANY;
        *from_out = from;
        return true;
    }
    if (at < text.len) {
        from.kind = VIEW_FROM_ADDRESS;
        if (!is_local(bytes_take(text, at)) ||
            !bytes_copy(bytes_take(text, at), from.local, sizeof(from.local))) {
            return false;
        }
        text = bytes_skip(text, at + 1);
    } else if (bytes_starts_ci(text, "*.")) {
        from.kind = VIEW_FROM_BELOW;
        text = bytes_skip(text, 2);
    }
    if (!dkim_domain_parse(text, false, from.domain)) {
        return false;
    }
    *from_out = from;
    return true;
}

bool
uservalue_rate(struct bytes text, unsigned *count_out, unsigned *per_s_out)
{
    static const struct {
        char unit;
        unsigned s;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    size_t slash = bytes_find(text, '/');
    uint64_t count;

    if (slash + 2 != text.len ||
        !bytes_to_u64(bytes_take(text, slash), USERVALUE_RATE_MAX, &count) ||
        count == 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (text.ptr[slash + 1] == (uint8_t)units[i].unit) {
            *count_out = (unsigned)count;
            *per_s_out = units[i].s;
            return true;
        }
    }
    return false;
}
