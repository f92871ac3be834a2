/*
 * record - one key record as text; see record.h.
 */
#include "proxy/survey/record.h"

#include "proxy/survey/judge.h"

#include <base/base64.h>

#include <openssl/x509.h>

enum {
    HEAD_OCTETS =
        12,         /* where "v=DKIM1" stands, blanks and quotes allowed for */
    SHORT_KEY = 40, /* of base64: less may be anything */
    ED25519_OCTETS = 32,
    DER_LONG_1 = 0x81, /* one octet of length follows, */
    DER_LONG_2 = 0x82, /* two do */
    DER_SEQUENCE = 0x30
};

/* False: there is no such tag, and *value_out is untouched. */
static bool
find_tag(struct bytes text, const char *name, struct bytes *value_out)
{
    while (text.len > 0) {
        size_t end = bytes_find(text, ';');
        struct bytes tag = bytes_trim(bytes_take(text, end));
        size_t eq = bytes_find(tag, '=');

        if (eq < tag.len && bytes_is(bytes_trim(bytes_take(tag, eq)), name)) {
            *value_out = bytes_trim(bytes_skip(tag, eq + 1));
            return true;
        }
        text = bytes_skip(text, end < text.len ? end + 1 : end);
    }
    return false;
}

struct bytes
record_tag(struct bytes text, const char *name)
{
    struct bytes value = BYTES_LIT("");

    (void)find_tag(text, name, &value);
    return value;
}

static bool
contains(struct bytes text, const char *word)
{
    size_t n = strlen(word);

    for (; text.len >= n; text = bytes_skip(text, 1)) {
        if (bytes_eq_ci(bytes_take(text, n), bytes_make(word, n))) {
            return true;
        }
    }
    return false;
}

bool
record_is_key(struct bytes text)
{
    struct bytes p, other;

    while (text.len > 0 && (text.ptr[0] == '"' || byte_is_wsp(text.ptr[0]))) {
        text = bytes_skip(text, 1);
    }
    return contains(bytes_take(text, HEAD_OCTETS), "dkim1") ||
           (find_tag(text, "p", &p) &&
            (find_tag(text, "k", &other) || find_tag(text, "v", &other) ||
             p.len > SHORT_KEY));
}

/* --- reading -------------------------------------------------------------- */

static void
clean_p(struct record *r)
{
    struct bytes p = record_tag(buf_bytes(&r->text), "p");

    for (size_t i = 0; i < p.len; i++) {
        uint8_t c = p.ptr[i];

        if (c == '"' || c == '\\') {
            r->quotes = true;
        } else if (byte_is_wsp(c)) {
            r->blanks = true;
        } else if (c == '\r' || c == '\n') {
            r->line_breaks = true;
        } else {
            buf_putc(&r->p, (char)c);
        }
    }
}

static size_t
count_strings(struct bytes strings)
{
    size_t count = 0;

    for (; strings.len > 0 && strings.ptr[0] < strings.len; count++) {
        strings = bytes_skip(strings, 1u + strings.ptr[0]);
    }
    return count;
}

static void
load_key(struct record *r)
{
    enum dkim_alg alg = r->key.type == DKIM_KEY_ED25519
                            ? DKIM_ALG_ED25519_SHA256
                            : DKIM_ALG_RSA_SHA256;
    EVP_PKEY *pkey = NULL;

    r->load_err = dkim_key_load(&r->key, alg, true, &pkey, &r->bits);
    EVP_PKEY_free(pkey);
}

bool
record_read(struct bytes data, struct record *record_out)
{
    struct record r = { .strings = data };

    r.string_count = count_strings(data);
    raw_join(data, &r.text);
    clean_p(&r);
    r.err = dkim_key_parse(buf_bytes(&r.text), &r.key);
    if (r.err == DKIM_KEY_OK) {
        load_key(&r);
    }
    for (size_t i = 0; i < r.text.len; i++) {
        r.quotes = r.quotes || r.text.ptr[i] == '"';
    }
    *record_out = r;
    return !buf_failed(&r.text) && !buf_failed(&r.p);
}

void
record_free(struct record *r)
{
    buf_free(&r->text);
    buf_free(&r->p);
}

/* --- how it was spoilt ---------------------------------------------------- */

static bool
is_private_der(const uint8_t *der, size_t len)
{
    const unsigned char *at = der;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, (long)len);
    bool is_one = key != NULL;

    EVP_PKEY_free(key);
    return is_one;
}

/* 8032: 32 octets are as well a seed; it is one when our public key comes of
 * it. */
