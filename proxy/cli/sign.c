/*
 * sign - `sealpost sign`: a message from stdin, signed, to stdout.
 *
 * With -k one key signs what it is given. With -u the message is treated as
 * the daemon treats that user's mail: the same decision, the same fields
 * removed and added, the same settings.
 */
#include "proxy/cli/cli.h"
#include "proxy/cli/message.h"
#include "proxy/keys/keysign.h"
#include "proxy/trace.h"
#include "proxy/users/decide.h"

#include <dkim/address.h>
#include <dkim/authres.h>
#include <dkim/sign.h>
#include <smtp/data.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: sealpost sign -d DOMAIN -s SELECTOR [-k KEY.pem] [--time UNIX]\n"
    "           [--expire SECONDS] [--canon HEADER/BODY] [--headers A:B:C]\n"
    "       sealpost sign -u USER [-c FILE] [--time UNIX]\n"
    "A message on stdin; the signed message on stdout. Without -k the key\n"
    "comes from the key store. --canon: relaxed or simple, each.\n";

enum {
    HEADERS_MAX = 64
};

struct signing {
    struct cli cli;
    const char *domain;
    const char *selector;
    const char *key_path;
    const char *user;
    const char *canon;
    const char *headers;
    uint64_t time_s;   /* UINT64_MAX: now */
    uint64_t expire_s; /* UINT64_MAX: not given */
    struct cli_message message;
    struct cli_data data;
    struct dkim_sign_params params;
    struct dkim_sign_headers names;
    struct buf names_text; /* --headers, parted with NULs */
    const char *sign_names[HEADERS_MAX + 1];
    const char *oversign_names[HEADERS_MAX + 1];
    struct buf added;  /* fields behind the header: Date, Message-ID */
    struct buf fields; /* DKIM-Signature fields, the last one first */
};

/* --- what is asked ------------------------------------------------------ */

static bool
parse_canon_word(struct bytes word, enum dkim_canon_mode *out)
{
    if (bytes_is(word, "relaxed")) {
        *out = DKIM_CANON_RELAXED;
        return true;
    }
    *out = DKIM_CANON_SIMPLE;
    return bytes_is(word, "simple");
}

/* "relaxed/simple"; "relaxed" alone means simple for the body (RFC 6376
 * 3.5, c=). */
static int
take_canon(struct signing *s)
{
    struct bytes text = bytes_str(s->canon);
    size_t slash = bytes_find(text, '/');
    struct bytes body =
        slash < text.len ? bytes_skip(text, slash + 1) : BYTES_LIT("simple");

    if (s->canon == NULL) {
        return CLI_GO_ON;
    }
    if (!parse_canon_word(bytes_take(text, slash), &s->params.header_canon) ||
        !parse_canon_word(body, &s->params.body_canon)) {
        return cli_misuse(&s->cli,
                          "--canon %s; relaxed or simple, as "
                          "relaxed/relaxed",
                          s->canon);
    }
    return CLI_GO_ON;
}

static bool
is_field_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (*c <= 32 || *c == 127 || *c == ':' || *c == ';') {
            return false;
        }
    }
    return name[0] != '\0';
}

static bool
is_listed(const char *const *list, const char *name)
{
    for (; *list != NULL; list++) {
        if (strcmp(*list, name) == 0) {
            return true;
        }
    }
    return false;
}

/* One name of --headers; a second time it is oversigned. */
static int
take_name(struct signing *s, const char *name)
{
    const char **list =
        is_listed(s->sign_names, name) ? s->oversign_names : s->sign_names;
    size_t n = 0;

    if (!is_field_name(name)) {
        return cli_misuse(&s->cli,
                          "--headers: \"%s\" is no field name; names "
                          "parted by colons, as from:to:subject",
                          name);
    }
    while (list[n] != NULL) {
        n++;
    }
    if (n == HEADERS_MAX) {
        return cli_misuse(&s->cli, "--headers: over %d names", HEADERS_MAX);
    }
    list[n] = name;
    return CLI_GO_ON;
}

