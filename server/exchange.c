/* One request's way through the server. Each function is one moment of it and says what the connection is to do next;
 * server/gateway.c translates that for the HTTP library.
 *
 * Everything a request needs comes from its arena. What can be refused is refused as early as it is known: a refusal
 * while a body is still coming is sent at once and closes the connection; without a body it waits for the end of the
 * request, and the connection stays usable. */
#include "server/exchange.h"

#include "server/account.h"
#include "server/clock.h"
#include "server/probe.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { EXCHANGE_BODY_FIRST = 16 * 1024 };

struct exchange *exchange_new(struct exchange_context *context, struct connection *connection, const char *target) {
    struct exchange *exchange = malloc(sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    memset(exchange, 0, offsetof(struct exchange, problem));
    task_init(&exchange->task);
    exchange->context = context;
    exchange->connection = connection;
    exchange->begin_ms = clock_now_ms();
    atomic_init(&exchange->sent, 0);
    atomic_init(&exchange->cut, EXCHANGE_UNCUT);
    arena_init(&exchange->arena, context->service.limits.memory_bytes);
    exchange->arena.budget = &context->budget;
    exchange->arena.cancelled = &exchange->task.ends;
    exchange->arena.spare = exchange->problem;
    exchange->arena.spare_size = sizeof exchange->problem;
    identifier_make(&context->identifiers, exchange->identifier);
    exchange->closes = !guard_target(target, exchange->authority, exchange->path, &exchange->error);
    atomic_fetch_add(&context->count, 1);
    if (connection != NULL)
        connection_begin(connection, exchange);
    return exchange;
}

static bool exchange_enter(struct exchange *exchange, enum connection_phase phase) {
    return exchange->connection == NULL || connection_enter(exchange->connection, phase);
}

/* Makes the answer out of the error. */
static void exchange_refuse(struct exchange *exchange) {
    service_problem(&exchange->error, &exchange->arena, &exchange->reply);
    if (exchange->reply.allow == NULL)
        exchange->reply.allow = exchange->allow;
    exchange->answered = true;
}

static enum exchange_step exchange_queue(struct exchange *exchange) {
    exchange->stage = EXCHANGE_ANSWER;
    exchange->closes |= exchange->framing.chunked || atomic_load(&exchange->context->draining);
    return exchange_enter(exchange, CONNECTION_ANSWER) ? EXCHANGE_QUEUE : EXCHANGE_DROP;
}

/* OPTIONS: what the path takes, which is what a 405 would say. */
static bool exchange_options(struct exchange *exchange) {
    if (exchange->preflight && exchange->foreign)
        return cors_refuse(&exchange->context->cors, exchange->request.origin, &exchange->error);
    struct error refused = {0};
    const char *allow = NULL;
    if (probe_is_path(exchange->path))
        allow = probe_allow;
    else if (strcmp(exchange->path, "*") == 0)
        allow = "GET, HEAD, POST, OPTIONS";
    else
        service_route(&exchange->request, &exchange->route, &allow, &refused);
    exchange->route = NULL;
    if (allow == NULL)
        return error_set(&exchange->error, ERROR_NOT_FOUND, NULL, "%s",
                         refused.code != ERROR_NONE ? refused.detail : "There is nothing at this path.");

    if (strstr(allow, "OPTIONS") == NULL)
        allow = arena_format(&exchange->arena, &exchange->error, "%s, OPTIONS", allow);
    exchange->reply = (struct reply){.status = 204, .allow = allow, .body = ""};
    exchange->answered = true;
    return allow != NULL;
}

static bool exchange_probe(struct exchange *exchange) {
    bool get = strcmp(exchange->method, "GET") == 0 || strcmp(exchange->method, "HEAD") == 0;
    if (!get) {
        exchange->allow = probe_allow;
        return error_set(&exchange->error, ERROR_METHOD_NOT_ALLOWED, NULL, "%s takes %s, not %s.", exchange->path,
                         probe_allow, exchange->method);
    }
    probe_answer(exchange->path, atomic_load(&exchange->context->draining), &exchange->reply);
    exchange->answered = true;
    return true;
}

static bool exchange_draining(struct exchange *exchange) {
    return error_set(&exchange->error, ERROR_DRAINING, NULL,
                     "The server is shutting down; send the request again, to another replica if there is one.");
}

static bool exchange_full(struct exchange *exchange) {
    return error_set(&exchange->error, ERROR_SERVER_FULL, NULL,
                     "All %zu places for large requests are taken; send it again later.",
                     exchange->context->ring->limit);
}

/* Whether a body may come, and so large a one. */
static bool exchange_admit(struct exchange *exchange) {
    const struct exchange_context *context = exchange->context;
    const struct guard_framing *framing = &exchange->framing;
    size_t limit = context->service.limits.body_bytes;

    if (framing->length > limit)
        return error_set(&exchange->error, ERROR_BODY_TOO_LARGE, NULL,
                         "The body has %" PRIu64 " bytes; the most that is taken is %zu.", framing->length, limit);
    if (exchange->route == NULL || !service_route_takes_body(exchange->route))
        return true;
    if (atomic_load(&context->refusing))
        return exchange_draining(exchange);
    if (!framing->has_length && !framing->chunked)
        return error_set(&exchange->error, ERROR_LENGTH_REQUIRED, NULL,
                         "The request has neither Content-Length nor Transfer-Encoding: chunked; send one of them.");
    /* It would be refused once it is here; the client is spared the sending. */
    if (framing->length > EXCHANGE_INLINE_BYTES && task_is_full(context->ring))
        return exchange_full(exchange);
    if (framing->length > context->service.limits.memory_bytes)
        return error_set(&exchange->error, ERROR_MEMORY_LIMIT, NULL,
                         "The body has %" PRIu64 " bytes; the most memory that one request may take is %zu.",
                         framing->length, context->service.limits.memory_bytes);
    if (framing->length > EXCHANGE_INLINE_BYTES && framing->length > arena_budget_left(&context->budget))
        return error_set(&exchange->error, ERROR_SERVER_FULL, NULL,
                         "The body has %" PRIu64 " bytes, and of the %zu bytes of memory that all requests share so "
                         "many are not free: send it again later.",
                         framing->length, context->budget.limit);
    return true;
}

static const char *exchange_copy(struct exchange *exchange, const struct guard_head *head, const char *name) {
    return guard_list(head, name, &exchange->arena, &exchange->error);
}

/* Copies what is used after the head: the library keeps its own memory no longer than the connection. */
static bool exchange_take(struct exchange *exchange, const struct guard_head *head) {
    exchange->request = (struct request){
        .method = exchange->method,
        .path = exchange->path,
        .content_type = exchange_copy(exchange, head, "content-type"),
        .accept = exchange_copy(exchange, head, "accept"),
        .origin = exchange_copy(exchange, head, "origin"),
        .host = exchange->authority[0] != '\0' ? exchange->authority : exchange_copy(exchange, head, "host"),
    };
    exchange->foreign = cors_refuses(&exchange->context->cors, exchange->request.origin, exchange->request.host);
    exchange->preflight = guard_field(head, "access-control-request-method") != NULL;
    exchange->preflight_headers = exchange_copy(exchange, head, "access-control-request-headers");
    exchange->private_network = guard_field(head, "access-control-request-private-network") != NULL;
    return exchange->error.code == ERROR_NONE;
}

static bool exchange_route(struct exchange *exchange) {
    if (strcmp(exchange->method, "OPTIONS") == 0)
        return exchange_options(exchange);
    if (probe_is_path(exchange->path))
        return exchange_probe(exchange);
    return service_route(&exchange->request, &exchange->route, &exchange->allow, &exchange->error);
}

enum exchange_step exchange_head(struct exchange *exchange, const struct guard_head *head, void *connection) {
    exchange->task.connection = connection;
    exchange->stage = EXCHANGE_BODY;
    exchange->interim = strcmp(head->version, "HTTP/1.1") == 0;
    size_t length = strnlen(head->method, EXCHANGE_METHOD_MAX - 1);
    memcpy(exchange->method, head->method, length);
    identifier_take(guard_field(head, "x-request-id"), exchange->identifier);

