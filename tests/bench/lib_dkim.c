/*
 * lib_dkim - what signing costs: canonicalization, the body hash, the header,
 * the private key. One core, memory only.
 *
 *   lib_dkim [SECONDS]     for each line, 1 by default
 */
#include <dkim/canon.h>
#include <dkim/sign.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <stdio.h>
#include <time.h>

enum {
    BODY_OCTETS = 10 * 1024
};

/* One thing that is measured; run() does it once. */
struct job {
    const char *name;
    void (*run)(struct job *job);
    struct bytes body;
    enum dkim_canon_mode mode;
    struct dkim_body_hash *hash;
    struct dkim_header header;
    EVP_PKEY *key;
    enum dkim_alg alg;
};

static volatile uint64_t sink_octets;

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
count_octets(void *ctx, struct bytes text)
{
    (void)ctx;
    sink_octets += text.len;
}

static void
run_canon(struct job *job)
{
    struct dkim_sink sink = { count_octets, NULL };
    struct dkim_body_canon c;

    dkim_body_canon_init(&c, job->mode, sink);
    dkim_body_canon_feed(&c, job->body);
    dkim_body_canon_end(&c);
}

static void
run_sha256(struct job *job)
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    EVP_Digest(job->body.ptr, job->body.len, digest, NULL, EVP_sha256(), NULL);
}

static size_t
hash_body(struct job *job, uint8_t *digest)
{
    dkim_body_hash_reset(job->hash);
    dkim_body_hash_feed(job->hash, job->body);
    return dkim_body_hash_end(job->hash, digest);
}

static void
run_hash(struct job *job)
{
    uint8_t digest[DKIM_HASH_OCTETS_MAX];

    sink_octets += hash_body(job, digest);
}

static void
sign_digest(const struct job *job, const uint8_t *digest, uint8_t *signature,
            size_t *n)
{
    if (job->alg == DKIM_ALG_ED25519_SHA256) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        EVP_DigestSignInit(ctx, NULL, NULL, NULL, job->key);
        EVP_DigestSign(ctx, signature, n, digest, DKIM_SHA256_OCTETS);
        EVP_MD_CTX_free(ctx);
    } else {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(job->key, NULL);

        EVP_PKEY_sign_init(ctx);
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING);
        EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256());
        EVP_PKEY_sign(ctx, signature, n, digest, DKIM_SHA256_OCTETS);
        EVP_PKEY_CTX_free(ctx);
    }
}

/* key NULL: all but the private key's work. */
static void
run_sign(struct job *job)
{
    uint8_t bh[DKIM_HASH_OCTETS_MAX], digest[DKIM_SHA256_OCTETS];
    uint8_t signature[512] = { 0 };
    size_t n = job->key == NULL ? 256 : sizeof(signature);
    struct buf field = BUF_INIT;
    const struct dkim_sign_params params = {
        .domain = "example.com",
        .selector = "sel",
        .alg = job->alg,
        .header_canon = job->mode,
        .body_canon = job->mode,
        .time_s = 1795000000,
        .body_hash = bytes_make(bh, hash_body(job, bh)),
        .headers = &dkim_sign_headers_default,
    };

    if (!dkim_sign_prepare(&job->header, &params, &field, digest)) {
        abort();
    }
    if (job->key != NULL) {
        sign_digest(job, digest, signature, &n);
    }
    dkim_sign_finish(&field, bytes_make(signature, n));
    sink_octets += field.len;
    buf_free(&field);
}

static void
measure(struct job *job, double seconds)
{
    double start = now(), end = start;
    uint64_t n = 0;

    while (end - start < seconds) {
        for (int i = 0; i < 20; i++, n++) {
            job->run(job);
        }
        end = now();
    }
    printf("%-32s %9.0f /s  %8.2f us  %7.1f MB/s\n", job->name,
           (double)n / (end - start), (end - start) / (double)n * 1e6,
           (double)n * (double)job->body.len / (end - start) / 1e6);
}

/* Lines of words, as a text part has them, or of base64. */
static struct buf
make_body(bool words)
{
    struct buf out = BUF_INIT;

    for (unsigned i = 0; out.len < BODY_OCTETS; i++) {
        buf_putc(&out, (char)('a' + i % 26));
        if (words && i % 6 == 5) {
            buf_putc(&out, ' ');
        }
        if (i % 66 == 65) {
            buf_puts(&out, "x\r\n");
        }
    }
    return out;
}

static const char header_text[] =
    "Received: from client.example.com (client.example.com [192.0.2.1])\r\n"
    "\tby relay.example.com with ESMTPSA id 0123456789;\r\n"
    "\tSat, 21 Nov 2026 10:00:00 +0000\r\n"
    "From: Joe Example <joe@example.com>\r\n"
    "To: Sue Example <sue@example.org>, Ann <ann@example.net>\r\n"
    "Subject: The quarterly numbers, and what they mean for next year\r\n"
    "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n"
    "Message-ID: <20261121100000.12345@client.example.com>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "In-Reply-To: <20261120100000.54321@client.example.org>\r\n"
    "References: <20261120100000.54321@client.example.org>\r\n";

int
main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    struct buf words = make_body(true), base64 = make_body(false);
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    struct dkim_header header;
    const enum dkim_canon_mode relaxed = DKIM_CANON_RELAXED;
    struct dkim_body_hash *hash =
        dkim_body_hash_new(relaxed, DKIM_HASH_SHA256, UINT64_MAX);
    struct bytes text = buf_bytes(&words), b64 = buf_bytes(&base64);
    const enum dkim_alg alg_rsa = DKIM_ALG_RSA_SHA256;
    const enum dkim_alg alg_ed = DKIM_ALG_ED25519_SHA256;

    if (dkim_header_parse(bytes_str(header_text), &header) != DKIM_HEADER_OK) {
        return 1;
    }
    struct job jobs[] = {
        { "canon simple, text", run_canon, text, DKIM_CANON_SIMPLE, hash,
          header, NULL, alg_rsa },
        { "canon relaxed, text", run_canon, text, relaxed, hash, header, NULL,
          alg_rsa },
        { "canon relaxed, base64", run_canon, b64, relaxed, hash, header, NULL,
          alg_rsa },
        { "SHA-256 alone", run_sha256, text, relaxed, hash, header, NULL,
          alg_rsa },
        { "body hash relaxed, text", run_hash, text, relaxed, hash, header,
          NULL, alg_rsa },
        { "all but the key", run_sign, text, relaxed, hash, header, NULL,
          alg_rsa },
        { "sign RSA-2048", run_sign, text, relaxed, hash, header, rsa,
          alg_rsa },
        { "sign Ed25519", run_sign, text, relaxed, hash, header, ed, alg_ed },
    };

    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        measure(&jobs[i], seconds);
    }
    dkim_body_hash_free(&hash);
    dkim_header_free(&header);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ed);
    buf_free(&words);
    buf_free(&base64);
    return 0;
}
