/*
 * fuzz_dkim_signature - any octets as the value of DKIM-Signature.
 *
 * What is taken as a signature can be hashed, has names that DNS can be asked
 * for, and does not change its header input when b= changes.
 */
#include <base/buf.h>

#include <dkim/headerhash.h>
#include <dkim/signature.h>
#include <dkim/taglist.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
need(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void
walk(struct bytes text)
{
    struct dkim_taglist list;
    struct dkim_tag tag;
    const uint8_t *end = text.ptr + text.len;
    size_t n = 0;

    dkim_taglist_init(&list, text);
    while (dkim_taglist_next(&list, &tag) == DKIM_TAG_FOUND) {
        need(tag.name.len > 0 && tag.raw.ptr + tag.raw.len <= end);
        need(tag.value.len <= tag.raw.len);
        need(++n <= DKIM_TAGS_MAX);
    }
}

static void
hash(const struct dkim_signature *sig, struct bytes field, uint8_t *out)
{
    struct dkim_header_hash *h =
        dkim_header_hash_new(sig->header_canon, DKIM_HASH_SHA256);

    if (h == NULL) {
        return;
    }
    need(dkim_header_hash_signature(h, field));
    need(dkim_header_hash_end(h, out) == DKIM_SHA256_OCTETS);
    dkim_header_hash_free(&h);
}

/* The header input does not know what b= is. */
static void
check_hash(const struct dkim_signature *sig, struct bytes value)
{
    uint8_t one[DKIM_SHA256_OCTETS], two[DKIM_SHA256_OCTETS];
    size_t at = (size_t)(sig->b_text.ptr - value.ptr);
    struct buf field = BUF_INIT;

    buf_puts(&field, "DKIM-Signature:");
    buf_put(&field, value);
    hash(sig, buf_bytes(&field), one);
    buf_clear(&field);
    buf_puts(&field, "DKIM-Signature:");
    buf_put(&field, bytes_take(value, at));
    buf_puts(&field, "QUJD");
    buf_put(&field, bytes_skip(value, at + sig->b_text.len));
    buf_puts(&field, "\r\n");
    hash(sig, buf_bytes(&field), two);
    need(memcmp(one, two, sizeof(one)) == 0);
    buf_free(&field);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes value = bytes_make(data, size);
    char again[DKIM_DOMAIN_MAX + 1];
    struct dkim_signature sig;

    walk(value);
    if (dkim_signature_parse(value, &sig) == DKIM_SIG_OK) {
        need(dkim_domain_parse(bytes_str(sig.domain), false, again));
        need(dkim_domain_parse(bytes_str(sig.selector), false, again));
        need(sig.b_len > 0 && sig.bh_len > 0 && sig.alg_known);
        check_hash(&sig, value);
    }
    return 0;
}
