/*
 * test_dns_direct - one question to one server, which misbehaves; and the
 * asker, which lets only so many ask at a time.
 *
 * Tries take 150 ms here, so that what never answers is over soon.
 */
#include "proxy/dns/direct.h"
#include "proxy/survey/asker.h"
#include "tests/support/cmocka.h"
#include "tests/support/dns_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    TRY_MS = 150,
    MANY = 1000
};

struct world {
    struct event_base *base;
    struct dns_script *script;
    struct sockaddr_storage server;
    /* what came: */
    unsigned calls;
    enum direct_end end;
    unsigned rcode;
    size_t count;
    uint32_t negative_s;
    size_t at_once;
};

static int
set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct sockaddr_in in = { .sin_family = AF_INET };

    assert_non_null(w);
    w->base = event_base_new();
    w->script = dns_script_new(w->base);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons(dns_script_port(w->script));
    memcpy(&w->server, &in, sizeof(in));
    *state = w;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *w = *state;

    dns_script_free(&w->script);
    event_base_free(w->base);
    free(w);
    return 0;
}

static void
on_end(enum direct_end end, struct raw_answer *answer, void *arg)
{
    struct world *w = arg;

    w->calls++;
    w->end = end;
    assert_int_equal(answer != NULL, end == DIRECT_ANSWERED);
    if (answer != NULL) {
        w->rcode = answer->rcode;
        w->count = answer->count;
        w->negative_s = raw_negative_s(answer);
    }
    event_base_loopbreak(w->base);
}

static struct direct *
begin(struct world *w, const char *name)
{
    struct direct_options o = {
        .base = w->base,
        .server = w->server,
        .question = { .type = DNS_TXT, .edns = true, .no_recurse = true },
        .try_ms = TRY_MS,
        .tries = 2,
        .cb = on_end,
        .arg = w,
    };

    w->calls = 0;
    assert_true(packet_name_make(name, &o.question.name));
    return direct_start(&o);
}

static void
ask(struct world *w, const char *name)
{
    struct direct *d = begin(w, name);

    assert_non_null(d);
    assert_int_equal(w->calls, 0); /* never from inside */
    event_base_dispatch(w->base);
    assert_int_equal(w->calls, 1);
    direct_free(&d);
}

static const struct wanted {
    const char *name;
    enum direct_end end;
    unsigned rcode;
    size_t records;
    unsigned udp, tcp; /* packets that the server saw */
} cases[] = {
    { "ok.test", DIRECT_ANSWERED, RAW_NOERROR, 1, 1, 0 },
    { "nx.test", DIRECT_ANSWERED, RAW_NXDOMAIN, 1, 1, 0 },
    { "servfail.test", DIRECT_ANSWERED, RAW_SERVFAIL, 0, 1, 0 },
    { "refused.test", DIRECT_ANSWERED, RAW_REFUSED, 0, 1, 0 },
    { "noedns.test", DIRECT_ANSWERED, RAW_NOERROR, 1, 2, 0 },
    { "badvers.test", DIRECT_ANSWERED, RAW_NOERROR, 1, 2, 0 },
    { "formerr.test", DIRECT_ANSWERED, 1, 0, 2, 0 },
    { "silent.test", DIRECT_SILENT, 0, 0, 2, 0 },
    { "latein.test", DIRECT_ANSWERED, RAW_NOERROR, 1, 1, 0 },
    { "wrongid.test", DIRECT_SILENT, 0, 0, 2, 0 },
    { "wrongname.test", DIRECT_SILENT, 0, 0, 2, 0 },
    { "otherport.test", DIRECT_SILENT, 0, 0, 2, 0 },
    { "keepsnocase.test", DIRECT_ANSWERED, RAW_NOERROR, 1, 1, 1 },
    { "tc.test", DIRECT_ANSWERED, RAW_NOERROR, 1, 1, 1 },
    { "tcslow.test", DIRECT_NO_TCP, 0, 0, 1, 1 },
    { "tcrst.test", DIRECT_NO_TCP, 0, 0, 1, 1 },
    { "tchalf.test", DIRECT_NO_TCP, 0, 0, 1, 1 },
    { "tczero.test", DIRECT_NO_TCP, 0, 0, 1, 1 },
    { "tcsilent.test", DIRECT_NO_TCP, 0, 0, 1, 1 },
    { "tctc.test", DIRECT_GARBLED, 0, 0, 1, 1 },
    { "tcmax.test", DIRECT_ANSWERED, RAW_NOERROR, 1, 1, 1 },
    { "many.test", DIRECT_ANSWERED, RAW_NOERROR, RAW_RECORDS_MAX, 1, 1 },
    { "loops.test", DIRECT_ANSWERED, RAW_NOERROR, 1, 1, 0 }, /* one CNAME */
};

