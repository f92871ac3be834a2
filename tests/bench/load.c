/*
 * load - a closed-loop SMTP load generator, for benchmarks.
 *
 *   bench_load PORT SESSIONS OCTETS SECONDS FROM [USER PASSWORD]
 *
 * SESSIONS connections to loopback, each sending one message after another
 * (OCTETS of content, lines of 72) until SECONDS are over; one thread, epoll.
 * Prints "messages=N refused=N seconds=S rate=R p50_ms=A p99_ms=B".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    SESSIONS_MAX = 16384,
    SAMPLES_MAX = 1 << 20
};

enum step {
    GREETING,
    EHLO,
    LOGIN,
    MAIL,
    RCPT,
    DATA,
    CONTENT,
    OVER
};

struct session {
    int fd;
    enum step step;
    size_t sent;   /* octets of the content */
    uint64_t from; /* us: MAIL was sent */
    size_t held;
    char line[1024];
};

static struct session sessions[SESSIONS_MAX];
static uint32_t samples[SAMPLES_MAX];
static size_t sample_count, refused, live;
static char *content, *login;
static size_t content_len;
static char mail_line[300];
static uint64_t end_us;
static int epoll_fd;

static uint64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
say(struct session *s, const char *text)
{
    if (send(s->fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
        perror("send");
        exit(1);
    }
}

static void
start_message(struct session *s)
{
    if (now_us() >= end_us) {
        say(s, "QUIT\r\n");
        close(s->fd);
        s->step = OVER;
        live--;
        return;
    }
    s->from = now_us();
    s->step = MAIL;
    say(s, mail_line);
}

static void
send_content(struct session *s)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
    ssize_t n =
        send(s->fd, content + s->sent, content_len - s->sent, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN) {
        perror("send");
        exit(1);
    }
    s->sent += n > 0 ? (size_t)n : 0;
    if (s->sent < content_len) {
        ev.events |= EPOLLOUT;
    }
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &ev);
}

static void
message_done(struct session *s, int code)
{
    if (code != 250) {
        refused++;
    } else if (sample_count < SAMPLES_MAX) {
        samples[sample_count++] = (uint32_t)(now_us() - s->from);
    }
    start_message(s);
}

static void
reply(struct session *s, int code)
{
    if (s->step != CONTENT && code >= 400) {
        fprintf(stderr, "bench_load: step %d: %.*s\n", (int)s->step,
                (int)s->held, s->line);
        exit(1);
    }
    switch (s->step) {
    case GREETING:
        s->step = EHLO;
        say(s, "EHLO load.example\r\n");
        break;
    case EHLO:
        if (login != NULL) {
            s->step = LOGIN;
            say(s, login);
            break;
        }
        start_message(s);
        break;
    case LOGIN:
        start_message(s);
        break;
    case MAIL:
        s->step = RCPT;
        say(s, "RCPT TO:<sink@example.net>\r\n");
        break;
    case RCPT:
        s->step = DATA;
        say(s, "DATA\r\n");
        break;
    case DATA:
        s->step = CONTENT;
        s->sent = 0;
        send_content(s);
        break;
    case CONTENT:
        message_done(s, code);
        break;
    case OVER:
    default:
        break;
    }
}

static void
readable(struct session *s)
{
    char in[4096];
    ssize_t n = recv(s->fd, in, sizeof(in), 0);

    if (n <= 0) {
        fprintf(stderr, "bench_load: connection lost at step %d\n",
                (int)s->step);
        exit(1);
    }
    for (ssize_t i = 0; i < n && s->step != OVER; i++) {
        if (s->held < sizeof(s->line) - 1) {
            s->line[s->held++] = in[i];
        }
        if (in[i] == '\n') {
            s->line[s->held] = '\0';
            if (s->held > 3 && s->line[3] == ' ') {
                reply(s, atoi(s->line));
            }
            s->held = 0;
        }
    }
}

static void
make_content(size_t octets, const char *from)
{
    content = malloc(octets + 1024);
    content_len = (size_t)sprintf(
        content,
        "From: <%s>\r\nTo: <sink@example.net>\r\nSubject: bench\r\n"
        "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
        "Message-ID: <bench@load.example>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n\r\n",
        from);
    while (content_len < octets) {
        for (int i = 0; i < 72; i++) {
            content[content_len] = (char)('a' + content_len * 7 % 26);
            content_len++;
        }
        content[content_len++] = '\r';
        content[content_len++] = '\n';
    }
    memcpy(content + content_len, ".\r\n", 3);
    content_len += 3;
}

static void
make_login(const char *user, const char *password)
{
    static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789+/";
    char plain[512];
    size_t n = (size_t)snprintf(plain, sizeof(plain), "%c%s%c%s", 0, user, 0,
                                password);
    char *out = malloc(1024);
    size_t at = (size_t)sprintf(out, "AUTH PLAIN ");

    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)(uint8_t)plain[i] << 16;

        v |= i + 1 < n ? (unsigned)(uint8_t)plain[i + 1] << 8 : 0;
        v |= i + 2 < n ? (unsigned)(uint8_t)plain[i + 2] : 0;
        out[at++] = abc[v >> 18];
        out[at++] = abc[v >> 12 & 63];
        out[at++] = i + 1 < n ? abc[v >> 6 & 63] : '=';
        out[at++] = i + 2 < n ? abc[v & 63] : '=';
    }
    strcpy(out + at, "\r\n");
    login = out;
}

static void
open_session(struct session *s, uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
    int one = 1;

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(s->fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &ev);
}

static int
by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void
report(double seconds)
{
    size_t n = sample_count;

    qsort(samples, n, sizeof(samples[0]), by_size);
    printf("messages=%zu refused=%zu seconds=%.2f rate=%.0f p50_ms=%.2f "
           "p99_ms=%.2f\n",
           n, refused, seconds, (double)n / seconds,
           n == 0 ? 0 : samples[n / 2] / 1000.0,
           n == 0 ? 0 : samples[n * 99 / 100] / 1000.0);
}

int
main(int argc, char **argv)
{
    uint64_t begin;
    size_t count;

    if (argc != 6 && argc != 8) {
        fprintf(stderr, "usage: bench_load PORT SESSIONS OCTETS SECONDS FROM "
                        "[USER PASSWORD]\n");
        return 64;
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    count = (size_t)atoi(argv[2]);
    make_content((size_t)atoi(argv[3]), argv[5]);
    snprintf(mail_line, sizeof(mail_line), "MAIL FROM:<%s>\r\n", argv[5]);
    if (argc == 8) {
        make_login(argv[6], argv[7]);
    }
    begin = now_us();
    end_us = begin + (uint64_t)(atof(argv[4]) * 1e6);
    for (live = 0; live < count && live < SESSIONS_MAX; live++) {
        open_session(&sessions[live], (uint16_t)atoi(argv[1]));
    }
    while (live > 0) {
        struct epoll_event evs[256];
        int n = epoll_wait(epoll_fd, evs, 256, -1);

        for (int i = 0; i < n; i++) {
            struct session *s = evs[i].data.ptr;

            if ((evs[i].events & EPOLLOUT) != 0 && s->step == CONTENT) {
                send_content(s);
            }
            if ((evs[i].events & ~(unsigned)EPOLLOUT) != 0 && s->step != OVER) {
                readable(s);
            }
        }
    }
    report((double)(now_us() - begin) / 1e6);
    return 0;
}
