/*
 * fuzz_oauth - any octets as the answer of a token endpoint: what is taken is
 * short, printable, and without blanks where it is a token.
 *
 * The first octet chooses the HTTP status.
 */
#include "proxy/oauth/answer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const char *text, size_t max, char least)
{
    size_t len = strlen(text);

    if (len > max) {
        abort();
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < least || text[i] > '~') {
            abort();
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = { 200, 400, 401, 503 };
    static struct oauth_answer answer;
    const char *why;

    if (size == 0) {
        return 0;
    }
    if (!oauth_answer_parse(bytes_make(data + 1, size - 1),
                            statuses[data[0] % 4], &answer, &why)) {
        if (why == NULL) {
            abort();
        }
        return 0;
    }
    check_text(answer.access_token, OAUTH_TOKEN_MAX, '!');
    check_text(answer.refresh_token, OAUTH_TOKEN_MAX, '!');
    check_text(answer.error, OAUTH_TEXT_MAX, ' ');
    check_text(answer.description, OAUTH_TEXT_MAX, ' ');
    if ((answer.error[0] == '\0') == (answer.access_token[0] == '\0') ||
        (answer.error[0] == '\0' && (answer.life_s < OAUTH_LIFE_MIN_S ||
                                     answer.life_s > OAUTH_LIFE_MAX_S))) {
        abort();
    }
    return 0;
}
