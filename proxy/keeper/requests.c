/*
 * requests - judges what a worker asks; see server.h.
 *
 * A worker is not trusted: it parses the network. It gets handles only for a
 * password that was right or for a listener whose configuration says so, and
 * a signature only with a key that the identity behind the handle may use
 * now, by the present users and keys.
 */
#include <proxy/clock.h>
#include <proxy/keeper/server.h>
#include <proxy/keeper/upkeep.h>
#include <proxy/log/log.h>
#include <proxy/users/decide.h>
#include <proxy/users/keychoice.h>

static struct bytes
text(const char *sentence)
{
    return bytes_str(sentence);
}

void
request_login(struct server *s, struct connection *c, struct identity *identity,
              struct keeper_answer *answer)
{
    answer->status = KEEPER_FAILED;
    if (identity == NULL) {
        answer->text = text("out of memory");
    } else if (!c->open ||
               !handles_add(c->handles, identity, &answer->handle)) {
        answer->text = text("this worker holds too many handles");
    } else {
        answer->status = KEEPER_OK;
        identity->logins++;
        s->logins++;
    }
}

/* --- AUTH ----------------------------------------------------------------- */

static bool
take_auth(struct server *s, struct connection *c, const struct keeper_ask *ask,
          struct keeper_answer *answer)
{
    struct identity *identity = NULL;
    struct keeper_data *data;
    bool known;

    server_lock(s);
    data = server_data(s);
    server_unlock(s);
    known = passwords_known(s->passwords, data, ask->user, ask->secret,
                            clock_ms() / 1000);
    data_drop(&data);

    server_lock(s);
    if (known) {
        identity = identities_get(s->identities, ask->user, false);
        request_login(s, c, identity, answer);
        identities_drop(&identity);
    } else {
        known = !job_check(s, c, ask, answer);
    }
    server_unlock(s);
    return known;
}

/* --- ASSERT --------------------------------------------------------------- */

/*
 * A trusted network: those of trusted_user, or, loopback only, those of the
 * identity "" (any domain's active key). NULL: done; else what forbids it.
 */
static const char *
network_name(const struct listen_conf *l, struct bytes *name_out)
{
    if (l->trusted_networks.count == 0 ||
        (l->trusted_user[0] == '\0' && !l->loopback)) {
        return "this listener trusts no network";
    }
    *name_out = bytes_str(l->trusted_user);
    return NULL;
}

/* Whose rights a worker may assert: never more than the configuration of the
 * listener leaves to others to judge. NULL: done; else what forbids it. */
static const char *
asserted_name(const struct server *s, const struct keeper_ask *ask,
              struct bytes *name_out)
{
    const struct listen_conf *l;

    if (ask->listener >= s->conf->listen_count ||
        s->conf->listens[ask->listener].mode != CONF_OUTBOUND) {
        return "no listener that signs";
    }
    l = &s->conf->listens[ask->listener];
    if (ask->user.len == 0) {
        return network_name(l, name_out);
    }
    if (l->auth_backend.judge == CONF_JUDGE_USERS &&
        !conf_client_users_has(&l->tls_client_users, ask->user)) {
        return "nobody but the keeper judges the users of this listener";
    }
    *name_out = ask->user;
    return NULL;
}

/* Locked. */
static void
take_assert(struct server *s, struct connection *c,
            const struct keeper_ask *ask, struct keeper_answer *answer)
{
    struct bytes name = { NULL, 0 };
    const char *why = asserted_name(s, ask, &name);
    const struct view_user *user =
        name.len == 0 ? NULL : view_user(s->data->view, name);
    struct identity *identity;

    answer->status = KEEPER_DENIED;
    if (why != NULL) {
        answer->text = text(why);
    } else if (name.len > 0 && user == NULL) {
        answer->text = text("the user is not in users.conf");
    } else if (user != NULL && user->locked) {
        answer->status = KEEPER_LOCKED;
    } else {
        identity = identities_get(s->identities, name, true);
        request_login(s, c, identity, answer);
        identities_drop(&identity);
    }
}

/* --- SIGN ----------------------------------------------------------------- */

