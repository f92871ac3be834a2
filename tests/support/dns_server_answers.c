/*
 * dns_server_answers - what the nameserver of dns_server.h says to each name.
 */
#include "dns_message.h"
#include "dns_server_private.h"

#include <stdio.h>
#include <stdlib.h>

typedef enum manner behaviour(struct message *m, const struct asked *a);

static enum manner
ok(struct message *m, const struct asked *a)
{
    (void)a;
    put_txt_record(m, NULL, 300, "v=DKIM1");
    return SEND;
}

static enum manner
ttl0(struct message *m, const struct asked *a)
{
    (void)a;
    put_txt_record(m, NULL, 0, "v=DKIM1");
    return SEND;
}

static enum manner
ttlhuge(struct message *m, const struct asked *a)
{
    (void)a;
    put_txt_record(m, NULL, 0x80000000u, "v=DKIM1");
    return SEND;
}

static enum manner
ad(struct message *m, const struct asked *a)
{
    message_flags(m, 0, 0x20);
    return ok(m, a);
}

static enum manner
nx(struct message *m, const struct asked *a)
{
    (void)a;
    message_flags(m, 0, 3);
    put_soa_record(m, "test", 900, 30);
    return SEND;
}

static enum manner
nodata(struct message *m, const struct asked *a)
{
    (void)a;
    put_soa_record(m, "test", 900, 86400);
    return SEND;
}

static enum manner
servfail(struct message *m, const struct asked *a)
{
    (void)a;
    message_flags(m, 0, 2);
    return SEND;
}

static enum manner
refused(struct message *m, const struct asked *a)
{
    (void)a;
    message_flags(m, 0, 5);
    return SEND;
}

static enum manner
formerr(struct message *m, const struct asked *a)
{
    (void)a;
    message_flags(m, 0, 1);
    return SEND;
}

static enum manner
notimp(struct message *m, const struct asked *a)
{
    (void)a;
    message_flags(m, 0, 4);
    return SEND;
}

static enum manner
noedns(struct message *m, const struct asked *a)
{
    return a->opt ? formerr(m, a) : ok(m, a);
}

static enum manner
badvers(struct message *m, const struct asked *a)
{
    if (!a->opt) {
        return ok(m, a);
    }
    put_record(m, SECTION_AR, "", 41, 0x01000000, BYTES_LIT(""));
    return SEND;
}

static enum manner
silent(struct message *m, const struct asked *a)
{
    (void)m;
    (void)a;
    return SILENT;
}

static enum manner
latein(struct message *m, const struct asked *a)
{
    (void)ok(m, a);
    return LATE_IN;
}

static enum manner
lateout(struct message *m, const struct asked *a)
{
    (void)ok(m, a);
    return LATE_OUT;
}

static enum manner
cut(struct message *m, const struct asked *a, enum manner over_tcp)
{
    if (!a->tcp) {
        message_flags(m, 0x02, 0);
        return SEND;
    }
    (void)ok(m, a);
    return over_tcp;
}

static enum manner
tc(struct message *m, const struct asked *a)
{
    return cut(m, a, SEND);
}

static enum manner
tcrst(struct message *m, const struct asked *a)
{
    return cut(m, a, TCP_RESET);
}

static enum manner
tchalf(struct message *m, const struct asked *a)
{
    return cut(m, a, TCP_HALF);
}

static enum manner
tcslow(struct message *m, const struct asked *a)
{
    return cut(m, a, TCP_SLOW);
}

static enum manner
tczero(struct message *m, const struct asked *a)
{
    return cut(m, a, TCP_ZERO);
}

static enum manner
tctc(struct message *m, const struct asked *a)
{
    (void)a;
    message_flags(m, 0x02, 0);
    return SEND;
}

static enum manner
tcsilent(struct message *m, const struct asked *a)
{
    return cut(m, a, SILENT);
}

/* 65535 octets: 12 + question + 12 + 255 * 256 + the rest. */
static enum manner
tcmax(struct message *m, const struct asked *a)
{
    struct buf rdata = BUF_INIT;
    size_t left;

    if (!a->tcp) {
        message_flags(m, 0x02, 0);
        return SEND;
    }
    left = 65535 - m->b.len - 12;
    while (left > 0) {
        size_t n = left > 256 ? 255 : left - 1;

        buf_putc(&rdata, (char)n);
        for (size_t i = 0; i < n; i++) {
            buf_putc(&rdata, 'x');
        }
        left -= n + 1;
    }
    put_record(m, SECTION_AN, NULL, 16, 300, buf_bytes(&rdata));
    buf_free(&rdata);
    return SEND;
}

static enum manner
many(struct message *m, const struct asked *a)
{
    if (!a->tcp) {
        message_flags(m, 0x02, 0);
        return SEND;
    }
    for (unsigned i = 0; i < 1000; i++) {
        put_txt_record(m, NULL, 300, "x");
    }
    return SEND;
}

