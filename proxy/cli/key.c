/*
 * key - `sealpost key`: the key store, from the command line.
 */
#include "proxy/cli/key.h"

#include "proxy/cli/cli.h"
#include "proxy/cli/keyrecord.h"
#include "proxy/keys/keynote.h"

#include <dkim/address.h>

#include <openssl/crypto.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static const char generate_usage[] =
    "usage: sealpost key generate DOMAIN [SELECTOR] [--type rsa|ed25519]\n"
    "           [--bits N] [--note TEXT] [--test-mode] [--activate]\n"
    "           [--dry-run] [--no-reload] [-c FILE]\n"
    "Makes a key and shows its DNS record. Without SELECTOR: sp<YYYYMM> and\n"
    "a letter. The key signs after `sealpost key activate`; --activate: at\n"
    "once.\n";
static const char import_usage[] =
    "usage: sealpost key import DOMAIN SELECTOR FILE [--activate]\n"
    "           [--note TEXT] [--test-mode] [--dry-run] [--no-reload]\n"
    "           [-c FILE]\n"
    "Takes a PEM private key (PKCS#8 or PKCS#1; - for stdin) into the key\n"
    "store.\n";
static const char activate_usage[] =
    "usage: sealpost key activate DOMAIN SELECTOR [--dry-run] [--no-reload]\n"
    "           [-c FILE]\n"
    "Lets a key sign at once; its record must be in DNS.\n";
/* --- arguments ---------------------------------------------------------- */

int
key_domain(struct key_command *ch, const char *word)
{
    ch->about.view.domain = ch->domain;
    return cli_take_domain(&ch->cli, word, ch->domain);
}

static int
take_selector(struct key_command *ch, const char *word)
{
    if (!keystore_selector_parse(bytes_str(word), ch->selector)) {
        return cli_misuse(&ch->cli,
                          "%s is not a selector; letters, digits, "
                          "hyphens, underscores and dots, at most "
                          "63",
                          word);
    }
    ch->about.view.selector = ch->selector;
    return CLI_GO_ON;
}

