/*
 * live - `sealpostd -t --live`: does the world agree with the configuration?
 *
 * Every address of every upstream is connected to, put under TLS and logged
 * in to as the daemon would, then told QUIT; the record of every active key
 * is asked of the resolvers. A table goes to standard output.
 */
#ifndef PROXY_LIVE_H
#define PROXY_LIVE_H

#include <proxy/config/conf.h>

/*
 * Blocks, at most some tries of each upstream and resolver long: all
 * upstreams at once, then all keys at once. False: something is wrong, and
 * the table says what; or no memory, said on standard error.
 */
bool live_test(struct conf *conf);

#endif
