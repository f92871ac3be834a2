/*
 * sight - one key's survey, judged: do receivers everywhere see this key?
 *
 * Pure: what was seen comes in (seen.h), the time is an argument.
 *
 * A record counts as seen everywhere when every authoritative server of the
 * owner's domain that answers has it (a CNAME, or the key itself), every
 * answering server of the zone behind the CNAME has the key, at least one of
 * each does, and a resolver has the key and none has anything else. A server
 * that does not answer, or only with errors, is waited for 24 hours; then it
 * is left out when another one of its kind and two resolvers have the key.
 * With prove = resolver only resolvers are looked at.
 */
#ifndef PROXY_DOMAINS_SIGHT_H
#define PROXY_DOMAINS_SIGHT_H

#include <proxy/domains/seen.h>
#include <proxy/keys/keystore.h>

enum {
    SIGHT_SILENCE_S = 24 * 3600,      /* then a server may be left out */
    SIGHT_WAIT_MAX_S = 7 * 24 * 3600, /* the longest TTL that is believed */
    SIGHT_RESOLVERS_MIN = 2           /* who vouch for a silent server */
};

struct sight_rules {
    bool resolvers_only; /* prove = resolver */
    bool delegated;      /* a CNAME into our zone; else the owner's TXT */
    uint64_t now_s;
};

struct sight {
    bool complete;        /* seen everywhere, in the sense above */
    bool contrary;        /* somebody has something else, or nothing */
    bool some;            /* at least one server has the key itself */
    enum key_fault fault; /* receivers cannot be expected to find it: all
                             that answer, of one kind, say so */
    unsigned wait_s;      /* how long what stood there instead may be kept:
                             TTLs and negative TTLs */
    char why[200];        /* not complete: the first reason, one sentence */
};

/*
 * seen NULL or empty: nothing is known, and nothing is held against the key.
 * silent: since when which servers have not answered, this time included.
 */
void sight_judge(const struct seen *seen, const struct key_silence *silent,
                 size_t silent_count, const struct sight_rules *rules,
                 struct sight *sight_out);

/*
 * The question was for p= empty or nothing (a revoked key, a free slot):
 * true when a server of the zone that should have it answers, and none that
 * answers has a key still.
 */
bool sight_is_gone(const struct seen *seen, const struct sight_rules *rules);

/*
 * The servers that did not answer now, with the time since when that is so
 * (from old, else now). out: room for KEY_SILENCES_MAX; names are lent by
 * seen. Returns how many.
 */
size_t sight_silences(const struct seen *seen, const struct key_silence *old,
                      size_t old_count, const struct sight_rules *rules,
                      struct key_silence *out);

#endif