int
key_begin(struct key_command *ch, size_t words_min, size_t words_max)
{
    int code;

    if (ch->cli.word_count < words_min || ch->cli.word_count > words_max) {
        return cli_misuse(&ch->cli, "%s",
                          ch->cli.word_count < words_min
                              ? "arguments are missing"
                              : "too many arguments");
    }
    code = key_domain(ch, ch->cli.words[0]);
    if (code == CLI_GO_ON && ch->cli.word_count > 1) {
        code = take_selector(ch, ch->cli.words[1]);
    }
    if (code == CLI_GO_ON && ch->note != NULL && !keynote_text_ok(ch->note)) {
        code = cli_misuse(&ch->cli,
                          "--note takes one line of at most %d "
                          "octets, without `;`",
                          KEYNOTE_TEXT_MAX);
    }
    if (code == CLI_GO_ON) {
        code = cli_conf(&ch->cli);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    keystore_conf_init(&ch->store, &ch->cli.conf->server,
                       ch->cli.conf->sign.allow_short_keys);
    ch->about.note = ch->note == NULL ? "" : ch->note;
    ch->about.test_mode = ch->test_mode;
    ch->about.view.owner = "";
    ch->about.created_s = (uint64_t)time(NULL);
    if (ch->activate) {
        ch->about.view.state = VIEW_KEY_ACTIVE;
        ch->about.view.activated_s = ch->about.created_s;
    }
    return CLI_GO_ON;
}

static int
fail_key(const struct key_command *ch, enum key_err err)
{
    int error = errno;

    switch (err) {
    case KEY_ERR_EXISTS:
        return cli_fail(&ch->cli, EX_CANTCREAT, "%s/%s: %s", ch->domain,
                        ch->selector, key_err_text(err));
    case KEY_ERR_WRITE:
        return cli_fail(&ch->cli, EX_CANTCREAT, "%s/keys: %s: %s",
                        ch->store.state_dir, key_err_text(err),
                        strerror(error));
    case KEY_ERR_MISSING:
        return cli_fail(&ch->cli, EX_NOINPUT,
                        "there is no key %s/%s; "
                        "sealpost key list",
                        ch->domain, ch->selector);
    case KEY_ERR_NO_MEMORY:
        return cli_fail(&ch->cli, EX_OSERR, "no memory");
    default:
        return cli_fail(&ch->cli, EX_DATAERR, "%s/%s: %s", ch->domain,
                        ch->selector, key_err_text(err));
    }
}

/* --- generate and import ------------------------------------------------ */

/* The record on stdout; what to do with it on stderr. */
static int
show_new(struct key_command *ch)
{
    struct buf public_b64 = BUF_INIT;
    struct buf out = BUF_INIT;
    struct keystore_key key = ch->about;
    int code = EX_OSERR;

    key.view.alg = EVP_PKEY_get_base_id(ch->key) == EVP_PKEY_ED25519
                       ? DKIM_ALG_ED25519_SHA256
                       : DKIM_ALG_RSA_SHA256;
    if (keyfile_put_public(ch->key, &public_b64) == KEY_OK) {
        key.public_b64 = buf_str(&public_b64);
    }
    if (key.public_b64 != NULL) {
        keyrecord_format(ch->cli.json ? "json" : "zone")->put(&key, "", &out);
    }
    if (key.public_b64 != NULL && !buf_failed(&out)) {
        code = cli_write(&ch->cli, buf_bytes(&out));
    }
    buf_free(&out);
    buf_free(&public_b64);
    if (code == EX_OK && !ch->cli.dry_run) {
        fprintf(stderr,
                ch->activate ? "%s/%s is active and signs now; publish the "
                               "record above at once\n"
                             : "%s/%s is made; publish the record above, "
                               "then: sealpost key activate %s %s\n",
                ch->domain, ch->selector, ch->domain, ch->selector);
    }
    return code;
}

static int
store_key(struct key_command *ch)
{
    enum key_err err = KEY_OK;

    if (!ch->cli.dry_run) {
        err = keystore_add(&ch->store, ch->key, &ch->about);
    }
    if (err != KEY_OK) {
        return fail_key(ch, err);
    }
    if (!ch->cli.dry_run) {
        cli_reload(&ch->cli);
    } else {
        fprintf(stderr, "dry run: %s/%s would be stored%s\n", ch->domain,
                ch->selector, ch->activate ? " and sign" : "");
    }
    return show_new(ch);
}

static int
new_selector(struct key_command *ch)
{
    if (ch->cli.word_count > 1) {
        return CLI_GO_ON;
    }
    if (!keystore_new_selector(&ch->store, ch->domain, ch->about.created_s,
                               ch->selector)) {
        return errno == EEXIST
                   ? cli_fail(&ch->cli, EX_CANTCREAT,
                              "all selectors of this month "
                              "are taken; name one")
                   : cli_fail(
                         &ch->cli, EX_NOPERM,
                         "%s/keys/%s: %s; be root or the account of the keys",
                         ch->store.state_dir, ch->domain, strerror(errno));
    }
    ch->about.view.selector = ch->selector;
    return CLI_GO_ON;
}

static int
run_generate(struct key_command *ch)
{
    enum dkim_alg alg = DKIM_ALG_RSA_SHA256;
    enum key_err err;
    int code = key_begin(ch, 1, 2);

    if (code != CLI_GO_ON) {
        return code;
    }
    if (ch->type != NULL && !keynote_type_parse(ch->type, &alg)) {
        return cli_misuse(&ch->cli, "--type %s; rsa or ed25519", ch->type);
    }
    if (alg == DKIM_ALG_ED25519_SHA256 && ch->bits != 0) {
        return cli_misuse(&ch->cli, "--bits is for rsa; an Ed25519 key has "
                                    "one size");
    }
    code = new_selector(ch);
    if (code != CLI_GO_ON) {
        return code;
    }
    ch->bits = ch->bits > UINT32_MAX ? UINT32_MAX : ch->bits;
    err = keyfile_generate(alg, (unsigned)ch->bits, ch->store.short_keys,
                           &ch->key);
    return err == KEY_OK ? store_key(ch) : fail_key(ch, err);
}

static int
run_import(struct key_command *ch)
{
    struct buf pem = BUF_INIT;
    enum key_err err;
    const char *path;
    int code = key_begin(ch, 3, 3);
    int fd;

    if (code != CLI_GO_ON) {
        return code;
    }
    path = ch->cli.words[2];
    fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO)
                                : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return cli_fail(&ch->cli, EX_NOINPUT, "%s: %s", path, strerror(errno));
    }
    err = keyfile_read(fd, &pem);
    close(fd);
    if (err == KEY_OK) {
        err = keyfile_parse(buf_bytes(&pem), ch->store.short_keys, &ch->key,
                            NULL);
    }
    if (pem.ptr != NULL) {
        OPENSSL_cleanse(pem.ptr, pem.cap);
    }
    buf_free(&pem);
    if (err != KEY_OK) {
        return cli_fail(&ch->cli, EX_DATAERR, "%s: %s", path,
                        key_err_text(err));
    }
    return store_key(ch);
}

