/*
 * rfc2136 - dynamic updates by the nsupdate program; see ways.h.
 *
 * Each changed name: its TXT records away, the new one in. A DNS message has
 * 64 KiB, so that very many names go in several transactions; each name is
 * whole in one of them. The key's octets are in its file only: nsupdate
 * reads it, and a command line that everybody can list names the path alone.
 */
#include "proxy/publish/ways.h"

#include <base/wipe.h>

#include <errno.h>

enum {
    MESSAGE_MAX = 48 * 1024, /* of 64 KiB; text is longer than wire form */
    KEY_FILE_MAX = 16 * 1024,
    MARGIN_S = 2 /* nsupdate gives up before it is killed */
};

static void
put_begin(const struct publish_work *w, struct buf *out)
{
    const struct conf_address *server = &w->conf->server.list[0];

    buf_printf(out, "server %s %u\nzone %s.\nclass IN\n", server->host,
               (unsigned)server->port, w->zone);
}

static void
put_record(const struct publish_work *w, const struct publish_record *r,
           struct buf *out)
{
    /* RFC 2136 3.4.2.2: a TXT beside a CNAME is dropped without a word. */
    buf_printf(out, "prereq nxrrset %s. CNAME\n", r->name);
    buf_printf(out, "update delete %s. TXT\n", r->name);
    if (r->text[0] != '\0') {
        buf_printf(out, "update add %s. %u TXT ", r->name, w->conf->ttl_s);
        publish_put_strings(bytes_str(r->text), out);
        buf_putc(out, '\n');
    }
}

/* What nsupdate is told, one `send` for each transaction. */
static void
put_batch(const struct publish_work *w, struct buf *out)
{
    size_t begun = out->len;

    put_begin(w, out);
    for (size_t i = 0; i < w->count; i++) {
        struct buf record = BUF_INIT;

        if (w->records[i].changed) {
            put_record(w, &w->records[i], &record);
            if (out->len - begun + record.len > MESSAGE_MAX) {
                buf_puts(out, "send\n");
                begun = out->len;
                put_begin(w, out);
            }
            buf_put(out, buf_bytes(&record));
            out->failed = out->failed || buf_failed(&record);
        }
        buf_free(&record);
    }
    buf_puts(out, "send\n");
}

static const struct {
    const char *said; /* in nsupdate's last line */
    const char *mend;
} mends[] = {
    { "REFUSED", "let the key of tsig_key_file change the zone at the server: "
                 "update-policy or allow-update" },
    { "BADKEY", "the server does not know the key of tsig_key_file; the same "
                "name and algorithm at both" },
    { "BADSIG", "the server has another secret under this key's name; the "
                "same file at both" },
    { "BADTIME", "the clocks of this machine and the server differ" },
    { "NOTAUTH", "the server is not primary for the zone; [publish] server "
                 "and zone" },
    { "NOTZONE", "the names are not in the zone; [publish] zone" },
    { "YXRRSET", "a CNAME stands at one of the names; take it out of the "
                 "zone" },
    { "SERVFAIL", "the server's log says why; its zone file may not be "
                  "writable" },
    { "timed out", "is [publish] server there, and open for TCP?" },
    { "Communication with", "is [publish] server there, and open for TCP?" },
};

static const char *
find_mend(const char *line)
{
    for (size_t i = 0; i < sizeof(mends) / sizeof(mends[0]); i++) {
        if (strstr(line, mends[i].said) != NULL) {
            return mends[i].mend;
        }
    }
    return "[publish] server, zone and tsig_key_file";
}

static bool
find_program(const struct publish_work *w, struct buf *path, struct buf *why)
{
    if (w->conf->program[0] != '\0') {
        buf_puts(path, w->conf->program);
        return buf_str(path) != NULL;
    }
    if (!spawn_find("nsupdate", path)) {
        buf_puts(why, "the program nsupdate is missing; apt-get install "
                      "bind9-dnsutils, or [publish] program = its path");
        return false;
    }
    return true;
}

/*
 * nsupdate goes on without a key when it can make nothing of the file; what
 * we send must never be unsigned when it is meant to be signed.
 */
static bool
key_file_is_good(const char *path, struct buf *why)
{
    char text[KEY_FILE_MAX + 1];
    size_t n;
    FILE *f = fopen(path, "re");
    bool good;

    if (f == NULL) {
        buf_printf(why, "[publish] tsig_key_file = %s: %s", path,
                   strerror(errno));
        return false;
    }
    (void)setvbuf(f, NULL, _IONBF, 0); /* no copy of the secret but this one */
    n = fread(text, 1, KEY_FILE_MAX, f);
    (void)fclose(f);
    text[n] = '\0';
    good = strstr(text, "secret") != NULL ||
           strstr(text, "Private-key-format") != NULL;
    wipe(text, sizeof(text));
    if (!good) {
        buf_printf(why,
                   "[publish] tsig_key_file = %s: no key in it; tsig-keygen "
                   "NAME >%s makes one",
                   path, path);
    }
    return good;
}

/* -v: TCP. -t: nsupdate's own end, with words of its own. */
static bool
run(const struct publish_work *w, const char *program, struct bytes batch,
    struct buf *why)
{
    const struct publish_conf *conf = w->conf;
    unsigned own_s =
        conf->timeout_s > MARGIN_S ? conf->timeout_s - MARGIN_S : 1;
    struct spawn_result result;
    char seconds[16];
    const char *argv[] = { program, "-v", "-t",
                           seconds, "-k", conf->tsig_key_file,
                           NULL };
    struct spawn s = { argv, NULL, batch, conf->timeout_s };

    (void)snprintf(seconds, sizeof(seconds), "%u", own_s);
    if (conf->tsig_key_file[0] == '\0') {
        argv[4] = NULL;
    } else if (!key_file_is_good(conf->tsig_key_file, why)) {
        return false;
    }
    if (spawn_run(&s, &result) == SPAWN_GOOD) {
        return true;
    }
    buf_printf(why, "%s ", program);
    spawn_explain(&s, &result, why);
    buf_printf(why, "; %s", find_mend(result.line));
    return false;
}

bool
publish_rfc2136(const struct publish_work *w, struct buf *why_out)
{
    struct buf batch = BUF_INIT, program = BUF_INIT;
    bool good = false;

    if (w->conf->server.count == 0) {
        buf_puts(why_out, "publish = rfc2136 needs [publish] server = "
                          "HOST:PORT of the zone's primary server");
        return false;
    }
    put_batch(w, &batch);
    if (buf_failed(&batch)) {
        buf_puts(why_out, "no memory");
    } else if (find_program(w, &program, why_out)) {
        good = run(w, (const char *)program.ptr, buf_bytes(&batch), why_out);
    }
    buf_free(&batch);
    buf_free(&program);
    return good;
}
