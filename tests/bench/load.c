/*
 * load - an SMTP load generator, for benchmarks.
 *
 *   bench_load -p PORT [options]
 *
 *   -s SESSIONS   connections at once (1)   -b OCTETS    of a message (2048)
 *   -t SECONDS    messages start until then (3)
 *   -f FROM       a@example.com             -u USER:PASSWORD   AUTH PLAIN
 *   -n USERS      %u in FROM and USER       -T none|starttls|implicit
 *   -R            resume TLS sessions       -C           BDAT instead of DATA
 *   -m COUNT      messages a connection     -r RATE      open loop
 *   -l PERCENT    slow sessions             -M FILE      this message
 *   -w            all connections are made and logged in before the first
 *                 message, and before the time begins
 *   -i SECONDS    a line for each such interval
 *
 * Closed loop: each session sends one message after another. Open loop:
 * messages are due at a fixed rate, whoever is free takes the next, and latency
 * counts from when it was due: a server that stalls can't hide it.
 *
 * One thread, epoll, loopback. Prints "messages=N refused=N seconds=S rate=R
 * p50_ms=A p99_ms=B max_ms=C late_ms=D connections=N resumed=N". late_ms is
 * the part of a delay that is this program's own: the longest from when a
 * message was due to when a free connection took it.
 */
#include "load.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct load_options load = { .sessions = 1,
                             .octets = 2048,
                             .seconds = 3,
                             .from = "a@example.com",
                             .users = 1 };

static int
usage(void)
{
    fputs("usage: bench_load -p PORT [-s SESSIONS] [-b OCTETS] [-t SECONDS] "
          "[-f FROM]\n  [-u USER:PASSWORD] [-n USERS] [-T none|starttls|"
          "implicit] [-R] [-C]\n  [-m COUNT] [-r RATE] [-l PERCENT] "
          "[-M FILE] [-w] [-i SECONDS]\n",
          stderr);
    return 64;
}

static bool
take_tls(const char *word)
{
    static const char *const words[] = { "none", "starttls", "implicit" };

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(word, words[i]) == 0) {
            load.tls = (enum load_tls)i;
            return true;
        }
    }
    return false;
}

static bool
take_user(char *text)
{
    char *colon = strchr(text, ':');

    if (colon == NULL) {
        return false;
    }
    *colon = '\0';
    load.user = text;
    load.password = colon + 1;
    return true;
}

static bool
take(int option, char *text)
{
    switch (option) {
    case 'p':
        load.port = (uint16_t)atoi(text);
        return true;
    case 's':
        load.sessions = (size_t)atoi(text);
        return load.sessions > 0;
    case 'b':
        load.octets = (size_t)atol(text);
        return true;
    case 't':
        load.seconds = atof(text);
        return true;
    case 'f':
        load.from = text;
        return true;
    case 'u':
        return take_user(text);
    case 'n':
        load.users = (unsigned)atoi(text);
        return load.users > 0;
    case 'T':
        return take_tls(text);
    case 'm':
        load.per_connection = (unsigned)atoi(text);
        return true;
    case 'r':
        load.rate = atof(text);
        return true;
    case 'i':
        load.interval = atof(text);
        return load.interval > 0;
    case 'w':
        load.up_first = true;
        return true;
    case 'l':
        load.slow = (unsigned)atoi(text);
        return true;
    case 'M':
        load.file = text;
        return true;
    case 'R':
        load.resume = true;
        return true;
    case 'C':
        load.chunking = true;
        return true;
    default:
        return false;
    }
}

static int
by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void
report(struct load_result *r)
{
    size_t n = r->messages;
    const uint32_t none = 0;
    const uint32_t *s = n == 0 ? &none : r->samples_us;

    qsort(r->samples_us, n, sizeof(r->samples_us[0]), by_size);
    n += n == 0;
    printf("messages=%zu refused=%zu seconds=%.2f rate=%.0f p50_ms=%.2f "
           "p99_ms=%.2f max_ms=%.2f late_ms=%.2f connections=%zu "
           "resumed=%zu\n",
           r->messages, r->refused, r->seconds,
           (double)r->messages / r->seconds, s[n / 2] / 1000.0,
           s[n * 99 / 100] / 1000.0, s[n - 1] / 1000.0,
           (double)r->late_us / 1000, r->connections, r->resumed);
    (void)fflush(stdout); /* who reads it waits for the interval's end */
}

int
main(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "p:s:b:t:f:u:n:T:m:r:l:M:i:RCw")) !=
           -1) {
        if (!take(option, optarg)) {
            return usage();
        }
    }
    if (load.port == 0 || optind != argc) {
        return usage();
    }
    (void)signal(SIGPIPE, SIG_IGN); /* TLS writes by write(2) */
    return load_run(report) ? 0 : 1;
}
