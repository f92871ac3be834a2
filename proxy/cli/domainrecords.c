/*
 * domainrecords - what the owner of a domain publishes; see domainrecords.h.
 *
 * Every name and value stands there twice: whole, with the final dot, as zone
 * files want it, and without, as the forms of most providers do. Mixing them
 * up gives example.com.example.com.
 */
#include "proxy/cli/domainrecords.h"

#include "proxy/json/json.h"
#include "proxy/keys/keynote.h"

#include <sysexits.h>

struct line {
    const char *name; /* below the domain; "" for itself */
    const char *type;
    const char *value;
    const char *about;
    bool sample; /* not to be published as it is */
};

struct listing {
    const struct cli *cli;
    const struct domain_file *file;
    const char *user;
    struct buf zone;  /* for zone files */
    struct buf panel; /* for forms */
    struct buf json;
    size_t count;
};

static bool
is_text(const struct line *line)
{
    return strcmp(line->type, "TXT") == 0;
}

static void
put_json(struct listing *l, const struct line *line)
{
    struct buf *o = &l->json;
    struct buf name = BUF_INIT;
    const char *text;

    buf_printf(&name, "%s%s%s", line->name, line->name[0] == '\0' ? "" : ".",
               l->file->domain);
    text = buf_str(&name);
    buf_puts(o, l->count == 0 ? "\n{" : ",\n{");
    json_member(o, "name", text == NULL ? "" : text);
    json_member(o, "host", line->name[0] == '\0' ? "@" : line->name);
    json_member(o, "type", line->type);
    json_member(o, "value", line->value);
    json_member(o, "about", line->about);
    buf_printf(o, ",\"sample\":%s}", line->sample ? "true" : "false");
    buf_free(&name);
}

static void
put(struct listing *l, const struct line *line)
{
    const char *dot = line->name[0] == '\0' ? "" : ".";
    const char *quote = is_text(line) ? "\"" : "";

    buf_printf(&l->zone, "%s%s%s%s. IN %s %s%s%s\n", line->sample ? "; " : "",
               line->name, dot, l->file->domain, line->type, quote, line->value,
               is_text(line) ? "\"" : ".");
    buf_printf(&l->panel, "  %s\n    type  %s\n    host  %s\n", line->about,
               line->type, line->name[0] == '\0' ? "@" : line->name);
    buf_printf(&l->panel, "    name  %s%s%s\n    value %s\n", line->name, dot,
               l->file->domain, line->value);
    put_json(l, line);
    l->count++;
}

/* The three CNAMEs of a track. */
static void
put_track(struct listing *l, const struct domain_track *t)
{
    for (size_t i = 0; i < t->slot_count; i++) {
        struct buf name = BUF_INIT;
        struct buf value = BUF_INIT;
        struct buf about = BUF_INIT;
        struct line line = { .type = "CNAME" };

        buf_printf(&name, "%s._domainkey", t->slots[i].token);
        buf_printf(&value, "%s.%s", t->slots[i].token,
                   l->cli->conf->rotate.zone);
        buf_printf(&about, "%zu of %zu, %s%s%s", i + 1, t->slot_count,
                   keynote_type_name(t->alg), t->user[0] == '\0' ? "" : " of ",
                   t->user);
        line.name = buf_str(&name);
        line.value = buf_str(&value);
        line.about = buf_str(&about);
        if (line.name != NULL && line.value != NULL && line.about != NULL) {
            put(l, &line);
        } else {
            l->zone.failed = true;
        }
        buf_free(&name);
        buf_free(&value);
        buf_free(&about);
    }
}

static void
put_sending(struct listing *l)
{
    static const struct line spf = {
        "", "TXT", "v=spf1 include:SMARTHOST ~all",
        "SPF, with the name that the smarthost's provider gives in the place "
        "of SMARTHOST",
        true
    };
    struct line dmarc = { "_dmarc", "TXT", NULL,
                          "DMARC: reports first, p=reject when they are good",
                          false };
    struct buf value = BUF_INIT;

    put(l, &spf);
    buf_printf(&value, "v=DMARC1; p=none; rua=mailto:postmaster@%s",
               l->file->domain);
    dmarc.value = buf_str(&value);
    if (dmarc.value != NULL) {
        put(l, &dmarc);
    }
    buf_free(&value);
}

/* A domain that sends no mail says so (RFC 6376 3.6.1, 7208 10.1.2, 9989). */
static void
put_no_mail(struct listing *l)
{
    static const struct line lines[] = {
        { "*._domainkey", "TXT", "v=DKIM1; p=", "no key signs for this domain",
          false },
        { "", "TXT", "v=spf1 -all", "no host sends for this domain", false },
        { "_dmarc", "TXT", "v=DMARC1; p=reject; sp=reject; adkim=s; aspf=s",
          "whatever claims to be from it is refused", false },
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        put(l, lines + i);
    }
}

static int
write_out(struct listing *l)
{
    struct buf out = BUF_INIT;
    int code;

    if (l->cli->json) {
        buf_putc(&out, '{');
        json_member(&out, "domain", l->file->domain);
        json_member(&out, "way", domainfile_way_name(l->file->way));
        buf_puts(&out, ",\"records\":[");
        buf_put(&out, buf_bytes(&l->json));
        buf_puts(&out, "\n]}\n");
    } else {
        buf_puts(&out, "; for a zone file (names with their final dot):\n");
        buf_put(&out, buf_bytes(&l->zone));
        buf_puts(&out, "\nfor a provider's form (no final dots; host or whole "
                       "name, as it asks):\n");
        buf_put(&out, buf_bytes(&l->panel));
    }
    if (buf_failed(&l->zone) || buf_failed(&l->panel) || buf_failed(&l->json) ||
        buf_failed(&out)) {
        code = cli_fail(l->cli, EX_OSERR, "no memory");
    } else {
        code = cli_write(l->cli, buf_bytes(&out));
    }
    buf_free(&out);
    return code;
}

int
domainrecords_show(const struct cli *c, const struct domain_file *file,
                   const char *user)
{
    struct listing l = { .cli = c, .file = file, .user = user };
    int code;

    l.zone = (struct buf)BUF_INIT;
    l.panel = (struct buf)BUF_INIT;
    l.json = (struct buf)BUF_INIT;
    if (file->way == DOMAIN_NO_MAIL) {
        put_no_mail(&l);
    } else {
        for (size_t i = 0; i < file->track_count; i++) {
            if (user == NULL || strcmp(file->tracks[i].user, user) == 0) {
                put_track(&l, file->tracks + i);
            }
        }
        put_sending(&l);
    }
    code = write_out(&l);
    buf_free(&l.zone);
    buf_free(&l.panel);
    buf_free(&l.json);
    return code;
}
