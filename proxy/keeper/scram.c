/*
 * scram - one exchange after the other; see scram.h.
 */
#include <base/base64.h>
#include <base/wipe.h>

#include <smtp/scram.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <gsasl.h>
#include <proxy/keeper/scram.h>
#include <proxy/users/scramsecret.h>
#include <stdio.h>
#include <stdlib.h>

struct scram {
    Gsasl *context;
    uint8_t *key; /* SALTKEY_OCTETS in OpenSSL's locked memory */
};

struct scram_exchange {
    Gsasl_session *session;
    char user[SMTP_SASL_USER_MAX + 1];
    char *secret; /* owns; the string it began with; NULL: none */
};

/* As text, the way libgsasl takes them. */
struct scram_values {
    char iterations[16];
    char salt[BASE64_LEN(SCRAM_SALT_MAX) + 1];
    char stored_key[BASE64_LEN(SCRAM_KEY_OCTETS) + 1];
    char server_key[BASE64_LEN(SCRAM_KEY_OCTETS) + 1];
};

struct scram *
scram_new(const uint8_t key[SALTKEY_OCTETS])
{
    struct scram *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    s->key = OPENSSL_secure_malloc(SALTKEY_OCTETS);
    if (s->key == NULL || gsasl_init(&s->context) != GSASL_OK) {
        scram_free(&s);
        return NULL;
    }
    memcpy(s->key, key, SALTKEY_OCTETS);
    return s;
}

void
scram_free(struct scram **s)
{
    if (*s != NULL) {
        OPENSSL_secure_clear_free((*s)->key, SALTKEY_OCTETS);
        if ((*s)->context != NULL) {
            gsasl_done((*s)->context);
        }
        free(*s);
        *s = NULL;
    }
}

/* --- what a name is given ------------------------------------------------- */

/* HMAC-SHA-256 of purpose and name under the installation's key, in base64;
 * octets: how many of its 64 (two blocks) are wanted. */
static bool
derive(const struct scram *s, char purpose, const char *name, size_t octets,
       char *out)
{
    char text[2 + SMTP_SASL_USER_MAX + 1];
    uint8_t macs[2 * SCRAM_KEY_OCTETS];
    bool good = true;

    for (int block = 0; block < 2 && good; block++) {
        int n =
            snprintf(text, sizeof(text), "%c%c%s", purpose, '0' + block, name);

        good = HMAC(EVP_sha256(), s->key, SALTKEY_OCTETS, (const uint8_t *)text,
                    (size_t)n, macs + block * SCRAM_KEY_OCTETS, NULL) != NULL;
    }
    out[base64_encode(bytes_make(macs, octets), out)] = '\0';
    wipe(macs, sizeof(macs));
    return good;
}

/* Which of the users' own kinds of secret this name seems to have. */
static struct data_scram_kind
kind_for(const struct scram *s, const struct keeper_data *data,
         const char *name)
{
    static const struct data_scram_kind standard = { SCRAM_ITERATIONS,
                                                     SCRAM_SALT_OCTETS };
    char text[BASE64_LEN(1) + 1];

    if (data->scram_kind_count == 0 || !derive(s, 'k', name, 1, text)) {
        return standard;
    }
    return data->scram_kinds[(unsigned char)text[0] % data->scram_kind_count];
}

static bool
make_up(const struct scram *s, const struct keeper_data *data, const char *name,
        struct scram_values *v)
{
    struct data_scram_kind kind = kind_for(s, data, name);

    /* cppcheck-suppress ctuuninitvar ; sizeof of what is written */
    (void)snprintf(v->iterations, sizeof(v->iterations), "%u", kind.iterations);
    return derive(s, 's', name, kind.salt_octets, v->salt) &&
           derive(s, 'p', name, SCRAM_KEY_OCTETS, v->stored_key) &&
           derive(s, 'v', name, SCRAM_KEY_OCTETS, v->server_key);
}

static const char *
secret_of(const struct keeper_data *data, const char *user)
{
    size_t index;

    return userfile_find(data->users, bytes_str(user), &index)
               ? data->users->secrets[index].scram
               : "";
}

/* The made-up values cost the same whether they are used or not. */
static bool
values_for(const struct scram *s, const struct keeper_data *data,
           struct scram_exchange *e, struct scram_values *v)
{
    const char *text = secret_of(data, e->user);
    struct scram_secret secret;

    if (!make_up(s, data, e->user, v)) {
        return false;
    }
    if (!scram_secret_parse(bytes_str(text), &secret)) {
        return true;
    }
    (void)snprintf(v->iterations, sizeof(v->iterations), "%u",
                   secret.iterations);
    e->secret = strdup(text);
    return e->secret != NULL &&
           bytes_copy(secret.salt, v->salt, sizeof(v->salt)) &&
           bytes_copy(secret.stored_key, v->stored_key,
                      sizeof(v->stored_key)) &&
           bytes_copy(secret.server_key, v->server_key, sizeof(v->server_key));
}

/* --- the exchange --------------------------------------------------------- */

static bool
set(struct scram_exchange *e, Gsasl_property what, const char *value)
{
    return gsasl_property_set(e->session, what, value) == GSASL_OK;
}