    exchange->closes |= !guard_check(head, &exchange->framing, &exchange->error);
    bool taken = exchange_take(exchange, head) &&
                 host_admit(&exchange->context->hosts, exchange->request.host, &exchange->error) &&
                 exchange_route(exchange) && exchange_admit(exchange);
    bool body_comes = exchange->framing.chunked || exchange->framing.length > 0;
    if (!taken) {
        exchange_refuse(exchange);
        /* Where a request's end is in doubt, or its body not wanted, what follows is not read. */
        if (exchange->closes || body_comes || exchange->error.code == ERROR_LENGTH_REQUIRED) {
            exchange->closes = true;
            return exchange_queue(exchange);
        }
    }
    if (body_comes && !exchange_enter(exchange, CONNECTION_BODY))
        return EXCHANGE_DROP;
    return EXCHANGE_READ_ON;
}

/* Room for `size` more bytes and a NUL. Grows by doubling: a declared length allocates nothing before it arrives. */
static bool exchange_grow(struct exchange *exchange, size_t size) {
    size_t needed = exchange->request.body_size + size + 1;
    if (needed <= exchange->body_capacity)
        return true;
    size_t capacity = exchange->body_capacity > 0 ? exchange->body_capacity : EXCHANGE_BODY_FIRST;
    while (capacity < needed)
        capacity *= 2;
    if (exchange->framing.has_length && capacity > exchange->framing.length + 1)
        capacity = exchange->framing.length + 1;
    char *body =
        arena_grow(&exchange->arena, exchange->request.body, exchange->body_capacity, capacity, &exchange->error);
    if (body == NULL)
        return false;
    exchange->request.body = body;
    exchange->body_capacity = capacity;
    return true;
}

/* A body without end: the client is told past the library, which could answer only after the body. */
static enum exchange_step exchange_drop_body(struct exchange *exchange) {
    const struct refusal *refusal = exchange->context->too_large;
    if (exchange->connection != NULL) {
        refusal_send(refusal, exchange->connection->fd);
        connection_linger(exchange->connection);
        exchange->raw_status = refusal->status;
    }
    return EXCHANGE_DROP;
}

enum exchange_step exchange_body(struct exchange *exchange, const char *data, size_t size) {
    size_t limit = exchange->context->service.limits.body_bytes;
    exchange->received += size;
    if (exchange->connection != NULL && !connection_received(exchange->connection, size))
        return EXCHANGE_DROP;

