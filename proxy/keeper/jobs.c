/*
 * jobs - password checks and signatures; see server.h.
 *
 * A job holds all that it needs; the worker that asked may go away meanwhile.
 * The right to sign is judged again when the epoch has changed while the job
 * waited: a revoked key signs nothing any more.
 */
#include <proxy/keeper/server.h>
#include <proxy/log/log.h>
#include <stdlib.h>

struct job {
    struct queue_job queued;       /* first: the queue gives this back */
    struct connection *connection; /* held */
    enum keeper_op op;
    uint32_t id;

    uint64_t epoch; /* SIGN: when it was judged */
    struct key_entry *key;
    struct identity *identity; /* held */
    enum dkim_alg alg;
    uint8_t digest[KEEPER_DIGEST_OCTETS];

    size_t user_len; /* AUTH: the user, then the secret */
    size_t text_len;
    uint8_t text[];
};

static struct job *
job_of(struct queue_job *queued)
{
    return (struct job *)(void *)queued;
}

/* Locked. */
static struct job *
job_new(struct connection *c, const struct keeper_ask *ask, size_t text_len)
{
    struct job *j = calloc(1, sizeof(*j) + text_len);

    if (j != NULL) {
        j->connection = c;
        c->refs++;
        c->in_flight++;
        j->op = ask->op;
        j->id = ask->id;
        j->text_len = text_len;
    }
    return j;
}

void
job_drop(struct server *s, struct queue_job *queued)
{
    struct job *j = job_of(queued);

    j->connection->in_flight--;
    connection_drop(&j->connection);
    identities_drop(&j->identity);
    keycache_put(s->keys, &j->key);
    wipe(j, sizeof(*j) + j->text_len);
    free(j);
}

static bool
refuse(struct keeper_answer *answer, enum keeper_status status,
       const char *text)
{
    answer->status = status;
    answer->text = bytes_str(text);
    return false;
}

bool
job_sign(struct server *s, struct connection *c, const struct keeper_ask *ask,
         struct identity *identity, const struct view_key *key,
         struct keeper_answer *answer)
{
    struct job *j = job_new(c, ask, 0);

    if (j == NULL) {
        return refuse(answer, KEEPER_FAILED, "out of memory");
    }
    j->epoch = s->data->epoch;
    j->identity = identities_hold(identity);
    j->alg = ask->alg;
    memcpy(j->digest, ask->digest, sizeof(j->digest));
    j->key = keycache_get(s->keys, key);
    if (j->key == NULL) {
        job_drop(s, &j->queued);
        return refuse(answer, KEEPER_FAILED, "out of memory");
    }
    if (!queue_put(s->queue, &j->key->queue, &j->queued)) {
        job_drop(s, &j->queued);
        return refuse(answer, KEEPER_BUSY,
                      "too many signatures wait for this key");
    }
    return true;
}

bool
job_check(struct server *s, struct connection *c, const struct keeper_ask *ask,
          struct keeper_answer *answer)
{
    struct job *j = job_new(c, ask, ask->user.len + ask->secret.len);

    if (j == NULL) {
        return refuse(answer, KEEPER_FAILED, "out of memory");
    }
    j->user_len = ask->user.len;
    memcpy(j->text, ask->user.ptr, ask->user.len);
    if (ask->secret.len > 0) {
        memcpy(j->text + j->user_len, ask->secret.ptr, ask->secret.len);
    }
    if (!queue_put_check(s->queue, &j->queued, server_now_ms())) {
        job_drop(s, &j->queued);
        return refuse(answer, KEEPER_BUSY, "too many password checks wait");
    }
    return true;
}

/* --- password checks ------------------------------------------------------ */

static void
check(struct server *s, struct job *j, struct keeper_answer *answer)
{
    struct bytes all = bytes_make(j->text, j->text_len);
    struct bytes user = bytes_take(all, j->user_len);
    struct bytes secret = bytes_skip(all, j->user_len);
    struct identity *identity = NULL;
    struct keeper_data *data;

    server_lock(s);
    data = server_data(s);
    server_unlock(s);
    answer->status = passwords_check(s->passwords, data, user, secret,
                                     server_now_ms() / 1000);
    data_drop(&data);
    if (answer->status == KEEPER_FAILED) {
        answer->text = bytes_str("the password could not be hashed");
    }
    if (answer->status == KEEPER_OK) {
        server_lock(s);
        identity = identities_get(s->identities, user, false);
        request_login(s, j->connection, identity, answer);
        identities_drop(&identity);
        server_unlock(s);
    }
}

/* --- signatures ----------------------------------------------------------- */

/* Locked. False: the right was lost while the job waited. */
static bool
still_right(struct server *s, struct job *j, struct keeper_answer *answer,
            struct refusal *refusal)
{
    const struct view_key *key;
    const char *why = "";

