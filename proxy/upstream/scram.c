/*
 * scram - see proxy/upstream/scram.h.
 */
#include "proxy/upstream/scram.h"

#include <base/base64.h>
#include <base/wipe.h>

#include <gsasl.h>
#include <proxy/log/log.h>
#include <stdlib.h>

enum {
    BINDING_OCTETS = 32, /* RFC 9266 2 */
    CHALLENGE_MAX = 4096,
    ITERATIONS_MAX = 200000 /* a tenth of a second: nobody else is served */
};

struct upstream_scram {
    Gsasl *gsasl;
    Gsasl_session *session;
};

void
upstream_scram_free(struct upstream_scram **sp)
{
    struct upstream_scram *s = *sp;

    if (s == NULL) {
        return;
    }
    if (s->session != NULL) {
        gsasl_finish(s->session);
    }
    if (s->gsasl != NULL) {
        gsasl_done(s->gsasl);
    }
    free(s);
    *sp = NULL;
}

/* The property is base64, as gsasl wants it. */
static bool
bind_channel(struct upstream_scram *s, struct conn *conn)
{
    char text[BASE64_LEN(BINDING_OCTETS) + 1];
    uint8_t binding[BINDING_OCTETS];
    size_t n;

    if (!conn_channel_binding(conn, binding)) {
        return false;
    }
    n = base64_encode(bytes_make(binding, sizeof(binding)), text);
    text[n] = '\0';
    return gsasl_property_set(s->session, GSASL_CB_TLS_EXPORTER, text) ==
           GSASL_OK;
}

struct upstream_scram *
upstream_scram_new(enum smtp_mech mech, const char *user, const char *password,
                   struct conn *conn)
{
    bool plus = mech == SMTP_MECH_SCRAM_SHA_256_PLUS;
    struct upstream_scram *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    if (gsasl_init(&s->gsasl) != GSASL_OK) {
        s->gsasl = NULL;
        upstream_scram_free(&s);
        return NULL;
    }
    if (gsasl_client_start(s->gsasl, smtp_mech_name(mech), &s->session) !=
            GSASL_OK ||
        gsasl_property_set(s->session, GSASL_AUTHID, user) != GSASL_OK ||
        gsasl_property_set(s->session, GSASL_PASSWORD, password) != GSASL_OK ||
        (plus && !bind_channel(s, conn))) {
        upstream_scram_free(&s);
    }
    return s;
}

static enum smtp_scram_result
result_of(int rc)
{
    return rc == GSASL_OK           ? SMTP_SCRAM_DONE
           : rc == GSASL_NEEDS_MORE ? SMTP_SCRAM_MORE
                                    : SMTP_SCRAM_FAILED;
}

/* RFC 5802 5.1, i=: how much we are to compute is the server's choice. */
static bool
is_too_much(struct bytes challenge)
{
    uint8_t text[CHALLENGE_MAX];
    struct bytes rest;
    uint64_t count;
    size_t n = 0;

    if (!base64_decode(challenge, false, text, sizeof(text), &n)) {
        return false; /* for gsasl to say */
    }
    for (rest = bytes_make(text, n); rest.len > 0;) {
        struct bytes attr = bytes_take(rest, bytes_find(rest, ','));

        if (bytes_starts_ci(attr, "i=") &&
            !bytes_to_u64(bytes_skip(attr, 2), ITERATIONS_MAX, &count)) {
            log_event(LOG_LEVEL_ERROR, "scram",
                      "the server asks for more than %d rounds of hashing; "
                      "auth_mechanisms without SCRAM, or fewer rounds there",
                      ITERATIONS_MAX);
            return true;
        }
        rest = bytes_skip(rest, attr.len < rest.len ? attr.len + 1 : attr.len);
    }
    return false;
}

enum smtp_scram_result
upstream_scram_step(struct upstream_scram *s, struct bytes challenge,
                    struct buf *response)
{
    char text[CHALLENGE_MAX];
    char *out = NULL;
    int rc;

    if (s == NULL || !bytes_copy(challenge, text, sizeof(text)) ||
        is_too_much(challenge)) {
        return SMTP_SCRAM_FAILED;
    }
    rc = gsasl_step64(s->session, text, &out);
    if (out != NULL) {
        if (result_of(rc) != SMTP_SCRAM_FAILED) {
            buf_puts(response, out);
        }
        wipe(out, strlen(out));
        gsasl_free(out);
    }
    return result_of(rc);
}
