/*
 * records - what stands in the sections of a DNS answer.
 *
 * Called when header and question have been found right; see packet.c.
 */
#ifndef PROXY_DNS_RECORDS_H
#define PROXY_DNS_RECORDS_H

#include "proxy/dns/packet.h"

#include <arpa/nameser.h>

/*
 * NO_EDNS, FAILED, ALIAS or ANSWER; then result or target, hops and ttl_s of
 * *answer_out are set.
 */
enum packet_verdict records_read(const struct packet_question *q,
                                 struct bytes message, unsigned hops_left,
                                 struct packet_answer *answer_out);

/* The RCODE of a message that ns_initparse() has taken, with the bits that
 * EDNS adds. */
unsigned records_rcode(ns_msg *msg);

#endif
