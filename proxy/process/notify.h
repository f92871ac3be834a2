/*
 * notify - tells systemd what the service is doing: sd_notify(3)'s protocol.
 *
 * Nothing happens when NOTIFY_SOCKET is not set.
 */
#ifndef PROXY_PROCESS_NOTIFY_H
#define PROXY_PROCESS_NOTIFY_H

/* Reads NOTIFY_SOCKET and takes it out of the environment. */
void notify_init(void);
/* Puts NOTIFY_SOCKET back, for a program that takes our place. */
void notify_leave(void);
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

#endif