static const struct cli_option *
change_options(struct key_command *ch, struct cli_option *o)
{
    const struct cli_option all[] = {
        { "--note", 0, NULL, &ch->note, NULL },
        { "--test-mode", 0, &ch->test_mode, NULL, NULL },
        { "--activate", 0, &ch->activate, NULL, NULL },
        { "--type", 0, NULL, &ch->type, NULL },
        { "--bits", 0, NULL, NULL, &ch->bits },
        { NULL, 0, NULL, NULL, NULL },
    };

    memcpy(o, all, sizeof(all));
    return o;
}

static int
generate(int argc, char **argv)
{
    struct key_command ch = { .cli = { .name = "key generate",
                                       .usage = generate_usage } };
    struct cli_option options[6];
    int code = cli_parse(&ch.cli, argc, argv, change_options(&ch, options));

    if (code == CLI_GO_ON) {
        code = run_generate(&ch);
    }
    EVP_PKEY_free(ch.key);
    cli_free(&ch.cli);
    return code;
}

static int
import(int argc, char **argv)
{
    struct key_command ch = { .cli = { .name = "key import",
                                       .usage = import_usage } };
    struct cli_option options[6];
    int code;

    (void)change_options(&ch, options);
    options[3] = (struct cli_option){ NULL, 0, NULL, NULL, NULL };
    code = cli_parse(&ch.cli, argc, argv, options);
    if (code == CLI_GO_ON) {
        code = run_import(&ch);
    }
    EVP_PKEY_free(ch.key);
    cli_free(&ch.cli);
    return code;
}

/* --- activate ----------------------------------------------------------- */

static int
run_activate(struct key_command *ch, struct cli_data *data)
{
    const struct keystore_key *key;
    enum key_err err = KEY_OK;
    int code = key_begin(ch, 2, 2);

    if (code == CLI_GO_ON) {
        code = cli_load(&ch->cli, false, data);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    key = keystore_find(data->store, ch->domain, ch->selector);
    if (key == NULL) {
        return fail_key(ch, KEY_ERR_MISSING);
    }
    ch->about = *key;
    if (key->view.state == VIEW_KEY_RETIRING ||
        key->view.state == VIEW_KEY_REVOKED) {
        return fail_key(ch, KEY_ERR_STATE);
    }
    ch->about.view.state = VIEW_KEY_ACTIVE;
    ch->about.view.activated_s = (uint64_t)time(NULL);
    if (!ch->cli.dry_run) {
        err = keystore_update(&ch->store, &ch->about);
    }
    if (err != KEY_OK) {
        return fail_key(ch, err);
    }
    if (ch->cli.dry_run) {
        fprintf(stderr, "dry run: %s/%s would be active\n", ch->domain,
                ch->selector);
    } else {
        cli_reload(&ch->cli);
        fprintf(stderr, "%s/%s is active and signs now\n", ch->domain,
                ch->selector);
    }
    return EX_OK;
}

static int
activate(int argc, char **argv)
{
    static const struct cli_option none[] = { { NULL, 0, NULL, NULL, NULL } };
    struct key_command ch = { .cli = { .name = "key activate",
                                       .usage = activate_usage } };
    struct cli_data data = { .users_path = BUF_INIT };
    int code = cli_parse(&ch.cli, argc, argv, none);

    if (code == CLI_GO_ON) {
        code = run_activate(&ch, &data);
    }
    cli_data_free(&data);
    cli_free(&ch.cli);
    return code;
}

static const struct cli_command commands[] = {
    { "generate", generate, "make a key" },
    { "import", import, "take a PEM private key into the key store" },
    { "activate", activate, "let a key sign" },
    { "list", key_list, "list the keys" },
    { "show", key_show, "show a key's DNS record" },
    { "rotate", key_rotate, "the next step of every key, where DNS allows" },
    { "revoke", key_revoke, "take a key out of use" },
    { "delete", key_delete, "delete a key that is not in use" },
    { NULL, NULL, NULL },
};

int
cli_key(int argc, char **argv)
{
    return cli_dispatch("sealpost key", commands, argc, argv);
}
