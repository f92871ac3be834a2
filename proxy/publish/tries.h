/*
 * tries - failed tries to publish, kept in STATE_DIR/publish/tries.conf.
 *
 *   [publish]
 *   failures = 3
 *   failed = 1795305600          seconds since 1970
 *   why = update failed: REFUSED
 */
#ifndef PROXY_PUBLISH_TRIES_H
#define PROXY_PUBLISH_TRIES_H

#include <proxy/publish/publish.h>

/* One more failure, or a success, which forgets them. False: not written. */
bool publish_tries_note(const char *state_dir, uint64_t now_s, bool good,
                        const char *why);

/* What the file's text says; all zero when it is damaged. */
void publish_tries_parse(struct bytes text, struct publish_tries *tries_out);

#endif
