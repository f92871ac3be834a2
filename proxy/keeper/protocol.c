/*
 * protocol - packets between worker and keeper; see protocol.h.
 *
 * One cursor type for reading and one for writing. A cursor that ran over its
 * end stays bad, so the layouts below read like the table in the header and
 * are judged once, at the end.
 */
#include <proxy/keeper/protocol.h>

enum {
    HEADER_OCTETS = 8
};

struct writer {
    uint8_t *out;
    size_t len;
    size_t cap;
    bool bad;
};

struct reader {
    struct bytes in;
    bool bad;
};

static void
write_bytes(struct writer *w, struct bytes b)
{
    if (w->bad || b.len > w->cap - w->len) {
        w->bad = true;
        return;
    }
    if (b.len > 0) {
        memcpy(w->out + w->len, b.ptr, b.len);
        w->len += b.len;
    }
}

/* The low n octets of value, big-endian. */
static void
write_number(struct writer *w, uint64_t value, size_t n)
{
    uint8_t octets[8];

    for (size_t i = 0; i < n; i++) {
        octets[i] = (uint8_t)(value >> (8 * (n - 1 - i)));
    }
    write_bytes(w, bytes_make(octets, n));
}

static struct bytes
read_bytes(struct reader *r, size_t n)
{
    struct bytes b = bytes_make(NULL, 0);

    if (r->bad || n > r->in.len) {
        r->bad = true;
        return b;
    }
    b = bytes_take(r->in, n);
    r->in = bytes_skip(r->in, n);
    return b;
}

static uint64_t
read_number(struct reader *r, size_t n)
{
    struct bytes b = read_bytes(r, n);
    uint64_t value = 0;

    for (size_t i = 0; i < b.len; i++) {
        value = value << 8 | b.ptr[i];
    }
    return value;
}

static void
read_array(struct reader *r, uint8_t *out, size_t n)
{
    struct bytes b = read_bytes(r, n);

    if (b.len == n) {
        memcpy(out, b.ptr, n);
    }
}

/* Text: within its limits and without NUL. */
static bool
text_ok(struct bytes text, size_t min, size_t max)
{
    return text.len >= min && text.len <= max &&
           bytes_find(text, 0) == text.len;
}

static bool
ask_ok(const struct keeper_ask *ask)
{
    switch (ask->op) {
    case KEEPER_OP_AUTH:
        return text_ok(ask->user, 1, KEEPER_USER_MAX) &&
               text_ok(ask->secret, 0, KEEPER_SECRET_MAX);
    case KEEPER_OP_SIGN:
        return (ask->alg == DKIM_ALG_RSA_SHA256 ||
                ask->alg == DKIM_ALG_ED25519_SHA256) &&
               text_ok(ask->domain, 1, KEEPER_DOMAIN_MAX) &&
               text_ok(ask->selector, 1, KEEPER_SELECTOR_MAX);
    case KEEPER_OP_SEEN:
        return ask->word < KEEPER_SEEN_REFUSED &&
               text_ok(ask->domain, 1, KEEPER_DOMAIN_MAX) &&
               text_ok(ask->selector, 1, KEEPER_SELECTOR_MAX);
    case KEEPER_OP_FROM:
        return ask->count > 0 && text_ok(ask->domain, 1, KEEPER_DOMAIN_MAX);
    case KEEPER_OP_ASSERT:
        return text_ok(ask->user, 0, KEEPER_USER_MAX);
    case KEEPER_OP_SCRAM:
    case KEEPER_OP_PROOF:
        return text_ok(ask->message, 1, KEEPER_MESSAGE_MAX);
    case KEEPER_OP_RELEASE:
    case KEEPER_OP_VIEW:
        return true;
    case KEEPER_OPS:
        break;
    }
    return false;
}