static int
take_headers(struct signing *s)
{
    int code = CLI_GO_ON;
    char *next;

    if (s->headers == NULL) {
        return CLI_GO_ON;
    }
    for (const char *c = s->headers; *c != '\0'; c++) {
        buf_putc(&s->names_text, (char)byte_lower((uint8_t)*c));
    }
    if (buf_str(&s->names_text) == NULL) {
        return cli_fail(&s->cli, EX_OSERR, "no memory");
    }
    next = (char *)s->names_text.ptr;
    while (code == CLI_GO_ON && next != NULL) {
        char *name = next;
        char *colon = strchr(name, ':');

        next = colon == NULL ? NULL : colon + 1;
        if (colon != NULL) {
            *colon = '\0';
        }
        code = take_name(s, name);
    }
    if (code == CLI_GO_ON && !is_listed(s->sign_names, "from")) {
        return cli_misuse(&s->cli, "--headers must name from (RFC 6376 5.4)");
    }
    s->names.sign = s->sign_names;
    s->names.oversign = s->oversign_names;
    s->names.oversign_present = s->oversign_names;
    return code;
}

/* [sign] of the configuration, when there is one. */
static void
take_settings(struct signing *s)
{
    const struct conf *conf = s->cli.conf;

    s->names = dkim_sign_headers_default;
    s->params.header_canon = DKIM_CANON_RELAXED;
    s->params.body_canon = DKIM_CANON_RELAXED;
    if (conf == NULL) {
        return;
    }
    s->names.sign = conf->sign.headers;
    s->names.oversign = conf->sign.oversign;
    s->names.oversign_present = conf->sign.oversign_present;
    if (!conf->sign.header_relaxed) {
        s->params.header_canon = DKIM_CANON_SIMPLE;
    }
    if (!conf->sign.body_relaxed) {
        s->params.body_canon = DKIM_CANON_SIMPLE;
    }
}

static int
take_options(struct signing *s)
{
    int code;

    if (s->cli.word_count > 0) {
        return cli_misuse(&s->cli, "the message comes on stdin, not as an "
                                   "argument");
    }
    if (s->user != NULL
            ? s->domain != NULL || s->selector != NULL || s->key_path != NULL
            : s->domain == NULL || s->selector == NULL) {
        return cli_misuse(&s->cli, "-d DOMAIN and -s SELECTOR, or -u USER");
    }
    /* With -k the machine's configuration counts only when it is named. */
    if (s->user != NULL || s->key_path == NULL || s->cli.path_given) {
        code = cli_conf(&s->cli);
        if (code != CLI_GO_ON) {
            return code;
        }
    }
    take_settings(s);
    code = take_canon(s);
    if (code == CLI_GO_ON) {
        code = take_headers(s);
    }
    s->time_s = s->time_s == UINT64_MAX ? (uint64_t)time(NULL) : s->time_s;
    if (s->expire_s == UINT64_MAX) {
        s->expire_s = s->cli.conf != NULL ? s->cli.conf->sign.expire_s : 0;
    }
    if (s->expire_s > UINT64_MAX - s->time_s) {
        return cli_misuse(&s->cli, "--expire: too far away");
    }
    return code;
}

/* --- the message -------------------------------------------------------- */

/* What the daemon refuses, sign refuses. */
static int
take_message(struct signing *s)
{
    int code = cli_message_read(&s->cli, STDIN_FILENO, &s->message);
    unsigned faults = s->message.header.faults;

    if (code != EX_OK) {
        return code;
    }
    if (s->message.faults != 0) {
        return cli_fail(&s->cli, EX_DATAERR,
                        "the message has a bare CR, bare LF or NUL; lines "
                        "end in CRLF (or all of them in LF)");
    }
    if (faults & (DKIM_HEADER_NO_COLON | DKIM_HEADER_BAD_NAME |
                  DKIM_HEADER_FOLD_FIRST)) {
        return cli_fail(&s->cli, EX_DATAERR,
                        "the header has a line that is no field; NAME: VALUE, "
                        "then an empty line, then the body");
    }
    if (faults & DKIM_HEADER_NO_BLANK) {
        return cli_fail(&s->cli, EX_DATAERR,
                        "the message ends inside a header field; end the "
                        "line");
    }
    return CLI_GO_ON;
}

