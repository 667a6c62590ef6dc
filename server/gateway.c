/* The one door to libmicrohttpd. Its callbacks are called several times for a request; each here only recognises which
 * moment it is, calls the one function of server/exchange.h for it, and does what that says.
 *
 * What decides the set-up (measured on 0.9.75): epoll threads without a listen socket of the library's own, since its
 * quiesce may abort; a connection limit far above ours, since at its limit the library is silent; strictness as
 * gateway_strictness() says. */
#include "server/gateway.h"

#include "server/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GATEWAY_CONNECTION_BYTES = 64 * 1024, GATEWAY_BLOCK_BYTES = 32 * 1024 };

/* The library looks at a resumed connection only where its socket is ready, and then it reads first: a client that has
 * closed its sending side loses its answer so, and a connection that ends without more traffic is never cleaned up. At
 * those with a time limit of their own it looks in every round, before it reads. So a connection gets one, too long to
 * matter, while it is suspended now and then. (0.9.75 and 1.0.1, MHD_epoll(): manual_timeout_tail.) */
enum { GATEWAY_LOOKED_AT_S = 1000000, GATEWAY_USUAL_S = 0 };

static struct connection *gateway_slot(const struct gateway *gateway, struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? NULL : connection_find(gateway->connections, info->connect_fd);
}

static void *gateway_on_line(void *context, const char *target, struct MHD_Connection *connection) {
    struct gateway *gateway = context;
    return exchange_new(gateway->context, gateway_slot(gateway, connection), target);
}

static enum MHD_Result gateway_on_field(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                        const char *value, size_t value_size) {
    struct guard_head *head = context;
    (void)kind;
    (void)name_size;
    (void)value_size;
    if (head->field_count < GUARD_FIELDS_MAX)
        head->fields[head->field_count] = (struct guard_field){.name = name, .value = value != NULL ? value : ""};
    head->field_count++;
    return MHD_YES;
}

/* Ends a streamed answer in its middle. Told of an error in a connection that was suspended, 0.9.75 closes it without
 * cleaning up, and forgets it unless it is the oldest of its thread. A byte that cannot be sent ends it as any client's
 * leaving does. */
static ssize_t gateway_break(const struct exchange *exchange, char *text, size_t size) {
    if (exchange->connection == NULL || size == 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    shutdown(exchange->connection->fd, SHUT_RDWR);
    text[0] = '\0';
    return 1;
}

static ssize_t gateway_on_read(void *context, uint64_t position, char *text, size_t size) {
    (void)position;
    ptrdiff_t count = exchange_read(context, text, size);
    if (count == TASK_READ_END)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (count == TASK_READ_FAILED)
        return gateway_break(context, text, size);
    return count;
}

static bool gateway_add_field(void *context, const char *name, const char *value) {
    return MHD_add_response_header(context, name, value) == MHD_YES;
}

static enum MHD_Result gateway_queue(struct gateway *gateway, struct MHD_Connection *connection,
                                     struct exchange *exchange) {
    struct MHD_Response *response;
    if (exchange->streamed)
        response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, GATEWAY_BLOCK_BYTES, gateway_on_read, exchange, NULL);
    else
        response = MHD_create_response_from_buffer(exchange->reply.size, (void *)(uintptr_t)exchange->reply.body,
                                                   MHD_RESPMEM_PERSISTENT);
    if (response == NULL || !answer_fields(exchange, gateway_add_field, response)) {
        if (response != NULL)
            MHD_destroy_response(response);
        return MHD_queue_response(connection, (unsigned)gateway->no_memory->status, gateway->emergency);
    }
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)exchange->reply.status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result gateway_do(struct gateway *gateway, struct MHD_Connection *connection, struct exchange *exchange,
                                  enum exchange_step step) {
    switch (step) {
    case EXCHANGE_READ_ON:
    case EXCHANGE_SUSPENDED:
        return MHD_YES;
    case EXCHANGE_QUEUE:
        return gateway_queue(gateway, connection, exchange);
    case EXCHANGE_DROP:
        return MHD_NO;
    }
    return MHD_NO;
}

static enum MHD_Result gateway_head(struct gateway *gateway, struct MHD_Connection *connection,
                                    struct exchange *exchange, const char *method, const char *version) {
    struct guard_head head = {.method = method, .version = version};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, gateway_on_field, &head);

    enum exchange_step step = exchange_head(exchange, &head, connection);
    if (step == EXCHANGE_QUEUE && exchange->connection != NULL)
        connection_linger(exchange->connection);
    return gateway_do(gateway, connection, exchange, step);
}

static enum MHD_Result gateway_on_request(void *context, struct MHD_Connection *connection, const char *url,
                                          const char *method, const char *version, const char *data, size_t *data_size,
                                          void **state) {
    struct gateway *gateway = context;
    struct exchange *exchange = *state;
    (void)url;

    if (exchange == NULL)
        return MHD_queue_response(connection, (unsigned)gateway->no_memory->status, gateway->emergency);
    if (exchange->stage == EXCHANGE_HEAD)
        return gateway_head(gateway, connection, exchange, method, version);
    if (*data_size > 0) {
        size_t size = *data_size;
        *data_size = 0;
        return gateway_do(gateway, connection, exchange, exchange_body(exchange, data, size));
    }
    return gateway_do(gateway, connection, exchange, exchange_end(exchange));
}

