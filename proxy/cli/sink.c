/*
 * sink - `sealpost sink`: an upstream for trials, which accepts all mail and
 * keeps it in a Maildir.
 */
#include "proxy/cli/sink.h"

#include "proxy/cli/cli.h"
#include "proxy/net/tls.h"

#include <event2/event.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

static const char usage[] =
    "usage: sealpost sink --listen ADDR:PORT --maildir DIR\n"
    "           [--envelopes DIR] [--auth USER:PASSWORD]\n"
    "           [--tls-cert FILE --tls-key FILE]\n"
    "Accepts all mail and keeps it in a Maildir, octet for octet; --envelopes\n"
    "keeps sender and recipients as NAME.json. Port 0: any free one; the\n"
    "address is printed. --auth: only who logs in so may send.\n";

enum {
    BACKLOG = 128
};

struct setup {
    struct cli cli;
    const char *listen;
    const char *maildir;
    const char *envelopes;
    const char *auth;
    const char *cert;
    const char *key;
    struct buf user;
    struct event_base *base;
    struct event *events[3]; /* accept, SIGTERM, SIGINT */
    int fd;
    struct sink sink;
};

/* "127.0.0.1:2525", "[::1]:2525". */
static bool
parse_listen(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    const char *colon = strrchr(text, ':');
    struct bytes host;
    char name[INET6_ADDRSTRLEN];
    uint64_t port;

    memset(out, 0, sizeof(*out));
    if (colon == NULL || !bytes_to_u64(bytes_str(colon + 1), 65535, &port)) {
        return false;
    }
    host = bytes_make(text, (size_t)(colon - text));
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = bytes_make(host.ptr + 1, host.len - 2);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *len = sizeof(*v6);
        return bytes_copy(host, name, sizeof(name)) &&
               inet_pton(AF_INET6, name, &v6->sin6_addr) == 1;
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    *len = sizeof(*v4);
    return bytes_copy(host, name, sizeof(name)) &&
           inet_pton(AF_INET, name, &v4->sin_addr) == 1;
}

/* The port that was really taken. */
static unsigned
own_port(int fd)
{
    struct sockaddr_storage own = { 0 };
    socklen_t len = sizeof(own);
    struct sockaddr_in in;

    if (getsockname(fd, (struct sockaddr *)&own, &len) != 0) {
        return 0;
    }
    memcpy(&in, &own, sizeof(in)); /* ports stand at one place */
    return ntohs(in.sin_port);
}

static int
open_socket(struct setup *s)
{
    struct sockaddr_storage addr;
    socklen_t len = 0;
    int on = 1;

    if (!parse_listen(s->listen, &addr, &len)) {
        return cli_misuse(&s->cli,
                          "--listen %s; ADDR:PORT, numeric, as "
                          "127.0.0.1:2525 or [::1]:2525",
                          s->listen);
    }
    s->fd =
        socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0 ||
        setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(s->fd, (struct sockaddr *)&addr, len) != 0 ||
        listen(s->fd, BACKLOG) != 0) {
        return cli_fail(&s->cli, EX_UNAVAILABLE, "%s: %s", s->listen,
                        strerror(errno));
    }
    return CLI_GO_ON;
}

static int
take_tls(struct setup *s)
{
    const char *certificates[] = { s->cert, NULL };
    const char *private_keys[] = { s->key, NULL };
    struct listen_conf conf = { .name = "sink",
                                .tls = CONF_TLS_STARTTLS,
                                .certificates = certificates,
                                .private_keys = private_keys };
    struct buf error = BUF_INIT;
    int code = CLI_GO_ON;

    if (s->cert == NULL && s->key == NULL) {
        return CLI_GO_ON;
    }
    if (s->cert == NULL || s->key == NULL) {
        return cli_misuse(&s->cli, "--tls-cert and --tls-key go together");
    }
    s->sink.tls = tls_server_new(&conf, &error);
    if (s->sink.tls == NULL) {
        (void)buf_str(&error);
        code = cli_fail(&s->cli, EX_NOINPUT, "%s",
                        buf_failed(&error) ? "no memory"
                                           : (const char *)error.ptr);
    }
    buf_free(&error);
    return code;
}