    /* No answer can be sent while the body is coming, so the rest is read and dropped; but not for ever. */
    if (exchange->received > limit) {
        error_set(&exchange->error, ERROR_BODY_TOO_LARGE, NULL,
                  "The body has more than %zu bytes, the most that is taken.", limit);
        return exchange->received / 2 > limit ? exchange_drop_body(exchange) : EXCHANGE_READ_ON;
    }
    bool wanted = exchange->error.code == ERROR_NONE && exchange->route != NULL && !exchange->answered &&
                  service_route_takes_body(exchange->route);
    if (!wanted)
        return EXCHANGE_READ_ON;
    if (exchange_grow(exchange, size)) {
        memcpy(exchange->request.body + exchange->request.body_size, data, size);
        exchange->request.body_size += size;
    } else { /* what has come is of no use any more, and others may want its memory */
        arena_drop(&exchange->arena, exchange->request.body, exchange->body_capacity);
        exchange->request.body = NULL;
        exchange->request.body_size = exchange->body_capacity = 0;
    }
    return EXCHANGE_READ_ON;
}

/* Hands the exchange to the workers, if they have a place. */
static enum exchange_step exchange_submit(struct exchange *exchange) {
    struct task *task = &exchange->task;
    if (!task_admit(exchange->context->ring)) {
        if (atomic_load(&exchange->context->refusing))
            exchange_draining(exchange);
        else
            exchange_full(exchange);
        exchange_refuse(exchange);
        return exchange_queue(exchange);
    }
    task->service = &exchange->context->service;
    task->request = &exchange->request;
    task->route = exchange->route;
    task->arena = &exchange->arena;
    task->reply = &exchange->reply;
    task_submit(exchange->context->ring, task);
    return EXCHANGE_SUSPENDED;
}

static enum exchange_step exchange_work(struct exchange *exchange) {
    exchange->stage = EXCHANGE_WORK;
    if (!exchange_enter(exchange, CONNECTION_WORK))
        return EXCHANGE_DROP;

    struct request *request = &exchange->request;
    if (request->body != NULL)
        request->body[request->body_size] = '\0';
    if (!exchange->answered && exchange->error.code != ERROR_NONE)
        exchange_refuse(exchange);
    if (!exchange->answered && request->body_size > EXCHANGE_INLINE_BYTES)
        return exchange_submit(exchange);
    if (!exchange->answered) {
        struct reply *reply = &exchange->reply;
        bool done =
            service_answer_briefly(&exchange->context->service, request, exchange->route, &exchange->arena, reply);
        if (!done || (reply->job != NULL && !job_is_small(reply->job)))
            return exchange_submit(exchange);
        if (reply->job != NULL)
            service_collect(&exchange->arena, reply);
    }
    return exchange_queue(exchange);
}

enum exchange_step exchange_end(struct exchange *exchange) {
    if (exchange->stage != EXCHANGE_WORK)
        return exchange_work(exchange);

    switch (task_state(exchange->context->ring, &exchange->task)) {
    case TASK_STATE_WAIT:
        return EXCHANGE_SUSPENDED;
    case TASK_STATE_REPLY:
        return exchange_queue(exchange);
    case TASK_STATE_STREAM:
        exchange->streamed = true;
        exchange->reply.status = 200;
        if (exchange->reply.type == NULL)
            exchange->reply.type = "application/json";
        return exchange_queue(exchange);
    case TASK_STATE_GONE:
        return EXCHANGE_DROP;
    }
    return EXCHANGE_DROP;
}

ptrdiff_t exchange_read(struct exchange *exchange, char *text, size_t size) {
    ptrdiff_t count = task_read(exchange->context->ring, &exchange->task, text, size);
    if (count > 0)
        atomic_fetch_add(&exchange->sent, (uint64_t)count);
    return count;
}

void exchange_free(struct exchange *exchange, int status, bool completed) {
    account_write(exchange, status, completed);
    if (exchange->connection != NULL)
        connection_end(exchange->connection);
    task_leave(exchange->context->ring, &exchange->task);
}

void exchange_release(struct task *task) {
    struct exchange *exchange = (struct exchange *)task;
    struct exchange_context *context = exchange->context;
    arena_done(&exchange->arena);
    free(exchange);
    atomic_fetch_sub(&context->count, 1);
}

bool exchange_is_waiting(const struct exchange *exchange) {
    return task_is_waiting(exchange->context->ring, &exchange->task);
}

bool exchange_takes_interim(const struct exchange *exchange) {
    return exchange->interim;
}

void exchange_end_early(struct exchange *exchange, enum exchange_cut reason) {
    atomic_store(&exchange->cut, (int)reason);
    task_cancel(exchange->context->ring, &exchange->task);
}
