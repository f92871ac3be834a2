/*
 * oauth - the messages of OAUTHBEARER (RFC 7628 3.1) and XOAUTH2.
 *
 * OAUTHBEARER  n,a=USER,^Ahost=H^Aport=P^Aauth=Bearer TOKEN^A^A
 * XOAUTH2      user=USER^Aauth=Bearer TOKEN^A^A
 *
 * ^A is octet 1. host and port are not looked at: which names are ours is
 * not for the client to say.
 */
#ifndef SMTP_OAUTH_H
#define SMTP_OAUTH_H

#include <smtp/sasl.h>

/*
 * user_out has SMTP_SASL_USER_MAX + 1 octets, token_out a view into message.
 * False: malformed, no user, no token or two. mech: SMTP_MECH_OAUTHBEARER or
 * SMTP_MECH_XOAUTH2.
 */
bool smtp_oauth_parse(unsigned mech, struct bytes message, char *user_out,
                      struct bytes *token_out);

#endif
