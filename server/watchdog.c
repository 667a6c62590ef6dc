/* The watchdog: libmicrohttpd's own time limit counts inactivity only, so a byte now and then holds a connection for
 * ever. This thread looks at every connection a few times a second and shuts the socket of one that breaks its phase's
 * limit, which wakes the library, which closes it. It does the same where a client closed its end in one packet with
 * its last bytes, which 0.9.75 does not notice.
 *
 * Head: the whole of it in header_ms. Body: in each span of body_ms at least as much arrives as the minimum rate asks.
 * Answer: in each span of answer_ms the client acknowledges as much, and on the average of the whole answer as much as
 * the answer's rate asks. What came fast buys no silence, and what is taken slowly ends in a time that its size sets.
 * While an answer is being
 * made only the client's leaving ends it; that it closed its sending side alone is no leaving, and to tell the two
 * apart something must be written: see connection_is_gone(). */
#include "server/watchdog.h"

#include "server/clock.h"
#include "server/exchange.h"

#include <sys/socket.h>

enum { WATCHDOG_TICK_NS = 30 * 1000 * 1000 };

static enum watchdog_verdict watchdog_judge_idle(const struct watchdog_limits *limits, struct connection *connection,
                                                 const struct connection_counters *counters, double now_ms) {
    if (!connection->marked) {
        connection->marked = true;
        connection->mark = counters->received;
    }
    /* What came between the request before and the first look is not told from that request. A head that begins so and
     * then stops is held as long as a connection that says nothing. */
    if (connection->mark != counters->received) {
        /* The first bytes of a head. A fresh connection's time began when it was opened. */
        if (!connection->fresh)
            connection->since_ms = now_ms;
        connection->phase = CONNECTION_HEAD;
        return WATCHDOG_KEEP;
    }
    double limit_ms = connection->fresh ? limits->header_ms : limits->idle_ms;
    return now_ms - connection->since_ms > limit_ms ? WATCHDOG_CLOSE : WATCHDOG_KEEP;
}

static enum watchdog_verdict watchdog_judge_body(const struct watchdog_limits *limits, struct connection *connection,
                                                 double now_ms) {
    if (now_ms - connection->since_ms <= limits->body_ms)
        return WATCHDOG_KEEP;
    if ((double)(connection->body_bytes - connection->mark) < limits->rate * limits->body_ms / 1000)
        return WATCHDOG_REFUSE;
    connection->mark = connection->body_bytes;
    connection->since_ms = now_ms;
    return WATCHDOG_KEEP;
}

/* Whether the whole answer is taken too slowly. The time in which the client waits for us does not count. */
static bool watchdog_is_slow(const struct watchdog_limits *limits, struct connection *connection,
                             const struct connection_counters *counters, bool ours, double now_ms) {
    if (!connection->marked) {
        connection->answer_mark = counters->acknowledged;
        connection->taking_ms = 0;
    } else if (!ours) {
        connection->taking_ms += now_ms - connection->looked_ms;
    }
    connection->looked_ms = now_ms;
    double taken = (double)(counters->acknowledged - connection->answer_mark);
    return taken < limits->answer_rate * (connection->taking_ms - limits->answer_ms) / 1000;
}

static enum watchdog_verdict watchdog_judge_answer(const struct watchdog_limits *limits, struct connection *connection,
                                                   const struct connection_counters *counters, bool waiting,
                                                   double now_ms) {
    double span_ms = now_ms - connection->since_ms;
    bool begins = !connection->marked;
    bool ours = waiting && counters->unsent == 0;
    if (watchdog_is_slow(limits, connection, counters, ours, now_ms))
        return WATCHDOG_CLOSE;
    bool kept = span_ms > limits->answer_ms && counters->acknowledged >= connection->mark &&
                (double)(counters->acknowledged - connection->mark) >= limits->rate * limits->answer_ms / 1000;

    if (begins || ours || kept) {
        connection->marked = true;
        connection->mark = counters->acknowledged;
        connection->since_ms = now_ms;
        return WATCHDOG_KEEP;
    }
    return span_ms > limits->answer_ms ? WATCHDOG_CLOSE : WATCHDOG_KEEP;
}

enum watchdog_verdict watchdog_judge(const struct watchdog_limits *limits, struct connection *connection,
                                     const struct connection_counters *counters, bool waiting, double now_ms) {
    double elapsed_ms = now_ms - connection->since_ms;

    switch (connection->phase) {
    case CONNECTION_IDLE:
        return watchdog_judge_idle(limits, connection, counters, now_ms);
    case CONNECTION_HEAD:
        return elapsed_ms > limits->header_ms ? WATCHDOG_REFUSE : WATCHDOG_KEEP;
    case CONNECTION_BODY:
        return watchdog_judge_body(limits, connection, now_ms);
    case CONNECTION_ANSWER:
        return watchdog_judge_answer(limits, connection, counters, waiting, now_ms);
    case CONNECTION_WORK:
    case CONNECTION_NEW:
    case CONNECTION_CLOSED:
        return WATCHDOG_KEEP;
    }
    return WATCHDOG_KEEP;
}