/* The one place that starts a mechanism: these two, no other. */
static bool
start(const struct scram *s, struct scram_exchange *e,
      const struct keeper_ask *ask, const struct scram_values *v)
{
    char binding[BASE64_LEN(KEEPER_BINDING_OCTETS) + 1];

    binding[base64_encode(bytes_make(ask->binding, KEEPER_BINDING_OCTETS),
                          binding)] = '\0';
    return gsasl_server_start(
               s->context, ask->plus ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256",
               &e->session) == GSASL_OK &&
           set(e, GSASL_SCRAM_ITER, v->iterations) &&
           set(e, GSASL_SCRAM_SALT, v->salt) &&
           set(e, GSASL_SCRAM_STOREDKEY, v->stored_key) &&
           set(e, GSASL_SCRAM_SERVERKEY, v->server_key) &&
           (!ask->plus || set(e, GSASL_CB_TLS_EXPORTER, binding));
}

/* Hands over what libgsasl made. False: it does not fit. */
static bool
take_output(char *out, size_t len, struct scram_message *message_out)
{
    bool fits = len <= sizeof(message_out->text);

    if (out != NULL && fits) {
        memcpy(message_out->text, out, len);
        message_out->len = len;
    }
    if (out != NULL) {
        wipe(out, len);
        gsasl_free(out);
    }
    return fits;
}

/* code: of gsasl_step(). */
static int
step(struct scram_exchange *e, struct bytes in,
     struct scram_message *message_out)
{
    char *out = NULL;
    size_t len = 0;
    int code = gsasl_step(e->session, (const char *)in.ptr, in.len, &out, &len);
    bool good = code == GSASL_OK || code == GSASL_NEEDS_MORE;

    message_out->len = 0;
    return take_output(out, good ? len : 0, message_out) ? code
                                                         : GSASL_MALLOC_ERROR;
}

/* RFC 5802 6: what the client says of channel binding must be what is so.
 * NULL: it is. */
static const char *
judge_binding(const struct keeper_ask *ask, enum smtp_scram_binding said)
{
    if (ask->plus != (said == SMTP_SCRAM_EXPORTER)) {
        return "the mechanism and its channel binding do not belong together";
    }
    if (ask->plus && !ask->plus_offered) {
        return "no channel binding was offered";
    }
    if (said == SMTP_SCRAM_UNUSED && ask->plus_offered) {
        return "somebody took SCRAM-SHA-256-PLUS out of the offer";
    }
    return NULL;
}

static void
lower(char *text)
{
    for (; *text != '\0'; text++) {
        *text = (char)byte_lower((uint8_t)*text);
    }
}

static enum keeper_status
begin(const struct scram *s, const struct keeper_data *data,
      const struct keeper_ask *ask, struct scram_exchange *e,
      struct scram_message *message_out)
{
    struct scram_values v;
    enum keeper_status status = KEEPER_FAILED;

    if (values_for(s, data, e, &v) && start(s, e, ask, &v)) {
        status = step(e, ask->message, message_out) == GSASL_NEEDS_MORE
                     ? KEEPER_OK
                     : KEEPER_DENIED;
    }
    wipe(&v, sizeof(v));
    return status;
}

enum keeper_status
scram_begin(const struct scram *s, const struct keeper_data *data,
            const struct keeper_ask *ask, struct scram_exchange **exchange_out,
            struct scram_message *message_out, const char **why_out)
{
    struct smtp_scram_first first;
    struct scram_exchange *e;
    enum keeper_status status;

    *why_out = "not a first message of SCRAM";
    if (!smtp_scram_first_parse(ask->message, &first)) {
        return KEEPER_DENIED;
    }
    *why_out = judge_binding(ask, first.binding);
    if (*why_out != NULL) {
        return KEEPER_DENIED;
    }
    e = calloc(1, sizeof(*e));
    if (e == NULL) {
        *why_out = "out of memory";
        return KEEPER_FAILED;
    }
    memcpy(e->user, first.user, sizeof(e->user));
    lower(e->user);
    status = begin(s, data, ask, e, message_out);
    if (status == KEEPER_OK) {
        *why_out = "";
        *exchange_out = e;
    } else {
        *why_out = "libgsasl refused the message";
        scram_exchange_free(&e);
    }
    return status;
}

enum keeper_status
scram_prove(struct scram_exchange *e, const struct keeper_data *data,
            struct bytes message, struct scram_message *message_out)
{
    const char *secret = secret_of(data, e->user);
    int code = step(e, message, message_out);
    size_t index;

    if (code != GSASL_OK || e->secret == NULL) {
        wipe(message_out, sizeof(*message_out));
        return code == GSASL_MALLOC_ERROR ? KEEPER_FAILED : KEEPER_DENIED;
    }
    if (strcmp(secret, e->secret) != 0 ||
        !userfile_find(data->users, bytes_str(e->user), &index)) {
        return KEEPER_BUSY;
    }
    return data->users->users[index].locked ? KEEPER_LOCKED : KEEPER_OK;
}

const char *
scram_user(const struct scram_exchange *e)
{
    return e->user;
}

void
scram_exchange_free(struct scram_exchange **ep)
{
    struct scram_exchange *e = *ep;

    *ep = NULL;
    if (e == NULL) {
        return;
    }
    if (e->session != NULL) {
        gsasl_finish(e->session);
    }
    if (e->secret != NULL) {
        wipe(e->secret, strlen(e->secret));
        free(e->secret);
    }
    free(e);
}