static int
take_auth(struct setup *s)
{
    const char *colon;

    if (s->auth == NULL) {
        return CLI_GO_ON;
    }
    colon = strchr(s->auth, ':');
    if (colon == NULL || colon == s->auth || colon[1] == '\0') {
        return cli_misuse(&s->cli, "--auth takes USER:PASSWORD");
    }
    buf_put(&s->user, bytes_make(s->auth, (size_t)(colon - s->auth)));
    s->sink.user = buf_str(&s->user);
    s->sink.password = colon + 1;
    return s->sink.user != NULL ? CLI_GO_ON
                                : cli_fail(&s->cli, EX_OSERR, "no memory");
}

/* --- events ------------------------------------------------------------- */

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct setup *s = arg;

    (void)what;
    for (;;) {
        int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (client < 0) {
            return; /* none is waiting, or no descriptor is free now */
        }
        sink_session_start(&s->sink, client);
    }
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
    struct setup *s = arg;

    (void)number;
    (void)what;
    event_base_loopbreak(s->base);
}

static int
start_loop(struct setup *s)
{
    s->base = event_base_new();
    if (s->base != NULL) {
        s->sink.loop = conn_loop_new(s->base);
        s->events[0] =
            event_new(s->base, s->fd, EV_READ | EV_PERSIST, on_accept, s);
        s->events[1] = evsignal_new(s->base, SIGTERM, on_signal, s);
        s->events[2] = evsignal_new(s->base, SIGINT, on_signal, s);
    }
    for (size_t i = 0; i < 3; i++) {
        if (s->events[i] == NULL || event_add(s->events[i], NULL) != 0) {
            return cli_fail(&s->cli, EX_OSERR, "no memory");
        }
    }
    return s->sink.loop != NULL ? CLI_GO_ON
                                : cli_fail(&s->cli, EX_OSERR, "no memory");
}

static void
announce(const struct setup *s)
{
    const char *colon = strrchr(s->listen, ':');

    printf("sealpost sink: listening on %.*s:%u, keeping mail in %s\n",
           (int)(colon - s->listen), s->listen, own_port(s->fd), s->maildir);
    (void)fflush(stdout);
}

static int
run(struct setup *s)
{
    int code;

    if (s->listen == NULL || s->maildir == NULL || s->cli.word_count > 0) {
        return cli_misuse(&s->cli, "--listen ADDR:PORT and --maildir DIR");
    }
    s->sink.hostname = "sink.invalid";
    code = take_auth(s);
    if (code == CLI_GO_ON) {
        code = take_tls(s);
    }
    if (code == CLI_GO_ON &&
        !maildir_open(&s->sink.maildir, s->maildir, s->envelopes)) {
        code = cli_fail(&s->cli, EX_CANTCREAT, "%s: %s", s->maildir,
                        strerror(errno));
    }
    if (code == CLI_GO_ON) {
        code = open_socket(s);
    }
    if (code == CLI_GO_ON) {
        code = start_loop(s);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    announce(s);
    return event_base_dispatch(s->base) < 0 ? EX_SOFTWARE : EX_OK;
}

static void
tear_down(struct setup *s)
{
    sink_sessions_end(&s->sink);
    for (size_t i = 0; i < 3; i++) {
        if (s->events[i] != NULL) {
            event_free(s->events[i]);
        }
    }
    conn_loop_free(&s->sink.loop);
    if (s->base != NULL) {
        event_base_free(s->base);
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    SSL_CTX_free(s->sink.tls);
    buf_free(&s->user);
    cli_free(&s->cli);
}

int
cli_sink(int argc, char **argv)
{
    struct setup s = { .cli = { .name = "sink", .usage = usage }, .fd = -1 };
    const struct cli_option options[] = {
        { "--listen", 0, NULL, &s.listen, NULL },
        { "--maildir", 0, NULL, &s.maildir, NULL },
        { "--envelopes", 0, NULL, &s.envelopes, NULL },
        { "--auth", 0, NULL, &s.auth, NULL },
        { "--tls-cert", 0, NULL, &s.cert, NULL },
        { "--tls-key", 0, NULL, &s.key, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&s.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run(&s);
    }
    tear_down(&s);
    return code;
}
