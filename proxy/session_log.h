/*
 * session_log - what the log says of one client.
 *
 * Each 4yz or 5yz that a client is told is one line of the log: that of its
 * message, of its login, of a limit, or command-refused; only what fails with
 * the MAIL or the recipients before it is not said again. A message that was
 * begun has exactly one line of its own, whichever way it ended; recipients
 * that were refused are not in it, and have theirs.
 *
 * What the client said stands behind `client`, quoted where it must be, and a
 * command is named and never repeated: it may hold a password.
 */
#ifndef PROXY_SESSION_LOG_H
#define PROXY_SESSION_LOG_H

#include "proxy/transaction.h"

/* event=message, the contract's line of the transaction that ends now. */
void session_log_message(const struct session *s, enum outcome outcome);

/* event=command-refused: the command s->verb got this answer of ours. */
void session_log_refused(const struct session *s, int code,
                         const char *enhanced, const char *text);
/* The same of one recipient; reply: code and text, ours or the upstream's,
 * which is then named. NULL: there was no memory for it. */
void session_log_recipient(const struct session *s, const struct rcpt *r,
                           const char *reply);
/* event=sender-refused, by envelope_from. */
void session_log_sender(const struct session *s, struct bytes from);
/* event=rate-limit. wait_s: when the next message may come. */
void session_log_rate(const struct session *s, const char *user,
                      unsigned wait_s);

/* event=spool-failed, or spool-full by max_total: which of the two is behind
 * "No room" only the log can tell. error: why, when it is SPOOL_FAILED. */
void session_log_spool(const struct session *s, enum spool_result result,
                       const char *error);

/* event=cut: we end the connection. reason: the limit, or one word. */
void session_log_cut(const struct session *s, const char *reason);
/* event=tls-failed: why the client's handshake did not end well. */
void session_log_handshake(const struct session *s, const char *why);

#endif
