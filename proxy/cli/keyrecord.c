/*
 * keyrecord - a key's DNS record in several forms; see keyrecord.h.
 *
 * A TXT record is made of strings of at most 255 octets (RFC 1035 3.3.14),
 * which verifiers join without a space (RFC 6376 3.6.2.2).
 */
#include "proxy/cli/keyrecord.h"

#include "proxy/cli/cli.h"
#include "proxy/json/json.h"
#include "proxy/keys/keynote.h"

enum {
    STRING_MAX = 255,
    TTL_S = 300
};

void
keyrecord_name(const struct keystore_key *key, const char *zone,
               struct buf *out)
{
    if (zone[0] != '\0') {
        buf_printf(out, "%s.%s", key->view.selector, zone);
    } else {
        buf_printf(out, "%s._domainkey.%s", key->view.selector,
                   key->view.domain);
    }
}

/*
 * RFC 6376 3.6.1: n= is a qp-section (RFC 2045 6.7). `;` would end the tag,
 * quotes and backslashes are trouble in every zone file and panel, and a tag's
 * value neither begins nor ends with a space.
 */
static void
put_note(struct bytes note, struct buf *out)
{
    for (size_t i = 0; i < note.len; i++) {
        uint8_t c = note.ptr[i];
        bool edge = i == 0 || i + 1 == note.len;

        if (c < 0x20 || c > 0x7e || c == '=' || c == ';' || c == '"' ||
            c == '\\' || (c == ' ' && edge)) {
            buf_printf(out, "=%02X", c);
        } else {
            buf_putc(out, (char)c);
        }
    }
}

void
keyrecord_value(const struct keystore_key *key, struct buf *out)
{
    bool revoked = key->view.state == VIEW_KEY_REVOKED;

    buf_printf(out, "v=DKIM1; k=%s; ", keynote_type_name(key->view.alg));
    if (key->note[0] != '\0') {
        buf_puts(out, "n=");
        put_note(bytes_str(key->note), out);
        buf_puts(out, "; ");
    }
    buf_printf(out, "%sp=%s", key->test_mode ? "t=y; " : "",
               revoked ? "" : key->public_b64);
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
put_zone(const struct keystore_key *key, const char *zone, struct buf *out)
{
    if (zone[0] != '\0') { /* what leads there, for who reads this */
        buf_printf(out, "; %s._domainkey.%s. IN CNAME %s.%s.\n",
                   key->view.selector, key->view.domain, key->view.selector,
                   zone);
    }
    keyrecord_name(key, zone, out);
    buf_printf(out, ". %d IN TXT (\n    ", TTL_S);
    put_strings(key, "\n    ", out);
    buf_puts(out, " )\n");
}

static void
put_value(const struct keystore_key *key, const char *zone, struct buf *out)
{
    (void)zone;
    keyrecord_value(key, out);
    buf_putc(out, '\n');
}

static void
put_json_name(const struct keystore_key *key, const char *zone,
              const char *member, struct buf *out)
{
    struct buf name = BUF_INIT;
    const char *text;

    keyrecord_name(key, zone, &name);
    text = buf_str(&name);
    json_member(out, member, text == NULL ? "" : text);
    buf_free(&name);
}

static void
put_json(const struct keystore_key *key, const char *zone, struct buf *out)
{
    struct buf value = BUF_INIT;

    keyrecord_value(key, &value);
    buf_putc(out, '{');
    put_json_name(key, zone, "name", out);
    json_member(out, "type", "TXT");
    buf_printf(out, ",\"ttl\":%d,\"value\":", TTL_S);
    json_string(out, buf_bytes(&value));
    json_member(out, "domain", key->view.domain);
    json_member(out, "selector", key->view.selector);
    json_member(out, "state", keynote_state_name(key->view.state));
    buf_puts(out, "}\n");
    buf_free(&value);
}

/* One of `aws route53 change-resource-record-sets --change-batch`. */
static void
put_route53(const struct keystore_key *key, const char *zone, struct buf *out)
{
    struct buf strings = BUF_INIT;

    put_strings(key, " ", &strings);
    buf_puts(out, "{\"Action\":\"UPSERT\",\"ResourceRecordSet\":{");
    put_json_name(key, zone, "Name", out);
    buf_printf(out,
               ",\"Type\":\"TXT\",\"TTL\":%d,\"ResourceRecords\":"
               "[{\"Value\":",
               TTL_S);
    json_string(out, buf_bytes(&strings));
    buf_puts(out, "}]}}");
    buf_free(&strings);
}

/* For POST /zones/ID/dns_records. */
static void
put_cloudflare(const struct keystore_key *key, const char *zone,
               struct buf *out)
{
    struct buf strings = BUF_INIT;

    put_strings(key, " ", &strings);
    buf_puts(out, "{\"type\":\"TXT\"");
    put_json_name(key, zone, "name", out);
    buf_printf(out, ",\"ttl\":%d,\"content\":", TTL_S);
    json_string(out, buf_bytes(&strings));
    buf_puts(out, "}\n");
    buf_free(&strings);
}

static const struct keyrecord_format formats[] = {
    { "zone", put_zone, "", "", "" },
    { "value", put_value, "", "", "" },
    { "json", put_json, "", "", "" },
    { "route53", put_route53, "{\"Changes\":[", ",", "]}\n" },
    { "cloudflare", put_cloudflare, "", "", "" },
    { "bind", put_zone, "", "", "" },
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