static void gateway_on_completed(void *context, struct MHD_Connection *connection, void **state,
                                 enum MHD_RequestTerminationCode code) {
    struct exchange *exchange = *state;
    (void)context;
    *state = NULL;
    if (exchange == NULL)
        return;
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)GATEWAY_USUAL_S);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS);
    exchange_free(exchange, info != NULL ? (int)info->http_status : 0, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

static void gateway_on_connection(void *context, struct MHD_Connection *connection, void **state,
                                  enum MHD_ConnectionNotificationCode code) {
    struct gateway *gateway = context;
    struct connection *slot = gateway_slot(gateway, connection);
    (void)state;
    if (slot == NULL)
        return;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_start(gateway->connections, slot);
        return;
    }
    /* The library closes its descriptor next; ours lives on until the client has read the answer. */
    int copy = connection_lingers(slot) ? fcntl(slot->fd, F_DUPFD_CLOEXEC, 0) : -1;
    connection_close(gateway->connections, slot);
    if (copy >= 0)
        linger_take(gateway->lingering, copy);
}

static void __attribute__((format(printf, 2, 0)))
gateway_on_error(void *context, const char *format, va_list arguments) {
    struct gateway *gateway = context;
    char text[256];
    vsnprintf(text, sizeof text, format, arguments);
    for (size_t size = strlen(text); size > 0 && text[size - 1] == '\n'; size--)
        text[size - 1] = '\0';
    log_message(gateway->context->log, LOG_DEBUG, "libmicrohttpd: %s", text);
}

static void gateway_on_panic(void *context, const char *file, unsigned line, const char *reason) {
    struct gateway *gateway = context;
    log_message(gateway->context->log, LOG_ERROR, "libmicrohttpd gives up in %s:%u: %s", file, line,
                reason != NULL ? reason : "no reason given");
    abort();
}

const char *gateway_library(void) {
    return MHD_get_version();
}

/* 0.9.75's own checks answer twice and the guard does more, so it is told 0. From 1.0 on the library repairs by default
 * what the guard would refuse (a folded line becomes one, a blank in the target an escape) before anyone sees it: 1.
 * The library that is loaded decides, which need not be the one that this was compiled with. */
static int gateway_strictness(void) {
    return gateway_library()[0] == '0' ? 0 : 1;
}

bool gateway_start(struct gateway *gateway) {
    const struct refusal *refusal = gateway->no_memory;
    gateway->emergency = MHD_create_response_from_buffer(refusal->size - refusal->head_size,
                                                         (void *)(uintptr_t)(refusal->text + refusal->head_size),
                                                         MHD_RESPMEM_PERSISTENT);
    if (gateway->emergency == NULL)
        return false;
    if (!gateway_add_field(gateway->emergency, "Content-Type", "application/problem+json") ||
        !gateway_add_field(gateway->emergency, "Retry-After", "1") ||
        !gateway_add_field(gateway->emergency, "Connection", "close")) {
        MHD_destroy_response(gateway->emergency);
        return false;
    }

    /* A pool of one is refused by the library: one thread is what it is without a pool. */
    unsigned pool = gateway->thread_count > 1 ? (unsigned)gateway->thread_count : 0;
    unsigned limit = (unsigned)gateway->connection_limit * 4 + 64 * (pool + 1);
    MHD_set_panic_func(gateway_on_panic, gateway);
    gateway->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET |
            MHD_USE_ERROR_LOG,
        0, NULL, NULL, gateway_on_request, gateway, MHD_OPTION_EXTERNAL_LOGGER, gateway_on_error, gateway,
        MHD_OPTION_URI_LOG_CALLBACK, gateway_on_line, gateway, MHD_OPTION_NOTIFY_COMPLETED, gateway_on_completed,
        gateway, MHD_OPTION_NOTIFY_CONNECTION, gateway_on_connection, gateway, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)GATEWAY_CONNECTION_BYTES, MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_STRICT_FOR_CLIENT,
        gateway_strictness(), pool > 0 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, pool, MHD_OPTION_END);
    if (gateway->daemon == NULL)
        MHD_destroy_response(gateway->emergency);
    return gateway->daemon != NULL;
}

void gateway_stop(struct gateway *gateway) {
    MHD_stop_daemon(gateway->daemon);
    MHD_destroy_response(gateway->emergency);
    gateway->daemon = NULL;
}

bool gateway_add(struct gateway *gateway, int fd, const struct sockaddr *address, socklen_t address_size) {
    return MHD_add_connection(gateway->daemon, fd, address, address_size) == MHD_YES;
}

void gateway_suspend(void *connection) {
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)GATEWAY_LOOKED_AT_S);
    MHD_suspend_connection(connection);
}

void gateway_resume(void *connection) {
    MHD_resume_connection(connection);
}
