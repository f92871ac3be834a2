/*
 * fuzz_findings - any answers of any servers, judged as `domain check` does.
 *
 * A row of pieces: an octet for the place, one for the role and how it ended,
 * two for the length, then an answer's sections behind its header; header and
 * question are put right. The first octet of all chooses the key.
 */
#include "proxy/survey/findings.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME   "s._domainkey.a.b"
#define TARGET "t.z.b"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    SIGHTS_MAX = 4 /* of a place */
};

static const char *const names[PLACES] = {
    NAME,
    NAME,
    "r._domainkey.a.b",
    "_domainkey.s.a.b",
    "s.a.b",
    "s.domainkey.a.b",
    "_domainkey.a.b",
    "a.b",
    "s._domainkey.a.b.a.b",
};

static struct raw_answer *
make_answer(const char *name, struct bytes piece)
{
    struct packet_question q = { .type = DNS_TXT, .edns = true };
    struct packet_seed seed = { 0 };
    struct packet_query query;
    struct raw_answer *answer = NULL;
    uint8_t *m;
    size_t n;

    if (piece.len < 8 || !packet_name_make(name, &q.name) ||
        !packet_query_make(&q, &seed, &query)) {
        return NULL;
    }
    n = 12 + query.name_len + 4;
    m = malloc(n + piece.len - 8);
    if (m == NULL) {
        return NULL;
    }
    memcpy(m, query.data, n);
    memcpy(m + 2, piece.ptr, 2);
    m[2] = (uint8_t)((m[2] | 0x80) & 0x85);
    memcpy(m + 6, piece.ptr + 2, 6);
    memcpy(m + n, piece.ptr + 8, piece.len - 8);
    (void)packet_read_raw(&q, &query, bytes_make(m, n + piece.len - 8), true,
                          &answer);
    free(m);
    return answer;
}

static void
add_sight(struct facts *f, uint8_t place, uint8_t how, struct bytes piece)
{
    enum fact_place p = place % PLACES;
    struct sight *s = &f->sights[p][f->counts[p]];
    bool target;

    if (f->counts[p] == SIGHTS_MAX) {
        return;
    }
    f->counts[p]++;
    s->role = p == PLACE_RECORD ? how % 3 : SEEN_OWNER;
    target = s->role == SEEN_TARGET;
    snprintf(s->server, sizeof(s->server), "ns%zu", f->counts[p]);
    snprintf(s->name, sizeof(s->name), "%s", target ? TARGET : names[p]);
    s->bogus = how & 0x40;
    s->trouble = how & 0x80 ? "no servers" : NULL;
    if (s->trouble != NULL && (how & 0x04)) { /* it stands for all of them */
        memcpy(s->server, s->name, sizeof(s->name));
    }
    s->end = (how >> 3) % 7;
    if (s->end == DIRECT_ANSWERED && s->trouble == NULL) {
        s->answer = make_answer(s->name, piece);
        s->end = s->answer == NULL ? DIRECT_GARBLED : DIRECT_ANSWERED;
    }
}

static void
judge(const struct facts *f)
{
    struct findings *found = calloc(1, sizeof(*found));

    if (found == NULL) {
        return;
    }
    findings_of_key(f, found);
    for (size_t i = 0; i < found->count; i++) {
        if (found->list[i].id == NULL || found->list[i].what.len == 0 ||
            found->list[i].mend.len == 0) {
            abort(); /* a finding that says nothing */
        }
    }
    (void)findings_worst(found);
    (void)findings_temporary(found);
    findings_free(found);
    free(found);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {
        "", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "MIGfMA0G"
    };
    struct bytes rest = bytes_make(data, size);
    struct facts f = { .key = { .domain = "a.b", .selector = "s" } };

    if (size < 1) {
        return 0;
    }
    f.key.target = data[0] & 1 ? TARGET : "";
    f.key.zone = data[0] & 2 ? "z.b" : "";
    f.key.public_b64 = keys[(data[0] >> 2) % 3];
    f.key.ed25519 = data[0] & 0x10;
    f.key.revoked = data[0] & 0x20;
    f.key.waiting = data[0] & 0x40;
    for (size_t p = 0; p < PLACES; p++) {
        snprintf(f.names[p], sizeof(f.names[p]), "%s", names[p]);
        f.sights[p] = calloc(SIGHTS_MAX, sizeof(struct sight));
        if (f.sights[p] == NULL) {
            abort();
        }
    }
    rest = bytes_skip(rest, 1);
    while (rest.len >= 4) {
        size_t n = (size_t)rest.ptr[2] << 8 | rest.ptr[3];
        struct bytes piece = bytes_take(bytes_skip(rest, 4), n);

        add_sight(&f, rest.ptr[0], rest.ptr[1], piece);
        rest = bytes_skip(rest, 4 + piece.len);
    }
    judge(&f);
    facts_free(&f);
    return 0;
}
