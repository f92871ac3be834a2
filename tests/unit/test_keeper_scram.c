/*
 * test_keeper_scram - exchanges with the keeper's side of SCRAM-SHA-256.
 *
 * The client is libgsasl's, so that the proofs come from another hand than
 * the stored keys, which `sealpost user passwd` makes with OpenSSL alone.
 */
#include "tests/support/cmocka.h"
#include "tests/support/scram_users.h"

#include <stdio.h>
#include <string.h>

static const uint8_t binding[KEEPER_BINDING_OCTETS] =
    "tls-exporter of this connection";

/* What one exchange is made of. */
struct trial {
    const char *mech;
    const char *user, *password;
    bool client_binds;  /* the client has a channel binding */
    bool other_binding; /* of another connection than ours */
    bool offered;       /* -PLUS */
    struct userfile
        *later; /* what the users are at the proof; NULL: the same */
};

static Gsasl_session *
client_new(struct world *w, const struct trial *t)
{
    Gsasl_session *c = NULL;
    uint8_t octets[KEEPER_BINDING_OCTETS];
    char *text = NULL;

    memcpy(octets, binding, sizeof(octets));
    octets[0] ^= t->other_binding;
    assert_int_equal(gsasl_client_start(w->gsasl, t->mech, &c), GSASL_OK);
    gsasl_property_set(c, GSASL_AUTHID, t->user);
    gsasl_property_set(c, GSASL_PASSWORD, t->password);
    if (t->client_binds) {
        gsasl_base64_to((const char *)octets, sizeof(octets), &text, NULL);
        gsasl_property_set(c, GSASL_CB_TLS_EXPORTER, text);
        gsasl_free(text);
    }
    return c;
}

static struct bytes
client_says(Gsasl_session *c, struct bytes in, char **out)
{
    size_t len = 0;
    int code = gsasl_step(c, (const char *)in.ptr, in.len, out, &len);

    assert_true(code == GSASL_OK || code == GSASL_NEEDS_MORE);
    return bytes_make(*out, len);
}

/* The server's proof, which makes the client sure of us, is checked, too. */
static enum keeper_status
run(struct world *w, const struct trial *t)
{
    struct keeper_data later = { .users = t->later };
    struct keeper_ask ask = { .op = KEEPER_OP_SCRAM,
                              .plus = strstr(t->mech, "PLUS") != NULL,
                              .plus_offered = t->offered };
    Gsasl_session *c = client_new(w, t);
    struct scram_exchange *e = NULL;
    struct scram_message message;
    enum keeper_status status;
    const char *why = "";
    char *out = NULL;

    memcpy(ask.binding, binding, sizeof(ask.binding));
    ask.message = client_says(c, bytes_make(NULL, 0), &out);
    status = scram_begin(w->scram, &w->data, &ask, &e, &message, &why);
    gsasl_free(out);
    if (status == KEEPER_OK) {
        ask.message =
            client_says(c, bytes_make(message.text, message.len), &out);
        status = scram_prove(e, t->later == NULL ? &w->data : &later,
                             ask.message, &message);
        gsasl_free(out);
    }
    if (status == KEEPER_OK) {
        (void)client_says(c, bytes_make(message.text, message.len), &out);
        gsasl_free(out);
    }
    scram_exchange_free(&e);
    gsasl_finish(c);
    return status;
}

