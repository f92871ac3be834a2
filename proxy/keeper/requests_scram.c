/*
 * requests_scram - the two requests of a SCRAM exchange; see server.h.
 *
 * With stored keys an exchange costs microseconds: it is computed by the
 * thread that received the packet, outside the lock. Between the two packets
 * it lies in the table of its connection.
 */
#include <base/wipe.h>

#include <openssl/rand.h>

#include <proxy/clock.h>
#include <proxy/keeper/server.h>
#include <proxy/log/log.h>

/* --- the start ------------------------------------------------------------ */

/* Without the installation's key a random one does: names that nobody has
 * are told from others only by who asks before and after our end. */
bool
request_scram_open(struct server *s, const struct keystore_conf *store)
{
    uint8_t key[SALTKEY_OCTETS];
    struct buf error = BUF_INIT;
    bool good = true;

    if (!conf_has_scram(s->conf)) {
        return true;
    }
    if (!saltkey_load(store, key, &error)) {
        log_event(LOG_LEVEL_WARN, "saltkey",
                  "%s; until then who asks before and after a restart can "
                  "tell by SCRAM which users exist",
                  error.len == 0 ? "no memory" : buf_str(&error));
        good = RAND_priv_bytes(key, sizeof(key)) == 1;
    }
    s->scram = good ? scram_new(key) : NULL;
    wipe(key, sizeof(key));
    buf_free(&error);
    return s->scram != NULL;
}

/* --- the requests --------------------------------------------------------- */

static uint64_t
now_s(void)
{
    return clock_ms() / 1000;
}

static struct keeper_data *
hold_data(struct server *s)
{
    struct keeper_data *data;

    server_lock(s);
    data = server_data(s);
    server_unlock(s);
    return data;
}

/* Locked. On false e is still the caller's. */
static bool
keep(struct connection *c, struct scram_exchange *e,
     struct keeper_handle *name_out)
{
    if (c->exchanges == NULL && c->open) {
        c->exchanges = exchanges_new();
    }
    return c->exchanges != NULL &&
           exchanges_add(c->exchanges, e, now_s(), name_out);
}

static void
take_scram(struct server *s, struct connection *c, const struct keeper_ask *ask,
           struct keeper_answer *answer, struct scram_message *message)
{
    struct keeper_data *data = hold_data(s);
    struct scram_exchange *e = NULL;
    const char *why = "";

    answer->status = scram_begin(s->scram, data, ask, &e, message, &why);
    answer->text = bytes_str(why);
    data_drop(&data);
    if (answer->status != KEEPER_OK) {
        return;
    }
    server_lock(s);
    if (keep(c, e, &answer->handle)) {
        e = NULL;
    }
    server_unlock(s);
    if (e != NULL) {
        answer->status = KEEPER_BUSY;
        answer->text = bytes_str("too many SCRAM exchanges wait");
        scram_exchange_free(&e);
    }
}

static void
take_proof(struct server *s, struct connection *c, const struct keeper_ask *ask,
           struct keeper_answer *answer, struct scram_message *message)
{
    struct keeper_data *data = hold_data(s);
    struct identity *identity = NULL;
    struct scram_exchange *e;

    server_lock(s);
    e = exchanges_take(c->exchanges, &ask->handle, now_s());
    server_unlock(s);
    answer->status = KEEPER_DENIED;
    answer->text = bytes_str("no such exchange, or too late");
    if (e != NULL) {
        answer->status = scram_prove(e, data, ask->message, message);
        answer->text = bytes_str("");
    }
    if (answer->status == KEEPER_OK) {
        server_lock(s);
        identity =
            identities_get(s->identities, bytes_str(scram_user(e)), false);
        request_login(s, c, identity, answer);
        identities_drop(&identity);
        server_unlock(s);
    }
    scram_exchange_free(&e);
    data_drop(&data);
}

void
request_scram(struct server *s, struct connection *c,
              const struct keeper_ask *ask, struct keeper_answer *answer,
              struct scram_message *message)
{
    message->len = 0;
    if (s->scram == NULL) {
        answer->status = KEEPER_FAILED;
        answer->text = bytes_str("no listener of the configuration has SCRAM");
    } else if (ask->op == KEEPER_OP_SCRAM) {
        take_scram(s, c, ask, answer, message);
    } else {
        take_proof(s, c, ask, answer, message);
    }
    if (answer->status == KEEPER_OK) {
        answer->message = bytes_make(message->text, message->len);
    }
}
