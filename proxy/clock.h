/*
 * clock - time that only goes forward.
 *
 * For deadlines and how long something took; the time of day is time(2)'s.
 */
#ifndef PROXY_CLOCK_H
#define PROXY_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC, in milliseconds. */
static inline uint64_t
clock_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
