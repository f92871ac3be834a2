/*
 * inbox - the worker's end of receiving: packets, many with one system call,
 * and the descriptor that a packet may carry.
 */
#ifndef PROXY_KEEPER_INBOX_H
#define PROXY_KEEPER_INBOX_H

#include <base/bytes.h>

#include <proxy/keeper/protocol.h>
#include <sys/socket.h>

enum {
    INBOX_PACKETS = 16
};

/* Caller-allocated, no setting up; fields private. */
struct inbox {
    struct mmsghdr messages[INBOX_PACKETS];
    struct iovec vectors[INBOX_PACKETS];
    _Alignas(
        struct cmsghdr) char controls[INBOX_PACKETS][CMSG_SPACE(sizeof(int))];
    uint8_t packets[INBOX_PACKETS][KEEPER_REPLY_MAX + 1];
};

/* How many came, never waiting; -1 and errno: none. */
int inbox_receive(struct inbox *in, int fd);
/* Of the packets that came; lent until inbox_clear(). */
struct bytes inbox_packet(const struct inbox *in, int n);
/* The descriptor in it, -1: none. Closed by inbox_clear(). */
int inbox_fd(struct inbox *in, int n);
/* Wipes the count packets that came and closes their descriptors. */
void inbox_clear(struct inbox *in, int count);

#endif
