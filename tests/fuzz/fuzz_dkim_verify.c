/*
 * fuzz_dkim_verify - a whole message and the answers to its questions.
 *
 * Up to the first 0xff octet: the text of the one TXT record that each name
 * has; behind it the message. Its body arrives in pieces. The message is then
 * signed, and the field that comes of it is one that a verifier takes.
 */
#include <base/buf.h>

#include <dkim/authres.h>
#include <dkim/sign.h>
#include <dkim/signature.h>
#include <dkim/verify.h>

enum {
    NOW_S = 1795000000
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
need(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void
report(const struct dkim_verify *v)
{
    struct dkim_authres a;
    struct bytes field;

    for (size_t i = 0; i < dkim_verify_count(v); i++) {
        need(dkim_verify_result(v, i)->reason != NULL);
    }
    dkim_authres_begin(&a, "mx.example.com");
    dkim_authres_dkim(&a, v);
    need(dkim_authres_end(&a, &field));
    dkim_authres_free(&a);
}

static void
verify(const struct dkim_header *header, struct bytes body, struct bytes txt)
{
    const struct dkim_verify_conf conf = { NOW_S, 4, txt.len % 2 == 0 };
    struct dkim_verify *v = dkim_verify_new(header, &conf);
    struct dns_record record = { txt, 0 };
    struct dns_answer answer = { .status = DNS_OK,
                                 .records = &record,
                                 .count = 1 };
    struct dns_question q;
    unsigned id;

    need(v != NULL);
    while (dkim_verify_question(v, &q, &id)) {
        dkim_verify_answer(v, id, &answer);
    }
    while (body.len > 0) {
        size_t n = 1 + body.ptr[0] % 80u;

        n = n < body.len ? n : body.len;
        dkim_verify_body(v, bytes_take(body, n));
        body = bytes_skip(body, n);
    }
    dkim_verify_end(v);
    report(v);
    dkim_verify_free(&v);
}

static void
sign(const struct dkim_header *header)
{
    static const uint8_t zero[DKIM_SHA256_OCTETS];
    const struct dkim_sign_params params = {
        .domain = "example.com",
        .selector = "sel",
        .alg = DKIM_ALG_ED25519_SHA256,
        .header_canon = DKIM_CANON_RELAXED,
        .body_canon = DKIM_CANON_SIMPLE,
        .time_s = NOW_S,
        .body_hash = bytes_make(zero, sizeof(zero)),
        .headers = &dkim_sign_headers_default,
    };
    uint8_t digest[DKIM_SHA256_OCTETS];
    struct buf field = BUF_INIT;
    struct dkim_header made;
    struct dkim_signature sig;

    if (dkim_sign_prepare(header, &params, &field, digest)) {
        dkim_sign_finish(&field, bytes_make(zero, sizeof(zero)));
        need(dkim_header_parse(buf_bytes(&field), &made) == DKIM_HEADER_OK);
        need(made.count == 1 && made.faults == 0);
        need(dkim_signature_parse(made.fields[0].value, &sig) == DKIM_SIG_OK);
        dkim_header_free(&made);
    }
    buf_free(&field);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes txt = bytes_take(bytes_make(data, size),
                                  bytes_find(bytes_make(data, size), 0xff));
    struct bytes message = bytes_skip(bytes_make(data, size),
                                      txt.len < size ? txt.len + 1 : txt.len);
    struct dkim_header header;
    struct bytes block, body;

    (void)dkim_header_split(message, &block, &body);
    if (dkim_header_parse(block, &header) == DKIM_HEADER_OK) {
        verify(&header, body, txt);
        sign(&header);
        dkim_header_free(&header);
    }
    return 0;
}
