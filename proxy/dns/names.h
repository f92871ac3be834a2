/*
 * names - domain names inside DNS messages: walked over before libresolv does.
 *
 * Pure. ns_initparse() lets forward pointers pass and dn_expand() follows
 * them: what has been walked over here is sound (RFC 1035 4.1.4).
 */
#ifndef PROXY_DNS_NAMES_H
#define PROXY_DNS_NAMES_H

#include "proxy/dns/packet.h"

#include <arpa/nameser.h>

/*
 * Every name and length of the message, whose question is known to be whole,
 * is sound and nothing stands behind the last record.
 */
bool names_sound(struct bytes message);

/*
 * The name inside the RDATA of rr, which it must fill from skip on; rr is of
 * that message, which is sound. False: it does not.
 */
bool names_rdata(struct bytes message, const ns_rr *rr, size_t skip,
                 struct packet_name *name_out);

#endif
