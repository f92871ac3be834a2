/*
 * idn - see proxy/idn.h. The only user of libidn2.
 */
#include "proxy/idn.h"

#include <idn2.h>

static bool
is_ascii(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

bool
idn_domain(struct bytes domain, char *ascii_out)
{
    uint8_t text[DKIM_DOMAIN_MAX + 2];
    uint8_t *ascii = NULL;
    bool ok;

    if (is_ascii(domain)) {
        return dkim_domain_parse(domain, false, ascii_out);
    }
    if (!bytes_copy(domain, (char *)text, sizeof(text)) ||
        idn2_lookup_u8(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
            IDN2_OK) {
        return false;
    }
    /* Parsed again: a mapping may have made dots, or more. */
    ok = dkim_domain_parse(bytes_str((const char *)ascii), false, ascii_out);
    idn2_free(ascii);
    return ok;
}

struct bytes
idn_mailbox(struct bytes mailbox, char *out)
{
    char domain[IDN_NAME_MAX + 1];
    size_t at = mailbox.len;

    while (at > 0 && mailbox.ptr[at - 1] != '@') {
        at--;
    }
    if (at == 0 || is_ascii(bytes_skip(mailbox, at)) ||
        !idn_domain(bytes_skip(mailbox, at), domain) ||
        at + strlen(domain) > IDN_MAILBOX_MAX) {
        return mailbox;
    }
    memcpy(out, mailbox.ptr, at);
    memcpy(out + at, domain, strlen(domain));
    return bytes_make(out, at + strlen(domain));
}

enum dkim_from_result
idn_author(const struct dkim_header *header, struct dkim_author *author_out)
{
    char domain[IDN_NAME_MAX + 1];
    struct dkim_author author;
    enum dkim_from_result result = dkim_from_parse(header, &author);

    if (result != DKIM_FROM_OK) {
        return result;
    }
    if (!idn_domain(bytes_str(author.domain), domain)) {
        return DKIM_FROM_SYNTAX;
    }
    memcpy(author.domain, domain, strlen(domain) + 1);
    *author_out = author;
    return DKIM_FROM_OK;
}