static bool
answer_ok(const struct keeper_answer *answer)
{
    switch (answer->op) {
    case KEEPER_OP_AUTH:
    case KEEPER_OP_ASSERT:
    case KEEPER_OP_SIGN:
    case KEEPER_OP_VIEW:
    case KEEPER_OP_SCRAM:
    case KEEPER_OP_PROOF:
        return answer->status < KEEPER_STATUSES &&
               answer->status != KEEPER_GONE &&
               answer->signature.len <= KEEPER_SIGNATURE_MAX &&
               answer->public_key.len <= KEEPER_PUBLIC_MAX &&
               text_ok(answer->message, 0, KEEPER_MESSAGE_MAX) &&
               text_ok(answer->text, 0, KEEPER_TEXT_MAX);
    case KEEPER_OP_RELEASE:
    case KEEPER_OP_SEEN:
    case KEEPER_OP_FROM:
    case KEEPER_OPS:
        break;
    }
    return false;
}

static void
write_header(struct writer *w, enum keeper_op op, enum keeper_status status,
             uint32_t id)
{
    write_number(w, KEEPER_VERSION, 1);
    write_number(w, (uint64_t)op, 1);
    write_number(w, (uint64_t)status, 1);
    write_number(w, 0, 1);
    write_number(w, id, 4);
}

static void
write_message(struct writer *w, struct bytes message)
{
    write_number(w, message.len, 2);
    write_bytes(w, message);
}

static void
write_scram(struct writer *w, const struct keeper_ask *ask)
{
    write_number(w, (ask->plus ? 1u : 0u) | (ask->plus_offered ? 2u : 0u), 1);
    write_bytes(w, bytes_make(ask->binding, KEEPER_BINDING_OCTETS));
    write_message(w, ask->message);
}

size_t
keeper_ask_encode(const struct keeper_ask *ask, uint8_t *out)
{
    struct writer w = { out, 0, KEEPER_REQUEST_MAX, !ask_ok(ask) };

    write_header(&w, ask->op, KEEPER_OK, ask->id);
    switch (ask->op) {
    case KEEPER_OP_AUTH:
        write_number(&w, ask->user.len, 2);
        write_number(&w, ask->secret.len, 2);
        write_bytes(&w, ask->user);
        write_bytes(&w, ask->secret);
        break;
    case KEEPER_OP_ASSERT:
        write_number(&w, ask->listener, 4);
        write_message(&w, ask->user);
        break;
    case KEEPER_OP_SIGN:
        write_bytes(&w, bytes_make(ask->handle.octets, 16));
        write_number(&w, (uint64_t)ask->alg, 1);
        write_number(&w, ask->domain.len, 1);
        write_number(&w, ask->selector.len, 1);
        write_bytes(&w, bytes_make(ask->digest, KEEPER_DIGEST_OCTETS));
        write_bytes(&w, ask->domain);
        write_bytes(&w, ask->selector);
        break;
    case KEEPER_OP_RELEASE:
        write_bytes(&w, bytes_make(ask->handle.octets, 16));
        break;
    case KEEPER_OP_SEEN:
        write_number(&w, (uint64_t)ask->word, 1);
        write_number(&w, ask->domain.len, 1);
        write_number(&w, ask->selector.len, 1);
        write_bytes(&w, bytes_make(ask->public_hash, VIEW_PUBLIC_HASH));
        write_bytes(&w, ask->domain);
        write_bytes(&w, ask->selector);
        break;
    case KEEPER_OP_FROM:
        write_number(&w, ask->count, 4);
        write_number(&w, ask->domain.len, 1);
        write_bytes(&w, ask->domain);
        break;
    case KEEPER_OP_SCRAM:
        write_scram(&w, ask);
        break;
    case KEEPER_OP_PROOF:
        write_bytes(&w, bytes_make(ask->handle.octets, 16));
        write_message(&w, ask->message);
        break;
    case KEEPER_OP_VIEW:
    case KEEPER_OPS:
        break;
    }
    return w.bad ? 0 : w.len;
}

