/*
 * fuzz_smtp_client - any replies on the way to MAIL: what goes out are lines
 * of ours, and a login only behind TLS where TLS is asked for.
 *
 * The first octet: 1 TLS needed, 2 TLS when offered, 4 LMTP, 8 a token, 16
 * XCLIENT, 32 from TLS on, 64 SCRAM.
 */
#include <base/buf.h>

#include <smtp/client.h>
#include <smtp/xclient.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct smtp_xattrs origin = {
    .given = 1u << SMTP_XATTR_ADDR | 1u << SMTP_XATTR_LOGIN,
    .value = { [SMTP_XATTR_ADDR] = "192.0.2.1", [SMTP_XATTR_LOGIN] = "\r\n" },
};

static enum smtp_scram_result
scram(void *ctx, enum smtp_mech mech, struct bytes challenge,
      struct buf *response)
{
    (void)ctx;
    (void)mech;
    buf_puts(response, "MQ==");
    return challenge.len == 0 || challenge.ptr[0] == 'm' ? SMTP_SCRAM_MORE
           : challenge.ptr[0] == 'd'                     ? SMTP_SCRAM_DONE
                                                         : SMTP_SCRAM_FAILED;
}

static struct smtp_client
client_of(uint8_t flags)
{
    struct smtp_client_conf conf = { .hostname = "me",
                                     .user = "user",
                                     .secret = "secret",
                                     .host = "up",
                                     .port = 25 };
    struct smtp_client c;

    conf.tls = flags & 1   ? SMTP_CLIENT_TLS_REQUIRED
               : flags & 2 ? SMTP_CLIENT_TLS_MAY
                           : SMTP_CLIENT_TLS_NONE;
    conf.lmtp = flags & 4;
    conf.mechs = flags & 8 ? SMTP_MECH_XOAUTH2 | SMTP_MECH_OAUTHBEARER : 0;
    conf.xclient = flags & 16 ? &origin : NULL;
    if (flags & 64) {
        conf.scram = scram;
        conf.mechs = ~0u;
    }
    smtp_client_init(&c, &conf, flags & 32);
    return c;
}

/* Whole lines, no control characters in them. */
static void
check_out(const struct smtp_client *c, struct buf *out)
{
    struct bytes rest = buf_bytes(out);

    while (rest.len > 0) {
        struct bytes line = bytes_take(rest, bytes_find(rest, '\n'));

        assert(line.len < rest.len && line.len > 0);
        assert(line.ptr[line.len - 1] == '\r');
        line.len--;
        for (size_t i = 0; i < line.len; i++) {
            assert(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
        }
        assert(!bytes_starts_ci(line, "AUTH") || c->tls ||
               c->conf.tls == SMTP_CLIENT_TLS_NONE);
        rest = bytes_skip(rest, line.len + 2);
    }
    buf_clear(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make(data, size);
    struct buf out = BUF_INIT;
    struct smtp_client c;
    struct smtp_reply reply;
    enum smtp_client_action action = SMTP_CLIENT_WAIT;

    if (size == 0) {
        return 0;
    }
    c = client_of(data[0]);
    in = bytes_skip(in, 1);
    while (action != SMTP_CLIENT_FAILED &&
           smtp_reply_next(&in, &reply) == SMTP_REPLY_OK) {
        bool over = action == SMTP_CLIENT_READY;

        action = smtp_client_reply(&c, &reply, &out);
        assert(!over || action == SMTP_CLIENT_FAILED);
        check_out(&c, &out);
        if (action == SMTP_CLIENT_TLS) {
            smtp_client_tls_started(&c, &out);
            check_out(&c, &out);
        }
    }
    assert(strlen(c.said) <= SMTP_CLIENT_SAID_MAX);
    buf_free(&out);
    return 0;
}
