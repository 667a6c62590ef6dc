/* The way of a request through api/: see service.h. */
#include "api/service.h"

#include "api/decode.h"
#include "api/job.h"
#include "api/negotiate.h"
#include "api/page.h"
#include "api/problem.h"
#include "api/route.h"

#include <string.h>
#include <time.h>

static const char service_json[] = "application/json";

enum { SERVICE_RETRY_AFTER_S = 1 };

void service_init(void) {
    decode_init();
}

/* The types that a route's answer has. */
static const char *service_type(enum route_kind kind) {
    switch (kind) {
    case ROUTE_FRONT_PAGE:
        return "text/html";
    case ROUTE_PROBLEM_PAGE:
        return "text/plain";
    case ROUTE_CATALOGUE:
    case ROUTE_ATTENTION:
    case ROUTE_MERGE:
        return service_json;
    }
    return service_json;
}

static bool service_not_found(const struct request *request, const char *allow, struct error *error) {
    if (allow != NULL) {
        error_set(error, ERROR_METHOD_NOT_ALLOWED, NULL, "%.80s takes %s, not %.20s.", request->path, allow,
                  request->method);
        error_expected(error, "%s", allow);
        return error_received(error, "%.20s", request->method);
    }
    const char *nearest = route_nearest(request->path);
    return error_set(error, ERROR_NOT_FOUND, NULL,
                     nearest != NULL ? "There is nothing at %.80s: did you mean %s?"
                                     : "There is nothing at %.80s: GET /v1/attention lists the routes.",
                     request->path, nearest);
}

bool service_route(const struct request *request, const struct route **route, const char **allow, struct error *error) {
    *allow = NULL;
    const struct route *found = route_find(request->method, request->path, allow);
    if (found == NULL)
        return service_not_found(request, *allow, error);
    const char *type = service_type(found->kind);
    if (!negotiate_accepts(request->accept, type)) {
        error_set(error, ERROR_NOT_ACCEPTABLE, NULL, "%.80s answers in %s, which Accept: %.80s rules out.",
                  request->path, type, request->accept);
        error_expected(error, "%s", type);
        return error_received(error, "%.80s", request->accept);
    }
    if (service_route_takes_body(found) && !negotiate_is_json(request->content_type, request->origin != NULL)) {
        bool typed = request->content_type != NULL && request->content_type[0] != '\0';
        error_set(error, ERROR_UNSUPPORTED_MEDIA_TYPE, NULL,
                  "The body is %s%.80s; send JSON with Content-Type: application/json%s.", typed ? "" : "of no type",
                  typed ? request->content_type : "",
                  request->origin != NULL
                      ? ", as a page must: fetch(url, {method: \"POST\", headers: {\"Content-Type\": "
                        "\"application/json\"}, body: JSON.stringify(request)})"
                      : "");
        error_expected(error, "application/json");
        return typed ? error_received(error, "%.80s", request->content_type) : error_received(error, "no type");
    }
    *route = found;
    return true;
}

bool service_route_takes_body(const struct route *route) {
    return strcmp(route->method, "POST") == 0;
}

static double service_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static bool service_page(const struct service *service, const struct request *request, const struct route *route,
                         struct arena *arena, struct reply *reply, struct error *error) {
    struct text text;
    text_init(&text, arena, error);
    *reply = (struct reply){.status = 200};
    if (route->kind == ROUTE_FRONT_PAGE) {
        page_front(service, request->host, &text);
        reply->type = "text/html; charset=utf-8";
    } else if (route->kind == ROUTE_CATALOGUE) {
        page_catalogue(service, &text);
        reply->type = service_json;
    } else {
        /* "/problems" is taken as "/problems/". */
        size_t prefix = strlen(route->path);
        const char *slug = strlen(request->path) > prefix ? request->path + prefix : "";
        reply->type = "text/plain; charset=utf-8";
        if (!page_problem(slug, &text))
            return error_set(error, ERROR_NOT_FOUND, NULL,
                             "There is no problem with the code \"%.60s\"; GET /problems/ lists them.", slug);
    }
    reply->body = text.data;
    reply->size = text.size;
    return text_ok(&text);
}

