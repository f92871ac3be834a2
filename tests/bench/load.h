/*
 * load - what the parts of the load generator share.
 */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include "wire.h"

#include <stdint.h>

enum load_tls {
    LOAD_PLAIN,
    LOAD_STARTTLS,
    LOAD_IMPLICIT
};

struct load_options {
    uint16_t port;
    size_t sessions;
    size_t octets;
    double seconds;
    const char *from; /* with %u: the user's number */
    const char *user; /* the same; NULL: no AUTH */
    const char *password;
    unsigned users; /* how many numbers; session n is user n % users */
    enum load_tls tls;
    bool chunking;           /* BDAT */
    bool resume;             /* TLS sessions, at a reconnect */
    unsigned per_connection; /* messages; 0: any number */
    double rate;             /* messages a second, open loop; 0: closed loop */
    double interval;         /* s that each line is about; 0: one line */
    bool up_first;           /* no message before all have logged in */
    unsigned slow;           /* of 100 sessions, how many send slowly */
    const char *file;        /* a whole message instead of a made one */
};

/* What one line is about. Latency: from when a message was due. */
struct load_result {
    uint32_t *samples_us;
    size_t messages, refused, connections, resumed;
    uint64_t late_us; /* the longest from due to begun, here */
    double seconds;
};

extern struct load_options load;

/* report is called at the end, with load.interval after each. False: said on
 * stderr. */
bool load_run(void (*report)(struct load_result *));
uint64_t load_now_us(void);

/* content.c: a message as it goes over the wire, without the final dot line
 * with BDAT. number: which user. */
struct load_content {
    char *octets;
    size_t count;
};
bool load_content_make(unsigned number, struct load_content *out);
/* "AUTH PLAIN ...\r\n" for that user; out has room. */
void load_login(unsigned number, char *out, size_t cap);
/* The address of that user; out has room. */
void load_address(unsigned number, char *out, size_t cap);

#endif
