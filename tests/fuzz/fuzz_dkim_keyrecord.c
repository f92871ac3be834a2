/*
 * fuzz_dkim_keyrecord - any octets as TXT records at a key's name.
 *
 * Records are divided by 0xff. What loads as a key is tried on a signature,
 * in bounded time.
 */
#include <dkim/keyrecord.h>

#include <openssl/err.h>

#include <stdlib.h>

enum {
    RECORDS_MAX = 4
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try(const struct dkim_key_record *key, enum dkim_alg alg)
{
    static const uint8_t zero[512];
    EVP_PKEY *pkey = NULL;
    unsigned bits = 0;

    if (dkim_key_load(key, alg, true, &pkey, &bits) == DKIM_KEY_OK) {
        if (bits == 0 || bits > DKIM_RSA_BITS_MAX) {
            abort();
        }
        (void)dkim_key_verify(pkey, alg, bytes_make(zero, 32),
                              bytes_make(zero, bits < 512 ? 64 : bits / 8));
    }
    EVP_PKEY_free(pkey);
    if (ERR_peek_error() != 0) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_record records[RECORDS_MAX];
    struct dns_answer answer = { .status = DNS_OK, .records = records };
    struct bytes rest = bytes_make(data, size);
    struct dkim_key_record key;

    while (answer.count < RECORDS_MAX && rest.len > 0) {
        size_t n = bytes_find(rest, 0xff);

        records[answer.count++].data = bytes_take(rest, n);
        rest = bytes_skip(rest, n < rest.len ? n + 1 : n);
    }
    if (dkim_key_from_answer(&answer, &key) == DKIM_KEY_OK) {
        for (int alg = 0; alg < DKIM_ALGS; alg++) {
            try(&key, (enum dkim_alg)alg);
        }
    }
    return 0;
}
