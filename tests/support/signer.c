/*
 * signer - see tests/support/signer.h.
 */
#include "signer.h"

#include "vec.h"

#include <base/base64.h>

#include <dkim/headerhash.h>
#include <dkim/signature.h>
#include <dkim/taglist.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static void
need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "signer: %s\n", what);
        abort();
    }
}

EVP_PKEY *
signer_key(const char *name)
{
    struct buf pem = vec_file(name);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    need(key != NULL, name);
    BIO_free(bio);
    buf_free(&pem);
    return key;
}

static void
put_base64(struct buf *out, struct bytes octets)
{
    need(buf_reserve(out, BASE64_LEN(octets.len)), "memory");
    out->len += base64_encode(octets, (char *)out->ptr + out->len);
}

struct buf
signer_record(EVP_PKEY *key)
{
    bool ed25519 = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
    struct buf out = BUF_INIT;
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    struct bytes octets = bytes_make(der, (size_t)len);

    need(len > 32, "no public key");
    buf_printf(&out, "v=DKIM1; k=%s; p=", ed25519 ? "ed25519" : "rsa");
    /* 8463 4.2: the raw key, which is the end of the wrapped one */
    put_base64(&out, ed25519 ? bytes_skip(octets, octets.len - 32) : octets);
    OPENSSL_free(der);
    return out;
}

static void
sign_rsa(EVP_PKEY *key, enum dkim_alg alg, struct bytes digest, struct buf *out)
{
    const EVP_MD *md = alg == DKIM_ALG_RSA_SHA1 ? EVP_sha1() : EVP_sha256();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    size_t n = 0;

    need(EVP_PKEY_sign_init(ctx) == 1 &&
             EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
             EVP_PKEY_CTX_set_signature_md(ctx, md) == 1 &&
             EVP_PKEY_sign(ctx, NULL, &n, digest.ptr, digest.len) == 1 &&
             buf_reserve(out, n) &&
             EVP_PKEY_sign(ctx, out->ptr + out->len, &n, digest.ptr,
                           digest.len) == 1,
         "cannot sign with RSA");
    out->len += n;
    EVP_PKEY_CTX_free(ctx);
}

static void
sign_ed25519(EVP_PKEY *key, struct bytes digest, struct buf *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = 64;

    need(buf_reserve(out, n) &&
             EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
             EVP_DigestSign(ctx, out->ptr + out->len, &n, digest.ptr,
                            digest.len) == 1,
         "cannot sign with Ed25519");
    out->len += n;
    EVP_MD_CTX_free(ctx);
}

void
signer_sign(EVP_PKEY *key, enum dkim_alg alg, struct bytes digest,
            struct buf *out)
{
    if (alg == DKIM_ALG_ED25519_SHA256) {
        sign_ed25519(key, digest, out);
    } else {
        sign_rsa(key, alg, digest, out);
    }
}

static struct buf
body_hash(enum dkim_canon_mode mode, enum dkim_hash_alg alg, uint64_t limit,
          struct bytes body)
{
    struct dkim_body_hash *h = dkim_body_hash_new(mode, alg, limit);
    uint8_t digest[DKIM_HASH_OCTETS_MAX];
    struct buf out = BUF_INIT;

    dkim_body_hash_feed(h, body);
    buf_put(&out, bytes_make(digest, dkim_body_hash_end(h, digest)));
    dkim_body_hash_free(&h);
    return out;
}

/* The tags with the body hash in the place of "{bh}". */
static struct buf
fill_bh(const struct craft *c, struct bytes body)
{
    struct buf bh = body_hash(c->body, dkim_alg_hash(c->alg),
                              c->limit == 0 ? UINT64_MAX : c->limit, body);
    struct buf out = BUF_INIT;
    const char *hole = strstr(c->tags, "{bh}");

    need(hole != NULL, "no {bh}");
    buf_puts(&out, "DKIM-Signature:");
    buf_put(&out, bytes_make(c->tags, (size_t)(hole - c->tags)));
    put_base64(&out, buf_bytes(&bh));
    buf_puts(&out, hole + 4);
    buf_puts(&out, "\r\n");
    buf_free(&bh);
    return out;
}

/* Where the value of a tag of field is. */
static struct bytes
find_tag(struct bytes field, const char *name)
{
    struct dkim_taglist list;
    struct dkim_tag tag;

    field.len -= 2;
    dkim_taglist_init(&list, bytes_skip(field, bytes_find(field, ':') + 1));
    do {
        if (dkim_taglist_next(&list, &tag) != DKIM_TAG_FOUND) {
            return bytes_make(NULL, 0);
        }
    } while (!bytes_is(tag.name, name));
    return tag.raw;
}

static struct buf
header_signature(const struct craft *c, const struct dkim_header *header,
                 struct bytes field)
{
    struct dkim_header_hash *h =
        dkim_header_hash_new(c->header, dkim_alg_hash(c->alg));
    struct bytes names = find_tag(field, "h");
    uint8_t digest[DKIM_HASH_OCTETS_MAX];
    struct buf signature = BUF_INIT, text = BUF_INIT;
    size_t n;

    if (names.ptr != NULL) {
        dkim_header_hash_names(h, header, names, NULL);
    }
    (void)dkim_header_hash_signature(h, field);
    n = dkim_header_hash_end(h, digest);
    signer_sign(c->key, c->alg, bytes_make(digest, n), &signature);
    put_base64(&text, buf_bytes(&signature));
    dkim_header_hash_free(&h);
    buf_free(&signature);
    return text;
}

struct buf
signer_craft(const struct craft *c, struct bytes message)
{
    struct bytes block, body, hole;
    struct dkim_header header;
    struct buf field, b, out = BUF_INIT;

    (void)dkim_header_split(message, &block, &body);
    need(dkim_header_parse(block, &header) == DKIM_HEADER_OK, "header");
    field = fill_bh(c, body);
    b = header_signature(c, &header, buf_bytes(&field));
    hole = find_tag(buf_bytes(&field), "b");
    if (hole.ptr == NULL) {
        buf_put(&out, buf_bytes(&field));
    } else {
        size_t at = (size_t)(hole.ptr - field.ptr) + hole.len;

        buf_put(&out, bytes_take(buf_bytes(&field), at));
        buf_put(&out, buf_bytes(&b));
        buf_put(&out, bytes_skip(buf_bytes(&field), at));
    }
    buf_put(&out, message);
    buf_free(&field);
    buf_free(&b);
    dkim_header_free(&header);
    return out;
}

struct buf
signer_product(const struct dkim_sign_params *params, EVP_PKEY *key,
               struct bytes message)
{
    struct dkim_sign_params p = *params;
    struct buf bh, out = BUF_INIT, signature = BUF_INIT;
    uint8_t digest[DKIM_SHA256_OCTETS];
    struct dkim_header header;
    struct bytes block, body;

    (void)dkim_header_split(message, &block, &body);
    need(dkim_header_parse(block, &header) == DKIM_HEADER_OK, "header");
    bh = body_hash(p.body_canon, DKIM_HASH_SHA256, UINT64_MAX, body);
    p.body_hash = buf_bytes(&bh);
    need(dkim_sign_prepare(&header, &p, &out, digest), "dkim_sign_prepare");
    signer_sign(key, p.alg, bytes_make(digest, sizeof(digest)), &signature);
    dkim_sign_finish(&out, buf_bytes(&signature));
    buf_put(&out, message);
    buf_free(&bh);
    buf_free(&signature);
    dkim_header_free(&header);
    return out;
}