static bool service_attention(const struct limits *limits, const struct request *request, const struct route *route,
                              struct arena *arena, struct reply *reply, struct error *error) {
    double begin = service_now_ms();
    struct call call = {0};
    if (!decode_call(limits, route, request->body, request->body_size, arena, &call, error))
        return false;
    struct job *job = job_new(limits, route, &call, arena, error);
    if (job == NULL)
        return false;
    *reply = (struct reply){.status = 200, .type = service_json, .job = job, .parse_ms = service_now_ms() - begin};
    return true;
}

static bool service_make(const struct service *service, const struct limits *limits, const struct request *request,
                         const struct route *route, struct arena *arena, struct reply *reply, struct error *error) {
    switch (route->kind) {
    case ROUTE_FRONT_PAGE:
    case ROUTE_CATALOGUE:
    case ROUTE_PROBLEM_PAGE:
        return service_page(service, request, route, arena, reply, error);
    case ROUTE_ATTENTION:
    case ROUTE_MERGE:
        return service_attention(limits, request, route, arena, reply, error);
    }
    return false;
}

void service_answer(const struct service *service, const struct request *request, const struct route *route,
                    struct arena *arena, struct reply *reply) {
    struct error error = {0};
    if (!service_make(service, &service->limits, request, route, arena, reply, &error))
        service_problem(&error, arena, reply);
}

/* What a request may fill in half a millisecond is bounded by the memory it may take; what takes long without memory
 * (looking for rows without a key) asks `is_brief`. */
bool service_answer_briefly(const struct service *service, const struct request *request, const struct route *route,
                            struct arena *arena, struct reply *reply) {
    struct limits limits = service->limits;
    struct error error = {0};
    size_t limit = arena->limit, brief = arena->used + SERVICE_BRIEF_BYTES;
    limits.is_brief = true;
    if (limit == 0 || limit > brief)
        arena->limit = brief;
    bool ok = service_make(service, &limits, request, route, arena, reply, &error);
    bool is_over = error.code == ERROR_MEMORY_LIMIT && arena->limit != limit;
    arena->limit = limit;
    if (is_over || error.code == ERROR_DEFERRED)
        return false;
    if (!ok)
        service_problem(&error, arena, reply);
    return true;
}

/* Parts write one behind the other into one text. */
static bool service_run_all(struct arena *arena, struct reply *reply, struct error *error) {
    struct job *job = reply->job;
    struct job_block block = {0};
    struct text text;
    text_init(&text, arena, error);
    if (!job_block_scratch(job, &block, arena, error))
        return false;
    for (size_t part = 0; part < job_part_count(job); part++) {
        block.text = text_reserve(&text, job_text_max(job));
        if (block.text == NULL || !job_run(job, part, &block, error))
            return false;
        text_advance(&text, block.size);
    }
    reply->body = text.data;
    reply->size = text.size;
    reply->compute_ms = block.compute_ms;
    reply->encode_ms = block.encode_ms;
    reply->job = NULL;
    return true;
}

void service_collect(struct arena *arena, struct reply *reply) {
    struct error error = {0};
    if (!service_run_all(arena, reply, &error))
        service_problem(&error, arena, reply);
}

void service_problem(const struct error *error, struct arena *arena, struct reply *reply) {
    static const char without_memory[] =
        "{\"type\":\"/problems/out_of_memory\",\"title\":\"The server is out of memory\",\"status\":503,"
        "\"detail\":\"There was no memory for the request; try again.\",\"code\":\"out_of_memory\"}\n";
    struct error draining = {0}, failed = {0};
    if (error->code == ERROR_CANCELLED) { /* whoever is still told of it meets a server that ends */
        error_set(&draining, ERROR_DRAINING, NULL, "The server is shutting down; send the request again.");
        error = &draining;
    }
    int status = problem_status(error->code);
    *reply = (struct reply){.status = status, .code = error->code, .type = "application/problem+json"};
    if (status == 503)
        reply->retry_after_s = SERVICE_RETRY_AFTER_S;
    struct text text;
    if (arena->spare != NULL)
        text_init_fixed(&text, arena->spare, arena->spare_size, &failed);
    else
        text_init(&text, arena, &failed);
    problem_write(error, &text);
    reply->body = text.data;
    reply->size = text.size;
    if (text_ok(&text))
        return;
    *reply = (struct reply){.status = 503,
                            .code = ERROR_NO_MEMORY,
                            .type = "application/problem+json",
                            .retry_after_s = SERVICE_RETRY_AFTER_S,
                            .body = without_memory,
                            .size = sizeof without_memory - 1};
}
