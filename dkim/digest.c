/*
 * digest - a hash that takes many small pieces cheaply; see digest.h.
 */
#include "dkim/digest.h"

bool
dkim_digest_init(struct dkim_digest *d, enum dkim_hash_alg alg)
{
    const EVP_MD *md = alg == DKIM_HASH_SHA1 ? EVP_sha1() : EVP_sha256();

    d->gathered = 0;
    d->ctx = EVP_MD_CTX_new();
    d->failed = d->ctx == NULL || EVP_DigestInit_ex(d->ctx, md, NULL) != 1;
    return !d->failed;
}

void
dkim_digest_reset(struct dkim_digest *d)
{
    d->gathered = 0;
    /* Without an algorithm: the one that is fetched already. */
    d->failed = d->ctx == NULL || EVP_DigestInit_ex(d->ctx, NULL, NULL) != 1;
}

static void
update(struct dkim_digest *d, struct bytes text)
{
    if (!d->failed && text.len > 0) {
        d->failed = EVP_DigestUpdate(d->ctx, text.ptr, text.len) != 1;
    }
}

static void
flush(struct dkim_digest *d)
{
    update(d, bytes_make(d->buf, d->gathered));
    d->gathered = 0;
}

void
dkim_digest_put(struct dkim_digest *d, struct bytes text)
{
    if (text.len > sizeof(d->buf) - d->gathered) {
        flush(d);
    }
    if (text.len >= sizeof(d->buf)) {
        update(d, text);
    } else if (text.len > 0) {
        memcpy(d->buf + d->gathered, text.ptr, text.len);
        d->gathered += text.len;
    }
}

size_t
dkim_digest_end(struct dkim_digest *d, uint8_t *out)
{
    unsigned n = 0;

    flush(d);
    if (d->failed || EVP_DigestFinal_ex(d->ctx, out, &n) != 1) {
        d->failed = true;
        return 0;
    }
    return n;
}

void
dkim_digest_free(struct dkim_digest *d)
{
    EVP_MD_CTX_free(d->ctx);
    d->ctx = NULL;
    d->failed = true;
}
