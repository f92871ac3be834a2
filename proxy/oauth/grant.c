/*
 * grant - see proxy/oauth/grant.h.
 */
#include "proxy/oauth/grant.h"

#include "proxy/config/secret.h"
#include "proxy/keys/replace.h"
#include "proxy/oauth/answer.h"

#include <base/wipe.h>

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ANSWER_MAX = 64 * 1024, /* octets */
    CONNECT_S = 20,
    WHOLE_S = 60
};

/* --- secrets from files --------------------------------------------------- */

/* False: error says why. */
static bool
read_secret(const char *path, char out[CONF_TOKEN_MAX + 1], struct buf *error)
{
    enum conf_secret result = conf_secret_read(path, CONF_TOKEN_MAX, out);

    if (result == CONF_SECRET_FILE) {
        buf_printf(error, "%s: %s", path, strerror(errno));
    } else if (result == CONF_SECRET_LINE) {
        buf_printf(error, "%s: no secret of 1 to %d octets in its first line",
                   path, CONF_TOKEN_MAX);
    }
    return result == CONF_SECRET_OK;
}

/* --- the question --------------------------------------------------------- */

static void
put_field(struct buf *form, const char *key, const char *value)
{
    if (form->len > 0) {
        buf_putc(form, '&');
    }
    buf_printf(form, "%s=", key);
    for (; *value != '\0'; value++) {
        uint8_t c = (uint8_t)*value;

        if (byte_is_alpha(c) || byte_is_digit(c) || c == '-' || c == '.' ||
            c == '_' || c == '~') {
            buf_putc(form, (char)c);
        } else {
            buf_printf(form, "%%%02X", (unsigned)c);
        }
    }
}

/* RFC 6749 2.3.1, 4.4.2, 6. False: error says why. */
static bool
put_form(const struct oauth_conf *conf, struct buf *form, struct buf *error)
{
    char secret[CONF_TOKEN_MAX + 1];
    bool refresh = conf->refresh_token_file[0] != '\0';
    bool good = true;

    put_field(form, "grant_type",
              refresh ? "refresh_token" : "client_credentials");
    put_field(form, "client_id", conf->client_id);
    if (conf->client_secret_file[0] != '\0') {
        good = read_secret(conf->client_secret_file, secret, error);
        if (good) {
            put_field(form, "client_secret", secret);
        }
    }
    if (good && refresh) {
        good = read_secret(conf->refresh_token_file, secret, error);
        if (good) {
            put_field(form, "refresh_token", secret);
        }
    }
    if (conf->scope[0] != '\0') {
        put_field(form, "scope", conf->scope);
    }
    wipe(secret, sizeof(secret));
    if (good && buf_failed(form)) {
        buf_puts(error, "out of memory");
    }
    return good && !buf_failed(form);
}

/* Fewer octets taken than given: libcurl ends the transfer. */
static size_t
take_octets(char *octets, size_t size, size_t count, void *arg)
{
    struct buf *body = arg;
    size_t n = size * count;

    if (body->len + n > ANSWER_MAX) {
        return 0;
    }
    buf_put(body, bytes_make(octets, n));
    return buf_failed(body) ? 0 : n;
}

static bool
set_up(CURL *curl, const struct oauth_conf *conf, const struct buf *form,
       struct buf *body)
{
    return curl_easy_setopt(curl, CURLOPT_URL, conf->token_url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http") ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POSTFIELDS, form->ptr) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)form->len) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_octets) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)WHOLE_S) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           (conf->ca_file[0] == '\0' ||
            curl_easy_setopt(curl, CURLOPT_CAINFO, conf->ca_file) == CURLE_OK);
}

/* The answer's body and HTTP status; false: error says why. */
static bool
post(const struct oauth_conf *conf, const struct buf *form, struct buf *body,
     long *status_out, struct buf *error)
{
    CURL *curl = curl_easy_init();
    CURLcode rc = CURLE_OUT_OF_MEMORY;

    if (curl != NULL && set_up(curl, conf, form, body)) {
        rc = curl_easy_perform(curl);
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status_out);
    }
    if (rc == CURLE_WRITE_ERROR) {
        buf_printf(error, "%s: more than %d octets in the answer",
                   conf->token_url, ANSWER_MAX);
    } else if (rc != CURLE_OK) {
        buf_printf(error, "%s: %s", conf->token_url, curl_easy_strerror(rc));
    }
    curl_easy_cleanup(curl);
    return rc == CURLE_OK;
}

