/*
 * keywalk - the folders of a key store, read by one thread or several.
 *
 * A cold start waits for the disk and the kernel, file after file: threads
 * that each read a share of the domains wait together. What they find, and
 * what is wrong with it, comes together in the order of the shares.
 */
#ifndef PROXY_KEYS_KEYWALK_H
#define PROXY_KEYS_KEYWALK_H

#include <proxy/keys/keystore.h>
#include <proxy/users/strings.h>

struct keyset {
    struct keystore_key *keys; /* owns; in the order in which they were read */
    size_t count;
    size_t cap;
    struct strings strings; /* of the keys */
};

/*
 * All keys of a state directory into an empty set. What is wrong is an error
 * line; a faulty key is left out. False: no memory, or the directory itself
 * cannot be trusted or read. The caller frees the set either way.
 */
bool keywalk(const struct keystore_conf *conf, struct keyset *out,
             struct conf_errors *errors);
void keywalk_free(struct keyset *set);

/* Reads a .conf. False: an error was added. */
bool keywalk_note(const struct keystore_conf *conf, const char *path,
                  struct strings *strings, struct keystore_key *key,
                  struct conf_errors *errors);

#endif
