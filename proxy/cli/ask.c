/*
 * ask - DNS questions of a command; see ask.h.
 */
#include "proxy/cli/ask.h"

#include "proxy/dns/file.h"
#include "proxy/dns/resolver.h"
#include "proxy/methods.h"

#include <event2/event.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    TRY_S = 5,
    DNS_PORT = 53
};

struct cli_dns {
    struct dns_file *file; /* or the two below */
    struct event_base *base;
    struct resolver *resolver;
    unsigned waiting;
    struct dns_conf conf;
    struct conf_address server;
    char host[INET6_ADDRSTRLEN];
};

/* One question under way. */
struct asked {
    struct cli_dns *dns;
    cli_dns_callback *cb;
    void *arg;
};

/* "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353". */
static bool
parse_server(const char *text, struct cli_dns *dns)
{
    struct bytes host = bytes_str(text);
    struct bytes port = { NULL, 0 };
    uint8_t addr[16];
    uint64_t n = DNS_PORT;

    if (host.len > 0 && host.ptr[0] == '[') {
        size_t end = bytes_find(host, ']');

        if (end == host.len) {
            return false;
        }
        port = bytes_skip(host, end + 1);
        host = bytes_make(host.ptr + 1, end - 1);
    } else if (strchr(text, ':') == strrchr(text, ':')) {
        size_t colon = bytes_find(host, ':');

        port = bytes_skip(host, colon);
        host = bytes_take(host, colon);
    }
    if (port.len > 0 &&
        (port.ptr[0] != ':' || !bytes_to_u64(bytes_skip(port, 1), 65535, &n))) {
        return false;
    }
    if (n == 0 || !bytes_copy(host, dns->host, sizeof(dns->host))) {
        return false;
    }
    dns->server.host = dns->host;
    dns->server.port = (uint16_t)n;
    return inet_pton(AF_INET, dns->host, addr) == 1 ||
           inet_pton(AF_INET6, dns->host, addr) == 1;
}

static int
open_file(const struct cli *c, const char *path, struct cli_dns *dns)
{
    struct buf error = BUF_INIT;
    const char *text;
    int code = EX_OK;

    dns->file = dns_file_load(path, &error);
    if (dns->file == NULL) {
        text = buf_str(&error);
        code = cli_fail(c, access(path, R_OK) == 0 ? EX_DATAERR : EX_NOINPUT,
                        "%s", text == NULL ? "no memory" : text);
    }
    buf_free(&error);
    return code;
}

static int
open_live(const struct cli *c, const char *nameserver, struct cli_dns *dns)
{
    dns->conf.timeout_s = TRY_S;
    if (c->conf != NULL) {
        dns->conf = c->conf->dns;
    }
    if (nameserver != NULL) {
        if (!parse_server(nameserver, dns)) {
            return cli_misuse(c,
                              "--nameserver %s; ADDR or ADDR:PORT, "
                              "[V6]:PORT, numeric",
                              nameserver);
        }
        dns->conf.nameservers.list = &dns->server;
        dns->conf.nameservers.count = 1;
    }
    dns->base = event_base_new();
    if (dns->base != NULL) {
        dns->resolver = resolver_new(dns->base, &dns->conf);
    }
    return dns->resolver != NULL ? EX_OK : cli_fail(c, EX_OSERR, "no memory");
}

int
cli_dns_open(const struct cli *c, const char *file, const char *nameserver,
             struct cli_dns **dns_out)
{
    struct cli_dns *dns = calloc(1, sizeof(*dns));
    int code;

    if (dns == NULL) {
        return cli_fail(c, EX_OSERR, "no memory");
    }
    code =
        file != NULL ? open_file(c, file, dns) : open_live(c, nameserver, dns);
    if (code != EX_OK) {
        cli_dns_close(&dns);
        return code;
    }
    *dns_out = dns;
    return EX_OK;
}

const struct dns_conf *
cli_dns_conf(const struct cli_dns *dns)
{
    return &dns->conf;
}

void
cli_dns_close(struct cli_dns **dns)
{
    if (*dns == NULL) {
        return;
    }
    dns_file_free(&(*dns)->file);
    resolver_free(&(*dns)->resolver);
    if ((*dns)->base != NULL) {
        event_base_free((*dns)->base);
    }
    free(*dns);
    *dns = NULL;
}

static void
on_answer(const struct dns_answer *answer, void *arg)
{
    struct asked *a = arg;

    a->dns->waiting--;
    a->cb(answer, a->arg);
    if (a->dns->waiting == 0) {
        event_base_loopbreak(a->dns->base);
    }
    free(a);
}

void
cli_dns_ask(struct cli_dns *dns, const struct dns_question *q,
            cli_dns_callback *cb, void *arg)
{
    static const struct dns_answer failed = { .status = DNS_TEMPFAIL };
    struct dns_answer answer;
    struct asked *a;

    if (dns->file != NULL) {
        dns_file_ask(dns->file, q, &answer);
        cb(&answer, arg);
        return;
    }
    a = malloc(sizeof(*a));
    if (a == NULL) {
        cb(&failed, arg);
        return;
    }
    *a = (struct asked){ dns, cb, arg };
    dns->waiting++;
    if (dns_ask(dns->resolver, q, on_answer, a) == NULL) {
        dns->waiting--;
        free(a);
        cb(&failed, arg);
    }
}

void
cli_dns_wait(struct cli_dns *dns)
{
    while (dns->waiting > 0 && event_base_dispatch(dns->base) == 0) {
    }
}

/* One key's way back to the verifier. */
struct wanted_key {
    struct dkim_verify *verify;
    unsigned id;
};

static void
on_key(const struct dns_answer *answer, void *arg)
{
    const struct wanted_key *k = arg;

    dkim_verify_answer(k->verify, k->id, answer);
}

/* All questions leave before the first answer is waited for. */
void
cli_dns_keys(struct cli_dns *dns, struct dkim_verify *verify)
{
    struct wanted_key wanted[METHODS_KEYS_MAX];
    struct dns_question q;
    unsigned id;
    size_t n = 0;

    while (n < METHODS_KEYS_MAX && dkim_verify_question(verify, &q, &id)) {
        wanted[n] = (struct wanted_key){ verify, id };
        cli_dns_ask(dns, &q, on_key, wanted + n);
        n++;
    }
    cli_dns_wait(dns);
}
