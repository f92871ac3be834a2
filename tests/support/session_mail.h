/*
 * session_mail - whole transactions in a session_world, and what came of them.
 */
#ifndef TESTS_SUPPORT_SESSION_MAIL_H
#define TESTS_SUPPORT_SESSION_MAIL_H

#include "tests/support/session_world.h"

/* The pieces that clients are made of; without the final CRLF.CRLF. */
extern const char mail_outbound[];
extern const char mail_inbound[];

/* One signed message: log-in, pipelined envelope, content of body octets
 * besides. True: delivered, and its signature passes. */
bool mail_signed(struct session_world *w, size_t body);
/* One inbound message that passes SPF and DMARC. True: delivered so. */
bool mail_checked(struct session_world *w, size_t body);

/* The last whole message has a signature that passes alice's key. */
bool mail_verifies(const struct session_world *w);

#endif
