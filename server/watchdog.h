/* Time limits for whole phases of a request, and clients that left while their answer was being made. */
#pragma once

#include "server/connection.h"
#include "server/log.h"
#include "server/refusal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct watchdog_limits {
    double header_ms, body_ms, answer_ms, idle_ms;
    double rate;        /* bytes a second, of bodies and answers, in each span of body_ms or answer_ms */
    double answer_rate; /* of an answer as a whole, answer_ms aside */
};

enum watchdog_verdict {
    WATCHDOG_KEEP,
    WATCHDOG_CLOSE,  /* end it without a word */
    WATCHDOG_REFUSE, /* tell it 408, then end it */
};

struct watchdog {
    struct watchdog_limits limits;
    struct connections *connections;
    const struct refusal *timeout; /* the 408 */
    struct log *log;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stopping;
};

/* What a connection has earned at a time. `waiting`: the socket waits for us, not for the client. Starts a new span
 * where the client has kept to its duty. Looks at nothing but its arguments. */
enum watchdog_verdict watchdog_judge(const struct watchdog_limits *limits, struct connection *connection,
                                     const struct connection_counters *counters, bool waiting, double now_ms);

bool watchdog_start(struct watchdog *watchdog);
void watchdog_stop(struct watchdog *watchdog);
