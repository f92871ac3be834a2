/*
 * spf_state - an evaluation as a thing: made, freed, asked for its results.
 */
#include "spf_state.h"

#include <assert.h>
#include <stdlib.h>

struct spf_frame *
spf_top(struct spf *s)
{
    assert(s->depth > 0);
    return &s->frames[s->depth - 1];
}

void
spf_ask(struct spf *s, enum spf_want want, enum dns_type type, const char *name)
{
    s->want = want;
    s->question.type = type;
    memcpy(s->question.name, name, strlen(name) + 1);
}

/* A term as it may be shown: printable, cut. */
static void
show_term(struct bytes text, char *out)
{
    size_t n = text.len < SPF_TERM_MAX ? text.len : SPF_TERM_MAX;

    for (size_t i = 0; i < n; i++) {
        uint8_t c = text.ptr[i];

        out[i] = c >= 0x20 && c <= 0x7e ? (char)c : '?';
    }
    out[n] = '\0';
}

void
spf_drop_frames(struct spf *s)
{
    while (s->depth > 0) {
        buf_free(&s->frames[--s->depth].text);
    }
}

void
spf_note_outcome(struct spf *s, enum spf_result_code result, const char *reason)
{
    struct spf_outcome *o = &s->outcomes[s->identity];

    o->result = result;
    o->reason = reason;
    o->checked = true;
}

void
spf_note_place(struct spf *s)
{
    struct spf_outcome *o = &s->outcomes[s->identity];
    const struct spf_frame *f = spf_top(s);

    memcpy(o->where, f->domain, sizeof(o->where));
    show_term(f->loaded ? f->term.text : bytes_make(NULL, 0), o->term);
}

void
spf_give_up(struct spf *s, enum spf_result_code result, const char *reason)
{
    spf_note_place(s);
    spf_note_outcome(s, result, reason);
    spf_drop_frames(s);
}

bool
spf_count_void(struct spf *s, const struct dns_answer *a)
{
    if ((a->status == DNS_NXDOMAIN || a->status == DNS_NODATA) &&
        ++s->voids > SPF_VOIDS_MAX) {
        spf_give_up(s, SPF_PERMERROR, "more than 2 look-ups found nothing");
        return false;
    }
    return true;
}

void
spf_begin(struct spf *s, enum spf_identity identity)
{
    struct bytes name = identity == SPF_HELO ? s->input.helo : s->sender_domain;
    char *domain = s->outcomes[identity].domain;

    s->identity = identity;
    s->lookups = s->voids = 0;
    s->explaining = false;
    if (!spf_identity_domain(name, domain)) {
        domain[0] = '\0';
        spf_note_outcome(s, SPF_NONE, "there is no domain name to ask about");
        return;
    }
    s->depth = 1;
    memset(spf_top(s), 0, sizeof(*spf_top(s)));
    memcpy(spf_top(s)->domain, domain, sizeof(spf_top(s)->domain));
    spf_ask(s, SPF_WANT_RECORD, DNS_TXT, domain);
}

/* 4.3: the right part is the domain; no left part is "postmaster". */
static void
split_sender(struct spf *s)
{
    struct bytes text = s->input.mail_from;
    size_t at = text.len;

    while (at > 0 && text.ptr[at - 1] != '@') {
        at--;
    }
    s->sender_domain = bytes_skip(text, at);
    s->local = at > 1 ? bytes_take(text, at - 1) : BYTES_LIT("postmaster");
}

static bool
copy_input(struct spf *s, const struct spf_input *in)
{
    struct bytes receiver =
        bytes_str(in->receiver == NULL ? "unknown" : in->receiver);
    struct bytes own;

    s->input = *in;
    if (in->helo.len > SPF_TEXT_MAX) {
        s->input.helo.len = 0;
    }
    if (in->mail_from.len > SPF_TEXT_MAX) {
        s->input.mail_from = BYTES_LIT("@"); /* has no domain */
    }
    buf_put(&s->own, s->input.helo);
    buf_put(&s->own, s->input.mail_from);
    buf_put(&s->own, receiver);
    if (buf_failed(&s->own)) {
        return false;
    }
    own = buf_bytes(&s->own); /* moves no more */
    s->input.helo = bytes_take(own, s->input.helo.len);
    own = bytes_skip(own, s->input.helo.len);
    s->input.mail_from = bytes_take(own, s->input.mail_from.len);
    s->receiver = bytes_skip(own, s->input.mail_from.len);
    split_sender(s);
    return true;
}

struct spf *
spf_new(const struct spf_input *input)
{
    static const uint8_t mapped[12] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255
    };
    struct spf *s = calloc(1, sizeof(*s));

    if (s == NULL || !copy_input(s, input)) {
        spf_free(&s);
        return NULL;
    }
    /* 5: a v4-mapped address is an IPv4 address. */
    s->ip4 =
        input->ip_octets == 4 || memcmp(input->ip, mapped, sizeof(mapped)) == 0;
    if (s->ip4 && input->ip_octets == 16) {
        memcpy(s->ip, input->ip + 12, 4);
    } else {
        memcpy(s->ip, input->ip, input->ip_octets == 4 ? 4 : 16);
    }
    for (size_t i = 0; i < 2; i++) {
        s->outcomes[i].reason = "not checked";
    }
    spf_begin(s, s->input.mail_from.len == 0 ? SPF_HELO : SPF_MAIL_FROM);
    return s;
}

void
spf_free(struct spf **sp)
{
    struct spf *s = *sp;

    if (s != NULL) {
        spf_drop_frames(s);
        buf_free(&s->words);
        buf_free(&s->own);
        free(s);
        *sp = NULL;
    }
}

/*
 * 2.3: HELO decides when there was no MAIL FROM, when it alone gives a pass,
 * and when it fails while MAIL FROM is unclear.
 */
enum spf_identity
spf_identity(const struct spf *s)
{
    const struct spf_outcome *from = &s->outcomes[SPF_MAIL_FROM];
    const struct spf_outcome *helo = &s->outcomes[SPF_HELO];

    if (!from->checked || (helo->checked && helo->result == SPF_FAIL) ||
        (helo->checked && helo->result == SPF_PASS &&
         from->result == SPF_NONE)) {
        return SPF_HELO;
    }
    return SPF_MAIL_FROM;
}

const struct spf_outcome *
spf_outcome(const struct spf *s, enum spf_identity identity)
{
    return &s->outcomes[identity];
}

enum spf_result_code
spf_result(const struct spf *s)
{
    return s->outcomes[spf_identity(s)].result;
}

const char *
spf_reason(const struct spf *s)
{
    return s->outcomes[spf_identity(s)].reason;
}

const char *
spf_explanation(const struct spf *s)
{
    return s->explanation;
}

const char *
spf_dmarc_domain(const struct spf *s)
{
    bool empty = s->input.mail_from.len == 0;
    const struct spf_outcome *o =
        &s->outcomes[empty ? SPF_HELO : SPF_MAIL_FROM];

    return o->result == SPF_PASS ? o->domain : "";
}

const char *
spf_result_name(enum spf_result_code result)
{
    static const char *const names[SPF_RESULTS] = {
        [SPF_NONE] = "none",           [SPF_NEUTRAL] = "neutral",
        [SPF_PASS] = "pass",           [SPF_FAIL] = "fail",
        [SPF_SOFTFAIL] = "softfail",   [SPF_TEMPERROR] = "temperror",
        [SPF_PERMERROR] = "permerror",
    };

    return names[result];
}