/* --- one signature ------------------------------------------------------ */

static int
sign_with(struct signing *s, EVP_PKEY *key, const char *domain,
          const char *selector, enum dkim_alg alg)
{
    uint8_t digest[DKIM_SHA256_OCTETS];
    uint8_t signature[KEYSIGN_OCTETS_MAX];
    struct buf field = BUF_INIT;
    size_t len = 0;

    s->params.domain = domain;
    s->params.selector = selector;
    s->params.alg = alg;
    s->params.headers = &s->names;
    s->params.time_s = s->time_s;
    s->params.expires_s = s->expire_s == 0 ? 0 : s->time_s + s->expire_s;
    if (dkim_sign_prepare(&s->message.header, &s->params, &field, digest)) {
        len = keysign(key, alg, digest, signature);
    }
    if (len > 0) {
        dkim_sign_finish(&field, bytes_make(signature, len));
        buf_put(&s->fields, buf_bytes(&field));
    }
    if (buf_failed(&field) || buf_failed(&s->fields)) {
        len = 0;
    }
    buf_free(&field);
    return len > 0 ? CLI_GO_ON
                   : cli_fail(&s->cli, EX_SOFTWARE, "%s/%s could not sign",
                              domain, selector);
}

static int
hash_body(struct signing *s, uint8_t *hash)
{
    struct dkim_body_hash *h =
        dkim_body_hash_new(s->params.body_canon, DKIM_HASH_SHA256, UINT64_MAX);
    size_t len = 0;

    if (h != NULL) {
        dkim_body_hash_feed(h, s->message.body);
        len = dkim_body_hash_end(h, hash);
    }
    dkim_body_hash_free(&h);
    s->params.body_hash = bytes_make(hash, len);
    return len > 0 ? CLI_GO_ON : cli_fail(&s->cli, EX_OSERR, "no memory");
}

/* --- -k ----------------------------------------------------------------- */

/* A key that the user names is hers to keep safe: its mode is a remark. */
static int
read_key(struct signing *s, EVP_PKEY **key_out, enum dkim_alg *alg_out)
{
    bool short_keys = s->cli.conf != NULL && s->cli.conf->sign.allow_short_keys;
    int fd = open(s->key_path, O_RDONLY | O_CLOEXEC);
    struct buf pem = BUF_INIT;
    enum key_err err;
    struct stat st;

    if (fd < 0) {
        return cli_fail(&s->cli, EX_NOINPUT, "%s: %s", s->key_path,
                        strerror(errno));
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077)) {
        cli_note(&s->cli, "%s: others can read this key; chmod 600",
                 s->key_path);
    }
    err = keyfile_read(fd, &pem);
    close(fd);
    if (err == KEY_OK) {
        err = keyfile_parse(buf_bytes(&pem), short_keys, key_out, alg_out);
    }
    if (pem.ptr != NULL) {
        OPENSSL_cleanse(pem.ptr, pem.cap);
    }
    buf_free(&pem);
    return err == KEY_OK ? CLI_GO_ON
                         : cli_fail(&s->cli, EX_DATAERR, "%s: %s", s->key_path,
                                    key_err_text(err));
}

static int
stored_key(struct signing *s, const char *domain, const char *selector,
           EVP_PKEY **key_out, enum dkim_alg *alg_out)
{
    struct keystore_conf conf;
    enum key_err err;

    keystore_conf_init(&conf, &s->cli.conf->server,
                       s->cli.conf->sign.allow_short_keys);
    err = keystore_private(&conf, domain, selector, key_out, alg_out);
    return err == KEY_OK ? CLI_GO_ON
                         : cli_fail(&s->cli, EX_UNAVAILABLE, "%s/%s: %s",
                                    domain, selector, key_err_text(err));
}

