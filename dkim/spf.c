/*
 * spf - the evaluator: check_host() as a machine that asks; see dkim/spf.h.
 *
 * Records that include one another stand on a stack of frames, bounded because
 * each include is one of the ten look-ups. A frame has one term in work: it is
 * loaded, counted, given its answer, and then either matches or is dropped.
 * A term whose macros need the client's validated names waits until those are
 * known, and is then begun again.
 *
 * RFC 7208 4 to 7.
 */
#include "spf_state.h"

#include <assert.h>

static const char dns_failed[] = "a DNS look-up failed";

static const char *
match_reason(enum spf_result_code result)
{
    switch (result) {
    case SPF_PASS:
        return "the domain allows this client";
    case SPF_FAIL:
        return "the domain forbids this client";
    case SPF_SOFTFAIL:
        return "the domain says that this client is probably not allowed";
    default:
        return "the domain makes no statement about this client";
    }
}

static void
conclude(struct spf *s, enum spf_result_code result)
{
    spf_note_outcome(s, result, match_reason(result));
    if (result == SPF_FAIL && s->input.explain && spf_top(s)->record.has_exp) {
        s->explaining = true;
        spf_top(s)->term = spf_top(s)->record.exp;
        return;
    }
    spf_drop_frames(s);
}

/*
 * The top record gave a result. 5.2: an included pass is a match of the
 * include; fail, softfail and neutral are none.
 */
static void
frame_result(struct spf *s, enum spf_result_code result)
{
    if (s->depth == 1) {
        spf_note_place(s);
    }
    while (s->depth > 1) {
        buf_free(&spf_top(s)->text);
        s->depth--;
        if (result != SPF_PASS) {
            spf_top(s)->loaded = false;
            return;
        }
        spf_note_place(s);
        result = spf_top(s)->term.result;
    }
    conclude(s, result);
}

static void
term_done(struct spf *s, bool match)
{
    if (match) {
        frame_result(s, spf_top(s)->term.result);
    } else {
        spf_top(s)->loaded = false;
    }
}

/* --- answers -------------------------------------------------------------- */

/* 4.4: no record: none, which is an error when another record led here. */
static void
no_record(struct spf *s, const char *reason)
{
    bool first = s->depth == 1 && !spf_top(s)->loaded;

    if (!first && s->depth > 1) {
        buf_free(&spf_top(s)->text);
        s->depth--; /* the include is what is wrong */
    }
    spf_give_up(s, first ? SPF_NONE : SPF_PERMERROR,
                first ? reason
                      : "an include or redirect without an SPF record");
}

static void
on_record(struct spf *s, const struct dns_answer *a)
{
    struct spf_frame *f = spf_top(s);
    size_t found = 0;

    if (a->status == DNS_TEMPFAIL) {
        spf_give_up(s, SPF_TEMPERROR, dns_failed);
        return;
    }
    buf_clear(&f->text);
    for (size_t i = 0; i < a->count; i++) {
        if (spf_record_is(a->records[i].data) && found++ == 0) {
            buf_put(&f->text, a->records[i].data);
        }
    }
    if (found == 0) {
        no_record(s, "the domain has no SPF record");
        return;
    }
    f->loaded = false; /* a redirect has arrived */
    if (found > 1) {
        spf_give_up(s, SPF_PERMERROR, "the domain has several SPF records");
    } else if (buf_failed(&f->text)) {
        spf_give_up(s, SPF_TEMPERROR, "out of memory");
    } else if (!spf_record_parse(buf_bytes(&f->text), &f->record)) {
        spf_give_up(s, SPF_PERMERROR, "the SPF record has a syntax error");
    } else {
        f->rest = f->record.terms;
    }
}

static void
on_address(struct spf *s, const struct dns_answer *a)
{
    const struct spf_term *t = &spf_top(s)->term;

    if (a->status == DNS_TEMPFAIL) {
        spf_give_up(s, SPF_TEMPERROR, dns_failed);
    } else if (spf_count_void(s, a)) {
        term_done(s, spf_address_matches(s, a, t->cidr4, t->cidr6));
    }
}

static void
on_exists(struct spf *s, const struct dns_answer *a)
{
    if (a->status == DNS_TEMPFAIL) {
        spf_give_up(s, SPF_TEMPERROR, dns_failed);
    } else if (spf_count_void(s, a)) {
        term_done(s, a->count > 0);
    }
}

static void
next_mx(struct spf *s)
{
    if (s->mx.next == s->mx.count) {
        term_done(s, false);
    } else {
        spf_ask(s, SPF_WANT_MX_ADDRESS, spf_address_type(s),
                s->mx.name[s->mx.next++]);
    }
}

static void
on_mx(struct spf *s, const struct dns_answer *a)
{
    if (a->status == DNS_TEMPFAIL) {
        spf_give_up(s, SPF_TEMPERROR, dns_failed);
    } else if (a->count > SPF_NAMES_MAX) {
        spf_give_up(s, SPF_PERMERROR, "an MX answer has more than 10 names");
    } else if (spf_count_void(s, a)) {
        spf_take_names(&s->mx, a);
        next_mx(s);
    }
}

static void
on_mx_address(struct spf *s, const struct dns_answer *a)
{
    const struct spf_term *t = &spf_top(s)->term;

    if (a->status == DNS_TEMPFAIL) {
        spf_give_up(s, SPF_TEMPERROR, dns_failed);
    } else if (!spf_count_void(s, a)) {
        return;
    } else if (spf_address_matches(s, a, t->cidr4, t->cidr6)) {
        term_done(s, true);
    } else {
        next_mx(s);
    }
}