    if (j->epoch == s->data->epoch) {
        return true;
    }
    answer->status = request_judge(s, j->identity, j->key->domain,
                                   j->key->selector, j->alg, &key, &why);
    j->epoch = s->data->epoch;
    if (answer->status != KEEPER_OK) {
        answer->text = bytes_str(why);
        refusal_note(s, j->connection, j->identity, j->key->domain,
                     j->key->selector, why, refusal);
    }
    return answer->status == KEEPER_OK;
}

/* An operator must mend the file: said once for each try, not each message. */
static void
log_fault(const struct server *s, const struct key_entry *key,
          enum key_err fault)
{
    struct log_line l;

    log_begin(&l, LOG_LEVEL_ERROR, "key");
    log_text(&l, "domain", key->domain);
    log_text(&l, "selector", key->selector);
    log_format(&l, "text", "%s/keys/%s/%s.pem: %s", s->conf->server.state_dir,
               key->domain, key->selector, key_err_text(fault));
    log_end(&l);
}

static enum key_err
load(struct server *s, struct job *j, struct loaded_key **key_out)
{
    enum key_err fault = keycache_load(s->keys, j->key, key_out);

    if (fault != KEY_OK) {
        log_fault(s, j->key, fault);
    }
    server_lock(s);
    if (j->epoch == s->data->epoch) { /* else: perhaps an older file's */
        keycache_store(s->keys, j->key, *key_out, fault, server_now_ms());
    }
    server_unlock(s);
    return fault;
}

/* The parsed key, from the cache or the file; NULL: the answer says why. */
static struct loaded_key *
get_key(struct server *s, struct job *j, struct keeper_answer *answer)
{
    struct loaded_key *key = NULL;
    struct refusal refusal = { .count = 0 };
    enum key_err fault = KEY_OK;
    bool right;

    server_lock(s);
    right = still_right(s, j, answer, &refusal);
    if (right) {
        key = keycache_hold(s->keys, j->key);
        fault = keycache_fault(j->key, server_now_ms());
    }
    server_unlock(s);
    refusal_log(&refusal);
    if (right && key == NULL) {
        fault = fault == KEY_OK ? load(s, j, &key) : fault;
        answer->status = KEEPER_BAD_KEY;
        answer->text = bytes_str(key_err_text(fault));
    }
    return key;
}

/* signature: room for the result, which the answer then lends. */
static void
sign(struct server *s, struct job *j, unsigned thread,
     struct keeper_answer *answer, uint8_t *signature)
{
    struct loaded_key *key = get_key(s, j, answer);
    size_t len;

    if (key == NULL) {
        return;
    }
    len = keycache_sign(key, thread, j->alg, j->digest, signature);
    answer->status = len > 0 ? KEEPER_OK : KEEPER_FAILED;
    answer->text = bytes_str(len > 0 ? "" : "libcrypto could not sign");
    answer->signature = bytes_make(signature, len);
    server_lock(s);
    keycache_release(&key);
    s->signatures += len > 0;
    j->identity->signatures += len > 0;
    server_unlock(s);
}

/* --- all ------------------------------------------------------------------ */

/* Gives the job back before it is answered: a worker that has its answer may
 * ask again at once. */
static struct connection *
done(struct server *s, struct job *j, uint64_t started_ns, bool *open_out)
{
    struct connection *c = j->connection;

    server_lock(s);
    c->refs++;
    *open_out = c->open;
    queue_done(s->queue, &j->queued, server_now_ns() - started_ns);
    job_drop(s, &j->queued);
    server_unlock(s);
    return c;
}

static bool
is_wanted(struct server *s, const struct job *j)
{
    bool wanted;

    server_lock(s);
    wanted = j->connection->open && !s->stopping;
    server_unlock(s);
    return wanted;
}

void
job_run(struct server *s, struct queue_job *queued, unsigned thread)
{
    struct job *j = job_of(queued);
    struct keeper_answer answer = { .op = j->op, .id = j->id };
    uint8_t signature[KEEPER_SIGNATURE_MAX];
    uint64_t started_ns = server_now_ns();
    struct connection *c;
    bool open;

    if (!is_wanted(s, j)) {
        answer.status = KEEPER_FAILED;
    } else if (j->op == KEEPER_OP_AUTH) {
        check(s, j, &answer);
    } else {
        sign(s, j, thread, &answer, signature);
    }
    c = done(s, j, started_ns, &open);
    if (open) {
        connection_send(s, c, &answer);
    }
    server_lock(s);
    connection_drop(&c);
    server_unlock(s);
    wipe(&answer.handle, sizeof(answer.handle));
}
