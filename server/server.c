/* Start and drain, in the order that the library's traps dictate.
 *
 * Draining: /readyz says 503 and every answer closes its connection; then nothing is accepted any more, connections
 * without a request are closed, and what is under way is waited for. At the deadline large answers that have not begun
 * become a 503, and steps under way are told to stop. The library is stopped only when no connection is suspended: it
 * aborts otherwise. So where a step does not stop, nothing is stopped or freed. */
#include "server/server.h"

#include "api/decode.h"
#include "core/blas.h"
#include "server/clock.h"
#include "server/host.h"
#include "server/memory.h"
#include "server/process.h"

#include <inttypes.h>

enum {
    SERVER_DESCRIPTORS = 24, /* standard streams, listening, waking, the library's own but for its threads' */
    SERVER_THREAD_DESCRIPTORS = 3,
    SERVER_NUMBERS = 256, /* descriptors that were open before us push the numbers up */
    SERVER_TICK_MS = 10,
    SERVER_ARRIVING_MS = 100,    /* in a drain, for requests that were on their way at the signal */
    SERVER_GRACE_MS = 2000,      /* after the deadline, for steps that are under way */
    SERVER_LAST_WORDS_MS = 1000, /* for the answers that the deadline made */
    SERVER_BURST_BYTES = 32 << 20,
};

/* Memory for all requests, and for one. */
static void server_budget(struct server *server) {
    size_t limit = server->settings.all_memory_bytes;
    if (limit == 0)
        limit = memory_available() / 2;
    if (limit < ARENA_BUDGET_LEAST)
        limit = ARENA_BUDGET_LEAST;
    struct arena_budget *budget = &server->context.budget;
    budget->limit = limit;
    size_t *memory_bytes = &server->context.service.limits.memory_bytes;
    if (*memory_bytes > arena_budget_left(budget))
        *memory_bytes = arena_budget_left(budget);
}

static bool server_refusals(struct server *server, struct error *error) {
    struct error full = {0}, timeout = {0}, no_memory = {0}, too_large = {0}, draining = {0};
    error_set(&full, ERROR_SERVER_FULL, NULL, "The server has as many connections as it takes; try again later.");
    error_set(&timeout, ERROR_REQUEST_TIMEOUT, NULL,
              "The request took too long to arrive; the time and the minimum rate are settings of the server.");
    error_set(&no_memory, ERROR_NO_MEMORY, NULL, "The server is out of memory; try again later.");
    error_set(&too_large, ERROR_BODY_TOO_LARGE, NULL, "The body has more than %zu bytes, the most that is taken.",
              server->context.service.limits.body_bytes);
    error_set(&draining, ERROR_DRAINING, NULL, "The server is shutting down; send the request again.");
    const struct cors *cors = &server->context.cors;
    return refusal_init(&server->full, &full, cors, error) && refusal_init(&server->timeout, &timeout, cors, error) &&
           refusal_init(&server->no_memory, &no_memory, cors, error) &&
           refusal_init(&server->too_large, &too_large, cors, error) &&
           refusal_init(&server->draining, &draining, cors, error);
}

/* Fits connections and lingering sockets to the descriptors there are. */
static bool server_fit(struct server *server, size_t *connections, size_t *lingering, struct error *error) {
    size_t descriptors = process_descriptors();
    size_t own = SERVER_DESCRIPTORS + SERVER_THREAD_DESCRIPTORS * server->settings.io_threads;
    if (descriptors < own + 2)
        return error_set(error, ERROR_INTERNAL, NULL, "%zu descriptors are too few; raise ulimit -n to %zu at least.",
                         descriptors, own + 2);
    size_t left = descriptors - own;
    *lingering = left / 4 < LINGER_MAX ? left / 4 : LINGER_MAX;
    *connections = server->settings.connections;
    if (*connections > left - *lingering) {
        *connections = left - *lingering;
        log_message(server->log, LOG_WARN,
                    "--max-connections is lowered from %" PRIu64 " to %zu: only %zu descriptors are allowed",
                    server->settings.connections, *connections, descriptors);
    }
    return true;
}

static void server_connect(struct server *server, size_t connections) {
    const struct settings *settings = &server->settings;
    server->gateway = (struct gateway){
        .context = &server->context,
        .connections = &server->connections,
        .lingering = &server->lingering,
        .no_memory = &server->no_memory,
        .thread_count = settings->io_threads,
        .connection_limit = connections,
    };
    server->watchdog = (struct watchdog){
        .limits = {.header_ms = (double)settings->header_timeout_ms,
                   .body_ms = (double)settings->body_timeout_ms,
                   .answer_ms = (double)settings->answer_timeout_ms,
                   .idle_ms = (double)settings->idle_timeout_ms,
                   .rate = (double)settings->rate,
                   .answer_rate = (double)settings->answer_rate},
        .connections = &server->connections,
        .timeout = &server->timeout,
        .log = server->log,
    };
    server->listener.gateway = &server->gateway;
    server->listener.connections = &server->connections;
    server->listener.lingering = &server->lingering;
    server->listener.full = &server->full;
    server->listener.log = server->log;
    server->listener.limit = connections;
}

