/*
 * tcp - one DNS query over one TCP connection (RFC 7766).
 *
 * The length octets and the message may come in any pieces. There is no timer
 * here: the exchange that asks has one.
 */
#ifndef PROXY_DNS_TCP_H
#define PROXY_DNS_TCP_H

#include <base/bytes.h>

#include <event2/event.h>

#include <sys/socket.h>

struct dns_tcp;

/*
 * message is lent for the call; message.ptr NULL: refused, reset, cut short
 * or of length 0. Called once and last: t may be freed inside.
 */
typedef void dns_tcp_callback(struct bytes message, void *arg);

/* query is copied. NULL: no socket, no route or no memory. */
struct dns_tcp *dns_tcp_start(struct event_base *base,
                              const struct sockaddr_storage *server,
                              struct bytes query, dns_tcp_callback *cb,
                              void *arg);
void dns_tcp_free(struct dns_tcp **t);

#endif
