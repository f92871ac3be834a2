/*
 * rsakey - see rsakey.h. X.690 8.1.3, 10.1 (lengths); RFC 8017 A.1.1.
 */
#include "rsakey.h"

#include <dkim/keyrecord.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

enum {
    TAG_INTEGER = 0x02,
    TAG_BIT_STRING = 0x03,
    TAG_SEQUENCE = 0x30,
    NUMBER_MAX = DKIM_KEY_OCTETS_MAX
};

/* AlgorithmIdentifier: rsaEncryption, parameters NULL or left out. */
static const uint8_t rsa_null[] = { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
                                    0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };

/* The length's octets, taken off *in. */
static bool
take_length(struct bytes *in, size_t *len_out)
{
    size_t count, len = 0;

    if (in->len == 0) {
        return false;
    }
    count = in->ptr[0] < 0x80 ? 0 : in->ptr[0] & 0x7fu;
    if (count > 2 || in->len < 1 + count || in->ptr[0] == 0x80) {
        return false;
    }
    for (size_t i = 1; i <= count; i++) {
        len = len << 8 | in->ptr[i];
    }
    /* 10.1: the shortest form. */
    if ((count == 1 && len < 0x80) || (count == 2 && len < 0x100)) {
        return false;
    }
    *len_out = count == 0 ? in->ptr[0] : len;
    *in = bytes_skip(*in, 1 + count);
    return *len_out <= in->len;
}

/* The next element's content, taken off *in. */
static bool
take(struct bytes *in, uint8_t tag, struct bytes *content_out)
{
    size_t len;

    if (in->len == 0 || in->ptr[0] != tag) {
        return false;
    }
    *in = bytes_skip(*in, 1);
    if (!take_length(in, &len)) {
        return false;
    }
    *content_out = bytes_take(*in, len);
    *in = bytes_skip(*in, len);
    return true;
}

/* Not negative, in the fewest octets (8.3.2). */
static bool
take_number(struct bytes *in, struct bytes *number_out)
{
    struct bytes n;

    if (!take(in, TAG_INTEGER, &n) || n.len == 0 || n.len > NUMBER_MAX ||
        n.ptr[0] >= 0x80 || (n.len > 1 && n.ptr[0] == 0 && n.ptr[1] < 0x80)) {
        return false;
    }
    *number_out = bytes_skip(n, n.ptr[0] == 0);
    return true;
}

/* RSAPublicKey: a sequence of the modulus and the exponent. */
static bool
take_numbers(struct bytes in, struct dkim_rsa *key_out)
{
    struct bytes numbers;

    return take(&in, TAG_SEQUENCE, &numbers) && in.len == 0 &&
           take_number(&numbers, &key_out->n) &&
           take_number(&numbers, &key_out->e) && numbers.len == 0;
}

/* SubjectPublicKeyInfo: what the key is, and its octets as a bit string. */
static bool
unwrap(struct bytes in, struct bytes *key_out)
{
    struct bytes info, alg, bits;

    if (!take(&in, TAG_SEQUENCE, &info) || in.len != 0 ||
        !take(&info, TAG_SEQUENCE, &alg) ||
        !take(&info, TAG_BIT_STRING, &bits) || info.len != 0) {
        return false;
    }
    if (!bytes_eq(alg, bytes_make(rsa_null, sizeof(rsa_null))) &&
        !bytes_eq(alg, bytes_make(rsa_null, sizeof(rsa_null) - 2))) {
        return false;
    }
    if (bits.len == 0 || bits.ptr[0] != 0) {
        return false; /* bits that are left over */
    }
    *key_out = bytes_skip(bits, 1);
    return true;
}

bool
dkim_rsa_parse(struct bytes der, struct dkim_rsa *key_out)
{
    struct bytes inner;
    struct dkim_rsa key;

    if (!take_numbers(der, &key) &&
        (!unwrap(der, &inner) || !take_numbers(inner, &key))) {
        return false;
    }
    *key_out = key;
    return true;
}

unsigned
dkim_rsa_bits(struct bytes number)
{
    unsigned bits = 0;

    if (number.len == 0) {
        return 0;
    }
    for (unsigned first = number.ptr[0]; first != 0; first >>= 1) {
        bits++;
    }
    return (unsigned)(number.len - 1) * 8 + bits;
}

bool
dkim_rsa_odd(struct bytes number)
{
    return number.len > 0 && (number.ptr[number.len - 1] & 1) != 0;
}

/* libcrypto takes numbers in the machine's own order of octets. */
static OSSL_PARAM
parameter(const char *name, struct bytes number, uint8_t *out)
{
    BIGNUM *bn = BN_bin2bn(number.ptr, (int)number.len, NULL);
    int n = bn == NULL ? -1 : BN_bn2nativepad(bn, out, (int)number.len);

    BN_free(bn);
    return OSSL_PARAM_construct_BN(name, out, n < 0 ? 0 : (size_t)n);
}

EVP_PKEY *
dkim_rsa_make(const struct dkim_rsa *key)
{
    uint8_t n[NUMBER_MAX], e[NUMBER_MAX];
    OSSL_PARAM params[] = { parameter(OSSL_PKEY_PARAM_RSA_N, key->n, n),
                            parameter(OSSL_PKEY_PARAM_RSA_E, key->e, e),
                            OSSL_PARAM_construct_end() };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *pkey = NULL;

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}