static int
sign_one(struct signing *s)
{
    enum dkim_alg alg = DKIM_ALG_RSA_SHA256;
    char domain[DKIM_DOMAIN_MAX + 1];
    char selector[DKIM_DOMAIN_MAX + 1];
    EVP_PKEY *key = NULL;
    int code;

    if (!dkim_domain_parse(bytes_str(s->domain), false, domain)) {
        return cli_misuse(&s->cli,
                          "-d %s is not a domain; letters, digits, "
                          "hyphens and dots, xn-- for others",
                          s->domain);
    }
    if (!keystore_selector_parse(bytes_str(s->selector), selector)) {
        return cli_misuse(&s->cli,
                          "-s %s is not a selector; letters, digits, "
                          "hyphens, underscores and dots",
                          s->selector);
    }
    code = s->key_path != NULL ? read_key(s, &key, &alg)
                               : stored_key(s, domain, selector, &key, &alg);
    if (code == CLI_GO_ON) {
        code = sign_with(s, key, domain, selector, alg);
    }
    EVP_PKEY_free(key);
    return code;
}

/* --- -u ----------------------------------------------------------------- */

static bool
is_removed(const struct signing *s, const struct upstream_conf *up,
           const struct dkim_field *f)
{
    const struct conf *conf = s->cli.conf;

    for (conf_list n = conf->sign.remove_headers; *n != NULL; n++) {
        if (bytes_is_ci(f->name, *n)) {
            return true;
        }
    }
    if (up->strip_signatures && bytes_is_ci(f->name, "dkim-signature")) {
        return true;
    }
    return bytes_is_ci(f->name, "authentication-results") &&
           dkim_authres_claims(f, conf->server.authserv_id);
}

static void
remove_fields(struct signing *s, const struct upstream_conf *up)
{
    struct dkim_header *h = &s->message.header;
    size_t kept = 0;

    for (size_t i = 0; i < h->count; i++) {
        if (!is_removed(s, up, h->fields + i)) {
            h->fields[kept++] = h->fields[i];
        }
    }
    h->count = kept;
}

/* Date and Message-ID, only to mail that nobody has signed. */
static int
add_missing(struct signing *s)
{
    struct dkim_header *h = &s->message.header;
    struct dkim_header more = { NULL, 0, 0 };
    struct dkim_field *fields;
    char id[32];

    if (!s->cli.conf->sign.add_missing ||
        dkim_header_count(h, "dkim-signature") > 0) {
        return CLI_GO_ON;
    }
    snprintf(id, sizeof(id), "%llx.%lx", (unsigned long long)s->time_s,
             (long)getpid());
    if (dkim_header_count(h, "date") == 0) {
        trace_date(&s->added, s->time_s);
    }
    if (dkim_header_count(h, "message-id") == 0) {
        trace_message_id(&s->added, id, s->cli.conf->server.hostname);
    }
    if (dkim_header_parse(buf_bytes(&s->added), &more) != DKIM_HEADER_OK) {
        return cli_fail(&s->cli, EX_OSERR, "no memory");
    }
    fields = realloc(h->fields, (h->count + more.count + 1) * sizeof(*fields));
    if (fields == NULL) {
        dkim_header_free(&more);
        return cli_fail(&s->cli, EX_OSERR, "no memory");
    }
    h->fields = fields;
    for (size_t i = 0; i < more.count; i++) {
        h->fields[h->count++] = more.fields[i];
    }
    dkim_header_free(&more);
    return CLI_GO_ON;
}

/* The upstream whose contract counts: hers, else the first outbound one. */
static const struct upstream_conf *
find_upstream(const struct conf *conf, const struct view_user *user)
{
    if (user->upstream[0] != '\0') {
        return conf_upstream(conf, user->upstream);
    }
    for (size_t i = 0; i < conf->listen_count; i++) {
        if (conf->listens[i].mode == CONF_OUTBOUND) {
            return conf_upstream(conf, conf->listens[i].upstream);
        }
    }
    return NULL;
}

static int
sign_decided(struct signing *s, const struct decision *d)
{
    int code = CLI_GO_ON;

    for (size_t i = 0; i < d->count && code == CLI_GO_ON; i++) {
        const struct decide_signature *sig = d->signatures + i;
        enum dkim_alg alg = sig->alg;
        EVP_PKEY *key = NULL;

        code = stored_key(s, sig->domain, sig->selector, &key, &alg);
        if (code == CLI_GO_ON) {
            code = sign_with(s, key, sig->domain, sig->selector, alg);
        }
        EVP_PKEY_free(key);
    }
    return code;
}

