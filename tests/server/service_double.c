/* A stand-in for the api layer, so that the server can be tested without attention in it: the body says what the job
 * is to be, as "kind parts size microseconds fail barrier".
 *
 *   echo      answers with the size of the body
 *   small     a job that is run at once
 *   stream    a job whose text is sent as it is made
 *   hold      a job whose text is made whole first
 *
 * Part p writes `size` bytes of the letter 'a' + p mod 26 and takes so many microseconds; part `fail` fails (-1: none);
 * with barrier b > 0, part p ≥ b waits for all parts below b. */
#include "tests/server/service_double.h"
#include "api/job.h"
#include "api/service.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct route {
    const char *path, *method;
};

static const struct route service_double_routes[] = {{"/v1/job", "POST"}, {"/v1/attention", "GET"}};

struct job {
    char kind[16];
    unsigned long parts, size, microseconds;
    long fail;
    unsigned long barrier;
    _Atomic unsigned long done; /* parts */
};

atomic_ulong service_double_parts;

void service_init(void) {}

bool service_route(const struct request *request, const struct route **route, const char **allow, struct error *error) {
    for (size_t i = 0; i < 2; i++) {
        if (strcmp(request->path, service_double_routes[i].path) != 0)
            continue;
        const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
        if (strcmp(method, service_double_routes[i].method) != 0) {
            *allow = i == 0 ? "POST" : "GET, HEAD";
            return error_set(error, ERROR_METHOD_NOT_ALLOWED, NULL, "%s is not taken here.", request->method);
        }
        *route = &service_double_routes[i];
        return true;
    }
    return error_set(error, ERROR_NOT_FOUND, NULL, "There is nothing at %s.", request->path);
}

bool service_route_takes_body(const struct route *route) {
    return strcmp(route->method, "POST") == 0;
}

static void service_double_reply(struct arena *arena, struct reply *reply, int status, const char *text) {
    struct error error = {0};
    *reply = (struct reply){.status = status, .type = "text/plain", .parse_ms = 1};
    reply->body = arena_text(arena, text, strlen(text), &error);
    reply->size = reply->body != NULL ? strlen(text) : 0;
}

void service_answer(const struct service *service, const struct request *request, const struct route *route,
                    struct arena *arena, struct reply *reply) {
    (void)service;
    struct error error = {0};
    *reply = (struct reply){.status = 200};
    if (!service_route_takes_body(route)) {
        service_double_reply(arena, reply, 200, "routes\n");
        return;
    }
    if (request->body == NULL || request->body_size == 0) {
        error_set(&error, ERROR_EMPTY_BODY, NULL, "The body is empty.");
        service_problem(&error, arena, reply);
        return;
    }
    struct job *job = arena_alloc(arena, 1, sizeof *job, &error);
    if (job == NULL) {
        service_problem(&error, arena, reply);
        return;
    }
    *job = (struct job){.fail = -1};
    assert(strlen(request->body) <= request->body_size);
    int read = sscanf(request->body, "%15s %lu %lu %lu %ld %lu", job->kind, &job->parts, &job->size, &job->microseconds,
                      &job->fail, &job->barrier);
    if (read < 3 || strcmp(job->kind, "echo") == 0) {
        char text[64];
        snprintf(text, sizeof text, "%zu bytes\n", request->body_size);
        service_double_reply(arena, reply, 200, text);
        return;
    }
    reply->parse_ms = 1;
    reply->job = job;
}

bool service_answer_briefly(const struct service *service, const struct request *request, const struct route *route,
                            struct arena *arena, struct reply *reply) {
    service_answer(service, request, route, arena, reply);
    return true;
}

void service_collect(struct arena *arena, struct reply *reply) {
    struct job *job = reply->job;
    struct error error = {0};
    struct job_block block = {0};
    char *text = arena_alloc(arena, job->parts, job->size, &error);
    bool runs = text != NULL && job_block_init(job, &block, arena, &error);
    for (size_t part = 0; runs && part < job->parts; part++) {
        runs = job_run(job, part, &block, &error);
        memcpy(text + part * job->size, block.text, block.size);
    }
    if (!runs) {
        service_problem(&error, arena, reply);
        return;
    }
    *reply = (struct reply){.status = 200,
                            .type = "text/plain",
                            .body = text,
                            .size = job->parts * job->size,
                            .parse_ms = 1,
                            .compute_ms = 2,
                            .encode_ms = 3};
}

void service_problem(const struct error *error, struct arena *arena, struct reply *reply) {
    int status = 500;
    switch ((int)error->code) {
    case ERROR_NOT_FOUND:
        status = 404;
        break;
    case ERROR_METHOD_NOT_ALLOWED:
        status = 405;
        break;
    case ERROR_REQUEST_TIMEOUT:
        status = 408;
        break;
    case ERROR_LENGTH_REQUIRED:
        status = 411;
        break;
    case ERROR_BODY_TOO_LARGE:
    case ERROR_MEMORY_LIMIT:
        status = 413;
        break;
    case ERROR_UNSUPPORTED_MEDIA_TYPE:
        status = 415;
        break;
    case ERROR_EXPECTATION_FAILED:
        status = 417;
        break;
    case ERROR_OVERFLOW:
        status = 422;
        break;
    case ERROR_HEADER_TOO_LARGE:
        status = 431;
        break;
    case ERROR_BAD_REQUEST:
    case ERROR_EMPTY_BODY:
        status = 400;
        break;
    case ERROR_METHOD_UNKNOWN:
    case ERROR_UNSUPPORTED_ENCODING:
        status = 501;
        break;
    case ERROR_SERVER_FULL:
    case ERROR_DRAINING:
    case ERROR_NO_MEMORY:
        status = 503;
        break;
    default:
        break;
    }
    struct error second = {0};
    char *text = arena_format(arena, &second, "{\"status\":%d,\"code\":\"%s\",\"detail\":\"%s\"}", status,
                              error_slug(error->code), error->detail);
    *reply = (struct reply){.status = status, .type = "application/problem+json", .body = text != NULL ? text : "{}"};
    reply->size = strlen(reply->body);
    reply->retry_after_s = status == 503 ? 1 : 0;
}

bool job_is_small(const struct job *job) {
    return strcmp(job->kind, "small") == 0;
}

bool job_is_streamable(const struct job *job) {
    return strcmp(job->kind, "stream") == 0;
}

size_t job_part_count(const struct job *job) {
    return job->parts;
}

size_t job_barrier(const struct job *job, size_t part) {
    return part < job->barrier ? 0 : job->barrier;
}

bool job_block_init(const struct job *job, struct job_block *block, struct arena *arena, struct error *error) {
    *block = (struct job_block){0};
    block->text = arena_alloc(arena, job->size, 1, error);
    return block->text != NULL;
}

size_t job_block_size(const struct job *job) {
    return job->size;
}

bool job_run(struct job *job, size_t part, struct job_block *block, struct error *error) {
    assert(part < job->barrier || atomic_load(&job->done) >= job->barrier);
    usleep((useconds_t)job->microseconds);
    atomic_fetch_add(&service_double_parts, 1);
    if (job->fail >= 0 && part == (size_t)job->fail)
        return error_set(error, ERROR_OVERFLOW, NULL, "Part %zu overflows.", part);
    memset(block->text, 'a' + (int)(part % 26), job->size);
    block->size = job->size;
    block->compute_ms += 1;
    block->encode_ms += 1;
    atomic_fetch_add(&job->done, 1);
    return true;
}
