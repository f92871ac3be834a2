/*
 * spf_zone - SPF asked of a zone that is written into the test.
 *
 * V4 or V6 is the client and FROM the sender of most cases; PTR4 begins a line
 * of the zone with a name of V4.
 */
#ifndef TESTS_SUPPORT_SPF_ZONE_H
#define TESTS_SUPPORT_SPF_ZONE_H

#include <dkim/spf.h>

#define V4   "192.0.2.7"
#define V6   "2001:db8::7"
#define FROM "joe@a.test"
#define PTR4 "7.2.0.192.in-addr.arpa PTR "

/*
 * All of a check, with explanations: zone is the text of a zone file, or the
 * SPF record of a.test with its quotes and what follows it. Never NULL; to be
 * freed with spf_free().
 */
struct spf *spf_zone_check(const char *zone, const char *ip, const char *from,
                           const char *helo, bool helo_too);

#endif