static void
write_text(struct writer *w, struct bytes text)
{
    write_number(w, text.len, 1);
    write_bytes(w, text);
}

size_t
keeper_answer_encode(const struct keeper_answer *answer, uint8_t *out)
{
    struct keeper_answer a = *answer;
    struct writer w = { out, 0, KEEPER_REPLY_MAX, false };

    a.text = bytes_take(a.text, KEEPER_TEXT_MAX);
    w.bad = !answer_ok(&a);
    write_header(&w, a.op, a.status, a.id);
    switch (a.op) {
    case KEEPER_OP_AUTH:
    case KEEPER_OP_ASSERT:
        write_bytes(&w, bytes_make(a.handle.octets, 16));
        write_text(&w, a.text);
        break;
    case KEEPER_OP_SIGN:
        write_number(&w, a.signature.len, 2);
        write_bytes(&w, a.signature);
        write_number(&w, a.public_key.len, 2);
        write_bytes(&w, a.public_key);
        write_text(&w, a.text);
        break;
    case KEEPER_OP_VIEW:
        write_number(&w, a.epoch, 8);
        break;
    case KEEPER_OP_SCRAM:
    case KEEPER_OP_PROOF:
        write_bytes(&w, bytes_make(a.handle.octets, 16));
        write_message(&w, a.message);
        write_text(&w, a.text);
        break;
    case KEEPER_OP_RELEASE:
    case KEEPER_OP_SEEN:
    case KEEPER_OP_FROM:
    case KEEPER_OPS:
        break;
    }
    return w.bad ? 0 : w.len;
}

static void
read_sign(struct reader *r, struct keeper_ask *ask)
{
    size_t domain_len, selector_len;

    read_array(r, ask->handle.octets, sizeof(ask->handle.octets));
    ask->alg = (enum dkim_alg)read_number(r, 1);
    domain_len = (size_t)read_number(r, 1);
    selector_len = (size_t)read_number(r, 1);
    read_array(r, ask->digest, sizeof(ask->digest));
    ask->domain = read_bytes(r, domain_len);
    ask->selector = read_bytes(r, selector_len);
}

static void
read_auth(struct reader *r, struct keeper_ask *ask)
{
    size_t user_len = (size_t)read_number(r, 2);
    size_t secret_len = (size_t)read_number(r, 2);

    ask->user = read_bytes(r, user_len);
    ask->secret = read_bytes(r, secret_len);
}

static void
read_seen(struct reader *r, struct keeper_ask *ask)
{
    size_t domain_len, selector_len;

    ask->word = (enum keeper_seen)read_number(r, 1);
    domain_len = (size_t)read_number(r, 1);
    selector_len = (size_t)read_number(r, 1);
    read_array(r, ask->public_hash, sizeof(ask->public_hash));
    ask->domain = read_bytes(r, domain_len);
    ask->selector = read_bytes(r, selector_len);
}

static void
read_from(struct reader *r, struct keeper_ask *ask)
{
    ask->count = (uint32_t)read_number(r, 4);
    ask->domain = read_bytes(r, (size_t)read_number(r, 1));
}

static struct bytes
read_message(struct reader *r)
{
    size_t len = (size_t)read_number(r, 2);

    return read_bytes(r, len);
}

static void
read_scram(struct reader *r, struct keeper_ask *ask)
{
    uint64_t flags = read_number(r, 1);

    r->bad = r->bad || flags > 3;
    ask->plus = (flags & 1) != 0;
    ask->plus_offered = (flags & 2) != 0;
    read_array(r, ask->binding, sizeof(ask->binding));
    ask->message = read_message(r);
}

