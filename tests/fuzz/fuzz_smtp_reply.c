/*
 * fuzz_smtp_reply - any reply reads within its bounds; what we give on is a
 * reply again, of the same code, printable, in lines of at most 512 octets.
 */
#include <smtp/caps.h>
#include <smtp/reply.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_relay(const struct smtp_reply *reply, int code)
{
    struct buf out = BUF_INIT;
    struct smtp_reply again;
    struct bytes rest, line;

    smtp_reply_relay(reply, code, &out);
    rest = buf_bytes(&out);
    assert(smtp_reply_next(&rest, &again) == SMTP_REPLY_OK);
    assert(rest.len == 0);
    assert(again.code == code && again.lines == reply->lines);
    rest = again.text;
    while (smtp_reply_line(&rest, &line)) {
        assert(line.len <= 506);
        for (size_t i = 0; i < line.len; i++) {
            assert(line.ptr[i] >= ' ' && line.ptr[i] <= '~');
        }
    }
    buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = { data, size };
    struct smtp_reply reply;
    struct smtp_caps caps;

    while (smtp_reply_next(&in, &reply) == SMTP_REPLY_OK) {
        struct bytes cut = bytes_take(reply.text, reply.text.len - 1);
        struct smtp_reply none;

        assert(reply.code >= 200 && reply.code <= 599 && reply.lines > 0);
        assert(smtp_reply_next(&cut, &none) == SMTP_REPLY_MORE);
        check_relay(&reply, reply.code);
        check_relay(&reply, 451);
        (void)smtp_reply_enhanced(&reply);
        smtp_caps_parse(&reply, &caps);
        assert((caps.mechs == 0) || (caps.offers & SMTP_CAP_AUTH));
    }
    return 0;
}
