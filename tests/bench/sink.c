/*
 * sink - an SMTP server that takes all mail and keeps none, for benchmarks.
 *
 *   bench_sink [-c PEM] [-a] [-k] [-d MS] PORT
 *     -c PEM   offers STARTTLS with this certificate and key
 *     -a       offers AUTH PLAIN and LOGIN, takes any password
 *     -k       offers CHUNKING
 *     -d MS    answers each message so much later
 *
 * One thread, epoll, loopback only. Ends at SIGTERM and prints
 * "messages=N octets=N signed=N connections=N resumed=N".
 */
#include "wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FDS_MAX = 32768,
    BUFFER = 256 * 1024,
    LINE = 512
};

struct peer {
    struct wire wire;
    bool data;
    bool login;   /* AUTH LOGIN: two more lines */
    size_t chunk; /* octets of BDAT that are to come */
    bool last;
    bool had_signature;
    size_t held; /* octets of an unfinished line, or the tail of a message */
    char line[LINE];
};

static struct peer peers[FDS_MAX];
static volatile sig_atomic_t stop;
static uint64_t messages, octets, with_signature, connections, resumed;
static SSL_CTX *context; /* NULL: no STARTTLS */
static bool offers_auth, offers_chunking;
static unsigned delay_ms;
static int epoll;

static void
on_term(int sig)
{
    (void)sig;
    stop = 1;
}

static void
say(struct peer *p, const char *text)
{
    size_t len = strlen(text);

    if (wire_send(&p->wire, text, len) != (ssize_t)len) {
        fputs("bench_sink: a reply could not be sent\n", stderr);
    }
}

static void
say_ehlo(struct peer *p)
{
    char text[300] = "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
                     "250-ENHANCEDSTATUSCODES\r\n";

    if (context != NULL && p->wire.ssl == NULL) {
        strcat(text, "250-STARTTLS\r\n");
    }
    if (offers_auth) {
        strcat(text, "250-AUTH PLAIN LOGIN\r\n");
    }
    if (offers_chunking) {
        strcat(text, "250-CHUNKING\r\n");
    }
    strcat(text, "250 SIZE 104857600\r\n");
    say(p, text);
}

static void
taken(struct peer *p)
{
    if (delay_ms > 0) {
        usleep(delay_ms * 1000);
    }
    messages++;
    with_signature += p->had_signature;
    p->had_signature = false;
    say(p, "250 2.0.0 taken\r\n");
}

static void
shake(struct peer *p)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = p->wire.fd };
    int n = wire_shake(&p->wire);

    if (n < 0) {
        wire_close(&p->wire);
        return;
    }
    ev.events |= p->wire.wants_write ? EPOLLOUT : 0u;
    epoll_ctl(epoll, EPOLL_CTL_MOD, p->wire.fd, &ev);
    resumed += n > 0 && SSL_session_reused(p->wire.ssl);
}

static void
begin_tls(struct peer *p)
{
    say(p, "220 2.0.0 go\r\n");
    wire_tls(&p->wire, context, NULL, true);
    shake(p);
}

static void
begin_chunk(struct peer *p)
{
    char word[8] = "";

    p->line[p->held < LINE ? p->held : LINE - 1] = '\0';
    p->chunk = strtoul(p->line + 4, NULL, 10);
    p->last = sscanf(p->line, "%*s %*u %7s", word) == 1 &&
              strncasecmp(word, "LAST", 4) == 0;
    if (p->chunk == 0) {
        p->last ? taken(p) : say(p, "250 2.0.0 chunk\r\n");
    }
}

static void
command(struct peer *p)
{
    char verb[5] = "";

    memcpy(verb, p->line, p->held < 4 ? p->held : 4);
    if (p->login) {
        p->login = false;
        say(p, "334 UGFzc3dvcmQ6\r\n");
    } else if (strcasecmp(verb, "EHLO") == 0) {
        say_ehlo(p);
    } else if (strcasecmp(verb, "STAR") == 0 && context != NULL) {
        begin_tls(p);
    } else if (strcasecmp(verb, "AUTH") == 0) {
        say(p, "235 2.7.0 fine\r\n");
    } else if (strcasecmp(verb, "BDAT") == 0) {
        begin_chunk(p);
    } else if (strcasecmp(verb, "DATA") == 0) {
        p->data = true;
        p->held = 0;
        p->had_signature = false;
        say(p, "354 go\r\n");
    } else if (strcasecmp(verb, "QUIT") == 0) {
        say(p, "221 2.0.0 bye\r\n");
    } else {
        say(p, "250 2.0.0 ok\r\n");
    }
}

