/*
 * answer - see proxy/oauth/answer.h.
 */
#include "proxy/oauth/answer.h"

#include <jansson.h>

enum {
    LIFE_UNKNOWN_S = 3600 /* RFC 6749 5.1: expires_in is only recommended */
};

/* A token goes into a line of a file, and into a header (RFC 6750 2.1). */
static bool
take_token(const json_t *object, const char *key, char out[OAUTH_TOKEN_MAX + 1])
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    size_t len = text == NULL ? 0 : json_string_length(value);

    if (len == 0 || len > OAUTH_TOKEN_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return false;
        }
    }
    memcpy(out, text, len + 1);
    return true;
}

static void
take_text(const json_t *object, const char *key, char out[OAUTH_TEXT_MAX + 1])
{
    const char *text = json_string_value(json_object_get(object, key));
    size_t n = 0;

    for (; text != NULL && text[n] != '\0' && n < OAUTH_TEXT_MAX; n++) {
        out[n] = text[n] < ' ' || text[n] > '~' ? ' ' : text[n];
    }
    out[n] = '\0';
}

/* Some send the number as a string. */
static unsigned
take_life(const json_t *object)
{
    const json_t *value = json_object_get(object, "expires_in");
    json_int_t seconds = json_integer_value(value);
    const char *text = json_string_value(value);
    uint64_t number;

    if (text != NULL &&
        bytes_to_u64(bytes_str(text), OAUTH_LIFE_MAX_S, &number)) {
        seconds = (json_int_t)number;
    }
    if (seconds <= 0) {
        return LIFE_UNKNOWN_S;
    }
    return seconds < OAUTH_LIFE_MIN_S   ? OAUTH_LIFE_MIN_S
           : seconds > OAUTH_LIFE_MAX_S ? OAUTH_LIFE_MAX_S
                                        : (unsigned)seconds;
}

static bool
take(const json_t *object, long status, struct oauth_answer *out,
     const char **why_out)
{
    memset(out, 0, sizeof(*out));
    take_text(object, "error", out->error);
    take_text(object, "error_description", out->description);
    if (out->error[0] != '\0') {
        return true;
    }
    if (status != 200) {
        *why_out = "an answer without an error's name";
        return false;
    }
    if (!take_token(object, "access_token", out->access_token)) {
        *why_out = "no access_token that can be used in the answer";
        return false;
    }
    (void)take_token(object, "refresh_token", out->refresh_token);
    out->life_s = take_life(object);
    return true;
}

bool
oauth_answer_parse(struct bytes json, long status, struct oauth_answer *out,
                   const char **why_out)
{
    json_error_t error;
    json_t *object = json_loadb((const char *)json.ptr, json.len,
                                JSON_REJECT_DUPLICATES, &error);
    bool good = false;

    *why_out = "the answer is not a JSON object";
    if (json_is_object(object)) {
        good = take(object, status, out, why_out);
    }
    json_decref(object);
    return good;
}
