/*
 * key - what the files of `sealpost key` share.
 */
#ifndef PROXY_CLI_KEY_H
#define PROXY_CLI_KEY_H

#include <dkim/address.h>

#include <proxy/cli/cli.h>

/* One command about keys: its line, and the key it is about. */
struct key_command {
    struct cli cli;
    struct keystore_conf store;
    struct keystore_key about;
    char domain[DKIM_DOMAIN_MAX + 1];
    char selector[DKIM_DOMAIN_MAX + 1];
    const char *type;
    const char *note;
    uint64_t bits;
    bool test_mode;
    bool activate;
    EVP_PKEY *key; /* owns */
};

/* Words, configuration, and what the options say about the key. CLI_GO_ON or
 * an exit code. */
int key_begin(struct key_command *ch, size_t words_min, size_t words_max);
/* The word is the domain. */
int key_domain(struct key_command *ch, const char *word);

int key_list(int argc, char **argv);
int key_delete(int argc, char **argv);
int key_revoke(int argc, char **argv);
int key_rotate(int argc, char **argv);
int key_show(int argc, char **argv);

#endif
