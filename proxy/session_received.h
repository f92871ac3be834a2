/*
 * session_received - the octets as received, where others go on.
 */
#ifndef PROXY_SESSION_RECEIVED_H
#define PROXY_SESSION_RECEIVED_H

#include "proxy/session_state.h"

struct received; /* owned by the transaction; NULL: one reading is enough */

struct received *session_received_new(void);
void session_received_free(struct received **r);
void session_received_data(struct session *s, struct bytes octets);
/* The faults that count: a line is long when it goes on so. */
unsigned session_received_end(struct session *s, unsigned faults);
/* Both readings have the same author, or the first has none. */
bool session_received_agrees(const struct session *s);

#endif
