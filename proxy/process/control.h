/*
 * control - what the master and its children tell each other.
 *
 * One packet of a SOCK_SEQPACKET pair is one message: a kind, a number, at
 * most one descriptor. A closed pair says that the other side has died.
 */
#ifndef PROXY_PROCESS_CONTROL_H
#define PROXY_PROCESS_CONTROL_H

#include <base/bytes.h>

enum control_kind {
    CONTROL_NONE,
    /* master to worker, while it starts; then CONTROL_GO */
    CONTROL_CONF,   /* fd: the configuration, from conf_pack() */
    CONTROL_LISTEN, /* fd: a listening socket; number: index in listens */
    CONTROL_STATS,  /* fd: shared memory; number: the worker's slot in it;
                       also master to `sealpost status` */
    CONTROL_GO,     /* number: 1: standard error is kept */
    /* master to worker, at any time */
    CONTROL_LOG,    /* fd: where lines go; none: syslog */
    CONTROL_KEEPER, /* fd: a connection to the keeper */
    CONTROL_DATA,   /* read certificates and passwords again */
    CONTROL_DRAIN,  /* number: seconds until the end */
    CONTROL_STOP,   /* number: seconds until the end */
    /* worker to master */
    CONTROL_READY,
    /* master to the keeper's parent; number: which of the two keepers */
    CONTROL_KEEPER_START, /* fd: the configuration */
    CONTROL_KEEPER_STOP,
    CONTROL_KEEPER_RELOAD, /* both */
    CONTROL_PROGRAM,       /* fd: what keepers are started from, from now on */
    /* and back */
    CONTROL_KEEPER_READY,
    CONTROL_KEEPER_FAILED, /* never was ready; number: + 2 * exit code */
    /* worker to master; new kinds stand last: after an upgrade two programs
     * talk */
    CONTROL_KEEPER_LOST, /* another connection to the keeper, please */
    /* master to worker, at its start and later; only to those that the same
     * program has started */
    CONTROL_TICKETS, /* fd: tls_tickets_pack()'s */
    CONTROL_KINDS
};

struct control_message {
    enum control_kind kind;
    uint32_t number;
    int fd; /* taken by the receiver; -1: none */
};

/* Two connected ends, close-on-exec. False: errno says why. */
bool control_pair(int *first_out, int *second_out);

/* fd -1: no descriptor goes along; else a copy does. False: the peer is gone,
 * or does not read. */
bool control_send(int control, enum control_kind kind, uint32_t number, int fd);

enum control_result {
    CONTROL_MESSAGE,
    CONTROL_MORE, /* nothing there now (nonblocking only) */
    CONTROL_END   /* the other side is gone, or sends what is no message */
};
enum control_result control_receive(int control,
                                    struct control_message *message_out);

#endif
