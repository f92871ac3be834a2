/*
 * fuzz_xclient - what is taken from XCLIENT or XFORWARD is short, clean text,
 * and written as xtext it is read as the same.
 *
 * The first octet's last bit is the verb.
 */
#include <base/buf.h>

#include <smtp/xclient.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[SMTP_XATTR_COUNT] = {
    "NAME",  "ADDR",     "PORT",     "PROTO", "HELO",
    "LOGIN", "DESTADDR", "DESTPORT", "IDENT", "SOURCE",
};

static void
check_value(const char *value)
{
    size_t len = strlen(value);

    assert(len <= SMTP_XVALUE_MAX);
    for (size_t i = 0; i < len; i++) {
        assert((uint8_t)value[i] >= ' ' && value[i] != 0x7f);
    }
}

static void
put_xtext(struct buf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        buf_printf(out, "+%02X", (unsigned)(uint8_t)*value);
    }
}

static void
check_again(enum smtp_verb verb, const struct smtp_xattrs *attrs)
{
    struct buf text = BUF_INIT;
    struct smtp_xattrs again;

    for (unsigned i = 0; i < SMTP_XATTR_COUNT; i++) {
        check_value(attrs->value[i]);
        if (attrs->given & 1u << i) {
            buf_printf(&text, " %s=", names[i]);
            put_xtext(&text, attrs->value[i][0] == '\0' ? "[UNAVAILABLE]"
                                                        : attrs->value[i]);
        } else {
            assert(attrs->value[i][0] == '\0');
        }
    }
    assert(smtp_xclient_parse(verb, buf_bytes(&text), &again) == SMTP_OK);
    assert(again.given == attrs->given);
    for (unsigned i = 0; i < SMTP_XATTR_COUNT; i++) {
        assert(strcmp(again.value[i], attrs->value[i]) == 0);
    }
    buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct smtp_xattrs attrs;
    enum smtp_verb verb;

    if (size == 0) {
        return 0;
    }
    verb = data[0] & 1 ? SMTP_VERB_XFORWARD : SMTP_VERB_XCLIENT;
    if (smtp_xclient_parse(verb, bytes_make(data + 1, size - 1), &attrs) ==
        SMTP_OK) {
        assert(attrs.given != 0);
        check_again(verb, &attrs);
    }
    return 0;
}
