/*
 * msan_crypto - tells MemorySanitizer what libcrypto writes.
 *
 * libcrypto is not instrumented. Its own heap counts as written, and so does
 * what it hands to us through the functions below: the linker puts them in
 * the place of those of libcrypto (--wrap) in programs that call them. In
 * these programs what libc is given, by libcrypto or by us, is not looked at;
 * each branch and each address of ours still is.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <sanitizer/msan_interface.h>
#include <stdlib.h>

int __real_BN_bn2nativepad(const BIGNUM *bn, unsigned char *out, int octets);
int __wrap_BN_bn2nativepad(const BIGNUM *bn, unsigned char *out, int octets);
int __real_EVP_DigestFinal_ex(EVP_MD_CTX *ctx, unsigned char *out, unsigned *n);
int __wrap_EVP_DigestFinal_ex(EVP_MD_CTX *ctx, unsigned char *out, unsigned *n);
int __real_EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *out, size_t *n,
                          const unsigned char *text, size_t octets);
int __wrap_EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *out, size_t *n,
                          const unsigned char *text, size_t octets);
int __real_EVP_PKEY_sign(EVP_PKEY_CTX *ctx, unsigned char *out, size_t *n,
                         const unsigned char *digest, size_t octets);
int __wrap_EVP_PKEY_sign(EVP_PKEY_CTX *ctx, unsigned char *out, size_t *n,
                         const unsigned char *digest, size_t octets);
int __real_EVP_PKEY_get_raw_public_key(const EVP_PKEY *key, unsigned char *out,
                                       size_t *n);
int __wrap_EVP_PKEY_get_raw_public_key(const EVP_PKEY *key, unsigned char *out,
                                       size_t *n);

static void *
allocate(size_t octets, const char *file, int line)
{
    void *p = octets == 0 ? NULL : malloc(octets);

    (void)file;
    (void)line;
    if (p != NULL) {
        __msan_unpoison(p, octets);
    }
    return p;
}

static void
release(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static void *
allocate_again(void *old, size_t octets, const char *file, int line)
{
    void *p = NULL;

    if (octets == 0) {
        release(old, file, line);
        return NULL;
    }
    p = realloc(old, octets);
    if (p != NULL) {
        __msan_unpoison(p, octets);
    }
    return p;
}

__attribute__((constructor)) static void
begin(void)
{
    __msan_scoped_disable_interceptor_checks();
    if (CRYPTO_set_mem_functions(allocate, allocate_again, release) != 1) {
        abort(); /* too late: somebody has allocated */
    }
}

/* Hands on what a function of libcrypto said of its *n octets in out. */
static int
written(int result, unsigned char *out, size_t n)
{
    if (result > 0 && out != NULL) {
        __msan_unpoison(out, n);
    }
    return result;
}

int
__wrap_BN_bn2nativepad(const BIGNUM *bn, unsigned char *out, int octets)
{
    return written(__real_BN_bn2nativepad(bn, out, octets), out,
                   (size_t)octets);
}

int
__wrap_EVP_DigestFinal_ex(EVP_MD_CTX *ctx, unsigned char *out, unsigned *n)
{
    int result = __real_EVP_DigestFinal_ex(ctx, out, n);

    __msan_unpoison(n, sizeof(*n));
    return written(result, out, *n);
}

int
__wrap_EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *out, size_t *n,
                      const unsigned char *text, size_t octets)
{
    int result = __real_EVP_DigestSign(ctx, out, n, text, octets);

    __msan_unpoison(n, sizeof(*n));
    return written(result, out, *n);
}

int
__wrap_EVP_PKEY_sign(EVP_PKEY_CTX *ctx, unsigned char *out, size_t *n,
                     const unsigned char *digest, size_t octets)
{
    int result = __real_EVP_PKEY_sign(ctx, out, n, digest, octets);

    __msan_unpoison(n, sizeof(*n));
    return written(result, out, *n);
}

int
__wrap_EVP_PKEY_get_raw_public_key(const EVP_PKEY *key, unsigned char *out,
                                   size_t *n)
{
    int result = __real_EVP_PKEY_get_raw_public_key(key, out, n);

    __msan_unpoison(n, sizeof(*n));
    return written(result, out, *n);
}
