/*
 * fuzz_pem - any octets as a key file.
 */
#include "proxy/keys/keyfile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum dkim_alg alg = DKIM_ALG_RSA_SHA256;
    struct buf out = BUF_INIT;
    EVP_PKEY *key = NULL;

    if (keyfile_parse(bytes_make(data, size), true, &key, &alg) == KEY_OK) {
        /* What is taken can be kept and published. */
        if (keyfile_put(key, &out) != KEY_OK ||
            keyfile_put_public(key, &out) != KEY_OK) {
            abort();
        }
    } else if (key != NULL) {
        abort();
    }
    EVP_PKEY_free(key);
    buf_free(&out);
    return 0;
}
