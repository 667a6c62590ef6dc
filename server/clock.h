/* The one clock of the server: milliseconds since some point in the past, never set back. */
#pragma once

#include <time.h>

static inline double clock_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}
