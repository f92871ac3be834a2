/*
 * sink - an SMTP server that takes all mail and keeps none, for benchmarks.
 *
 *   bench_sink PORT
 *
 * One thread, epoll, loopback only. Ends at SIGTERM and prints
 * "messages=N octets=N signed=N".
 */
#include <arpa/inet.h>
#include <errno.h>
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
    bool data;
    bool had_signature;
    size_t held; /* octets of an unfinished line, or the tail of a message */
    char line[LINE];
};

static struct peer peers[FDS_MAX];
static volatile sig_atomic_t stop;
static uint64_t messages, octets, with_signature;

static void
on_term(int sig)
{
    (void)sig;
    stop = 1;
}

static void
say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0 && errno != EPIPE &&
        errno != ECONNRESET) {
        perror("send");
    }
}

static void
command(int fd, struct peer *p)
{
    char verb[5] = "";

    memcpy(verb, p->line, p->held < 4 ? p->held : 4);
    if (strcasecmp(verb, "EHLO") == 0) {
        say(fd, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
                "250-ENHANCEDSTATUSCODES\r\n250 SIZE 104857600\r\n");
    } else if (strcasecmp(verb, "DATA") == 0) {
        p->data = true;
        p->held = 0;
        p->had_signature = false;
        say(fd, "354 go\r\n");
        return;
    } else if (strcasecmp(verb, "QUIT") == 0) {
        say(fd, "221 2.0.0 bye\r\n");
    } else {
        say(fd, "250 2.0.0 ok\r\n");
    }
}

/* Octets of DATA up to the end of it; the last five are kept across reads. */
static size_t
take_data(int fd, struct peer *p, const char *in, size_t n)
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
            messages++;
            with_signature += p->had_signature;
            p->data = false;
            p->held = 0;
            say(fd, "250 2.0.0 taken\r\n");
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
take_command(int fd, struct peer *p, const char *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (in[i] == '\n') {
            command(fd, p);
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
readable(int fd)
{
    static char in[BUFFER];
    ssize_t n = recv(fd, in, sizeof(in), 0);
    struct peer *p = &peers[fd];

    if (n <= 0) {
        close(fd);
        return;
    }
    for (size_t at = 0; at < (size_t)n;) {
        at += p->data ? take_data(fd, p, in + at, (size_t)n - at)
                      : take_command(fd, p, in + at, (size_t)n - at);
    }
}

static void
accept_all(int listener, int epoll)
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
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
        say(fd, "220 sink ESMTP\r\n");
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

int
main(int argc, char **argv)
{
    int listener = listen_on((uint16_t)(argc > 1 ? atoi(argv[1]) : 2525));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = listener };
    struct sigaction act = { .sa_handler = on_term };

    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev);
    while (!stop) {
        struct epoll_event evs[256];
        int n = epoll_wait(epoll, evs, 256, -1);

        for (int i = 0; i < n; i++) {
            if (evs[i].data.fd == listener) {
                accept_all(listener, epoll);
            } else {
                readable(evs[i].data.fd);
            }
        }
    }
    printf("messages=%llu octets=%llu signed=%llu\n",
           (unsigned long long)messages, (unsigned long long)octets,
           (unsigned long long)with_signature);
    return 0;
}
