/*
 * params - the parameters behind a path in MAIL and RCPT.
 *
 * Private to the room.
 */
#ifndef SMTP_PARAMS_H
#define SMTP_PARAMS_H

#include <smtp/command.h>

/* verb is MAIL or RCPT; text is all that follows the path. */
enum smtp_err smtp_params_parse(enum smtp_verb verb, struct bytes text,
                                struct smtp_params *params_out);

#endif