bool
keeper_ask_decode(struct bytes packet, struct keeper_ask *ask_out)
{
    struct reader r = { packet, packet.len > KEEPER_REQUEST_MAX };
    struct keeper_ask ask = { 0 };

    r.bad = r.bad || read_number(&r, 1) != KEEPER_VERSION;
    ask.op = (enum keeper_op)read_number(&r, 1);
    r.bad = r.bad || read_number(&r, 2) != 0; /* status and the zero */
    ask.id = (uint32_t)read_number(&r, 4);
    switch (ask.op) {
    case KEEPER_OP_AUTH:
        read_auth(&r, &ask);
        break;
    case KEEPER_OP_ASSERT:
        ask.listener = (uint32_t)read_number(&r, 4);
        ask.user = read_message(&r);
        break;
    case KEEPER_OP_SIGN:
        read_sign(&r, &ask);
        break;
    case KEEPER_OP_RELEASE:
        read_array(&r, ask.handle.octets, sizeof(ask.handle.octets));
        break;
    case KEEPER_OP_SEEN:
        read_seen(&r, &ask);
        break;
    case KEEPER_OP_FROM:
        read_from(&r, &ask);
        break;
    case KEEPER_OP_SCRAM:
        read_scram(&r, &ask);
        break;
    case KEEPER_OP_PROOF:
        read_array(&r, ask.handle.octets, sizeof(ask.handle.octets));
        ask.message = read_message(&r);
        break;
    case KEEPER_OP_VIEW:
    case KEEPER_OPS:
        break;
    }
    if (r.bad || r.in.len > 0 || !ask_ok(&ask)) {
        return false;
    }
    *ask_out = ask;
    return true;
}

static void
read_text(struct reader *r, struct keeper_answer *answer)
{
    size_t len = (size_t)read_number(r, 1);

    answer->text = read_bytes(r, len);
}

bool
keeper_answer_decode(struct bytes packet, struct keeper_answer *answer_out)
{
    struct reader r = { packet, packet.len > KEEPER_REPLY_MAX };
    struct keeper_answer answer = { 0 };

    r.bad = r.bad || read_number(&r, 1) != KEEPER_VERSION;
    answer.op = (enum keeper_op)read_number(&r, 1);
    answer.status = (enum keeper_status)read_number(&r, 1);
    r.bad = r.bad || read_number(&r, 1) != 0;
    answer.id = (uint32_t)read_number(&r, 4);
    switch (answer.op) {
    case KEEPER_OP_AUTH:
    case KEEPER_OP_ASSERT:
        read_array(&r, answer.handle.octets, sizeof(answer.handle.octets));
        read_text(&r, &answer);
        break;
    case KEEPER_OP_SIGN:
        answer.signature = read_bytes(&r, (size_t)read_number(&r, 2));
        answer.public_key = read_bytes(&r, (size_t)read_number(&r, 2));
        read_text(&r, &answer);
        break;
    case KEEPER_OP_VIEW:
        answer.epoch = read_number(&r, 8);
        break;
    case KEEPER_OP_SCRAM:
    case KEEPER_OP_PROOF:
        read_array(&r, answer.handle.octets, sizeof(answer.handle.octets));
        answer.message = read_message(&r);
        read_text(&r, &answer);
        break;
    case KEEPER_OP_RELEASE:
    case KEEPER_OP_SEEN:
    case KEEPER_OP_FROM:
    case KEEPER_OPS:
        break;
    }
    if (r.bad || r.in.len > 0 || !answer_ok(&answer)) {
        return false;
    }
    *answer_out = answer;
    return true;
}

const char *
keeper_status_text(enum keeper_status status)
{
    static const char *const words[KEEPER_STATUSES] = {
        [KEEPER_OK] = "ok",         [KEEPER_DENIED] = "denied",
        [KEEPER_LOCKED] = "locked", [KEEPER_BUSY] = "busy",
        [KEEPER_NO_KEY] = "no-key", [KEEPER_BAD_KEY] = "bad-key",
        [KEEPER_FAILED] = "failed", [KEEPER_GONE] = "gone",
    };

    return status < KEEPER_STATUSES ? words[status] : "unknown";
}