static void
every_manner(void **state)
{
    struct world *w = *state;
    struct dns_server_counts *seen = dns_script_counts(w->script);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct wanted *c = &cases[i];

        seen->udp = seen->tcp = 0;
        ask(w, c->name);
        if (w->end != c->end ||
            (w->end == DIRECT_ANSWERED &&
             (w->rcode != c->rcode || w->count != c->records)) ||
            seen->udp != c->udp || seen->tcp != c->tcp) {
            fail_msg("%s: end %d rcode %u records %zu udp %u tcp %u", c->name,
                     w->end, w->rcode, w->count, seen->udp, seen->tcp);
        }
    }
}

static void
how_long_nothing_is_kept(void **state)
{
    struct world *w = *state;

    ask(w, "nx.test");
    assert_int_equal(w->negative_s, 30);
    ask(w, "nodata.test");
    assert_int_equal(w->negative_s, 900); /* the SOA's TTL is the smaller */
    ask(w, "ok.test");
    assert_int_equal(w->negative_s, 0);
}

static void
nobody_there(void **state)
{
    struct world *w = *state;
    struct sockaddr_in in;

    memcpy(&in, &w->server, sizeof(in));
    dns_script_free(&w->script); /* its port is closed now */
    ask(w, "ok.test");
    assert_int_equal(w->end, DIRECT_NOBODY);
    w->script = dns_script_new(w->base);
}

static void
given_up(void **state)
{
    static const struct timeval soon = { 0, 20000 };
    struct world *w = *state;
    struct direct *d = begin(w, "silent.test");

    event_base_loopexit(w->base, &soon);
    event_base_dispatch(w->base);
    direct_free(&d);
    direct_free(&d);
    event_base_loopexit(w->base, &soon);
    event_base_dispatch(w->base);
    assert_int_equal(w->calls, 0);
}

/* --- many ----------------------------------------------------------------- */

static void
on_one(enum direct_end end, struct raw_answer *answer, void *arg)
{
    struct world *w = arg;

    (void)answer;
    assert_int_equal(end, DIRECT_ANSWERED);
    if (++w->calls == MANY) {
        event_base_loopbreak(w->base);
    }
}

static size_t
open_descriptors(void)
{
    size_t count = 0;

    for (int fd = 0; fd < 1024; fd++) {
        count += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
    }
    return count;
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
    struct world *w = arg;
    size_t now = open_descriptors();

    (void)fd;
    (void)what;
    w->at_once = now > w->at_once ? now : w->at_once;
}

static void
only_so_many_at_once(void **state)
{
    static const struct timeval often = { 0, 1000 };
    struct world *w = *state;
    struct asker *a = asker_new(w->base, 1000);
    struct event *look = event_new(w->base, -1, EV_PERSIST, on_look, w);
    size_t before = open_descriptors();
    struct asker_question q = { .server = w->server, .type = RAW_TYPE_TXT };

    assert_non_null(a);
    event_add(look, &often);
    w->calls = 0;
    q.name = "a..b";
    assert_false(asker_ask(a, &q, on_one, w)); /* no such name can be */
    q.name = "ok.test";
    for (unsigned i = 0; i < MANY; i++) {
        assert_true(asker_ask(a, &q, on_one, w));
    }
    assert_int_equal(w->calls, 0);
    event_base_dispatch(w->base);
    assert_int_equal(w->calls, MANY);
    assert_true(w->at_once <= before + ASKER_IN_FLIGHT_MAX + 8);
    assert_true(asker_ask(a, &q, on_one, w)); /* never answered */
    asker_free(&a);
    event_free(look);
}

static void
texts(void **state)
{
    char text[16];

    (void)state;
    assert_string_equal(asker_rcode_text(RAW_SERVFAIL, text), "SERVFAIL");
    assert_string_equal(asker_rcode_text(4095, text), "RCODE 4095");
    for (int end = DIRECT_ANSWERED; end <= DIRECT_OURS; end++) {
        assert_true(strlen(asker_end_text((enum direct_end)end)) > 5);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_manner, set_up, tear_down),
        cmocka_unit_test_setup_teardown(how_long_nothing_is_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nobody_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_so_many_at_once, set_up,
                                        tear_down),
        cmocka_unit_test(texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