/* --- questions ------------------------------------------------------------ */

/* Opens the record of a name: a new frame, or in a redirect the same. */
static void
open_record(struct spf *s, const char *name)
{
    if (spf_top(s)->term.mechanism == SPF_MECH_INCLUDE) {
        assert(s->depth < SPF_FRAMES_MAX);
        s->depth++;
        memset(spf_top(s), 0, sizeof(*spf_top(s)));
    }
    memcpy(spf_top(s)->domain, name, strlen(name) + 1);
    spf_ask(s, SPF_WANT_RECORD, DNS_TXT, name);
}

static void
run_lookup(struct spf *s)
{
    enum spf_mechanism mechanism = spf_top(s)->term.mechanism;
    bool opens = mechanism == SPF_MECH_INCLUDE || mechanism == SPF_MOD_REDIRECT;
    char target[DNS_NAME_MAX + 1];

    if (!spf_term_target(s, target)) {
        /* 4.8 leaves it open: no match, or nothing to go on with. */
        if (opens) {
            spf_give_up(s, SPF_PERMERROR,
                        "an include or redirect gives no name");
        } else {
            term_done(s, false);
        }
        return;
    }
    switch (mechanism) {
    case SPF_MECH_A:
        spf_ask(s, SPF_WANT_ADDRESS, spf_address_type(s), target);
        break;
    case SPF_MECH_MX:
        spf_ask(s, SPF_WANT_MX, DNS_MX, target);
        break;
    case SPF_MECH_EXISTS:
        spf_ask(s, SPF_WANT_EXISTS, DNS_A, target); /* 5.7: A even for IPv6 */
        break;
    case SPF_MECH_PTR:
        term_done(s, spf_ptr_matches(s, target));
        break;
    default:
        open_record(s, target);
        break;
    }
}

static void
run_term(struct spf *s)
{
    const struct spf_term *t = &spf_top(s)->term;

    switch (t->mechanism) {
    case SPF_MECH_ALL:
        term_done(s, true);
        break;
    case SPF_MECH_IP4:
        term_done(s, s->ip4 && spf_same_network(t->ip, s->ip, t->cidr4));
        break;
    case SPF_MECH_IP6:
        term_done(s, !s->ip4 && spf_same_network(t->ip, s->ip, t->cidr6));
        break;
    default:
        run_lookup(s);
        break;
    }
}

/* Loads the next term; false: the record ended or a limit was crossed. */
static bool
load_term(struct spf *s)
{
    struct spf_frame *f = spf_top(s);

    if (!spf_record_next(&f->rest, &f->term)) {
        if (!f->record.has_redirect) {
            f->term = (struct spf_term){ .result = SPF_NEUTRAL }; /* 4.7 */
            frame_result(s, SPF_NEUTRAL);
            return false;
        }
        f->term = f->record.redirect; /* 6.1 */
    }
    f->loaded = true;
    if (f->term.mechanism != SPF_MECH_ALL &&
        f->term.mechanism != SPF_MECH_IP4 &&
        f->term.mechanism != SPF_MECH_IP6 && ++s->lookups > SPF_LOOKUPS_MAX) {
        spf_give_up(s, SPF_PERMERROR, "more than 10 terms need look-ups");
        return false;
    }
    return true;
}

static void
step_term(struct spf *s)
{
    const struct spf_term *t = &spf_top(s)->term;

    if (!spf_top(s)->loaded && !load_term(s)) {
        return;
    }
    if (!s->ptr_known &&
        (t->mechanism == SPF_MECH_PTR || spf_macro_uses_ptr(t->spec))) {
        spf_ask_ptr(s);
    } else {
        run_term(s);
    }
}

/* --- identities ----------------------------------------------------------- */

/* 2.3: HELO is worth a question when MAIL FROM left one. */
static bool
helo_is_next(const struct spf *s)
{
    enum spf_result_code result = s->outcomes[SPF_MAIL_FROM].result;

    return s->input.helo_too && s->identity == SPF_MAIL_FROM &&
           result != SPF_PASS && result != SPF_FAIL;
}

enum spf_step
spf_run(struct spf *s, struct dns_question *q_out)
{
    while (s->want == SPF_WANT_NOTHING && !s->done) {
        if (s->depth == 0 && helo_is_next(s)) {
            spf_begin(s, SPF_HELO);
        } else if (s->depth == 0) {
            s->done = true;
        } else if (s->explaining) {
            spf_step_explain(s);
        } else {
            step_term(s);
        }
    }
    if (s->done) {
        return SPF_DONE;
    }
    *q_out = s->question;
    return SPF_ASK;
}

void
spf_answer(struct spf *s, const struct dns_answer *answer)
{
    static void (*const handlers[SPF_WANTS])(struct spf *,
                                             const struct dns_answer *) = {
        [SPF_WANT_RECORD] = on_record,
        [SPF_WANT_ADDRESS] = on_address,
        [SPF_WANT_EXISTS] = on_exists,
        [SPF_WANT_MX] = on_mx,
        [SPF_WANT_MX_ADDRESS] = on_mx_address,
        [SPF_WANT_PTR] = spf_on_ptr,
        [SPF_WANT_PTR_ADDRESS] = spf_on_ptr_address,
        [SPF_WANT_EXPLANATION] = spf_on_explanation,
    };
    enum spf_want want = s->want;

    assert(want != SPF_WANT_NOTHING); /* nothing was asked */
    s->want = SPF_WANT_NOTHING;
    handlers[want](s, answer);
}
