/*
 * fingerprints - what settings say of other people's certificates.
 */
#ifndef PROXY_CONFIG_FINGERPRINTS_H
#define PROXY_CONFIG_FINGERPRINTS_H

#include <proxy/config/values.h>

/*
 * "sha256:" and 64 hexadecimal digits, any case, with or without a colon
 * between two octets, as `openssl x509 -fingerprint -sha256` prints them.
 * NULL: done; else what is wrong, static.
 */
const char *conf_fingerprint_parse(struct bytes text,
                                   struct conf_fingerprint *fingerprint_out);

/*
 * Where the first element of tls_client_users ends in text: at a comma, but
 * not at one inside a subject. text.len: at its end.
 */
size_t conf_client_user_end(struct bytes text);

/* As conf_value_parse(). */
const char *conf_parse_fingerprints(struct conf_value *v,
                                    union conf_field *out);
const char *conf_parse_client_users(struct conf_value *v,
                                    union conf_field *out);

#endif