enum keeper_status
request_judge(const struct server *s, const struct identity *identity,
              const char *domain, const char *selector, enum dkim_alg alg,
              const struct view_key **key_out, const char **why_out)
{
    const struct view *view = s->data->view;
    const struct view_key *key = view_key(view, domain, selector);
    const struct view_user *user = NULL;

    if (identity->name[0] != '\0') {
        user = view_user(view, bytes_str(identity->name));
        if (user == NULL) {
            *why_out = "the user is no longer in users.conf";
            return KEEPER_DENIED;
        }
        if (user->locked) {
            *why_out = "the user is locked";
            return KEEPER_LOCKED;
        }
    }
    if (key == NULL || key->alg != alg) {
        *why_out = "no such key of this algorithm";
        return KEEPER_NO_KEY;
    }
    if (faults_refused(s->faults, domain, selector)) {
        *why_out = "its public half refuses its signatures; mend the key and "
                   "reload";
        return KEEPER_BAD_KEY;
    }
    if (!keychoice_signs(view, key)) {
        *why_out = "the key is not active";
        return KEEPER_NO_KEY;
    }
    if (!users_may_sign(view, &s->conf->sign, user, domain, selector)) {
        *why_out = "no right to this key";
        return KEEPER_DENIED;
    }
    *key_out = key;
    return KEEPER_OK;
}

void
refusal_note(struct server *s, struct connection *c, struct identity *identity,
             const char *domain, const char *selector, const char *why,
             struct refusal *refusal_out)
{
    s->refusals++;
    c->refusals++;
    if (identity != NULL) {
        identity->refusals++;
    }
    if ((c->refusals & (c->refusals - 1)) != 0) {
        return; /* 1, 2, 4, 8 ...: a worker gone mad does not fill the log */
    }
    if (identity != NULL) {
        (void)bytes_copy(bytes_str(identity->name), refusal_out->user,
                         sizeof(refusal_out->user));
        refusal_out->asserted = identity->asserted;
    }
    (void)bytes_copy(bytes_str(domain), refusal_out->domain,
                     sizeof(refusal_out->domain));
    (void)bytes_copy(bytes_str(selector), refusal_out->selector,
                     sizeof(refusal_out->selector));
    refusal_out->why = why;
    refusal_out->count = c->refusals;
}

void
refusal_log(const struct refusal *refusal)
{
    struct log_line l;

    if (refusal->count == 0) {
        return;
    }
    log_begin(&l, LOG_LEVEL_WARN, "sign-refused");
    log_text(&l, "user", refusal->user);
    log_text(&l, "asserted", refusal->asserted ? "yes" : "no");
    log_text(&l, "domain", refusal->domain);
    log_text(&l, "selector", refusal->selector);
    log_text(&l, "reason", refusal->why);
    log_number(&l, "refusals", refusal->count);
    log_end(&l);
}

/* Locked. True: answered at once, which means refused. */
static bool
take_sign(struct server *s, struct connection *c, const struct keeper_ask *ask,
          struct keeper_answer *answer, struct refusal *refusal)
{
    struct identity *identity = handles_find(c->handles, &ask->handle);
    const char *why = "a handle that this worker does not hold";
    char domain[KEEPER_DOMAIN_MAX + 1], selector[KEEPER_SELECTOR_MAX + 1];
    const struct view_key *key = NULL;

    (void)bytes_copy(ask->domain, domain, sizeof(domain));
    (void)bytes_copy(ask->selector, selector, sizeof(selector));
    answer->status = KEEPER_DENIED;
    if (identity != NULL) {
        answer->status =
            request_judge(s, identity, domain, selector, ask->alg, &key, &why);
    }
    if (answer->status == KEEPER_OK) {
        return !job_sign(s, c, ask, identity, key, answer);
    }
    answer->text = text(why);
    refusal_note(s, c, identity, domain, selector, why, refusal);
    return true;
}

/* --- SEEN ----------------------------------------------------------------- */

/*
 * Locked. A worker's word moves signing among keys that were proved, and no
 * further: keychoice_signs() is what it cannot change. The hash tells a key
 * from another that has its name since the worker looked.
 */
