/*
 * lib_verify - what checking a message costs, its key being in the cache; and
 * the worst messages that the limits let through. CPU time, memory only.
 *
 *   lib_verify [SECONDS [NAME]]     for each line, 1 by default; NAME: only
 *                                   the lines that have it in their name
 *
 * "openssl" is the floor: one RSA-2048 verification and SHA-256 over the same
 * octets, the key already decoded.
 */
#include <base/base64.h>

#include <dkim/arc.h>
#include <dkim/authres.h>
#include <dkim/sign.h>
#include <dkim/verify.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <malloc.h>
#include <stdio.h>
#include <time.h>

enum {
    BODY_OCTETS = 10 * 1024,
    NOW_S = 1795000000,
    ROUND = 20
};

/* One thing that is measured; run() does it once. */
struct job {
    const char *name;
    void (*run)(const struct job *job);
    struct bytes head, body;
    struct dns_answer answer; /* to each question */
    EVP_PKEY *key;
    struct bytes signature;
};

static volatile size_t sink_octets;
static size_t heap_octets; /* held at the end of the last check */

static double
cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
run_openssl(const struct job *job)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(job->key, NULL);

    EVP_Digest(job->body.ptr, job->body.len, digest, NULL, EVP_sha256(), NULL);
    EVP_Digest(job->head.ptr, job->head.len, digest, NULL, EVP_sha256(), NULL);
    EVP_PKEY_verify_init(ctx);
    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING);
    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256());
    sink_octets +=
        (size_t)(EVP_PKEY_verify(ctx, job->signature.ptr, job->signature.len,
                                 digest, DKIM_SHA256_OCTETS) == 1);
    EVP_PKEY_CTX_free(ctx);
}

static void
ask(struct dkim_verify *v, struct arc *a, const struct dns_answer *answer)
{
    struct dns_question q;
    unsigned id;

    while (dkim_verify_question(v, &q, &id)) {
        dkim_verify_answer(v, id, answer);
    }
    while (arc_question(a, &q, &id)) {
        arc_answer(a, id, answer);
    }
}

/* As a session does: header, signatures, chain, body, field. */
static void
run_check(const struct job *job)
{
    const struct dkim_verify_conf conf = { .now_s = NOW_S,
                                           .signatures_max = 8 };
    struct dkim_header header = { 0 };
    struct dkim_authres field = { 0 };
    struct dkim_verify *v;
    struct bytes text;
    struct arc *a;

    if (dkim_header_parse(job->head, &header) != DKIM_HEADER_OK) {
        dkim_header_free(&header);
        return; /* beyond the limits: refused */
    }
    v = dkim_verify_new(&header, &conf);
    a = arc_new(&header);
    ask(v, a, &job->answer);
    dkim_verify_body(v, job->body);
    arc_body(a, job->body);
    dkim_verify_end(v);
    arc_end(a);
    dkim_authres_begin(&field, "relay.example.com");
    dkim_authres_dkim(&field, v);
    arc_authres(&field, a, "192.0.2.1");
    if (!dkim_authres_end(&field, &text)) {
        abort();
    }
    sink_octets += text.len;
    if (heap_octets == 0) {
        heap_octets = mallinfo2().uordblks;
    }
    dkim_authres_free(&field);
    dkim_verify_free(&v);
    arc_free(&a);
    dkim_header_free(&header);
}

static void
measure(const struct job *job, double seconds)
{
    size_t before = mallinfo2().uordblks;
    double start, end;
    uint64_t n = 0;

    heap_octets = 0;
    job->run(job); /* what libcrypto keeps for good comes here */
    start = end = cpu();
    while (end - start < seconds) {
        for (int i = 0; i < ROUND; i++, n++) {
            job->run(job);
        }
        end = cpu();
    }
    printf("| %-34s | %7zu | %9.1f | %6zu |\n", job->name,
           (job->head.len + job->body.len) / 1024,
           (end - start) / (double)n * 1e6,
           heap_octets == 0 ? 0 : (heap_octets - before) / 1024);
}

/* --- messages ------------------------------------------------------------- */

static const char header_text[] =
    "From: Joe Example <joe@example.com>\r\n"
    "To: Sue Example <sue@example.org>, Ann <ann@example.net>\r\n"
    "Subject: The quarterly numbers, and what they mean for next year\r\n"
    "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n"
    "Message-ID: <20261121100000.12345@client.example.com>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n";

static const char bh_empty[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

static struct buf
make_body(void)
{
    struct buf out = BUF_INIT;

    for (unsigned i = 0; out.len < BODY_OCTETS; i++) {
        buf_putc(&out, (char)('a' + i % 26));
        buf_puts(&out, i % 66 == 65 ? "x\r\n" : i % 6 == 5 ? " " : "");
    }
    return out;
}

static struct buf
make_record(EVP_PKEY *key, size_t octets)
{
    uint8_t der[1024], *end = der;
    char text[2048];
    struct buf out = BUF_INIT;
    int n = i2d_PUBKEY(key, &end);

    EVP_EncodeBlock((uint8_t *)text, der, n);
    buf_printf(&out, "v=DKIM1; p=%s", text);
    if (octets > 0) {
        buf_puts(&out, "; n=");
    }
    while (out.len < octets) {
        buf_putc(&out, 'x');
    }
    return out;
}

/* The signature's octets are left in raw, 256 of them. */
static struct buf
sign(EVP_PKEY *key, struct bytes body, uint8_t *raw)
{
    uint8_t bh[DKIM_HASH_OCTETS_MAX], digest[DKIM_SHA256_OCTETS];
    struct dkim_body_hash *hash =
        dkim_body_hash_new(DKIM_CANON_RELAXED, DKIM_HASH_SHA256, UINT64_MAX);
    struct dkim_sign_params params = { .domain = "example.com",
                                       .selector = "sel",
                                       .alg = DKIM_ALG_RSA_SHA256,
                                       .header_canon = DKIM_CANON_RELAXED,
                                       .body_canon = DKIM_CANON_RELAXED,
                                       .time_s = NOW_S,
                                       .headers = &dkim_sign_headers_default };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    struct buf field = BUF_INIT;
    struct dkim_header header;
    size_t n = 256;

    dkim_body_hash_feed(hash, body);
    params.body_hash = bytes_make(bh, dkim_body_hash_end(hash, bh));
    dkim_body_hash_free(&hash);
    if (dkim_header_parse(bytes_str(header_text), &header) != DKIM_HEADER_OK ||
        !dkim_sign_prepare(&header, &params, &field, digest)) {
        abort();
    }
    EVP_PKEY_sign_init(ctx);
    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING);
    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256());
    EVP_PKEY_sign(ctx, raw, &n, digest, DKIM_SHA256_OCTETS);
    EVP_PKEY_CTX_free(ctx);
    dkim_sign_finish(&field, bytes_make(raw, n));
    dkim_header_free(&header);
    return field;
}