static enum manner
wrongid(struct message *m, const struct asked *a)
{
    (void)ok(m, a);
    m->b.ptr[0] ^= 1;
    return SEND;
}

static enum manner
wrongname(struct message *m, const struct asked *a)
{
    (void)ok(m, a);
    m->b.ptr[13] = '-';
    return SEND;
}

static enum manner
keepsnocase(struct message *m, const struct asked *a)
{
    for (size_t i = 12; i < m->b.len - 4; i++) {
        m->b.ptr[i] = byte_lower(m->b.ptr[i]);
    }
    return ok(m, a);
}

static enum manner
otherport(struct message *m, const struct asked *a)
{
    (void)ok(m, a);
    return OTHER_PORT;
}

static enum manner
loops(struct message *m, const struct asked *a)
{
    put_cname_record(m, a->name, a->name);
    return SEND;
}

static enum manner
ping(struct message *m, const struct asked *a)
{
    put_cname_record(m, a->name, "pong.test");
    return SEND;
}

static enum manner
pong(struct message *m, const struct asked *a)
{
    put_cname_record(m, a->name, "ping.test");
    return SEND;
}

/* hopN: a CNAME to hopN-1; hop0 has the record. */
static enum manner
hop(struct message *m, const struct asked *a)
{
    char target[NAME_TEXT];
    int n = atoi(a->label + 3);

    if (n == 0) {
        return ok(m, a);
    }
    snprintf(target, sizeof(target), "hop%d.test", n - 1);
    put_cname_record(m, a->name, target);
    return SEND;
}

static enum manner
toroot(struct message *m, const struct asked *a)
{
    if (a->label[0] == '\0') {
        return nodata(m, a);
    }
    put_cname_record(m, a->name, "");
    return SEND;
}

static enum manner
host(struct message *m, const struct asked *a)
{
    if (a->type == 1) {
        put_record(m, SECTION_AN, NULL, 1, 300, BYTES_LIT("\177\0\0\2"));
        put_record(m, SECTION_AN, NULL, 1, 300, BYTES_LIT("\177\0\0\3"));
    } else {
        put_record(m, SECTION_AN, NULL, 28, 300,
                   BYTES_LIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"));
    }
    return SEND;
}

/* AAAA fails, A is there. */
static enum manner
v4host(struct message *m, const struct asked *a)
{
    return a->type == 1 ? host(m, a) : servfail(m, a);
}

static const struct {
    const char *label; /* a prefix */
    behaviour *answer;
} table[] = {
    { "ok", ok },
    { "ttl0", ttl0 },
    { "ttlhuge", ttlhuge },
    { "ad", ad },
    { "nx", nx },
    { "nodata", nodata },
    { "servfail", servfail },
    { "refused", refused },
    { "formerr", formerr },
    { "notimp", notimp },
    { "noedns", noedns },
    { "badvers", badvers },
    { "silent", silent },
    { "latein", latein },
    { "lateout", lateout },
    { "tcrst", tcrst },
    { "tchalf", tchalf },
    { "tcslow", tcslow },
    { "tczero", tczero },
    { "tctc", tctc },
    { "tcmax", tcmax },
    { "tcsilent", tcsilent },
    { "tc", tc },
    { "many", many },
    { "wrongid", wrongid },
    { "wrongname", wrongname },
    { "keepsnocase", keepsnocase },
    { "otherport", otherport },
    { "loop", loops },
    { "ping", ping },
    { "pong", pong },
    { "hop", hop },
    { "toroot", toroot },
    { "host", host },
    { "v4host", v4host },
    { "", toroot }, /* the root, and what is not above */
};

bool
dns_read_asked(struct bytes q, struct asked *a)
{
    size_t at = 12;
    size_t n = 0;

    while (at < q.len && q.ptr[at] != 0) {
        for (size_t i = 1; i <= q.ptr[at] && at + i < q.len; i++) {
            a->name[n++] = (char)byte_lower(q.ptr[at + i]);
        }
        a->name[n++] = '.';
        at += 1u + q.ptr[at];
    }
    a->name[n > 0 ? n - 1 : 0] = '\0';
    (void)bytes_copy(
        bytes_take(bytes_str(a->name), bytes_find(bytes_str(a->name), '.')),
        a->label, sizeof(a->label));
    a->type = at + 2 < q.len ? q.ptr[at + 2] : 0;
    a->opt = q.len > 11 && q.ptr[11] == 1;
    return at + 5 <= q.len;
}

enum manner
dns_answer(struct message *m, const struct asked *a)
{
    size_t i = 0;

    while (!bytes_starts_ci(bytes_str(a->label), table[i].label)) {
        i++;
    }
    return table[i].answer(m, a);
}
