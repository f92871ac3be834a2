/*
 * sign - `sealpost sign`: a message from stdin, signed, to stdout; see sign.h.
 *
 * With -k one key signs what it is given. With -u the message is treated as
 * the daemon treats that user's mail: the same decision, the same fields
 * removed and added, the same settings.
 */
#include "proxy/cli/sign.h"

#include "proxy/keys/keysign.h"

#include <dkim/address.h>
#include <dkim/hash.h>

#include <openssl/crypto.h>

#include <errno.h>
#include <fcntl.h>
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
    if (dkim_header_count(&s->message.header, "from") != 1) {
        return cli_fail(&s->cli, EX_DATAERR,
                        "the message must have one From field (RFC 5322 3.6); "
                        "it is what a signature is about");
    }
    return CLI_GO_ON;
}

/* --- one signature ------------------------------------------------------ */

int
sign_with(struct signing *s, EVP_PKEY *key, const char *domain,
          const char *selector, enum dkim_alg alg)
{
    struct dkim_sign_params params = s->params;
    uint8_t digest[DKIM_SHA256_OCTETS];
    uint8_t signature[KEYSIGN_OCTETS_MAX];
    struct buf field = BUF_INIT;
    size_t len = 0;

    params.domain = domain;
    params.selector = selector;
    params.alg = alg;
    params.headers = &s->names;
    params.time_s = s->time_s;
    params.expires_s = s->expire_s == 0 ? 0 : s->time_s + s->expire_s;
    if (dkim_sign_prepare(&s->message.header, &params, &field, digest)) {
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
hash_body(struct signing *s)
{
    struct dkim_body_hash *h =
        dkim_body_hash_new(s->params.body_canon, DKIM_HASH_SHA256, UINT64_MAX);
    size_t len = 0;

    if (h != NULL) {
        dkim_body_hash_feed(h, s->message.body);
        len = dkim_body_hash_end(h, s->hash);
    }
    dkim_body_hash_free(&h);
    s->params.body_hash = bytes_make(s->hash, len);
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

int
sign_stored_key(struct signing *s, const char *domain, const char *selector,
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
    code = s->key_path != NULL
               ? read_key(s, &key, &alg)
               : sign_stored_key(s, domain, selector, &key, &alg);
    if (code == CLI_GO_ON) {
        code = sign_with(s, key, domain, selector, alg);
    }
    EVP_PKEY_free(key);
    return code;
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
    int code = sign_take_options(s);

    if (code == CLI_GO_ON) {
        code = take_message(s);
    }
    if (code == CLI_GO_ON) {
        code = hash_body(s);
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