/* text, `times` times over, then the usual header. */
static struct buf
repeat(const char *text, unsigned times)
{
    struct buf out = BUF_INIT;

    for (unsigned i = 0; i < times; i++) {
        buf_puts(&out, text);
    }
    buf_puts(&out, header_text);
    return out;
}

static struct buf
long_list(const char *before, const char *item)
{
    struct buf out = BUF_INIT;

    buf_puts(&out, "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=k; b=AAAA; "
                   "bh=");
    buf_printf(&out, "%s; %s", bh_empty, before);
    while (out.len < 64 * 1024) {
        buf_puts(&out, item);
    }
    buf_puts(&out, "\r\n");
    buf_puts(&out, header_text);
    return out;
}

/* Fifty sets, each sealed and signed over all fields, none rightly. */
static struct buf
long_chain(void)
{
    struct buf out = BUF_INIT;

    for (int i = 50; i > 0; i--) {
        buf_printf(&out,
                   "ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=a.test; s=k; "
                   "b=AAAA\r\nARC-Message-Signature: i=%d; a=rsa-sha256; "
                   "c=relaxed/relaxed; d=a.test; s=k; h=from:to:subject; "
                   "bh=%s; b=AAAA\r\nARC-Authentication-Results: i=%d; "
                   "x.test; none\r\n",
                   i, i == 1 ? "none" : "pass", i, bh_empty, i);
    }
    buf_puts(&out, header_text);
    return out;
}

int
main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    EVP_PKEY *rsa = EVP_RSA_gen(2048), *big = EVP_RSA_gen(4096);
    struct buf body = make_body(), record = make_record(rsa, 0);
    struct buf long_record = make_record(rsa, 16 * 1024);
    struct buf big_record = make_record(big, 0);
    uint8_t raw[256];
    struct buf field = sign(rsa, buf_bytes(&body), raw), head = BUF_INIT;
    struct buf eight = BUF_INIT, many = BUF_INIT, wrong = BUF_INIT;
    struct buf fields = repeat("X: y\r\n", 10000), chain = long_chain();
    struct buf tags = long_list("h=from", "; t1=x");
    struct buf names = long_list("h=from", ":x");

    buf_put(&head, buf_bytes(&field));
    buf_puts(&head, header_text);
    for (int i = 0; i < 8; i++) {
        buf_put(&eight, buf_bytes(&field));
    }
    buf_puts(&eight, header_text);
    buf_printf(&wrong,
               "DKIM-Signature: v=1;a=rsa-sha256;d=a.test;s=k;h=from;bh=%s;"
               "b=AAAA\r\n",
               bh_empty);
    many = repeat(buf_str(&wrong), 990);

    struct dns_record r = { .data = buf_bytes(&record) };
    struct dns_record r_long = { .data = buf_bytes(&long_record) };
    struct dns_record r_big = { .data = buf_bytes(&big_record) };
    struct dns_answer key = { DNS_OK, &r, 1, 300, false };
    struct dns_answer key_long = { DNS_OK, &r_long, 1, 300, false };
    struct dns_answer key_big = { DNS_OK, &r_big, 1, 300, false };
    struct bytes b = buf_bytes(&body);
    const struct bytes s = bytes_make(raw, sizeof(raw));
    const struct job jobs[] = {
        { "openssl: RSA-2048, hashes", run_openssl, buf_bytes(&head), b, key,
          rsa, s },
        { "one RSA-2048 signature", run_check, buf_bytes(&head), b, key, rsa,
          s },
        { "eight of them", run_check, buf_bytes(&eight), b, key, rsa, s },
        { "990 signatures", run_check, buf_bytes(&many), b, key, rsa, s },
        { "10000 fields (refused)", run_check, buf_bytes(&fields), b, key, rsa,
          s },
        { "a tag list of 64 KiB", run_check, buf_bytes(&tags), b, key, rsa, s },
        { "h= of 32000 names", run_check, buf_bytes(&names), b, key, rsa, s },
        { "a key record of 16 KiB", run_check, buf_bytes(&head), b, key_long,
          rsa, s },
        { "an ARC chain of 50 sets, none right", run_check, buf_bytes(&chain),
          b, key_big, rsa, s },
    };

    printf("| message | KiB | CPU us | heap KiB |\n|---|---:|---:|---:|\n");
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        if (argc < 3 || strstr(jobs[i].name, argv[2]) != NULL) {
            measure(&jobs[i], seconds);
        }
    }
    return 0;
}
