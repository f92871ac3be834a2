/*
 * dns_server_private - what the nameserver's sockets and its answers share.
 */
#ifndef TESTS_SUPPORT_DNS_SERVER_PRIVATE_H
#define TESTS_SUPPORT_DNS_SERVER_PRIVATE_H

#include "dns_message.h"
#include "dns_server.h"

enum {
    LABEL_MAX = 64,
    NAME_TEXT = 300
};

/* What is done with an answer besides sending it. */
enum manner {
    SEND,
    SILENT,
    LATE_IN,    /* within a try */
    LATE_OUT,   /* after it */
    OTHER_PORT, /* from a socket that was not asked */
    TCP_RESET,  /* the rest: after TC over UDP */
    TCP_HALF,
    TCP_SLOW, /* an octet each 20 ms */
    TCP_ZERO, /* length 0 */
    TCP_FULL
};

struct asked {
    char name[NAME_TEXT]; /* lower case */
    char label[LABEL_MAX];
    bool tcp;
    bool opt;
    unsigned type;
};

/* A query's header and question; false: cut. */
bool dns_read_asked(struct bytes q, struct asked *a);
/* Adds to the begun message what stands in the table for the name's first
 * label, and says what is done with it. */
enum manner dns_answer(struct message *m, const struct asked *a);

#endif
