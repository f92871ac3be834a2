/*
 * shown - see shown.h.
 */
#include "tests/support/shown.h"

#include "proxy/dns/packet.h"
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>

const char *const shown_places[PLACES] = {
    NAME,
    NAME,
    "check-1._domainkey.example.com",
    "_domainkey.sel.example.com",
    "sel.example.com",
    "sel.domainkey.example.com",
    "_domainkey.example.com",
    "example.com",
    "sel._domainkey.example.com.example.com",
};

static struct raw_answer *
read_made(const char *name, make_answer *make)
{
    struct packet_question q = { .type = DNS_TXT };
    struct packet_seed seed = { .id = 7 };
    struct packet_query query;
    struct message m = { BUF_INIT };
    struct raw_answer *answer = NULL;

    assert_true(packet_name_make(name, &q.name));
    assert_true(packet_query_make(&q, &seed, &query));
    message_begin(&m, bytes_make(query.data, query.len));
    make(&m);
    assert_int_equal(
        packet_read_raw(&q, &query, buf_bytes(&m.b), true, &answer),
        PACKET_ANSWER);
    buf_free(&m.b);
    return answer;
}

void
shown_add(struct facts *f, const struct shown *shown)
{
    struct sight *s;

    if (f->sights[shown->place] == NULL) {
        f->sights[shown->place] = calloc(6, sizeof(struct sight));
        assert_non_null(f->sights[shown->place]);
    }
    s = &f->sights[shown->place][f->counts[shown->place]++];
    s->role = (enum seen_role)(shown->role & 3);
    s->bogus = shown->role & BOGUS;
    s->trouble = shown->trouble;
    s->end = shown->make != NULL ? DIRECT_ANSWERED : shown->end;
    snprintf(s->name, sizeof(s->name), "%s",
             s->role == SEEN_TARGET ? TARGET : shown_places[shown->place]);
    snprintf(s->server, sizeof(s->server), "%s",
             s->trouble != NULL ? s->name : "ns1 [192.0.2.1]");
    if (shown->make != NULL) {
        s->answer = read_made(s->name, shown->make);
    }
}

void
shown_key(struct fact_key *key, enum wanted kind)
{
    bool slot = kind == DELEGATED || kind == FREE;

    *key = (struct fact_key){
        .domain = "example.com",
        .selector = "sel",
        .target = slot ? TARGET : "",
        .public_b64 = kind == OWN || kind == DELEGATED ? OURS : "",
        .ed25519 = true,
        .revoked = kind == REVOKED,
        .waiting = kind == FREE,
        .zone = slot ? "dkim.relay.example" : "",
    };
}

static int
compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void
shown_ids(const struct findings *f, char *out, size_t cap)
{
    const char *ids[FINDINGS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < f->count; i++) {
        ids[i] = f->list[i].id;
    }
    qsort(ids, f->count, sizeof(ids[0]), compare);
    out[0] = '\0';
    for (size_t i = 0; i < f->count; i++) {
        n += (size_t)snprintf(out + n, cap - n, "%s%s", i > 0 ? " " : "",
                              ids[i]);
    }
}