/* A head that never became a request has no exchange to write its line. */
static void watchdog_log(struct watchdog *watchdog, const struct connection *connection, double now_ms) {
    struct log_line line;
    log_begin(watchdog->log, &line, LOG_INFO, "request");
    log_text(&line, "remote", connection->remote);
    log_count(&line, "status", (uint64_t)watchdog->timeout->status);
    log_text(&line, "code", error_slug(ERROR_REQUEST_TIMEOUT));
    log_text(&line, "outcome", "timeout");
    log_ms(&line, "total_ms", now_ms - connection->since_ms);
    log_end(watchdog->log, &line);
}

/* Whether the client has left, or will never send what is still missing. The mutex is held. */
static bool watchdog_is_gone(struct connection *connection, bool waiting) {
    if (waiting)
        return connection_is_gone(connection, exchange_takes_interim(connection->exchange));

    switch (connection->phase) {
    case CONNECTION_IDLE:
    case CONNECTION_HEAD:
    case CONNECTION_BODY: {
        /* The library may be about to handle the last bytes, so the end counts only when it is seen twice. */
        bool before = connection->ended;
        connection->ended = connection_is_at_end(connection);
        return before && connection->ended;
    }
    case CONNECTION_WORK:
    case CONNECTION_ANSWER:
    case CONNECTION_NEW:
    case CONNECTION_CLOSED:
        return false;
    }
    return false;
}

/* `closely`: not only whether a client left whose answer is being made, which a worker should know soon. */
static void watchdog_look(struct watchdog *watchdog, struct connection *connection, bool closely, double now_ms) {
    pthread_mutex_lock(&connection->mutex);
    connection_forget(watchdog->connections, connection, now_ms);
    bool working = connection->phase == CONNECTION_WORK || connection->phase == CONNECTION_ANSWER;
    bool open = connection->phase != CONNECTION_CLOSED && !connection->cut && (closely || working);
    bool gone = false, waiting = open && connection->exchange != NULL && exchange_is_waiting(connection->exchange);
    enum watchdog_verdict verdict = WATCHDOG_KEEP;

    if (open) {
        struct connection_counters counters = {0};
        if (connection->phase == CONNECTION_IDLE || connection->phase == CONNECTION_ANSWER)
            counters = connection_count(connection);
        verdict = watchdog_judge(&watchdog->limits, connection, &counters, waiting, now_ms);
        gone = watchdog_is_gone(connection, waiting);
        if (gone)
            verdict = WATCHDOG_CLOSE;
    }
    if (verdict != WATCHDOG_KEEP) {
        connection->cut = true;
        if (verdict == WATCHDOG_REFUSE)
            refusal_send(watchdog->timeout, connection->fd);
        /* The reason first: the shutdown wakes the thread that writes the line of the log. */
        if (connection->exchange != NULL)
            exchange_end_early(connection->exchange, verdict == WATCHDOG_REFUSE ? EXCHANGE_LATE
                                                     : gone                     ? EXCHANGE_GONE
                                                                                : EXCHANGE_SLOW);
        else if (verdict == WATCHDOG_REFUSE)
            watchdog_log(watchdog, connection, now_ms);
        shutdown(connection->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&connection->mutex);
}

/* How often to look closely: a quarter of the shortest limit, so that none is missed by much, and a quarter second. */
static double watchdog_close_ms(const struct watchdog_limits *limits) {
    double shortest_ms = 1000;
    const double all[] = {limits->header_ms, limits->body_ms, limits->answer_ms, limits->idle_ms};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] < shortest_ms)
            shortest_ms = all[i];
    return shortest_ms / 4;
}

static void *watchdog_run(void *argument) {
    struct watchdog *watchdog = argument;
    double close_ms = watchdog_close_ms(&watchdog->limits), closely_at_ms = 0;

    pthread_mutex_lock(&watchdog->mutex);
    while (!watchdog->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += WATCHDOG_TICK_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&watchdog->changed, &watchdog->mutex, &until);
        pthread_mutex_unlock(&watchdog->mutex);

        double now_ms = clock_now_ms();
        bool closely = now_ms >= closely_at_ms;
        if (closely)
            closely_at_ms = now_ms + close_ms;
        if (atomic_load(&watchdog->connections->open) > 0)
            for (size_t i = 0; i < atomic_load(&watchdog->connections->end); i++)
                watchdog_look(watchdog, &watchdog->connections->slots[i], closely, now_ms);

        pthread_mutex_lock(&watchdog->mutex);
    }
    pthread_mutex_unlock(&watchdog->mutex);
    return NULL;
}

bool watchdog_start(struct watchdog *watchdog) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watchdog->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&watchdog->mutex, NULL);
    watchdog->stopping = false;
    return pthread_create(&watchdog->thread, NULL, watchdog_run, watchdog) == 0;
}

void watchdog_stop(struct watchdog *watchdog) {
    pthread_mutex_lock(&watchdog->mutex);
    watchdog->stopping = true;
    pthread_cond_signal(&watchdog->changed);
    pthread_mutex_unlock(&watchdog->mutex);
    pthread_join(watchdog->thread, NULL);
    pthread_cond_destroy(&watchdog->changed);
    pthread_mutex_destroy(&watchdog->mutex);
}
