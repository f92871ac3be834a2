/*
 * message - a message from stdin; see message.h.
 */
#include "proxy/cli/message.h"

#include <smtp/data.h>

#include <sysexits.h>

static bool
has_crlf(struct bytes text)
{
    while (text.len > 0) {
        size_t cr = bytes_find(text, '\r');

        if (cr + 1 < text.len && text.ptr[cr + 1] == '\n') {
            return true;
        }
        text = bytes_skip(text, cr < text.len ? cr + 1 : cr);
    }
    return false;
}

/* Each LF becomes CRLF. False: no memory. */
static bool
end_lines(struct buf *text)
{
    struct buf out = BUF_INIT;
    struct bytes rest = buf_bytes(text);

    while (rest.len > 0) {
        size_t lf = bytes_find(rest, '\n');

        buf_put(&out, bytes_take(rest, lf));
        if (lf < rest.len) {
            buf_puts(&out, "\r\n");
            lf++;
        }
        rest = bytes_skip(rest, lf);
    }
    buf_free(text);
    *text = out;
    return !buf_failed(text);
}

static unsigned
find_faults(struct bytes text)
{
    unsigned faults = 0;

    for (size_t i = 0; i < text.len; i++) {
        bool crlf = i + 1 < text.len && text.ptr[i + 1] == '\n';

        switch (text.ptr[i]) {
        case '\0':
            faults |= SMTP_FAULT_NUL;
            break;
        case '\r':
            faults |= crlf ? 0 : SMTP_FAULT_BARE_CR;
            break;
        case '\n':
            faults |= i > 0 && text.ptr[i - 1] == '\r' ? 0 : SMTP_FAULT_BARE_LF;
            break;
        default:
            break;
        }
    }
    return faults;
}

/* A message has at least one field with a name. */
static bool
has_field(const struct dkim_header *header)
{
    for (size_t i = 0; i < header->count; i++) {
        if (header->fields[i].name.len > 0) {
            return true;
        }
    }
    return false;
}

int
cli_message_read(const struct cli *c, int fd, struct cli_message *m)
{
    struct bytes block;
    int code;

    *m = (struct cli_message){ .text = BUF_INIT };
    code = cli_read_all(c, fd, "stdin", CLI_MESSAGE_OCTETS_MAX, &m->text);
    if (code != EX_OK) {
        return code;
    }
    if (!has_crlf(buf_bytes(&m->text)) && !end_lines(&m->text)) {
        return cli_fail(c, EX_OSERR, "no memory");
    }
    m->faults = find_faults(buf_bytes(&m->text));
    (void)dkim_header_split(buf_bytes(&m->text), &block, &m->body);
    if (block.len > DKIM_HEADER_OCTETS_MAX) {
        return cli_fail(c, EX_DATAERR,
                        "not a message: the header is over %d "
                        "octets",
                        DKIM_HEADER_OCTETS_MAX);
    }
    switch (dkim_header_parse(block, &m->header)) {
    case DKIM_HEADER_OK:
        break;
    case DKIM_HEADER_TOO_MANY:
        return cli_fail(c, EX_DATAERR, "not a message: over %d header fields",
                        DKIM_HEADER_FIELDS_MAX);
    case DKIM_HEADER_NO_MEMORY:
        return cli_fail(c, EX_OSERR, "no memory");
    }
    if (!has_field(&m->header)) {
        return cli_fail(c, EX_DATAERR,
                        "not a message: it has no header "
                        "field; give one on stdin");
    }
    return EX_OK;
}

void
cli_message_free(struct cli_message *m)
{
    dkim_header_free(&m->header);
    buf_free(&m->text);
}
