/*
 * content - messages and credentials for load; see load.h.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE = 72,
    HEADER_MAX = 1024
};

/* "u%u@d%u.example" with the number in each place. */
static void
expand(const char *pattern, unsigned number, char *out, size_t cap)
{
    size_t at = 0;

    for (const char *p = pattern; *p != '\0' && at + 12 < cap; p++) {
        if (p[0] == '%' && p[1] == 'u') {
            at += (size_t)snprintf(out + at, cap - at, "%u", number);
            p++;
        } else {
            out[at++] = *p;
        }
    }
    out[at] = '\0';
}

void
load_address(unsigned number, char *out, size_t cap)
{
    expand(load.from, number, out, cap);
}

void
load_login(unsigned number, char *out, size_t cap)
{
    unsigned char plain[300] = "";
    char base64[412];
    char user[128];
    int n;

    expand(load.user, number, user, sizeof(user));
    n = snprintf((char *)plain + 1, sizeof(plain) - 1, "%s%c%s", user, 0,
                 load.password);
    (void)EVP_EncodeBlock((unsigned char *)base64, plain, n + 1);
    (void)snprintf(out, cap, "AUTH PLAIN %s\r\n", base64);
}

static size_t
put_header(char *out, unsigned number)
{
    char from[128];

    load_address(number, from, sizeof(from));
    return (size_t)sprintf(
        out,
        "From: <%s>\r\nTo: <sink@example.net>\r\nSubject: bench\r\n"
        "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
        "Message-ID: <bench@load.example>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n\r\n",
        from);
}

static void
make(struct load_content *c, unsigned number)
{
    c->count = put_header(c->octets, number);
    while (c->count < load.octets) {
        for (int i = 0; i < LINE; i++) {
            c->octets[c->count] = (char)('a' + c->count * 7 % 26);
            c->count++;
        }
        c->octets[c->count++] = '\r';
        c->octets[c->count++] = '\n';
    }
}

/* A message with CRLF and no line that begins with a dot. */
static bool
read_file(struct load_content *c)
{
    FILE *f = fopen(load.file, "rb");

    if (f == NULL) {
        perror(load.file);
        return false;
    }
    c->count = fread(c->octets, 1, load.octets, f);
    (void)fclose(f);
    return c->count > 0;
}

bool
load_content_make(unsigned number, struct load_content *out)
{
    out->octets = malloc(load.octets + HEADER_MAX + LINE);
    if (out->octets == NULL) {
        return false;
    }
    if (load.file == NULL) {
        make(out, number);
    } else if (!read_file(out)) {
        return false;
    }
    if (!load.chunking) {
        memcpy(out->octets + out->count, ".\r\n", 3);
        out->count += 3;
    }
    return true;
}