static void server_say_hello(const struct server *server) {
    struct log_line line;
    char message[LISTENER_URL_MAX + 16];
    snprintf(message, sizeof message, "listening on %s", server->listener.url);
    log_begin(server->log, &line, LOG_NOTICE, message);
    log_text(&line, "version", server->context.service.version);
    log_text(&line, "libmicrohttpd", gateway_library());
    log_text(&line, "jansson", decode_library());
    log_text(&line, "blas", blas_name());
    log_text(&line, "cors", server->settings.cors_origins[0] != '\0' ? server->settings.cors_origins : "none");
    log_count(&line, "threads", server->settings.threads);
    log_count(&line, "io_threads", server->settings.io_threads);
    log_count(&line, "max_connections", server->listener.limit);
    log_count(&line, "max_memory", server->context.budget.limit);
    log_end(server->log, &line);
}

bool server_start(struct server *server, const struct settings *settings, struct log *log, struct error *error) {
    *server = (struct server){.settings = *settings, .log = log};
    server->context.service = (struct service){.limits = settings_limits(settings), .version = ATTND_VERSION};
    server_budget(server);
    server->context.cors.origins = settings->cors_origins;
    server->context.hosts.allowed = settings->allowed_hosts;
    server->context.log = log;
    server->context.ring = &server->ring;
    server->context.too_large = &server->too_large;
    identifier_init(&server->context.identifiers);

    char host[HOST_MAX];
    size_t connections = 0, lingering = 0;
    if (!process_has_room(settings->threads + settings->io_threads, error) || !blas_init(error))
        return false;
    service_init();
    if (!server_refusals(server, error) || !server_fit(server, &connections, &lingering, error) ||
        !listener_open(&server->listener, host_to_resolve(settings->host, host), settings->port, error))
        return false;
    server->context.hosts.loopback = server->listener.loopback;

    static const struct task_hooks hooks = {gateway_suspend, gateway_resume, exchange_release};
    task_ring_init(&server->ring, &hooks, settings->waiting, 2 * settings->threads + 1);
    server_connect(server, connections);
    if (!log_start(log) || !connection_table_init(&server->connections, connections + LINGER_MAX + SERVER_NUMBERS) ||
        !workers_start(&server->workers, &server->ring, settings->threads) ||
        !linger_start(&server->lingering, lingering) || !gateway_start(&server->gateway) ||
        !watchdog_start(&server->watchdog) || !listener_start(&server->listener))
        return error_set(error, ERROR_NO_MEMORY, NULL, "A thread or the memory for it cannot be had.");
    server_say_hello(server);
    return true;
}

/* Waits until there are no connections, at most until then. False: a second signal. */
static bool server_wait(struct server *server, double until_ms) {
    while (atomic_load(&server->connections.open) > 0 && clock_now_ms() < until_ms) {
        connection_close_idle(&server->connections);
        if (process_wait(SERVER_TICK_MS) != 0)
            return false;
    }
    return true;
}

/* Refuses what has not begun to be answered, until no connection is suspended. */
static enum server_end server_refuse(struct server *server) {
    double until_ms = clock_now_ms() + SERVER_GRACE_MS;
    while (true) {
        task_refuse_all(&server->ring);
        size_t count = task_count(&server->ring);
        if (count == 0)
            return SERVER_DRAINED;
        if (clock_now_ms() > until_ms) {
            log_message(server->log, LOG_ERROR, "ending with %zu requests whose computation does not stop", count);
            connection_tell(&server->connections, &server->draining);
            return SERVER_STUCK;
        }
        if (process_wait(SERVER_TICK_MS) != 0)
            return SERVER_TOLD;
    }
}

void server_rest(struct server *server) {
    struct arena_budget *budget = &server->context.budget;
    size_t used = atomic_load(&budget->used);
    if (atomic_load(&budget->most) < SERVER_BURST_BYTES || used > SERVER_BURST_BYTES / 4)
        return;
    memory_trim();
    atomic_store(&budget->most, used);
}

static void server_say(struct server *server, const char *message, const char *key, size_t count) {
    struct log_line line;
    log_begin(server->log, &line, LOG_INFO, message);
    log_count(&line, key, count);
    log_end(server->log, &line);
}

enum server_end server_drain(struct server *server) {
    const struct settings *settings = &server->settings;
    server_say(server, "draining", "connections", atomic_load(&server->connections.open));
    atomic_store(&server->context.draining, true);
    if (settings->drain_delay_ms > 0 && process_wait((double)settings->drain_delay_ms) != 0)
        return SERVER_TOLD;

    double now_ms = clock_now_ms(), until_ms = now_ms + (double)settings->drain_timeout_ms;
    double arrived_ms = now_ms + SERVER_ARRIVING_MS;
    listener_stop(&server->listener);
    if (!server_wait(server, arrived_ms < until_ms ? arrived_ms : until_ms))
        return SERVER_TOLD;
    atomic_store(&server->context.refusing, true);
    if (!server_wait(server, until_ms))
        return SERVER_TOLD;

    size_t late = atomic_load(&server->connections.open);
    enum server_end end = server_refuse(server);
    if (end != SERVER_DRAINED)
        return end;
    if (!server_wait(server, clock_now_ms() + (double)SERVER_LAST_WORDS_MS))
        return SERVER_TOLD;

    watchdog_stop(&server->watchdog);
    gateway_stop(&server->gateway);
    workers_stop(&server->workers);
    linger_stop(&server->lingering);
    task_ring_done(&server->ring);
    connection_table_done(&server->connections);
    server_say(server, "drained", "late", late);
    return SERVER_DRAINED;
}