static void
take_seen(struct server *s, const struct keeper_ask *ask)
{
    char domain[KEEPER_DOMAIN_MAX + 1], selector[KEEPER_SELECTOR_MAX + 1];
    const struct view_key *key;

    (void)bytes_copy(ask->domain, domain, sizeof(domain));
    (void)bytes_copy(ask->selector, selector, sizeof(selector));
    key = view_key(data_notes(s->data), domain, selector);
    if (key != NULL && memcmp(key->public_hash, ask->public_hash,
                              sizeof(ask->public_hash)) == 0) {
        upkeep_seen(s, key, ask->word);
    }
}

/* --- all ------------------------------------------------------------------ */

static void
take_view(struct server *s, struct connection *c)
{
    struct keeper_data *data;

    server_lock(s);
    c->wants_view = true;
    data = server_data(s);
    server_unlock(s);
    connection_send_view(s, c, data);
    data_drop(&data);
}

/* Locked. A SCRAM client that went away. */
static void
forget_exchange(struct connection *c, const struct keeper_handle *name)
{
    struct scram_exchange *e =
        exchanges_take(c->exchanges, name, clock_ms() / 1000);

    scram_exchange_free(&e);
}

/* Locked. True: answered at once. */
static bool
take_locked(struct server *s, struct connection *c,
            const struct keeper_ask *ask, struct keeper_answer *answer,
            struct refusal *refusal)
{
    switch (ask->op) {
    case KEEPER_OP_ASSERT:
        take_assert(s, c, ask, answer);
        return true;
    case KEEPER_OP_SIGN:
        return take_sign(s, c, ask, answer, refusal);
    case KEEPER_OP_RELEASE:
        handles_remove(c->handles, &ask->handle);
        forget_exchange(c, &ask->handle);
        return false;
    case KEEPER_OP_SEEN:
        take_seen(s, ask);
        return false;
    case KEEPER_OP_FROM:
        upkeep_from(s, ask->domain, ask->count);
        return false;
    case KEEPER_OP_AUTH:
    case KEEPER_OP_SCRAM:
    case KEEPER_OP_PROOF:
    case KEEPER_OP_VIEW:
    case KEEPER_OPS:
        break;
    }
    return false;
}

static bool
take(struct server *s, struct connection *c, const struct keeper_ask *ask,
     struct keeper_answer *answer, struct scram_message *message)
{
    struct refusal refusal = { .count = 0 };
    bool answered;

    if (ask->op == KEEPER_OP_AUTH) {
        return take_auth(s, c, ask, answer);
    }
    if (ask->op == KEEPER_OP_SCRAM || ask->op == KEEPER_OP_PROOF) {
        request_scram(s, c, ask, answer, message);
        return true;
    }
    if (ask->op == KEEPER_OP_VIEW) {
        take_view(s, c);
        return false;
    }
    server_lock(s);
    answered = c->open && take_locked(s, c, ask, answer, &refusal);
    server_unlock(s);
    refusal_log(&refusal);
    return answered;
}

/* A worker that breaks the rules is cut off; the master starts another. */
static void
give_up(struct server *s, struct connection *c, const char *why)
{
    bool was_open;

    server_lock(s);
    was_open = c->open;
    connection_close(s, c);
    server_unlock(s);
    if (was_open) {
        log_event(LOG_LEVEL_ERROR, "worker", "%s; its connection is closed",
                  why);
    }
}

void
request_take(struct server *s, struct connection *c, struct bytes packet)
{
    struct keeper_ask ask = { 0 };
    struct keeper_answer answer = { 0 };
    struct scram_message message;
    bool full;

    if (!keeper_ask_decode(packet, &ask)) {
        give_up(s, c, "a worker sent what is not a request");
        return;
    }
    server_lock(s);
    full = c->in_flight + c->unsent_count >= KEEPER_IN_FLIGHT_MAX;
    server_unlock(s);
    if (full && ask.op != KEEPER_OP_RELEASE) {
        give_up(s, c, "a worker asks more than it reads answers");
        return;
    }
    answer.op = ask.op;
    answer.id = ask.id;
    if (take(s, c, &ask, &answer, &message)) {
        connection_send(s, c, &answer);
    }
    wipe(&answer.handle, sizeof(answer.handle));
}
