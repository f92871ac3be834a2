/*
 * keyrecord - a key's DNS record in several forms; see keyrecord.h.
 *
 * A TXT record is made of strings of at most 255 octets (RFC 1035 3.3.14),
 * which verifiers join without a space (RFC 6376 3.6.2.2).
 */
#include "proxy/cli/keyrecord.h"

#include "proxy/cli/cli.h"
#include "proxy/keys/keynote.h"

enum {
    STRING_MAX = 255,
    TTL_S = 300
};

void
keyrecord_name(const struct keystore_key *key, struct buf *out)
{
    buf_printf(out, "%s._domainkey.%s", key->view.selector, key->view.domain);
}

void
keyrecord_value(const struct keystore_key *key, struct buf *out)
{
    bool revoked = key->view.state == VIEW_KEY_REVOKED;

    buf_printf(out, "v=DKIM1; k=%s; %sp=%s", keynote_type_name(key->view.alg),
               key->test_mode ? "t=y; " : "", revoked ? "" : key->public_b64);
}

/* The strings of the record, quoted, with between between them. */
static void
put_strings(const struct keystore_key *key, const char *between,
            struct buf *out)
{
    struct buf value = BUF_INIT;
    struct bytes rest;

    keyrecord_value(key, &value);
    rest = buf_bytes(&value);
    while (rest.len > 0) {
        struct bytes piece = bytes_take(rest, STRING_MAX);

        /* neither quotes nor backslashes are in such a value */
        buf_printf(out, "\"%.*s\"", BYTES_ARG(piece));
        rest = bytes_skip(rest, piece.len);
        buf_puts(out, rest.len > 0 ? between : "");
    }
    buf_free(&value);
}

static void
put_zone(const struct keystore_key *key, struct buf *out)
{
    keyrecord_name(key, out);
    buf_printf(out, ". %d IN TXT (\n    ", TTL_S);
    put_strings(key, "\n    ", out);
    buf_puts(out, " )\n");
}

static void
put_value(const struct keystore_key *key, struct buf *out)
{
    keyrecord_value(key, out);
    buf_putc(out, '\n');
}

static void
put_json_name(const struct keystore_key *key, const char *member,
              struct buf *out)
{
    struct buf name = BUF_INIT;
    const char *text;

    keyrecord_name(key, &name);
    text = buf_str(&name);
    cli_json_text(out, member, text == NULL ? "" : text);
    buf_free(&name);
}

static void
put_json(const struct keystore_key *key, struct buf *out)
{
    struct buf value = BUF_INIT;
    struct buf object = BUF_INIT; /* cli_json_text() looks at its start */

    keyrecord_value(key, &value);
    buf_putc(&object, '{');
    put_json_name(key, "name", &object);
    cli_json_text(&object, "type", "TXT");
    buf_printf(&object, ",\"ttl\":%d,\"value\":", TTL_S);
    cli_json(&object, buf_bytes(&value));
    cli_json_text(&object, "domain", key->view.domain);
    cli_json_text(&object, "selector", key->view.selector);
    cli_json_text(&object, "state", keynote_state_name(key->view.state));
    buf_puts(&object, "}\n");
    buf_put(out, buf_bytes(&object));
    buf_free(&object);
    buf_free(&value);
}

/* For `aws route53 change-resource-record-sets --change-batch`. */
static void
put_route53(const struct keystore_key *key, struct buf *out)
{
    struct buf strings = BUF_INIT;

    put_strings(key, " ", &strings);
    buf_puts(out, "{\"Changes\":[{\"Action\":\"UPSERT\","
                  "\"ResourceRecordSet\":{");
    put_json_name(key, "Name", out);
    buf_printf(out,
               ",\"Type\":\"TXT\",\"TTL\":%d,\"ResourceRecords\":"
               "[{\"Value\":",
               TTL_S);
    cli_json(out, buf_bytes(&strings));
    buf_puts(out, "}]}}]}\n");
    buf_free(&strings);
}

/* For POST /zones/ID/dns_records. */
static void
put_cloudflare(const struct keystore_key *key, struct buf *out)
{
    struct buf strings = BUF_INIT;

    put_strings(key, " ", &strings);
    buf_puts(out, "{\"type\":\"TXT\"");
    put_json_name(key, "name", out);
    buf_printf(out, ",\"ttl\":%d,\"content\":", TTL_S);
    cli_json(out, buf_bytes(&strings));
    buf_puts(out, "}\n");
    buf_free(&strings);
}

static const struct keyrecord_format formats[] = {
    { "zone", put_zone },
    { "value", put_value },
    { "json", put_json },
    { "route53", put_route53 },
    { "cloudflare", put_cloudflare },
};
enum {
    FORMATS = sizeof(formats) / sizeof(formats[0])
};

const struct keyrecord_format *
keyrecord_format(const char *name)
{
    for (size_t i = 0; i < FORMATS; i++) {
        if (strcmp(name, formats[i].name) == 0) {
            return formats + i;
        }
    }
    return NULL;
}

void
keyrecord_formats(struct buf *out)
{
    for (size_t i = 0; i < FORMATS; i++) {
        buf_printf(out, "%s%s", i > 0 ? ", " : "", formats[i].name);
    }
}
