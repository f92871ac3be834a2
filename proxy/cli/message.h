/*
 * message - the message that `sign`, `verify` and `explain` are given.
 *
 * When it has no CRLF at all, each LF is a line end and becomes CRLF; else
 * the octets stand as they are, bare CR, LF and NUL included.
 */
#ifndef PROXY_CLI_MESSAGE_H
#define PROXY_CLI_MESSAGE_H

#include <base/buf.h>

#include <dkim/header.h>

#include <proxy/cli/cli.h>

enum {
    CLI_MESSAGE_OCTETS_MAX = 256 * 1024 * 1024
};

struct cli_message {
    struct buf text; /* owns the octets; the rest points into it */
    struct bytes body;
    struct dkim_header header;
    unsigned faults; /* enum smtp_data_fault: BARE_CR, BARE_LF, NUL */
};

/* EX_OK; EX_DATAERR when it is no message; else what was explained. */
int cli_message_read(const struct cli *c, int fd, struct cli_message *m);
void cli_message_free(struct cli_message *m);

#endif
