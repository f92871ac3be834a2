/*
 * client_steps - what client.c and client_auth.c share; private to them.
 */
#ifndef SMTP_CLIENT_STEPS_H
#define SMTP_CLIENT_STEPS_H

#include <smtp/client.h>

enum smtp_client_step {
    STEP_GREETING,
    STEP_EHLO,
    STEP_HELO,
    STEP_STARTTLS,
    STEP_HANDSHAKE, /* no reply comes now: smtp_client_tls_started() */
    STEP_XCLIENT,
    STEP_AUTH_READY, /* 334, then the first response */
    STEP_AUTH,
    STEP_LOGIN_USER,
    STEP_LOGIN_SECRET,
    STEP_SCRAM,
    STEP_OVER,
    STEP_COUNT
};

/* Takes leave, and says why. reply NULL: none was the reason. */
enum smtp_client_action smtp_client_fail(struct smtp_client *c,
                                         enum smtp_client_failure failure,
                                         const struct smtp_reply *reply,
                                         struct buf *out);
/* Keeps what the server said, printable and cut to size. */
void smtp_client_note(struct smtp_client *c, struct bytes text);
enum smtp_client_action smtp_client_ready(struct smtp_client *c);

/* AUTH, or READY when nobody logs in. */
enum smtp_client_action smtp_client_start_auth(struct smtp_client *c,
                                               struct buf *out);
enum smtp_client_action smtp_client_on_auth_ready(struct smtp_client *c,
                                                  const struct smtp_reply *r,
                                                  struct buf *out);
enum smtp_client_action smtp_client_on_auth(struct smtp_client *c,
                                            const struct smtp_reply *reply,
                                            struct buf *out);
enum smtp_client_action smtp_client_on_login(struct smtp_client *c,
                                             const struct smtp_reply *reply,
                                             struct buf *out);
enum smtp_client_action smtp_client_on_scram(struct smtp_client *c,
                                             const struct smtp_reply *reply,
                                             struct buf *out);

#endif
