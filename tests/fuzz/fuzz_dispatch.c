/* Whole requests: route, answer, collect. Four characters say how, and the body follows them:
 *   the route      its place in the table of routes, from '0'
 *   the limits     '0' wide; else a bit each for small elements, work, answer, memory, depth
 *   the failure    the number of the allocation that fails, from '0': none
 *   further        added to it 64 times; an odd one means that all later ones fail too
 * The same bytes must give the same reply; each is JSON or a page with a documented status and no defect of ours; and
 * where an allocation failed the reply is the same as without, or says that there is no memory. */
#include "tests/fuzz/fuzz.h"

#include "api/problem.h"
#include "api/route.h"
#include "api/service.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DISPATCH_HEAD = 4 };

struct outcome {
    int status;
    enum error_code code;
    char *text;
    size_t size;
    size_t allocations;
};

static const struct limits wide = {.body_bytes = 1 << 20,
                                   .depth = 16,
                                   .elements = 1 << 16,
                                   .values = 1 << 12,
                                   .work = 1 << 20,
                                   .answer_bytes = 1 << 20,
                                   .memory_bytes = (size_t)64 << 20};

static unsigned choice_of(uint8_t byte) {
    return (unsigned)(byte - '0') & 0x7f;
}

static struct limits limits_of(unsigned choice) {
    struct limits limits = wide;
    if (choice & 1)
        limits.elements = 16;
    if (choice & 2)
        limits.work = 64;
    if (choice & 4)
        limits.answer_bytes = 512;
    if (choice & 8)
        limits.memory_bytes = 1 << 15;
    if (choice & 16)
        limits.depth = 3;
    if (choice & 32)
        limits.values = 4;
    return limits;
}

static void is_a_reply(const struct reply *reply) {
    fuzz_require(reply->job == NULL && reply->body != NULL && reply->type != NULL, "status %d", reply->status);
    fuzz_require(reply->code != ERROR_INTERNAL && reply->status != 500, "%.*s", (int)reply->size, reply->body);
    int due = reply->code == ERROR_NONE ? 200 : problem_status(reply->code);
    fuzz_require(reply->status == due, "%d, not %d: %.*s", reply->status, due, (int)reply->size, reply->body);
    if (strstr(reply->type, "json") == NULL)
        return;
    json_error_t refusal;
    json_t *json = json_loadb(reply->body, reply->size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &refusal);
    fuzz_require(json_is_object(json), "%s: %.*s", refusal.text, (int)reply->size, reply->body);
    if (reply->code != ERROR_NONE) {
        const char *code = json_string_value(json_object_get(json, "code"));
        fuzz_require(code != NULL && strcmp(code, error_slug(reply->code)) == 0, "%s", code);
        fuzz_require((int)json_number_value(json_object_get(json, "status")) == due, "not %d", due);
        fuzz_require(json_string_length(json_object_get(json, "detail")) > 0, "%s has no detail", code);
    }
    json_decref(json);
}

static struct outcome outcome_of(const uint8_t *data, size_t size, bool may_fail) {
    static char spare[SERVICE_PROBLEM_MAX];
    size_t count = 0;
    while (route_at(count) != NULL)
        count++;
    const struct route *row = route_at(choice_of(data[0]) % count), *route = NULL;
    char *body = fuzz_copy(data + DISPATCH_HEAD, size - DISPATCH_HEAD);
    char path[128];
    snprintf(path, sizeof path, "%s%.40s", row->path, row->is_prefix ? body : "");
    struct service service = {.limits = limits_of(choice_of(data[1])), .version = "0.0.0"};
    struct arena arena;
    arena_init(&arena, service.limits.memory_bytes);
    arena.spare = spare;
    arena.spare_size = sizeof spare;
    if (may_fail) {
        arena.fail_at = choice_of(data[2]) + 64 * choice_of(data[3]);
        arena.fail_on = choice_of(data[3]) % 2 == 1;
    }
    struct request request = {.method = row->method, .path = path, .host = "localhost"};
    if (strcmp(row->method, "POST") == 0) {
        request.content_type = "application/json";
        request.body = body;
        request.body_size = size - DISPATCH_HEAD;
    }
    struct reply reply = {0};
    struct error error = {0};
    const char *allow = NULL;
    service_init();
    if (service_route(&request, &route, &allow, &error)) {
        service_answer(&service, &request, route, &arena, &reply);
        if (reply.job != NULL)
            service_collect(&arena, &reply);
    } else {
        service_problem(&error, &arena, &reply);
    }
    json_set_alloc_funcs(malloc, free);
    is_a_reply(&reply);
    struct outcome outcome = {reply.status, reply.code, fuzz_copy(reply.body, reply.size), reply.size,
                              arena.allocations};
    arena_done(&arena);
    free(body);
    return outcome;
}

static bool is_same(const struct outcome *one, const struct outcome *other) {
    return one->status == other->status && one->size == other->size && memcmp(one->text, other->text, one->size) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < DISPATCH_HEAD)
        return 0;
    struct outcome plain = outcome_of(data, size, false), again = outcome_of(data, size, false);
    fuzz_require(is_same(&plain, &again), "%s\nthen\n%s", plain.text, again.text);
    struct outcome failed = outcome_of(data, size, true);
    bool says_less = plain.status != 200 && failed.status == plain.status && failed.code == plain.code;
    fuzz_require(is_same(&plain, &failed) || says_less || (failed.code == ERROR_NO_MEMORY && failed.status == 503),
                 "without memory: %s\nelse: %s", failed.text, plain.text);
    free(plain.text);
    free(again.text);
    free(failed.text);
    return 0;
}
