/*
 * jobs - password checks and signatures; see server.h.
 *
 * A job holds all that it needs; the worker that asked may go away meanwhile.
 * The right to sign is judged again when the epoch has changed while the job
 * waited: a revoked key signs nothing any more.
 */
#include <proxy/clock.h>
#include <proxy/keeper/server.h>
#include <proxy/keeper/upkeep.h>
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
    if (!queue_put_check(s->queue, &j->queued, clock_ms())) {
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
    answer->status =
        passwords_check(s->passwords, data, user, secret, clock_ms() / 1000);
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

    if (j->epoch == s->data->epoch &&
        !faults_refused(s->faults, j->key->domain, j->key->selector)) {
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

/* The alarm: what this key signs nobody can verify. */
static void
log_self_verify(const struct key_entry *key, const char *text)
{
    struct log_line l;

    log_begin(&l, LOG_LEVEL_ERROR, "self-verify-failed");
    log_text(&l, "domain", key->domain);
    log_text(&l, "selector", key->selector);
    log_text(&l, "text", text);
    log_end(&l);
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
    if (fault == KEY_ERR_MISMATCH) {
        log_self_verify(key, "the private key is not that of the public key "
                             "in its note; it is not used until a reload");
    }
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
        keycache_store(s->keys, j->key, *key_out, fault, clock_ms());
        if (fault == KEY_ERR_MISMATCH) {
            upkeep_refused(s, j->key->domain, j->key->selector);
        }
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
        fault = keycache_fault(j->key, clock_ms());
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

/* What an answer lends. */
struct made {
    uint8_t signature[KEEPER_SIGNATURE_MAX];
    uint8_t public_key[KEEPER_PUBLIC_MAX];
};

/* Our own public key refuses what our private key made: nobody must get it,
 * and the key signs nothing more until users and keys are loaded anew. */
static void
refuse_own(struct server *s, const struct job *j, struct keeper_answer *answer)
{
    answer->status = KEEPER_BAD_KEY;
    answer->text = bytes_str("its public half refuses its signature");
    server_lock(s);
    s->self_verify_failures++;
    upkeep_refused(s, j->key->domain, j->key->selector);
    server_unlock(s);
    log_self_verify(j->key,
                    "a signature does not verify by the public key in its "
                    "note; the key is not used until a reload; sealpostd -t "
                    "--all-keys");
}

/* A signature that is due is checked by the public half; the worker, which is
 * given that, checks the field it makes of it. */
static void
self_verify(struct server *s, struct job *j, struct loaded_key *key,
            struct keeper_answer *answer, struct made *made)
{
    struct bytes p = keycache_public(key);

    if (!keycache_due(key)) {
        return;
    }
    switch (keycache_check(key, j->digest, answer->signature)) {
    case DKIM_KEY_OK:
        memcpy(made->public_key, p.ptr, p.len);
        answer->public_key = bytes_make(made->public_key, p.len);
        return;
    case DKIM_KEY_BAD_SIGNATURE:
        refuse_own(s, j, answer);
        break;
    default:
        answer->status = KEEPER_FAILED;
        answer->text = bytes_str("libcrypto could not check the signature");
        break;
    }
    answer->signature = bytes_make(NULL, 0);
}

/* made: room for the result, which the answer then lends. */
static void
sign(struct server *s, struct job *j, unsigned thread,
     struct keeper_answer *answer, struct made *made)
{
    struct loaded_key *key = get_key(s, j, answer);
    size_t len;

    if (key == NULL) {
        return;
    }
    len = keycache_sign(key, thread, j->alg, j->digest, made->signature);
    answer->status = len > 0 ? KEEPER_OK : KEEPER_FAILED;
    answer->text = bytes_str(len > 0 ? "" : "libcrypto could not sign");
    answer->signature = bytes_make(made->signature, len);
    if (len > 0) {
        self_verify(s, j, key, answer, made);
    }
    server_lock(s);
    keycache_release(&key);
    s->signatures += answer->status == KEEPER_OK;
    j->identity->signatures += answer->status == KEEPER_OK;
    if (answer->status == KEEPER_OK) {
        upkeep_signed(s, j->identity, j->key->domain, j->key->selector);
    }
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
    struct made made;
    uint64_t started_ns = server_now_ns();
    struct connection *c;
    bool open;

    if (!is_wanted(s, j)) {
        answer.status = KEEPER_FAILED;
    } else if (j->op == KEEPER_OP_AUTH) {
        check(s, j, &answer);
    } else {
        sign(s, j, thread, &answer, &made);
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
