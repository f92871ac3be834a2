/*
 * fuzz_dovecot - lines of Dovecot's auth protocol: whole or refused, and what
 * is taken over is text.
 */
#include <assert.h>
#include <proxy/auth/dovecot_line.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const char *text, size_t cap)
{
    assert(memchr(text, 0, cap) != NULL);
    for (; *text != '\0'; text++) {
        assert((uint8_t)*text >= ' ' && *text != 0x7f);
    }
}

static void
check(struct bytes text, const struct dovecot_line *line)
{
    check_text(line->user, sizeof(line->user));
    check_text(line->reason, sizeof(line->reason));
    assert(line->word != DOVECOT_OK || line->user[0] != '\0');
    if (line->word == DOVECOT_CONT) {
        assert(line->challenge.len <= text.len);
        assert(bytes_find(line->challenge, '\t') == line->challenge.len);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = { data, size };

    while (rest.len > 0) {
        struct bytes line = bytes_take(rest, bytes_find(rest, '\n'));
        struct dovecot_line parsed;

        rest = bytes_skip(rest, line.len + (line.len < rest.len ? 1 : 0));
        if (dovecot_line_parse(line, &parsed)) {
            check(line, &parsed);
        }
    }
    return 0;
}
