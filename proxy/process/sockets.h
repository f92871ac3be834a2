/*
 * sockets - the listening sockets: one an address and worker slot, kept open
 * by the master for its life.
 *
 * The kernel spreads connections over all sockets of an address
 * (SO_REUSEPORT), also over those whose worker is away: so a socket is never
 * closed while its address is configured. When a reload makes the workers
 * fewer than the slots each serves several (slot modulo workers); when it
 * makes them more, several serve one (worker modulo slots) until a restart.
 */
#ifndef PROXY_PROCESS_SOCKETS_H
#define PROXY_PROCESS_SOCKETS_H

#include <base/buf.h>

#include <proxy/config/conf.h>

struct sockets;

/* NULL: no memory. */
struct sockets *sockets_new(void);
void sockets_free(struct sockets **s); /* closes them all */

/*
 * Takes a listening socket that somebody else has opened: a service manager,
 * or the master before an upgrade. Its address is found among the configured
 * ones by sockets_open(); several of one address are several slots. False:
 * *error says what it is instead; fd is closed.
 */
bool sockets_adopt(struct sockets *s, int fd, struct buf *error);
/* One that conf does not name, as ADDRESS:PORT in *out; false: there is none.
 */
bool sockets_stray(const struct sockets *s, const struct conf *conf,
                   struct buf *out);
/* Calls cb for each socket that is open. */
typedef void sockets_callback(int fd, void *arg);
void sockets_every(const struct sockets *s, sockets_callback *cb, void *arg);

/*
 * Opens what conf needs and is not open yet. False: nothing has changed,
 * *error names the address and the mend. Then either _commit (what conf does
 * not name is closed) or _abort (what was opened is closed).
 */
bool sockets_open(struct sockets *s, const struct conf *conf,
                  struct buf *error);
void sockets_commit(struct sockets *s, const struct conf *conf);
void sockets_abort(struct sockets *s);

/* Calls cb for each socket of listen that worker `slot` of `workers` serves. */
void sockets_each(const struct sockets *s, const struct listen_conf *listen,
                  unsigned slot, unsigned workers, sockets_callback *cb,
                  void *arg);

/* "submission=127.0.0.1:587,[::1]:587 ...", with the ports really bound. */
void sockets_describe(const struct sockets *s, const struct conf *conf,
                      struct buf *out);

#endif