static size_t
take_chunk(struct peer *p, const char *in, size_t n)
{
    n = n < p->chunk ? n : p->chunk;
    if (!p->had_signature) {
        p->had_signature = memmem(in, n, "DKIM-Signature:", 15) != NULL;
    }
    octets += n;
    p->chunk -= n;
    if (p->chunk == 0) {
        p->last ? taken(p) : say(p, "250 2.0.0 chunk\r\n");
    }
    return n;
}

/* Octets of DATA up to the end of it; the last five are kept across reads. */
static size_t
take_data(struct peer *p, const char *in, size_t n)
{
    static const char end[] = "\r\n.\r\n";
    size_t i;

    if (!p->had_signature) {
        p->had_signature = memmem(in, n, "DKIM-Signature:", 15) != NULL;
    }
    for (i = 0; i < n; i++) {
        if (p->held == 5) {
            memmove(p->line, p->line + 1, 4);
            p->held = 4;
        }
        p->line[p->held++] = in[i];
        if (in[i] == '\n' && p->held == 5 && memcmp(p->line, end, 5) == 0) {
            p->data = false;
            p->held = 0;
            taken(p);
            i++;
            break;
        }
        /* Nothing before the last five octets of this read can matter. */
        if (in[i] != '\n' && n - i > 16) {
            const char *dot = memmem(in + i, n - i, end, 5);
            size_t to = dot == NULL ? n - 8 : (size_t)(dot - in);

            if (to > i + 1) {
                i = to - 1;
                p->held = 0;
            }
        }
    }
    octets += i;
    return i;
}

static size_t
take_command(struct peer *p, const char *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (in[i] == '\n') {
            command(p);
            p->held = 0;
            return i + 1;
        }
        if (p->held < LINE) {
            p->line[p->held++] = in[i];
        }
    }
    return n;
}

static void
take(struct peer *p, const char *in, size_t n)
{
    for (size_t at = 0; at < n;) {
        at += p->chunk > 0 ? take_chunk(p, in + at, n - at)
              : p->data    ? take_data(p, in + at, n - at)
                           : take_command(p, in + at, n - at);
    }
}

static void
readable(struct peer *p)
{
    static char in[BUFFER];
    ssize_t n;

    if (p->wire.shaking) {
        shake(p);
        return;
    }
    do {
        n = wire_recv(&p->wire, in, sizeof(in));
        if (n < 0) {
            wire_close(&p->wire);
            return;
        }
        take(p, in, (size_t)n);
    } while (n > 0 && p->wire.ssl != NULL && !p->wire.shaking &&
             SSL_pending(p->wire.ssl) > 0);
}

static void
accept_all(int listener)
{
    int fd, one = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

        if (fd >= FDS_MAX) {
            close(fd);
            continue;
        }
        memset(&peers[fd], 0, sizeof(peers[fd]));
        peers[fd].wire.fd = fd;
        connections++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
        say(&peers[fd], "220 sink ESMTP\r\n");
    }
}

static int
listen_on(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(fd, 4096) != 0) {
        perror("bench_sink");
        exit(1);
    }
    return fd;
}

static bool
take_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "c:akd:")) != -1) {
        switch (option) {
        case 'c':
            context = wire_server(optarg);
            if (context == NULL) {
                return false;
            }
            break;
        case 'a':
            offers_auth = true;
            break;
        case 'k':
            offers_chunking = true;
            break;
        case 'd':
            delay_ms = (unsigned)atoi(optarg);
            break;
        default:
            return false;
        }
    }
    return optind == argc - 1;
}

static void
serve(int listener)
{
    while (!stop) {
        struct epoll_event evs[256];
        int n = epoll_wait(epoll, evs, 256, -1);

        for (int i = 0; i < n; i++) {
            if (evs[i].data.fd == listener) {
                accept_all(listener);
            } else {
                readable(&peers[evs[i].data.fd]);
            }
        }
    }
}

int
main(int argc, char **argv)
{
    struct epoll_event ev = { .events = EPOLLIN };
    struct sigaction act = { .sa_handler = on_term };
    int listener;

    if (!take_options(argc, argv)) {
        fputs("usage: bench_sink [-c PEM] [-a] [-k] [-d MS] PORT\n", stderr);
        return 64;
    }
    listener = listen_on((uint16_t)atoi(argv[optind]));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    ev.data.fd = listener;
    (void)signal(SIGPIPE, SIG_IGN); /* TLS writes by write(2) */
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev);
    serve(listener);
    printf("messages=%llu octets=%llu signed=%llu connections=%llu "
           "resumed=%llu\n",
           (unsigned long long)messages, (unsigned long long)octets,
           (unsigned long long)with_signature, (unsigned long long)connections,
           (unsigned long long)resumed);
    return 0;
}