/* --- what is kept --------------------------------------------------------- */

/* A file that is there keeps its owner and group, so that who may read it
 * goes on to. */
static bool
keep(const char *path, const char *secret, mode_t mode, struct buf *error)
{
    struct replace_owner owner = { (uid_t)-1, (gid_t)-1, mode };
    struct buf text = BUF_INIT;
    struct stat st;
    bool good;

    if (geteuid() == 0 && stat(path, &st) == 0) {
        owner.uid = st.st_uid;
        owner.gid = st.st_gid;
    }
    buf_printf(&text, "%s\n", secret);
    good = !buf_failed(&text) && replace_file(path, buf_bytes(&text), &owner);
    if (!good) {
        buf_printf(error, "%s: %s; its folder must be writable", path,
                   strerror(errno));
    }
    wipe(text.ptr, text.cap);
    buf_free(&text);
    return good;
}

/* The refresh token first: the old one may be void from now on. */
static bool
keep_both(const struct oauth_conf *conf, const struct oauth_answer *answer,
          struct buf *error)
{
    if (conf->refresh_token_file[0] != '\0' &&
        answer->refresh_token[0] != '\0' &&
        !keep(conf->refresh_token_file, answer->refresh_token, 0600, error)) {
        return false;
    }
    return keep(conf->token_file, answer->access_token, 0640, error);
}

/* --- what it means -------------------------------------------------------- */

static const char *
mend(const struct oauth_conf *conf, const char *error)
{
    bool refresh = conf->refresh_token_file[0] != '\0';

    if (strcmp(error, "invalid_client") == 0) {
        return "; client_id and client_secret_file";
    }
    if (strcmp(error, "invalid_grant") == 0 && refresh) {
        return "; a new refresh token: let the account's owner consent again";
    }
    if (strcmp(error, "invalid_scope") == 0) {
        return "; scope";
    }
    if (strcmp(error, "unauthorized_client") == 0 ||
        strcmp(error, "unsupported_grant_type") == 0) {
        return refresh ? "; the application's rights there"
                       : "; the application's rights there, or a "
                         "refresh_token_file";
    }
    return "";
}

static enum oauth_result
judge(const struct oauth_conf *conf, struct bytes body, long status,
      struct oauth_answer *answer, struct buf *error)
{
    const char *why;
    bool later = status == 429 || status >= 500;

    if (!oauth_answer_parse(body, status, answer, &why)) {
        buf_printf(error, "%s: HTTP %ld: %s", conf->token_url, status, why);
        return OAUTH_LATER;
    }
    if (answer->error[0] != '\0') {
        buf_printf(error, "%s: HTTP %ld: %s%s%s%s", conf->token_url, status,
                   answer->error, answer->description[0] == '\0' ? "" : ": ",
                   answer->description, mend(conf, answer->error));
        return later || strcmp(answer->error, "temporarily_unavailable") == 0
                   ? OAUTH_LATER
                   : OAUTH_REFUSED;
    }
    return OAUTH_OK;
}

enum oauth_result
oauth_renew(const struct oauth_conf *conf, unsigned *life_s_out,
            struct buf *error)
{
    struct buf form = BUF_INIT, body = BUF_INIT;
    struct oauth_answer *answer = calloc(1, sizeof(*answer));
    enum oauth_result result = OAUTH_LATER;
    long status = 0;

    if (answer == NULL) {
        buf_puts(error, "out of memory");
        return OAUTH_LATER;
    }
    if (!put_form(conf, &form, error)) {
        result = OAUTH_REFUSED;
    } else if (post(conf, &form, &body, &status, error)) {
        result = judge(conf, buf_bytes(&body), status, answer, error);
    }
    if (result == OAUTH_OK && !keep_both(conf, answer, error)) {
        result = OAUTH_REFUSED;
    }
    *life_s_out = answer->life_s;
    wipe(form.ptr, form.cap);
    buf_free(&form);
    wipe(body.ptr, body.cap);
    buf_free(&body);
    wipe(answer, sizeof(*answer));
    free(answer);
    return result;
}