static void
verdicts(void **state)
{
    static const char plain[] = "SCRAM-SHA-256", plus[] = "SCRAM-SHA-256-PLUS";
    static const struct {
        const char *name;
        struct trial t;
        enum keeper_status want;
    } cases[] = {
        { "right", { plain, "alice", "pencil", .offered = false }, KEEPER_OK },
        { "right, PLUS offered to one who can't",
          { plain, "alice", "pencil", .offered = true },
          KEEPER_OK },
        { "any case",
          { .mech = plain, .user = "ALICE", .password = "pencil" },
          KEEPER_OK },
        { "wrong",
          { .mech = plain, .user = "alice", .password = "pencils" },
          KEEPER_DENIED },
        { "another's password",
          { .mech = plain, .user = "bob", .password = "pencil" },
          KEEPER_DENIED },
        { "nobody",
          { .mech = plain, .user = "carol", .password = "pencil" },
          KEEPER_DENIED },
        { "no SCRAM secret",
          { .mech = plain, .user = "plain", .password = "pencil" },
          KEEPER_DENIED },
        { "locked, right",
          { .mech = plain, .user = "mallory", .password = "pencil" },
          KEEPER_LOCKED },
        { "locked, wrong",
          { .mech = plain, .user = "mallory", .password = "x" },
          KEEPER_DENIED },
        { "bound",
          { plus, "alice", "pencil", true, false, true, NULL },
          KEEPER_OK },
        { "bound, wrong",
          { plus, "alice", "x", true, false, true, NULL },
          KEEPER_DENIED },
        { "bound to another connection",
          { plus, "alice", "pencil", true, true, true, NULL },
          KEEPER_DENIED },
        { "bound, not offered",
          { plus, "alice", "pencil", true, false, false, NULL },
          KEEPER_DENIED },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum keeper_status got = run(*state, &cases[i].t);

        if (got != cases[i].want) {
            fail_msg("%s: %s", cases[i].name, keeper_status_text(got));
        }
    }
}

static void
changed_meanwhile(void **state)
{
    struct trial t = { .mech = "SCRAM-SHA-256",
                       .user = "alice",
                       .password = "pencil",
                       .later = make_users("changed") };

    assert_int_equal(run(*state, &t), KEEPER_BUSY);
    userfile_free(&t.later);
    t.later = users_of("[bob]\nfrom = example.com\n");
    assert_int_equal(run(*state, &t), KEEPER_BUSY);
    userfile_free(&t.later);
}

/* --- messages that no honest client sends --------------------------------- */

static enum keeper_status
first(struct world *w, const char *text, bool plus, bool offered,
      struct scram_message *message_out, const char **why_out)
{
    struct keeper_ask ask = { .op = KEEPER_OP_SCRAM,
                              .plus = plus,
                              .plus_offered = offered,
                              .message = bytes_str(text) };
    struct scram_exchange *e = NULL;
    enum keeper_status status;

    memcpy(ask.binding, binding, sizeof(ask.binding));
    status = scram_begin(w->scram, &w->data, &ask, &e, message_out, why_out);
    assert_int_equal(e != NULL, status == KEEPER_OK);
    scram_exchange_free(&e);
    return status;
}

/* RFC 5802 6: each of them is somebody in the middle, or a broken client. */
static void
downgrades(void **state)
{
    static const struct {
        const char *message;
        bool plus, offered;
        const char *why; /* NULL: it is fine */
    } cases[] = {
        { "n,,n=alice,r=abc", false, true, NULL },
        { "y,,n=alice,r=abc", false, false, NULL },
        { "y,,n=alice,r=abc", false, true, "took SCRAM-SHA-256-PLUS out" },
        { "y,,n=alice,r=abc", true, true, "do not belong together" },
        { "n,,n=alice,r=abc", true, true, "do not belong together" },
        { "p=tls-exporter,,n=alice,r=abc", false, true,
          "do not belong together" },
        { "p=tls-exporter,,n=alice,r=abc", true, false, "no channel binding" },
        { "p=tls-unique,,n=alice,r=abc", true, true, "not a first message" },
        { "p=tls-server-end-point,,n=alice,r=abc", true, true,
          "not a first message" },
        { "n,a=bob,n=alice,r=abc", false, false, "not a first message" },
        { "n,,n=alice", false, false, "not a first message" },
        { "", false, false, "not a first message" },
    };
    struct scram_message message;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = "";
        enum keeper_status got = first(*state, cases[i].message, cases[i].plus,
                                       cases[i].offered, &message, &why);

        if (got != (cases[i].why == NULL ? KEEPER_OK : KEEPER_DENIED) ||
            (cases[i].why != NULL && strstr(why, cases[i].why) == NULL)) {
            fail_msg("%s: %s, %s", cases[i].message, keeper_status_text(got),
                     why);
        }
    }
}