static int
sign_as_user(struct signing *s)
{
    struct dkim_author author;
    struct decide_question q = { .sign = &s->cli.conf->sign,
                                 .author = &author };
    const struct upstream_conf *up;
    enum dkim_from_result from;
    struct decision d;
    int code = cli_load(&s->cli, true, &s->data);

    if (code != CLI_GO_ON) {
        return code;
    }
    q.view = s->data.view;
    q.user = view_user(q.view, bytes_str(s->user));
    if (q.user == NULL) {
        return cli_fail(&s->cli, EX_NOUSER,
                        "there is no user %s; sealpost "
                        "user list",
                        s->user);
    }
    up = find_upstream(s->cli.conf, q.user);
    if (up == NULL) {
        return cli_fail(&s->cli, EX_CONFIG,
                        "no upstream for %s; an outbound "
                        "listener, or her `upstream`",
                        s->user);
    }
    q.signatures = up->signatures;
    remove_fields(s, up);
    from = dkim_from_parse(&s->message.header, &author);
    if (from != DKIM_FROM_OK) {
        return cli_fail(&s->cli, EX_DATAERR, "%s", dkim_from_text(from));
    }
    decide(&q, &d);
    if (d.kind == DECIDE_REFUSE) {
        return cli_fail(&s->cli, d.code == 451 ? EX_TEMPFAIL : EX_NOPERM,
                        "%d %s %s (%s)", d.code, d.enhanced, d.text, d.reason);
    }
    code = add_missing(s);
    if (code == CLI_GO_ON && d.kind == DECIDE_UNSIGNED) {
        cli_note(&s->cli, "not signed: %s", d.reason);
    }
    return code == CLI_GO_ON ? sign_decided(s, &d) : code;
}

/* --- the whole ---------------------------------------------------------- */

static int
write_message(struct signing *s)
{
    struct buf out = BUF_INIT;
    int code;

    buf_put(&out, buf_bytes(&s->fields));
    for (size_t i = 0; i < s->message.header.count; i++) {
        buf_put(&out, s->message.header.fields[i].raw);
    }
    buf_puts(&out, "\r\n");
    buf_put(&out, s->message.body);
    code = buf_failed(&out) ? cli_fail(&s->cli, EX_OSERR, "no memory")
                            : cli_write(&s->cli, buf_bytes(&out));
    buf_free(&out);
    return code;
}

static int
run(struct signing *s)
{
    uint8_t hash[DKIM_HASH_OCTETS_MAX];
    int code = take_options(s);

    if (code == CLI_GO_ON) {
        code = take_message(s);
    }
    if (code == CLI_GO_ON) {
        code = hash_body(s, hash);
    }
    if (code == CLI_GO_ON) {
        code = s->user != NULL ? sign_as_user(s) : sign_one(s);
    }
    return code == CLI_GO_ON ? write_message(s) : code;
}

int
cli_sign(int argc, char **argv)
{
    struct signing s = {
        .cli = { .name = "sign", .usage = usage, .quiet = true },
        .time_s = UINT64_MAX,
        .expire_s = UINT64_MAX
    };
    const struct cli_option options[] = {
        { "--domain", 'd', NULL, &s.domain, NULL },
        { "--selector", 's', NULL, &s.selector, NULL },
        { "--key", 'k', NULL, &s.key_path, NULL },
        { "--user", 'u', NULL, &s.user, NULL },
        { "--time", 0, NULL, NULL, &s.time_s },
        { "--expire", 0, NULL, NULL, &s.expire_s },
        { "--canon", 0, NULL, &s.canon, NULL },
        { "--headers", 0, NULL, &s.headers, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&s.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run(&s);
    }
    cli_message_free(&s.message);
    cli_data_free(&s.data);
    buf_free(&s.names_text);
    buf_free(&s.added);
    buf_free(&s.fields);
    cli_free(&s.cli);
    return code;
}
