/*
 * fuzz_smtp_sasl - an AUTH exchange of any lines: whole credentials or none.
 *
 * The first octet: bit 1 an initial response, the others the mechanism; lines
 * end with LF.
 */
#include <smtp/caps.h>
#include <smtp/sasl.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct smtp_sasl *s, enum smtp_sasl_result result,
      const char *prompt)
{
    switch (result) {
    case SMTP_SASL_MORE:
        assert(prompt != NULL);
        break;
    case SMTP_SASL_DONE:
    case SMTP_SASL_STEP:
        assert(s->mech == SMTP_MECH_EXTERNAL
                   ? s->secret[0] == '\0'
                   : s->user[0] != '\0' && s->secret[0] != '\0');
        assert(memchr(s->user, 0, sizeof(s->user)) != NULL);
        assert(memchr(s->secret, 0, sizeof(s->secret)) != NULL);
        break;
    default:
        assert(s->user[0] == '\0' && s->secret[0] == '\0');
        break;
    }
}

static unsigned
mech_of(uint8_t octet)
{
    static const unsigned mechs[] = {
        SMTP_MECH_PLAIN,         SMTP_MECH_LOGIN,
        SMTP_MECH_SCRAM_SHA_256, SMTP_MECH_SCRAM_SHA_256_PLUS,
        SMTP_MECH_OAUTHBEARER,   SMTP_MECH_XOAUTH2
    };

    if ((octet & 0x20) != 0) {
        return SMTP_MECH_EXTERNAL;
    }
    return mechs[(octet & 1) + (octet >> 2) % 3 * 2];
}

static struct bytes
take_line(struct bytes *rest)
{
    struct bytes line = bytes_take(*rest, bytes_find(*rest, '\n'));

    *rest = bytes_skip(*rest, line.len + (line.len < rest->len ? 1 : 0));
    return line;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = { data, size };
    enum smtp_sasl_result result;
    const char *prompt = NULL;
    struct bytes initial = { 0 };
    struct smtp_sasl s;

    if (size == 0) {
        return 0;
    }
    rest = bytes_skip(rest, 1);
    smtp_sasl_init(&s, mech_of(data[0]));
    if (data[0] & 2) {
        initial = take_line(&rest);
    }
    result = smtp_sasl_start(&s, data[0] & 2, initial, &prompt);
    check(&s, result, prompt);
    while (rest.len > 0) {
        bool over = result != SMTP_SASL_MORE && result != SMTP_SASL_STEP;

        result = smtp_sasl_line(&s, take_line(&rest), &prompt);
        check(&s, result, prompt);
        assert(!over || result != SMTP_SASL_DONE);
    }
    return 0;
}