static bool
is_our_seed(const uint8_t *seed, const char *ours_b64)
{
    uint8_t ours[ED25519_OCTETS + 1];
    uint8_t public[ED25519_OCTETS];
    size_t ours_len = 0;
    size_t len = sizeof(public);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed,
                                                 ED25519_OCTETS);
    bool is_one = key != NULL &&
                  EVP_PKEY_get_raw_public_key(key, public, &len) == 1 &&
                  base64_decode(bytes_str(ours_b64), true, ours, sizeof(ours),
                                &ours_len) &&
                  bytes_eq(bytes_make(ours, ours_len), bytes_make(public, len));

    EVP_PKEY_free(key);
    return is_one;
}

bool
record_is_private(const struct record *r, const char *ours_b64, bool ed25519)
{
    uint8_t octets[DKIM_KEY_OCTETS_MAX];
    size_t len = 0;

    if (contains(buf_bytes(&r->text), "PRIVATE KEY")) {
        return true;
    }
    if (!base64_decode(buf_bytes(&r->p), true, octets, sizeof(octets), &len)) {
        return false;
    }
    return is_private_der(octets, len) ||
           (ed25519 && len == ED25519_OCTETS && is_our_seed(octets, ours_b64));
}

/* The n-th order of the strings, joined. */
static void
join_order(const struct bytes *strings, size_t count, unsigned n,
           struct buf *text)
{
    bool used[RECORD_STRINGS_MAX] = { false };

    for (size_t left = count; left > 0; left--) {
        size_t pick = n % left;
        size_t i = 0;

        n /= (unsigned)left;
        while (used[i] || pick > 0) {
            pick -= used[i] ? 0 : 1;
            i++;
        }
        used[i] = true;
        buf_put(text, strings[i]);
    }
}

static bool
is_that_key(struct bytes text, const char *ours_b64, bool ed25519)
{
    struct dkim_key_record key;
    EVP_PKEY *pkey = NULL;
    unsigned bits = 0;
    bool good;

    if (dkim_key_parse(text, &key) != DKIM_KEY_OK) {
        return false;
    }
    if (ours_b64[0] != '\0') {
        return judge_same_key(&key, ours_b64, ed25519);
    }
    good = dkim_key_load(&key,
                         key.type == DKIM_KEY_ED25519 ? DKIM_ALG_ED25519_SHA256
                                                      : DKIM_ALG_RSA_SHA256,
                         true, &pkey, &bits) == DKIM_KEY_OK;
    EVP_PKEY_free(pkey);
    return good;
}

bool
record_is_shuffled(const struct record *r, const char *ours_b64, bool ed25519)
{
    struct bytes strings[RECORD_STRINGS_MAX];
    struct bytes rest = r->strings;
    unsigned orders = 1;
    bool found = false;

    if (r->string_count < 2 || r->string_count > RECORD_STRINGS_MAX ||
        is_that_key(buf_bytes(&r->text), ours_b64, ed25519)) {
        return false;
    }
    for (size_t i = 0; i < r->string_count; i++) {
        strings[i] = bytes_take(bytes_skip(rest, 1), rest.ptr[0]);
        rest = bytes_skip(rest, 1u + rest.ptr[0]);
        orders *= (unsigned)i + 1;
    }
    for (unsigned n = 1; n < orders && !found; n++) {
        struct buf text = BUF_INIT;

        join_order(strings, r->string_count, n, &text);
        found = is_that_key(buf_bytes(&text), ours_b64, ed25519);
        buf_free(&text);
    }
    return found;
}

/* How long the key in p= says that it is, in base64; 0: it does not say. */
static size_t
length_told(const struct record *r)
{
    uint8_t head[6];
    size_t len = 0;

    if (r->p.len < 8 ||
        !base64_decode(bytes_take(buf_bytes(&r->p), 8), false, head,
                       sizeof(head), &len) ||
        len < 4 || head[0] != DER_SEQUENCE) {
        return 0;
    }
    return head[1] == DER_LONG_1 ? BASE64_LEN((size_t)head[2] + 3)
           : head[1] == DER_LONG_2
               ? BASE64_LEN((size_t)head[2] * 256 + head[3] + 4)
               : 0;
}

bool
record_is_cut(const struct record *r, const char *ours_b64)
{
    struct bytes ours = bytes_str(ours_b64);

    if (r->p.len == 0) {
        return false;
    }
    if (ours.len > 0) {
        return r->p.len < ours.len &&
               bytes_eq(buf_bytes(&r->p), bytes_take(ours, r->p.len));
    }
    return r->p.len < length_told(r);
}