/* A whole exchange with messages of ours: the proof is what comes behind. */
static enum keeper_status
proof(struct world *w, const char *final)
{
    struct keeper_ask ask = { .op = KEEPER_OP_SCRAM,
                              .message = BYTES_LIT("n,,n=alice,r=abc") };
    struct scram_exchange *e = NULL;
    struct scram_message message;
    enum keeper_status status;
    const char *why;
    struct buf text = BUF_INIT;
    struct bytes nonce;

    assert_int_equal(scram_begin(w->scram, &w->data, &ask, &e, &message, &why),
                     KEEPER_OK);
    nonce = bytes_make(message.text, message.len);
    nonce = bytes_take(nonce, bytes_find(nonce, ','));
    for (; *final != '\0'; final++) {
        if (*final == '@') {
            buf_put(&text, nonce);
        } else {
            buf_putc(&text, *final);
        }
    }
    status = scram_prove(e, &w->data, buf_bytes(&text), &message);
    buf_free(&text);
    scram_exchange_free(&e);
    return status;
}

static void
bad_proofs(void **state)
{
    static const char *const finals[] = {
        "",
        "c=biws",
        "c=biws,@",
        "c=biws,@,p=",
        "c=biws,@,p=AAAA",
        /* the right length */
        "c=biws,@,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=eSws,@,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=biws,r=abc,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=biws,@x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=biws,@,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=,x=y",
        "c=,@,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "n,,n=alice,r=abc",
    };

    for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
        enum keeper_status got = proof(*state, finals[i]);

        if (got != KEEPER_DENIED) {
            fail_msg("%s: %s", finals[i], keeper_status_text(got));
        }
    }
}

/* --- who exists ----------------------------------------------------------- */

/* "s=...,i=..." of the server's first message to this name. */
static void
asks_of(struct world *w, const char *name, char *out)
{
    struct scram_message message = { .len = 0 };
    struct buf text = BUF_INIT;
    const char *why, *at;

    buf_printf(&text, "n,,n=%s,r=abc", name);
    assert_int_equal(first(w, buf_str(&text), false, false, &message, &why),
                     KEEPER_OK);
    assert_true(message.len < sizeof(message.text));
    message.text[message.len] = '\0';
    at = strstr(message.text, ",s=");
    assert_non_null(at);
    assert_true(strlen(at) < 200);
    strcpy(out, at);
    buf_free(&text);
}

static void
nobody_looks_like_somebody(void **state)
{
    struct world *w = *state;
    struct scram *again = scram_new(install_key), *other, *was = w->scram;
    static const uint8_t other_key[SALTKEY_OCTETS] = "another installation";
    char alice[200], carol[200], dave[200], text[200];

    asks_of(w, "alice", alice);
    asks_of(w, "carol", carol);
    asks_of(w, "dave", dave);
    assert_int_equal(strlen(alice), strlen(carol));
    assert_string_equal(strstr(alice, ",i="), strstr(carol, ",i="));
    assert_string_not_equal(carol, dave);
    asks_of(w, "CaRoL", text); /* names are one in any case */
    assert_string_equal(text, carol);
    w->scram = again; /* after a restart */
    asks_of(w, "carol", text);
    assert_string_equal(text, carol);
    w->scram = other = scram_new(other_key);
    asks_of(w, "carol", text);
    assert_string_not_equal(text, carol);
    scram_free(&again);
    scram_free(&other);
    w->scram = was;
}

/* One of those that users have, and for one name always the same. */
static void
nobody_has_a_usual_kind(void **state)
{
    struct world *w = *state;
    bool seen[2] = { false, false };
    char text[200], name[16];

    w->data.scram_kinds[0] = (struct data_scram_kind){ 4096, 16 };
    w->data.scram_kinds[1] = (struct data_scram_kind){ 10000, 24 };
    w->data.scram_kind_count = 2;
    for (int i = 0; i < 64; i++) {
        bool second;

        (void)snprintf(name, sizeof(name), "nobody%d", i);
        asks_of(w, name, text);
        second = strstr(text, ",i=10000") != NULL;
        assert_true(second || strstr(text, ",i=4096") != NULL);
        assert_int_equal(strlen(text), second ? 3 + 32 + 8 : 3 + 24 + 7);
        seen[second] = true;
    }
    assert_true(seen[0] && seen[1]);
    w->data.scram_kind_count = 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(changed_meanwhile),
        cmocka_unit_test(downgrades),
        cmocka_unit_test(bad_proofs),
        cmocka_unit_test(nobody_looks_like_somebody),
        cmocka_unit_test(nobody_has_a_usual_kind),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
