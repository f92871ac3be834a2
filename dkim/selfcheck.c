/*
 * selfcheck - our own signature, verified; see dkim/selfcheck.h.
 */
#include <dkim/headerhash.h>
#include <dkim/keyrecord.h>
#include <dkim/selfcheck.h>
#include <dkim/signature.h>

static const char *
check_signature(const struct dkim_header *header,
                const struct dkim_field *field,
                const struct dkim_signature *sig, EVP_PKEY *pkey)
{
    struct dkim_header_hash *h =
        dkim_header_hash_new(sig->header_canon, dkim_alg_hash(sig->alg));
    uint8_t digest[DKIM_HASH_OCTETS_MAX];
    size_t n = 0;

    if (h != NULL) {
        dkim_header_hash_names(h, header, sig->names, NULL);
        if (dkim_header_hash_signature(h, field->raw)) {
            n = dkim_header_hash_end(h, digest);
        }
    }
    dkim_header_hash_free(&h);
    if (n == 0) {
        return "the header could not be hashed";
    }
    return dkim_key_err_text(dkim_key_verify(
        pkey, sig->alg, bytes_make(digest, n), bytes_make(sig->b, sig->b_len)));
}

static const char *
check_field(const struct dkim_header *header, const struct dkim_field *field,
            struct bytes body_hash, enum dkim_alg alg, EVP_PKEY *pkey)
{
    struct dkim_signature sig;
    enum dkim_sig_err err;

    if (!bytes_is_ci(field->name, "dkim-signature")) {
        return "the field is no DKIM-Signature";
    }
    err = dkim_signature_parse(field->value, &sig);
    if (err != DKIM_SIG_OK) {
        return dkim_sig_err_text(err);
    }
    if (sig.alg != alg) {
        return "a= is another algorithm";
    }
    if (sig.has_length) {
        return "l= leaves a part of the body unsigned";
    }
    if (!bytes_eq(bytes_make(sig.bh, sig.bh_len), body_hash)) {
        return "body hash does not verify";
    }
    return check_signature(header, field, &sig, pkey);
}

const char *
dkim_selfcheck(const struct dkim_header *header, struct bytes field,
               struct bytes body_hash, enum dkim_alg alg, struct bytes p)
{
    struct dkim_key_record record = { .type = alg == DKIM_ALG_ED25519_SHA256
                                                  ? DKIM_KEY_ED25519
                                                  : DKIM_KEY_RSA,
                                      .sha256 = true,
                                      .email = true };
    const char *why = "the field is not one field";
    struct dkim_header made;
    EVP_PKEY *pkey = NULL;
    enum dkim_key_err err;
    unsigned bits;

    if (p.len == 0 || p.len > sizeof(record.p)) {
        return dkim_key_err_text(DKIM_KEY_FORMAT);
    }
    memcpy(record.p, p.ptr, p.len);
    record.p_len = p.len;
    err = dkim_key_load(&record, alg, false, &pkey, &bits);
    if (err != DKIM_KEY_OK) {
        return dkim_key_err_text(err);
    }
    if (dkim_header_parse(field, &made) != DKIM_HEADER_OK) {
        why = "no memory";
    } else {
        if (made.count == 1 && made.faults == 0) {
            why = check_field(header, &made.fields[0], body_hash, alg, pkey);
        }
        dkim_header_free(&made);
    }
    EVP_PKEY_free(pkey);
    return why;
}
